"""The Poisson lab's study of size: every chosen solver on finer and finer grids of the same problem."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.recipe import Recipe
from core.run import Limits
from core.sweep import Outcome, Sweep
from pages.figures import poisson as figures
from pages.figures import roster, scaling
from pages.ui import components
from pages.ui.status import seconds_text, status_line
from pages.ui.sweeping import TICK, Sweeping

#: Cells a side of the grids, by number of axes; the largest that is offered, and what is chosen at first.
SIDES = {2: (16, 32, 64, 128, 256, 512), 3: (8, 16, 32, 64, 96)}
FIRST = {2: 256, 3: 64}
#: Computing time [s] and snapshots [bytes] of one run: only its end is kept.
LIMITS = Limits(seconds=30.0, snapshot_bytes=2**24)
STUDY = Sweeping("poisson.sweep", LIMITS)


def scaling_tab(recipes: Sequence[Recipe]) -> None:
    """Draw the study: its controls, its curves, how each method grows."""
    st.markdown(
        "The same problem on finer grids, one solver after the other, alone on its thread. A solver whose "
        "curve is flat needs the same number of iterations at any size; one that doubles with N pays for "
        "every refinement twice: in cells and in iterations."
    )
    if not recipes or "n" not in recipes[0].problem_params:
        st.caption("This problem comes at one size. Choose one with a number of cells a side.")
        return
    dimension = int(recipes[0].problem_params["dim"])
    sides = SIDES[dimension]
    with st.container(horizontal=True, vertical_alignment="bottom", key="scaling_controls"):
        largest = st.selectbox(
            "Largest N", sides[2:], index=sides[2:].index(FIRST[dimension]), key=f"scaling.{dimension}",
            width=110,
        )  # fmt: skip
        quantity = st.segmented_control(
            "Quantity", list(scaling.QUANTITIES), default="iterations", key="scaling.quantity",
            bind="query-params", required=True, label_visibility="collapsed",
        )  # fmt: skip
        values = [side for side in sides if side <= largest]
        st.button(
            "Start", type="primary", icon=":material/play_arrow:", key="scaling.go", disabled=STUDY.running,
            on_click=_start, args=(tuple(recipes), tuple(values)),
        )  # fmt: skip
        st.button(
            "Stop",
            icon=":material/stop:",
            key="scaling.stop",
            disabled=not STUDY.running,
            on_click=STUDY.stop,
        )

    @st.fragment(run_every=TICK if STUDY.running else None, key="scaling.live")
    def live() -> None:
        moved = STUDY.running
        if moved:
            STUDY.advance()
        _draw(recipes, str(quantity))
        if moved and not STUDY.running:
            st.rerun()

    live()


def _start(recipes: tuple[Recipe, ...], values: tuple[int, ...]) -> None:
    STUDY.start(Sweep(recipes, "n", values))


def _draw(recipes: Sequence[Recipe], quantity: str) -> None:
    sweep = STUDY.sweep
    if sweep is None:
        status_line("waiting", "Press Start: the curves fill in from the smallest grid on.")
        return
    done, recipe = len(sweep.outcomes), sweep.next
    entrants = [_Entrant(r) for r in sweep.recipes]
    names, colours = figures.labels(entrants), roster.indices(entrants)
    if STUDY.running and recipe is not None:
        where = f"{names[done % len(names)]} at N = {recipe.problem_params['n']}"
        status_line("running", f"{where} ({done + 1} of {sweep.total})")
    elif recipe is not None:
        status_line("limit", f"Stopped after {done} of {sweep.total} runs; what was computed stays")
    else:
        status_line("reached", f"Done: {sweep.total} runs")
    if tuple(recipes) != sweep.recipes:
        st.caption("The settings have changed since: press Start to compute the curves anew.")
    left, right = st.columns([3, 2])
    with left:
        components.live_figure(
            "scaling", scaling.growth(sweep, names, colours, quantity, "cells a side N"), group="",
            run=f"{id(sweep)}.{quantity}", title=scaling.QUANTITIES[quantity].capitalize(), cursor=False,
            height=360,
        )  # fmt: skip
    with right:
        st.dataframe(_table(sweep, names, quantity), hide_index=True, width="stretch")
        st.caption(
            "Growth: by what factor it rises while N doubles, from the two largest grids that were solved. "
            f"A cross marks a tolerance that was not reached; a run may take {LIMITS.seconds:.0f} s."
        )
        for name, note in _refusals(sweep, names).items():
            st.caption(f"{name}: {note}")


class _Entrant:
    """A recipe as what the names and colours are made for."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe


def _table(sweep: Sweep, names: Sequence[str], quantity: str) -> pd.DataFrame:
    growth = sweep.growth(quantity)
    by = {(o.member, o.value): o for o in sweep.outcomes}
    rows = []
    for i, name in enumerate(names):
        cells = {f"{value:g}": _cell(by.get((i, value)), quantity) for value in sweep.values}
        rows.append({"N": name, **cells, "growth": f"×{growth[i]:.2f}" if i in growth else "–"})
    return pd.DataFrame(rows)


def _cell(outcome: Outcome | None, quantity: str) -> str:
    if outcome is None:
        return ""
    value = getattr(outcome, quantity)
    if math.isnan(value):
        return "refused"
    text = seconds_text(value) if quantity == "seconds" else f"{value:.0f}"
    return text if outcome.converged else f"> {text}"


def _refusals(sweep: Sweep, names: Sequence[str]) -> dict[str, str]:
    return {names[o.member]: o.note for o in reversed(sweep.outcomes) if o.status is None and o.note}
