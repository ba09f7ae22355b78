"""Charts of a task in turned coordinates: where methods end, and whether their paths turn with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.iterate import Array
from core.optimizers.methods.turned_task import LAYERS
from pages.figures import style
from pages.figures.style import FigureDict

#: Errors below this are rounding and drawn there.
ROUNDING = 1e-16


def over_angles(
    names: Sequence[str], colours: Sequence[int], degrees: Array, table: Array, layer: str
) -> FigureDict:
    """Draw a result of every method over the angle.

    Parameters
    ----------
    table : (methods, angles, 2) of `core.optimizers.methods.turned_task.LAYERS`.
    layer : one of them.
    """
    data: list[dict[str, Any]] = []
    values = table[..., LAYERS.index(layer)]
    if layer == "path_error":
        values = np.where(np.isfinite(values), np.maximum(values, ROUNDING), np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    known = values[np.isfinite(values)]
    for name, index, row in zip(names, colours, values, strict=True):
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "x": degrees, "y": row, "name": name,
                "line": style.method_line(index), "marker": {"size": 5}, "meta": style.method_meta(index),
                "hovertemplate": f"{name}, %{{x:.3g}}°: %{{y:.4g}}<extra></extra>",
            }
        )  # fmt: skip
    x_axis = {"title": {"text": "angle by which the task is turned [°]"}, "dtick": 15, "range": [-2, 92]}
    y_axis = {"type": "log", "exponentformat": "power"} if len(known) and known.min() > 0 else {}
    figure = style.figure(data, x_axis, y_axis)
    figure["layout"]["hovermode"] = "closest"
    return figure
