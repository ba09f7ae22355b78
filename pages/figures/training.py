"""A training as it goes: the loss, and what the network is worth on the problem at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.trace import TraceView
from pages.figures import style
from pages.figures.pack import decimate
from pages.figures.style import FigureDict

POINTS = 600
#: Scalar → legend, colour index, width of the line.
LOSSES = {
    "residual_norm": ("residual after one step, training vectors", 0, 1),
    "loss": ("loss on unseen vectors", 1, 2),
}


def losses(view: TraceView) -> FigureDict:
    """Loss on unseen vectors and residual of the training vectors against the steps of the whole training."""
    data = []
    for name, (legend, index, width) in LOSSES.items():
        x, y = _known(view, name)
        keep = decimate(x, y, POINTS)
        data.append(
            {"type": "scatter", "mode": "lines", "x": x[keep], "y": y[keep], "name": legend,
             "line": {"width": width}, "meta": style.method_meta(index),
             "hovertemplate": "step %{x}: %{y:.4g}"}
        )  # fmt: skip
    return style.figure(data, {"title": {"text": "step"}}, {"type": "log", "exponentformat": "power"})


def probes(view: TraceView, limit: int) -> FigureDict:
    """Draw the iterations that the problem at hand takes with the weights of a moment; a cross at `limit`."""
    x, y = _known(view, "probe_iterations")
    solved = y < limit
    data: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines+markers", "x": x, "y": y, "name": "iterations of the probe",
         "meta": style.method_meta(4), "marker": {"size": 7}, "hovertemplate": "step %{x}: %{y}"},
        {"type": "scatter", "mode": "markers", "x": x[~solved], "y": y[~solved], "name": "not solved yet",
         "meta": style.role_meta("weak"), "marker": {"size": 9, "symbol": "x"}, "hoverinfo": "skip"},
    ]  # fmt: skip
    return style.figure(data, {"title": {"text": "step"}}, {"rangemode": "tozero"})


def _known(view: TraceView, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    values = view.scalars[name]
    known = np.isfinite(values)
    return view.scalars["step"][known], values[known]
