"""Comparisons over seeds as addresses of the page of trainings, and back: which experiment one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from core import registry
from core.optimizers.methods.comparison import Comparison, in_one_form
from core.recipe import Recipe
from core.registry import ExperimentSpec, Value
from pages.figures.recording import recipes_of

METHOD, TAB, PREFIX = "comparison", "Over seeds", "seeds"
#: What the page asks for in its sidebar.
TAKEN = ("methods",)


def is_comparison(experiment: ExperimentSpec) -> bool:
    """Whether an experiment is one comparison over seeds."""
    return tuple(experiment.methods) == (METHOD,)


def query_of(params: Mapping[str, Value], slots: tuple[str, ...]) -> dict[str, str]:
    """Return the address of a comparison, its methods in the race, too, at the middle of their rates."""
    comparison = Comparison(**params)  # type: ignore[arg-type]
    grid = comparison.grid()
    entries = comparison.entries()
    query = {"tab": TAB, "steps": str(comparison.steps)}
    query |= {f"{PREFIX}.{name}": str(value) for name, value in params.items() if name not in TAKEN}
    for slot, (key, settings) in zip(slots, entries, strict=False):
        query |= {slot: key, f"{slot}.lr": f"{grid[len(grid) // 2]:.3g}"}
        for word in settings.replace(",", " ").split():
            name, _, value = word.partition("=")
            query[f"{slot}.{name}"] = value
    return query | dict.fromkeys(slots[len(entries) :], "none")


def posed(recipe: Recipe) -> ExperimentSpec | None:
    """Return the experiment that a comparison poses, however its methods are written."""
    for experiment in registry.experiments(recipe.lab):
        if is_comparison(experiment) and _in_one_form(recipes_of(experiment)[0]) == _in_one_form(recipe):
            return experiment
    return None


def _in_one_form(recipe: Recipe) -> Recipe:
    methods = in_one_form(str(recipe.method_params["methods"]))
    return replace(recipe, method_params=MappingProxyType({**recipe.method_params, "methods": methods}))
