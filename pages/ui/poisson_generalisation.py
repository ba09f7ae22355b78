"""The Poisson lab's matrix of generalisation: all weights on grids of many kinds, filling in live."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.errors import InputError
from core.poisson.learned.generalisation import LIMITS, Generalisation
from core.recipe import Recipe
from pages.figures import generalisation as figures
from pages.ui import components
from pages.ui.status import status_line
from pages.ui.sweeping import TICK, Sweeping

STUDY = Sweeping("poisson.generalisation", LIMITS)
_KEY = "poisson.generalisation.study"


def generalisation_tab(recipes: Sequence[Recipe]) -> None:
    """Draw the study: its controls and the matrix."""
    st.markdown("**How far weights carry**")
    st.caption(
        "Rows: what was trained, with its training grids. Columns: what is solved, by kind and cells a side. "
        "In the cells iterations to the tolerance, coloured by their share of CG's. A network that has "
        "learned the operator, not its grids, has the same number along a row."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="generalisation_controls"):
        dim = st.segmented_control(
            "Dimensions", [2, 3], default=2, format_func=lambda d: f"{d}-D", key="generalisation.dim",
            required=True, label_visibility="collapsed",
        )  # fmt: skip
        st.button(
            "Fill the matrix", icon=":material/grid_on:", key="generalisation.go", disabled=STUDY.running,
            on_click=_start, args=(int(dim or 2), recipes[0].seed if recipes else 0),
        )  # fmt: skip
        st.button(
            "Stop", icon=":material/stop:", key="generalisation.stop", disabled=not STUDY.running,
            on_click=STUDY.stop,
        )  # fmt: skip

    @st.fragment(run_every=TICK if STUDY.running else None, key="generalisation.live")
    def live() -> None:
        moved = STUDY.running
        if moved:
            STUDY.advance()
        _draw()
        if moved and not STUDY.running:
            st.rerun()

    live()


def _start(dim: int, seed: int) -> None:
    st.session_state.pop(f"{_KEY}.refused", None)
    try:
        study = Generalisation(dim, seed=seed)
    except InputError as error:
        st.session_state[f"{_KEY}.refused"] = str(error)
        return
    st.session_state[_KEY] = study
    STUDY.start(study.sweep)


def _draw() -> None:
    if refused := st.session_state.get(f"{_KEY}.refused"):
        st.error(refused, icon=":material/error:")
    study: Generalisation | None = st.session_state.get(_KEY)
    if study is None:
        status_line("waiting", "Press Fill the matrix: column after column, CG first.")
        return
    done, total = len(study.sweep.outcomes), study.sweep.total
    if STUDY.running:
        status_line("running", f"Run {done + 1} of {total}")
    elif done < total:
        status_line("limit", f"Stopped after {done} of {total} runs; what was computed stays")
    else:
        status_line("reached", f"Done: {total} runs")
    columns = [g.title.replace(" ", "<br>") for g in study.columns]
    reached = [(o := study.outcome(-1, j)) is not None and o.converged for j in range(len(columns))]
    shares = np.vstack([np.where(reached, 1.0, np.nan), study.shares()])
    texts = [[study.text(i, j) for j in range(len(columns))] for i in range(-1, len(study.rows))]
    titles = ["CG", *(_title(str(e.name), str(e.about.get("title", ""))) for e in study.rows)]
    components.live_figure(
        "generalisation", figures.matrix(titles, columns, shares, texts), group="", run=str(id(study)),
        cursor=False, height=120 + 44 * len(titles), title="Iterations: trained (rows), solved (columns)",
    )  # fmt: skip
    by_note: dict[str, list[str]] = {}
    for name, note in study.refusals().items():
        by_note.setdefault(note, []).append(name)
    for note, names in by_note.items():
        st.caption(f"– {', '.join(names)}: {note}")


def _title(name: str, title: str) -> str:
    """Return what a row is called: the preset's letter and its training grids, on two lines."""
    return f"{name.removeprefix('poisson_').upper()}<br><sub>{title}</sub>" if title else name
