"""What every frame of a simulation costs each solver, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.iterate import Array
from core.poisson.smoke_solver import frame_seconds
from core.run import MemberView
from core.trace import TraceView
from pages.figures import style
from pages.figures.style import FigureDict

#: Quantity → what the axis says.
QUANTITIES = {
    "iterations": "iterations of the frame",
    "time": "solver's CPU time of the frame [ms]",
    "divergence": "divergence after the frame over that before",
    "smoke": "smoke in all [cells]",
}


def values(view: TraceView, quantity: str) -> Array:
    """Return a quantity of every frame but the start."""
    if quantity == "time":
        return 1e3 * frame_seconds(view)[1:]
    return np.asarray(view.scalars[quantity][1:], float)


def per_frame(
    members: Sequence[MemberView], names: Sequence[str], colours: Sequence[int], quantity: str
) -> FigureDict:
    """One curve a solver over the frames."""
    data = []
    for member, name, index in zip(members, names, colours, strict=True):
        view = member.view
        data.append(
            {"type": "scatter", "mode": "lines", "x": view.k[1:], "y": values(view, quantity), "name": name,
             "line": style.method_line(index), "meta": style.method_meta(index),
             "hovertemplate": "frame %{x}: %{y:.4g}"}
        )  # fmt: skip
    y = {} if quantity == "smoke" else {"type": "log", "exponentformat": "power"}
    return style.figure(data, {"title": {"text": "frame"}}, y)
