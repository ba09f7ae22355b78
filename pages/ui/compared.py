"""Analyses of several methods as addresses of their tabs, and back: which experiment one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from core import registry
from core.optimizers.methods.comparison import Comparison, in_one_form
from core.optimizers.methods.turned_task import TurnedTask
from core.optimizers.outcomes import build_method
from core.recipe import Recipe
from core.registry import ExperimentSpec, Value
from pages.figures import roster
from pages.figures.optimizers import SHORT
from pages.figures.recording import recipes_of

METHOD, TAB, PREFIX = "comparison", "Over seeds", "seeds"
TURNED, TURN_TAB, TURN_PREFIX = "turned_task", "Turn", "turn"
#: What the page asks for in its sidebar.
TAKEN = ("methods",)


def is_comparison(experiment: ExperimentSpec) -> bool:
    """Whether an experiment is one comparison over seeds."""
    return tuple(experiment.methods) == (METHOD,)


def is_turned(experiment: ExperimentSpec) -> bool:
    """Whether an experiment is one task in turned coordinates."""
    return tuple(experiment.methods) == (TURNED,)


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


def turned_query(params: Mapping[str, Value], slots: tuple[str, ...]) -> dict[str, str]:
    """Return the address of a turned task, its methods in the race, too."""
    task = TurnedTask(**params)  # type: ignore[arg-type]
    entries = task.entries()
    query = {"tab": TURN_TAB, "steps": str(task.steps)}
    query |= {f"{TURN_PREFIX}.{name}": str(v) for name, v in params.items() if name not in (*TAKEN, "steps")}
    for slot, (key, settings) in zip(slots, entries, strict=False):
        query[slot] = key
        for word in settings.replace(",", " ").split():
            name, _, value = word.partition("=")
            query[f"{slot}.{name}"] = value
    return query | dict.fromkeys(slots[len(entries) :], "none")


def turned_experiment(recipe: Recipe) -> ExperimentSpec | None:
    """Return the experiment that a turned task poses, however its methods are written."""
    for experiment in registry.experiments(recipe.lab):
        if is_turned(experiment) and _meaning(recipes_of(experiment)[0]) == _meaning(recipe):
            return experiment
    return None


def _meaning(recipe: Recipe) -> tuple[object, ...]:
    task: TurnedTask = recipe.build_method()
    built = [(key, registry.values(build_method(key, s, {"steps": task.steps}))) for key, s in task.entries()]
    others = {name: v for name, v in recipe.method_params.items() if name not in TAKEN}
    return recipe.problem, dict(recipe.problem_params), recipe.seed, others, built


def names_of(entries: list[tuple[str, str]], lab: str) -> tuple[list[str], list[int]]:
    """Return name and colour of every method, what differs beside those that come twice."""
    split = [(key, settings.split(",")) for key, settings in entries]
    keys = [key for key, _ in split]
    names = []
    for key, settings in split:
        twins = [set(other) for k, other in split if k == key]
        own = [word.replace("=", " ") for word in settings if word not in set.intersection(*twins)]
        title = SHORT.get(key, registry.method_spec(lab, key).title)
        names.append(f"{title} ({', '.join(own)})" if own else title)
    return names, roster.distinct([registry.method_spec(lab, key).colour for key in keys])


def posed(recipe: Recipe) -> ExperimentSpec | None:
    """Return the experiment that a comparison poses, however its methods are written."""
    for experiment in registry.experiments(recipe.lab):
        if is_comparison(experiment) and _in_one_form(recipes_of(experiment)[0]) == _in_one_form(recipe):
            return experiment
    return None


def _in_one_form(recipe: Recipe) -> Recipe:
    methods = in_one_form(str(recipe.method_params["methods"]))
    return replace(recipe, method_params=MappingProxyType({**recipe.method_params, "methods": methods}))
