"""Grids in space: surfaces of equal value beside the slices, at the iterate where the cursor rests."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.poisson.system import GridSystem
from pages.figures import isosurface
from pages.figures import poisson as figures
from pages.ui import components
from pages.ui.poisson_views import GROUP, QUANTITIES, Selection, Shown, values_at

HEIGHT = 340


def is_in_space(shown: Shown | None) -> bool:
    """Whether the grid has three axes."""
    return shown is not None and isinstance(shown.problem, GridSystem) and shown.problem.grid.dim == 3


def share_control() -> float:
    """Ask where the surfaces lie; returns the share of the largest absolute value."""
    percent = st.slider(
        "Surfaces at ± this share of the largest value [%]", 5, 95, 40, 5, key="isosurface",
        help="orange where the field is positive, blue where it is negative, grey the obstacles",
    )  # fmt: skip
    return percent / 100.0


def surfaces(shown: Shown, selection: Selection, share: float, k: int) -> None:
    """Draw the surfaces of the chosen field for the chosen methods."""
    assert isinstance(shown.problem, GridSystem)
    names = figures.labels(shown.members)
    for place, m in zip(st.columns(len(selection.chosen)), selection.chosen, strict=True):
        member = shown.members[m]
        nearest = member.view.nearest(k)
        values = np.asarray(values_at(shown, member, nearest, selection.quantity), float)
        with place:
            components.live_figure(
                f"isosurface.{m}", isosurface.surfaces(values, shown.problem.grid.flags, share),
                group=GROUP, run=f"{shown.run}.{selection.quantity}", cursor=False, height=HEIGHT,
                title=f"{names[m]}, k = {nearest}", label=f"{QUANTITIES[selection.quantity]}, {names[m]}",
            )  # fmt: skip
