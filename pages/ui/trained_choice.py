"""Which of the page's methods trains the network that an analysis looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from core import registry
from core.errors import InputError
from core.optimizers.trained import TRAINERS
from core.recipe import Recipe, make
from core.registry import Value
from pages.figures import optimizers as figures
from pages.ui import explain
from pages.ui.controls import choice, parameter_controls
from pages.ui.optimizer_controls import LAB, Asked, settings_text

#: Parameters of an analysis that the method of the page brings.
TAKEN = ("method", "settings", "lr", "steps")


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
    recipe = able[choice("Trained by", titles, next(iter(able)), f"{prefix}.of")]
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
    spec = registry.method_spec(LAB, analysis)
    values = parameter_controls(spec, prefix, skip=TAKEN)
    with st.expander("What this is"):
        explain.method_explanation(spec)
    if trainer is None:
        return None
    r = trainer.recipe
    own = {
        "method": r.method, "settings": settings_text(r, ("lr", "steps")), "lr": r.method_params["lr"],
        "steps": r.method_params["steps"],
    }  # fmt: skip
    try:
        return make(
            LAB, r.problem, analysis, {**r.problem_params, **(problem or {})}, {**values, **own}, r.seed
        )
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return None
