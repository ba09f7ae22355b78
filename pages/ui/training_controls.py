"""The sidebar of the trainings: which task and data, up to six methods with their rates."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core import registry
from core.iterate import drain
from core.optimizers.trained import TRAINERS
from core.optimizers.training import Training
from core.recipe import Recipe
from core.registry import MethodSpec, ProblemSpec, Value
from pages.ui.compared import METHOD, PREFIX
from pages.ui.controls import parameter_controls, seed_control
from pages.ui.optimizer_controls import (
    LAB,
    Asked,
    Race,
    address_drawn,
    ask,
    link_followed,
    problem_picker,
    race_controls,
    reset,
)
from pages.ui.table_controls import ASKED as FROM_TABLE
from pages.ui.table_controls import table_controls

DEFAULT_PROBLEM = "digits_mlp"
#: What races where nothing is asked for, each near its best rate there; half of Adam's is diffGrad's control.
FIRST: Race = (
    ("sgd", {"lr": 0.03}),
    ("adam", {"lr": 0.01}),
    ("adam_half", {"lr": 0.01}),
    ("diffgrad", {"lr": 0.01}),
    ("muon", {"lr": 0.01}),
    ("conda", {"lr": 0.03}),
)
#: What the first race is told beside its methods.
FIRST_SETTINGS = {"steps": "150", "p.evaluate_every": "5"}
#: Methods that train networks of any size beside those that the analyses know.
OTHERS = ("lbfgs", "nonlinear_cg", "diff2", "dp_gd")
#: Tasks whose samples are pictures of 8 × 8.
PICTURE_TASKS = ("digits_mlp", "digits_cnn", "rotated_digits")
#: Tasks that are trained on at once when a control changes, and samples up to which they are.
QUICK, FEW = ("digits_mlp", "rotated_digits", "dp_regression", "table"), 3000
#: Methods that go through all the data for every value, and the task that has too much of it for that.
WHOLE, TOO_MUCH = ("nonlinear_cg",), "char_lm"


def tasks() -> dict[str, ProblemSpec]:
    """Return what a network can be trained on."""
    return {p.key: p for p in registry.problems(LAB) if p.kind == "training"}


def trainers(problem: str) -> dict[str, MethodSpec]:
    """Return what can train a network on a task."""
    known = {*TRAINERS, *OTHERS}.difference(WHOLE if problem == TOO_MUCH else ())
    return {m.key: m for m in registry.methods(LAB) if m.key in known}


def training_controls() -> Asked:
    """Draw the sidebar; what it asks for."""
    st.subheader("Task")
    linked = link_followed()
    spec = problem_picker("Task", tasks(), DEFAULT_PROBLEM, linked=linked)
    values: dict[str, Value] = {}
    is_table = spec.key == "table"
    if is_table:
        values |= table_controls()
    is_missing = is_table and not values
    values |= parameter_controls(spec, "p", skip=FROM_TABLE)
    chosen, own, steps = race_controls(trainers(spec.key), FIRST, linked=linked)
    with st.expander("Randomness", key="randomness"):
        seed = seed_control(
            "of the data, the first weights and the order of the batches; the same for all methods"
        )
    if linked:
        reset(PREFIX, registry.method_spec(LAB, METHOD), from_link=True)
    address_drawn()
    if is_missing:
        return Asked()
    return ask(spec, values, chosen, own, steps, seed, prepared)


def is_quick(asked: Asked) -> bool:
    """Whether training takes some seconds at most."""
    training = asked.landscape
    known = isinstance(training, Training) and len(training.function) <= FEW
    return known and asked.recipes[0].problem in QUICK


def prepared(recipe: Recipe) -> Training:
    """Return the task of a recipe; made once for all reruns and visitors.

    Raises
    ------
    InputError
        If the data cannot be used.
    """
    return _prepared(recipe.problem, tuple(recipe.problem_params.items()), recipe.seed)


@st.cache_resource(max_entries=4, show_spinner="Preparing the data")
def _prepared(problem: str, params: tuple[tuple[str, Value], ...], seed: int) -> Training:
    recipe = Recipe(LAB, problem, "adam", dict(params), {}, seed)
    training: Training = drain(recipe.build_problem())
    return training


def first_settings(query: Mapping[str, str]) -> dict[str, str]:
    """Return the address of the first race."""
    return {**query, **FIRST_SETTINGS}


def empty_sentence() -> str:
    """Say what is missing."""
    is_table = st.session_state.get("p.last") == "table"
    return "Choose a table, or take the sample." if is_table else "Choose an optimizer to begin."
