"""The live part of a lab's page: one polling fragment with the run's controls, its status and its views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from core.recipe import Recipe
from core.run import Limits, Run, RunView, State
from pages.ui.controls import whole_number
from pages.ui.session import LabState, current_run, pending_run, promote, start_run
from pages.ui.status import run_sentence, status_line

#: Seconds between two looks at a run.
TICK = 0.24


def engine_controls() -> tuple[float, Limits]:
    """Draw slow motion and time limit; returns the delay after every iteration [s] and the limits."""
    with st.expander("Engine", key="engine"):
        delay = whole_number(
            "slow motion [ms]", 0, 500, 0, "delay",
            "waits this long after every iteration, so that you can watch; it does not count as time",
            step=50,
        )  # fmt: skip
        seconds = whole_number(
            "time limit [s]", 5, 600, 120, "limit",
            "a run ends after this much computing; what it found stays", step=5,
        )  # fmt: skip
    return delay / 1000.0, Limits(seconds=float(seconds))


def is_moving(view: RunView | None) -> bool:
    """Whether what is shown changes by itself."""
    return view is not None and not view.state.ended and view.state is not State.PAUSED


def live_panel(
    state: LabState,
    recipes: Sequence[Recipe],
    shown: RunView | None,
    draw: Callable[[RunView, Any], None],
    engine: tuple[float, Limits],
    *,
    key: str = "run",
    empty: str = "Choose two scans to begin.",
) -> None:
    """Draw run controls, status line and views, and poll while something moves.

    Parameters
    ----------
    recipes : what the controls ask for; Run computes it.
    shown : what the page was drawn with: a look at the session's run, else a recording.
    draw : puts a view into the page's containers; receives the run's problem (None for a recording).
    engine : see `engine_controls`.
    key : prefix of the widgets' keys; "run", the page's main one, gets the keyboard and single steps.
    empty : what the status line says while there is nothing to run.
    """
    # judged by what the rest of the page shows: the run may have moved on since
    timer = is_moving(shown) or pending_run(state) is not None

    @st.fragment(run_every=TICK if timer else None, key=f"live.{key}")
    def tick() -> None:
        pending = pending_run(state)
        if pending is not None and promote(state, pending):
            st.rerun()
        run = current_run(state)
        view = run.poll() if run is not None else shown
        controls, words = st.columns([4, 5], vertical_alignment="center")
        with controls:
            _controls(state, recipes, run, view, engine, key, pending)
        with words:
            _status(state, pending, view, empty, recorded=run is None)
        for sentence in view.left_out if view is not None else ():
            st.info(sentence, icon=":material/info:")
        if view is not None:
            draw(view, run.problem if run is not None else None)
        if timer != ((run is not None and is_moving(view)) or pending_run(state) is not None):
            st.rerun()

    tick()


def _controls(
    state: LabState,
    recipes: Sequence[Recipe],
    run: Run | None,
    view: RunView | None,
    engine: tuple[float, Limits],
    key: str,
    pending: Run | None,
) -> None:
    current = view.state if run is not None and view is not None else None
    moving = run is not None and is_moving(view)
    paused = current is State.PAUSED

    def go() -> None:
        if key == "run":
            st.query_params.pop("k", None)
        if paused and run is not None:
            run.delay = engine[0]
            run.resume()
        else:
            start_run(state, recipes, engine, paused=False)

    def step(n: int) -> None:
        if paused and run is not None:
            run.step(n)
        else:
            start_run(state, recipes, engine, paused=True)

    started = paused and view is not None and any(len(m.view) > 1 for m in view.members)
    with st.container(horizontal=True, key=f"{key}_controls", vertical_alignment="center"):
        st.button(
            "Resume" if started else "Run",
            on_click=go,
            type="primary",
            icon=":material/play_arrow:",
            disabled=moving or not recipes,
            shortcut="Mod+Enter" if key == "run" else None,
            key=f"{key}.go",
        )
        st.button(
            "Pause",
            on_click=run.pause if run else None,
            icon=":material/pause:",
            disabled=not moving,
            key=f"{key}.pause",
        )
        if key == "run":
            idle = moving or not recipes
            st.button("Step", on_click=step, args=(1,), disabled=idle, key="run.step")
            st.button(
                "+10", on_click=step, args=(10,), disabled=idle, key="run.step10", help="ten iterations"
            )
        st.button(
            "Stop",
            on_click=pending.cancel if pending else run.cancel if run else None,
            icon=":material/stop:",
            disabled=not (moving or paused or pending),
            key=f"{key}.stop",
        )


def _status(
    state: LabState, pending: Run | None, view: RunView | None, empty: str, *, recorded: bool
) -> None:
    if pending is not None:
        tone, sentence = run_sentence(pending.poll())
    elif view is None:
        tone, sentence = "waiting", empty
    else:
        tone, sentence = run_sentence(view)
        if recorded:
            tone, sentence = "recorded", f"Recorded earlier: {sentence}. Press Run to compute it now."
    status_line(tone, sentence)
    if state.refused:
        st.error(state.refused, icon=":material/error:")
