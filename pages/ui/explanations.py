"""A step's formulas on a page: symbols, numbers, and whether they give the next point."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.optimizers.explanation import Explanation
from pages.figures import formulas

#: Differences that are rounding, as shares of the largest number.
ROUNDING = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-5}


def draw_explanation(
    found: Explanation, name: str, hint: str, following: NDArray[np.floating] | None
) -> None:
    """Draw the formulas of a method's step.

    Parameters
    ----------
    hint : what to do on the page.
    following : the recorded next point, whose precision is that of the run; None = it was not kept.
    """
    dark = st.context.theme.type == "dark"
    st.markdown(f"**{name}, the step from k = {found.k} to {found.k + 1}**")
    st.caption(hint)
    for line in found.lines:
        words, formula = st.columns([1, 5], vertical_alignment="center")
        with words:
            st.caption(line.words or "the next point")
        with formula:
            st.latex(formulas.derivation(line, dark=dark), width="content")
    if following is not None:
        st.caption(_compared(np.asarray(found.lines[-1].value), following))


def _compared(value: NDArray[np.floating], following: NDArray[np.floating]) -> str:
    """Say whether the numbers shown give the next point."""
    away = float(np.abs(value - following).max())
    size = max(float(np.abs(following).max()), 1e-300)
    if away == 0.0:
        return "Computed from these recorded numbers, the last line is exactly the recorded next point."
    if away <= ROUNDING[following.dtype] * size:
        single = " in single precision" if following.dtype == np.float32 else ""
        return (
            "Computed from these recorded numbers, the last line differs from the recorded next point by "
            f"{away:.1g}, {away / size:.1g} of its size: rounding{single}."
        )
    return f"The recorded next point differs by {away:.3g}."
