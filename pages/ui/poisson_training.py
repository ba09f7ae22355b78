"""The Poisson lab's training: a preset in the background, its loss live, its weights into the race."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core import registry
from core.errors import InputError
from core.poisson.learned.checkpoint import checkpoint
from core.poisson.learned.presets import PRESETS
from core.poisson.learned.weights import Weights, keep
from core.poisson.methods.train_network import PROBE_LIMIT, PROBE_RTOL
from core.recipe import Recipe, make
from core.registry import Value
from core.run import Limits, Run, RunView, State
from pages.figures import training as figures
from pages.ui import components
from pages.ui.controls import parameter_controls
from pages.ui.explain import METHOD_SLOTS
from pages.ui.live import live_panel
from pages.ui.session import current_run, lab_state, start_run
from pages.ui.status import seconds_text

LAB, METHOD, KEY = "poisson", "train_network", "train"
#: Computing time of a training [s] and bytes of its snapshots: the newest weights are what counts.
LIMITS = Limits(seconds=600.0, snapshot_bytes=2**25)
#: Kind of network → the method that takes its weights.
USERS = {"stencil": "npsdo", "direction": "dcdm"}
HEIGHT = 250
#: Weights that one session may keep.
KEPT = 20


def training_tab(recipes: Sequence[Recipe]) -> None:
    """Draw the training: its preset, its curves, what may be done with its weights."""
    st.markdown(
        "A small network learns to turn a residual into a good direction, from random vectors alone; no "
        f"solution is needed. Every 50 steps the problem above is solved to {PROBE_RTOL:g} with the weights "
        "of that moment. Nothing here is faster than multigrid on these grids; it shows how much of a solver "
        "can be learned in a minute."
    )
    state = lab_state(f"{LAB}.{KEY}")
    view_slot, controls = st.columns([13, 5])
    with controls:
        spec = registry.method_spec(LAB, METHOD)
        values = parameter_controls(spec, KEY, skip=("resume", "stop_after"))
        chosen = PRESETS[str(values["preset"])]
        needed = (
            f"{chosen.steps} steps are work for a CUDA device: on one core they would take some "
            f"{max(1, round(chosen.seconds / 3600))} h."
            if chosen.large
            else f"{chosen.steps} steps take about {seconds_text(float(chosen.seconds))} on one core."
        )
        st.caption(f"{needed} A network knows the boundary that it was trained on and no other.")
        asked = _recipe(recipes, values)
        run = current_run(state)
        shown = run.poll() if run is not None and run.problem is not None else None
        if run is not None and shown is not None and len(shown.members[0].view.kept):
            _weights(run, shown)
    with view_slot:
        bar, place = st.container(key="train_bar"), st.container(key="train_curves")

    def draw(view: RunView, _: Any) -> None:
        trace = view.members[0].view
        if not len(trace):
            return
        with place:
            components.live_figure(
                "train.loss", figures.losses(trace), group=f"{LAB}.{KEY}", run=state.run_key, cursor=False,
                title="Loss", height=HEIGHT,
            )  # fmt: skip
            components.live_figure(
                "train.probe", figures.probes(trace, PROBE_LIMIT), group=f"{LAB}.{KEY}", run=state.run_key,
                cursor=False, height=HEIGHT,
                title=f"Iterations to {PROBE_RTOL:g} on the problem above, {PROBE_LIMIT} at most",
            )  # fmt: skip

    with bar:
        live_panel(
            state, asked, shown, draw, (0.0, LIMITS), key=KEY,
            empty="Press Run to train; it goes on while you look at other pages.",
        )  # fmt: skip


def _recipe(recipes: Sequence[Recipe], values: dict[str, Value]) -> tuple[Recipe, ...]:
    if not recipes:
        return ()
    first = recipes[0]
    try:
        return (make(LAB, first.problem, METHOD, first.problem_params, values, first.seed, files=True),)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return ()


def _weights(run: Run, view: RunView) -> None:
    """Offer the weights of a training that stands: into the race, as a file, or to be trained on."""
    member = view.members[0]
    done = member.view.status.terminal
    if not (view.state.ended or view.state is State.PAUSED):
        return
    step = int(member.view.scalars["step"][-1])
    st.markdown(f"**Weights of step {step}**")
    st.button(
        "Race with them", icon=":material/flag:", key="train.race", on_click=_race, args=(run,),
        help="Puts the network into the race above",
    )  # fmt: skip
    if not done and view.state.ended:
        st.button(
            "Train on", icon=":material/redo:", key="train.on", on_click=_go_on, args=(run,),
            help="Goes on from the last step that was kept, with the optimiser's state",
        )  # fmt: skip
    try:
        weights = checkpoint(member.recipe, member.view, state=False)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.download_button(
        "Weights", weights.to_bytes, f"{weights.about['preset']}_{step}.safetensors",
        icon=":material/download:", on_click="ignore", key="train.save",
    )  # fmt: skip
    if error := st.session_state.get("train.error"):
        st.error(error, icon=":material/error:")


def _kept(run: Run, *, state: bool) -> Weights | None:
    """Keep the weights on the server; None, with the reason on the page, if that cannot be."""
    count = st.session_state.get("train.kept", 0)
    st.session_state.pop("train.error", None)
    try:
        if count >= KEPT:
            raise InputError("weights", f"at most {KEPT} in a session", f"{count}", "download them instead")
        member = run.view().members[0]
        weights = keep(checkpoint(member.recipe, member.view, state=state))
    except (InputError, OSError) as error:
        st.session_state["train.error"] = str(error)
        return None
    st.session_state["train.kept"] = count + 1
    return weights


def _race(run: Run) -> None:
    weights = _kept(run, state=False)
    if weights is None:
        return
    method = USERS[str(weights.about["network"])]
    slots = METHOD_SLOTS[LAB]
    taken = [st.session_state.get(slot) for slot in slots]
    # the place of an earlier training, else a free one, else the last
    place = taken.index(method) if method in taken else taken.index("none") if "none" in taken else -1
    st.session_state[slots[place]] = method
    st.session_state[f"{slots[place]}.weights"] = weights.hash


def _go_on(run: Run) -> None:
    weights = _kept(run, state=True)
    if weights is None:
        return
    recipe = run.recipes[0]
    params = {**recipe.method_params, "resume": weights.hash}
    again = make(LAB, recipe.problem, METHOD, recipe.problem_params, params, recipe.seed, files=True)
    start_run(lab_state(f"{LAB}.{KEY}"), (again,), (0.0, LIMITS), paused=False)
