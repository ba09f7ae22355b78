"""Curves of recorded numbers against iterations, work or seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.registry import Scalar, Scale
from core.run import MemberView
from core.trace import TraceView
from pages.figures import style
from pages.figures.pack import decimate
from pages.figures.style import FigureDict

#: What the x axis may show: key → axis title.
X_AXES = {"iterations": "iteration k", "work": "work [passes over the source]", "seconds": "CPU time [s]"}
#: Points per trace while a run is live, and when it has ended.
LIVE_POINTS, FINAL_POINTS = 600, 2000


def x_values(view: TraceView, x_axis: str) -> NDArray[Any]:
    """Return the column that the x axis shows."""
    return {"iterations": view.k, "work": view.work["units"], "seconds": view.seconds}[x_axis]


def _curve(view: TraceView, name: str, x_axis: str, points: int, log: bool) -> dict[str, Any]:
    y = np.asarray(view.scalars[name], dtype=float)
    y = np.where(np.isfinite(y) & ((y > 0) | (not log)), y, np.nan)
    x = np.asarray(x_values(view, x_axis), dtype=float)
    keep = decimate(x, y, points)
    return {
        "type": "scatter",
        "mode": "lines" if len(keep) > 1 else "markers",
        "x": x[keep],
        "y": y[keep],
        "customdata": view.k[keep],
        "hovertemplate": "k = %{customdata}: %{y:.6g}",
    }


def race(
    members: Sequence[MemberView],
    name: str,
    scalar: Scalar,
    x_axis: str = "iterations",
    points: int = LIVE_POINTS,
) -> FigureDict:
    """One recorded number, one curve a method."""
    data = []
    for member in members:
        if name not in member.view.scalars:
            continue
        spec = member.recipe.method_spec
        curve = _curve(member.view, name, x_axis, points, scalar.scale is Scale.LOG)
        data.append(
            curve
            | {
                "name": spec.title,
                "line": style.method_line(spec.colour),
                "meta": style.method_meta(spec.colour),
            }
        )
    return style.figure(data, {"title": {"text": X_AXES[x_axis]}}, style.axis(scalar))


def lines(
    view: TraceView,
    names: dict[str, tuple[str, str]],
    scalar: Scalar,
    x_axis: str = "iterations",
    points: int = LIVE_POINTS,
) -> FigureDict:
    """Several numbers of one method.

    Parameters
    ----------
    names : scalar name → (legend text, role).
    scalar : label, unit and scale of the shared y axis.
    """
    data = []
    for name, (title, role) in names.items():
        if name in view.scalars:
            dash = "dot" if role == "context" else "solid"
            curve = _curve(view, name, x_axis, points, scalar.scale is Scale.LOG)
            data.append(
                curve | {"name": title, "line": {"width": 2, "dash": dash}, "meta": style.role_meta(role)}
            )
    return style.figure(data, {"title": {"text": X_AXES[x_axis]}}, style.axis(scalar))
