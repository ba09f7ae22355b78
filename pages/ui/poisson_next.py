"""What to try next on the Poisson page: one click changes the grid, and the same solvers race again."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

#: Label → what it sets in the sidebar, and why one would want to.
STEPS: Mapping[str, tuple[Mapping[str, str | int], str]] = {
    "Four times the cells": (
        {"p": "disc", "p.dim": 2, "p.n": 128},
        "CG's count doubles; multigrid's and the network's hardly change",
    ),
    "Into a maze": (
        {"p": "maze", "p.dim": 2, "p.n": 64},
        "walls one cell thick: what coarse grids and the network do not see",
    ),
    "Into space": ({"p": "disc", "p.dim": 3, "p.n": 32}, "32 × 32 × 32 cells around a ball"),
    "Paint walls": ({"p": "painted"}, "draw your own obstacles with the mouse"),
}


def next_steps() -> None:
    """Draw the steps as a row of small buttons."""
    with st.container(horizontal=True, vertical_alignment="center", key="next_steps"):
        for number, (label, (values, why)) in enumerate(STEPS.items()):
            st.button(
                label, key=f"next.{number}", help=why, on_click=st.session_state.update, args=(dict(values),),
                type="tertiary", icon=":material/arrow_forward:",
            )  # fmt: skip
