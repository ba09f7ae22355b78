"""Which of the page's methods trains the network that an analysis looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from core import registry
from core.optimizers.trained import TRAINERS
from core.recipe import Recipe
from core.registry import Value
from pages.figures import optimizers as figures
from pages.ui import explain
from pages.ui.controls import choice, parameter_controls
from pages.ui.optimizer_controls import LAB, Asked, analysis_of, settings_text

#: Parameters of an analysis that the method of the page brings.
TAKEN = ("method", "methods", "settings", "lr", "steps")


@dataclass(frozen=True, slots=True)
class Trainer:
    """A method of the page: its name there, its colour, its recipe."""

    name: str
    colour: int
    recipe: Recipe


def trainer_choice(asked: Asked, prefix: str, among: tuple[str, ...] = TRAINERS) -> Trainer | None:
    """Draw the choice; None, with the reason on the page, if no method of the page can be chosen."""
    able = {slot: r for slot, r in zip(asked.slots, asked.recipes, strict=True) if r.method in among}
    if not able:
        names = ", ".join(registry.method_spec(LAB, key).title for key in among[:4])
        st.caption(f"Choose a method in the sidebar that can be looked at: {names} …")
        return None
    titles = {
        slot: f"{figures.SHORT.get(r.method, r.method_spec.title)}, rate {r.method_params['lr']:g}"
        for slot, r in able.items()
    }
    return _trainer(able[choice("Trained by", titles, next(iter(able)), f"{prefix}.of")])


def all_trainers(asked: Asked) -> list[Trainer]:
    """Return the methods of the page that can train a network for an analysis."""
    return [_trainer(recipe) for recipe in asked.recipes if recipe.method in TRAINERS]


def _trainer(recipe: Recipe) -> Trainer:
    name = figures.SHORT.get(recipe.method, recipe.method_spec.title)
    return Trainer(name, recipe.method_spec.colour, recipe)


def analysis_recipe(
    analysis: str,
    prefix: str,
    trainer: Trainer | None,
    problem: Mapping[str, Value] | None = None,
) -> Recipe | None:
    """Draw an analysis' own settings and return it; None while something is refused.

    Parameters
    ----------
    problem : parameters of the task that are other than on the page.
    """
    values = _settings(analysis, prefix)
    if trainer is None:
        return None
    r = trainer.recipe
    own = {
        "method": r.method, "settings": settings_text(r, ("lr", "steps")), "lr": r.method_params["lr"],
        "steps": r.method_params["steps"],
    }  # fmt: skip
    return analysis_of(r, analysis, {**values, **own}, problem)


def shared_recipe(analysis: str, prefix: str, trainers: Sequence[Trainer]) -> Recipe | None:
    """Draw the settings of an analysis of all trainings and return it; None while something is refused.

    All make as many steps as the first.
    """
    values = _settings(analysis, prefix)
    if not trainers:
        st.caption("Choose a method in the sidebar that can be looked at.")
        return None
    texts = [f"{t.recipe.method} lr={t.recipe.method_params['lr']},{settings_text(t.recipe, ('lr', 'steps'))}"
             for t in trainers]  # fmt: skip
    first = trainers[0].recipe
    own = {"methods": "; ".join(texts), "steps": first.method_params["steps"]}
    return analysis_of(first, analysis, {**values, **own})


def _settings(analysis: str, prefix: str) -> dict[str, Value]:
    spec = registry.method_spec(LAB, analysis)
    values = parameter_controls(spec, prefix, skip=TAKEN)
    with st.expander("What this is"):
        explain.method_explanation(spec)
    return values
