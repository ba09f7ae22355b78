"""The optimizer lab's sidebar: which landscape, where to start, up to six methods with their rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from core import registry
from core.errors import InputError
from core.iterate import drain
from core.optimizers.descent import same_as
from core.optimizers.landscape import Landscape
from core.recipe import Recipe, make
from core.registry import MethodSpec, Parameter, ProblemSpec, Value
from pages.figures.optimizers import SHORT
from pages.ui import exports
from pages.ui.controls import (
    MOST_SEED,
    choice,
    ignored_parameters,
    parameter_controls,
    parameter_widget,
    seed_control,
    whole_in_link,
    whole_number,
)
from pages.ui.explain import METHOD_SLOTS

LAB = "optimizers"
DEFAULT_PROBLEM = "rosenbrock"
SLOTS = METHOD_SLOTS[LAB]
#: Methods of the slots, each with settings.
Race = tuple[tuple[str, dict[str, Value]], ...]
#: What races where nothing is asked for, each at a rate that suits the default landscape.
FIRST: Race = (
    ("diffgrad", {"lr": 0.2}),
    ("sgd", {"lr": 2e-4}),
    ("adam", {"lr": 0.2}),
    ("nadam", {"lr": 0.05}),
    ("lbfgs", {}),
    ("gns", {}),
)
#: Session keys: the page itself has set values of the sidebar; a fragment did, so the sidebar is out of date.
SET_BY_US, OUT_OF_DATE = "optimizers.set", "optimizers.out_of_date"
#: Session key: what the address said of the race that was drawn last, on whichever page of the lab.
_DRAWN = "optimizers.drawn"
#: Parameters that stand beside the picker, and that all methods share.
RATE, STEPS, SEED = "lr", "steps", "seed"
MOST_STEPS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What the sidebar asks for.

    Attributes
    ----------
    recipes : one a method that can do it; empty while something is refused.
    slots : URL key of each recipe.
    landscape : the built problem; None while it is refused.
    notes : sentences on methods that refuse this landscape or coincide with another one here.
    """

    recipes: tuple[Recipe, ...] = ()
    slots: tuple[str, ...] = ()
    landscape: Landscape | None = None
    notes: tuple[str, ...] = ()


def first_query(problem: str = DEFAULT_PROBLEM, first: Race = FIRST) -> dict[str, str]:
    """Return the address of a first race."""
    query = {"p": problem}
    for slot, (method, params) in zip(SLOTS, first, strict=True):
        query |= {slot: method, **{f"{slot}.{name}": str(value) for name, value in params.items()}}
    return query


def link_followed() -> bool:
    """Whether the address asks for another race than was drawn last; widgets that stand do not hear of it.

    Call it once in a run, before the sidebar; `address_drawn` after it.
    """
    drawn = st.session_state.get(_DRAWN)
    return drawn is not None and drawn != _asked_for()


def address_drawn() -> None:
    """Remember what the sidebar stands for."""
    st.session_state[_DRAWN] = _asked_for()


def _asked_for() -> dict[str, str]:
    own = ("p", *SLOTS, STEPS, SEED)
    return {key: value for key, value in st.query_params.items() if key.partition(".")[0] in own}


def last_query(recipes: Sequence[Recipe]) -> dict[str, str]:
    """Return the address of a race, for who comes back to its page."""
    query = exports.query(recipes, ())
    steps = {str(recipe.method_params.get(STEPS)) for recipe in recipes}
    if len(steps) > 1:
        return query
    return {key: value for key, value in query.items() if not key.endswith(f".{STEPS}")} | {
        STEPS: steps.pop()
    }


def landscapes() -> dict[str, ProblemSpec]:
    """Return the problems of the page; networks have a page of their own."""
    return {p.key: p for p in registry.problems(LAB) if p.kind != "training"}


def methods() -> dict[str, MethodSpec]:
    """Return what can race on a landscape."""
    known = landscapes()
    return {m.key: m for m in registry.methods(LAB) if m.kind == "solver" and m.example in known}


def put(values: Mapping[str, Value]) -> None:
    """Set widgets of the sidebar from a callback of the live part of the page."""
    for key, value in values.items():
        st.session_state[key] = value
    st.session_state[SET_BY_US] = st.session_state[OUT_OF_DATE] = True


def catch_up() -> None:
    """Run the whole page if a callback in the live part has set widgets of the sidebar."""
    if st.session_state.pop(OUT_OF_DATE, False):
        st.rerun()


def optimizer_controls() -> Asked:
    """Draw the sidebar."""
    st.subheader("Landscape")
    linked = link_followed()
    spec = problem_picker("Landscape", landscapes(), DEFAULT_PROBLEM, linked=linked)
    values = parameter_controls(spec, "p")
    chosen, own, steps = race_controls(methods(), FIRST, linked=linked)
    with st.expander("Randomness", key="randomness"):
        seed = seed_control("of noisy gradients, data and matrices; plain landscapes have nothing random")
    address_drawn()
    return ask(spec, values, chosen, own, steps, seed)


def race_controls(
    specs: Mapping[str, MethodSpec], first: Race, *, linked: bool
) -> tuple[dict[str, MethodSpec], dict[str, dict[str, Value]], int | None]:
    """Draw the pickers of the methods and the number of steps that all of them make.

    Parameters
    ----------
    linked : a link was followed: what it says holds, and defaults where it says nothing.

    Returns
    -------
    The chosen methods and their values by slot; the steps, None where each method has its own number.
    """
    st.subheader("Optimizers")
    st.caption("Method, learning rate, settings")
    chosen, own = _pickers(specs, first, linked)
    if linked:
        st.session_state[STEPS] = whole_in_link(STEPS, 1, MOST_STEPS, None)
        st.session_state[SEED] = whole_in_link(SEED, 0, MOST_SEED, 0)
    steps = whole_number(
        "Steps", 1, MOST_STEPS, None, STEPS,
        "steps of every method; empty: the number in each method's settings",
        placeholder="as each method has it",
    )  # fmt: skip
    return chosen, own, steps


def ask(
    spec: ProblemSpec,
    values: Mapping[str, Value],
    chosen: Mapping[str, MethodSpec],
    own: Mapping[str, Mapping[str, Value]],
    steps: int | None,
    seed: int,
    build: Callable[[Recipe], Landscape] = lambda recipe: drain(recipe.build_problem()),
) -> Asked:
    """Return what the sidebar asks for; what is wrong with it is said on the page.

    Parameters
    ----------
    build : makes the problem of a recipe.
    """
    shared = {STEPS: steps} if steps is not None else {}
    try:
        wanted = {
            slot: make(LAB, spec.key, method.key, values, {**own[slot], **shared}, seed, ("?p.", f"?{slot}."))
            for slot, method in chosen.items()
        }
        return _able(wanted, build(next(iter(wanted.values())))) if wanted else Asked()
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return Asked()


def _able(wanted: Mapping[str, Recipe], landscape: Landscape) -> Asked:
    """Return the recipes whose method takes the landscape."""
    notes, able = [], {}
    for slot, recipe in wanted.items():
        built = recipe.build_method()
        try:
            built.iterate(landscape)  # checks its assumptions, computes nothing
        except ValueError as error:
            notes.append(f"{recipe.method_spec.title} is left out: {error}.")
            continue
        able[slot] = recipe
        notes += [note for note in (same_as(built, landscape),) if note]
    return Asked(tuple(able.values()), tuple(able), landscape, tuple(dict.fromkeys(notes)))


def problem_picker(
    label: str, specs: Mapping[str, ProblemSpec], default: str, *, linked: bool
) -> ProblemSpec:
    """Draw the choice of the problem; another one's parameters begin at their defaults."""
    titles = {key: spec.title for key, spec in specs.items()}
    before = st.session_state.get("p.of")
    asked = st.query_params.get("p")
    spec = specs[choice(label, titles, default, "p", hide=True)]
    if linked or before not in (None, spec.key):
        reset("p", spec, from_link=linked or asked == spec.key)
    st.session_state["p.of"] = spec.key
    st.caption(" ".join(spec.doc.split("\n\n")[0].split()))
    return spec


def reset(prefix: str, spec: ProblemSpec | MethodSpec, *, from_link: bool) -> None:
    """Set every parameter to its default: what was set was meant for another choice.

    Parameters
    ----------
    from_link : the address made the choice; what it sets holds.
    """
    for parameter in spec.parameters:
        key = f"{prefix}.{parameter.name}"
        value = parameter.default
        if from_link and key in st.query_params:
            try:
                value = parameter.parse(st.query_params[key], key)
            except ValueError:
                continue  # the page says that it was ignored
        st.session_state[key] = str(value) if parameter.type is str else value
        st.session_state[SET_BY_US] = True


def _pickers(
    specs: Mapping[str, MethodSpec], first: Race, linked: bool
) -> tuple[dict[str, MethodSpec], dict[str, dict[str, Value]]]:
    """Draw six pickers, each with its learning rate and its other settings beside it."""
    titles = {"none": "nothing", **{key: SHORT.get(key, spec.title) for key, spec in specs.items()}}
    chosen: dict[str, MethodSpec] = {}
    values: dict[str, dict[str, Value]] = {}
    for number, (slot, (default, _)) in enumerate(zip(SLOTS, first, strict=True), 1):
        picker, rate, settings = st.columns([12, 8, 4], vertical_alignment="center", gap="xsmall")
        before, asked = st.session_state.get(f"{slot}.of"), st.query_params.get(slot)
        with picker:
            key = choice(f"Method {number}", titles, default, slot, hide=True)
        st.session_state[f"{slot}.of"] = key
        spec = specs.get(key)
        if spec is None:
            continue
        if linked or before not in (None, key):
            reset(slot, spec, from_link=linked or asked == key)
        chosen[slot], values[slot] = spec, {}
        parameter = _rate(spec)
        with rate:
            if parameter is not None:
                values[slot][RATE] = parameter_widget(parameter, slot, hide=True)
            else:
                st.caption("no rate", help="finds its step length by itself")
        with settings, st.popover("", icon=":material/tune:", help=f"Settings of {spec.title}"):
            st.markdown(f"**{spec.title}**")
            values[slot] |= parameter_controls(spec, slot, skip=(RATE,))
    return chosen, values


def _rate(spec: MethodSpec) -> Parameter | None:
    return next((p for p in spec.parameters if p.name == RATE), None)


def ignored_in_link(
    query: Mapping[str, str],
    problems: Mapping[str, ProblemSpec],
    default_problem: str,
    known: Mapping[str, MethodSpec],
    first: Race,
) -> tuple[str, ...]:
    """Say which parts of the address cannot be used."""
    messages = []
    chosen: dict[str, MethodSpec | ProblemSpec] = {}
    asked = query.get("p", default_problem)
    if asked not in problems:
        messages.append(f"ignored ?p={asked}: expected one of {', '.join(problems)}")
    chosen["p"] = problems.get(asked, problems[default_problem])
    for slot, (default, _) in zip(SLOTS, first, strict=True):
        asked = query.get(slot, default)
        if asked in known:
            chosen[slot] = known[asked]
        elif asked != "none":
            messages.append(f"ignored ?{slot}={asked}: expected one of {', '.join(known)}")
    return (*messages, *ignored_parameters(query, chosen))


def settings_text(recipe: Recipe, without: Sequence[str]) -> str:
    """Return a method's settings as the analyses take them: name=value with commas between."""
    changed = {
        p.name: recipe.method_params[p.name]
        for p in recipe.method_spec.parameters
        if p.name not in without and recipe.method_params[p.name] != p.default
    }
    return ", ".join(f"{name}={value}" for name, value in changed.items())


def analysis_of(
    asked: Recipe, analysis: str, values: Mapping[str, Value], problem: Mapping[str, Value] | None = None
) -> Recipe | None:
    """Return an analysis on the problem of a recipe; None, with the reason on the page, if it is refused.

    Parameters
    ----------
    problem : parameters of the problem that are other than in the recipe.
    """
    try:
        return make(
            LAB, asked.problem, analysis, {**asked.problem_params, **(problem or {})}, values, asked.seed
        )
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return None
