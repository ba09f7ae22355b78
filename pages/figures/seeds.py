"""Charts of methods over seeds: the mean curve with its band, and the rates that were tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.iterate import Array
from pages.figures import style
from pages.figures.style import FigureDict

#: What the page calls each column of the curves, and its place among those of an end (after the rate).
QUANTITIES = {"training loss": 0, "held-out loss": 1, "held-out accuracy": 2}


def bands(names: Sequence[str], colours: Sequence[int], steps: Array, curves: Array) -> FigureDict:
    """Draw each method's mean over the seeds, and the band from the lowest to the highest seed.

    Parameters
    ----------
    steps : (points,) of the measurements.
    curves : (methods, seeds, points) of one quantity; NaN = not yet.
    """
    data: list[dict[str, Any]] = []
    for name, index, runs in zip(names, colours, curves, strict=True):
        there = runs[np.isfinite(runs).any(axis=1)]
        if not len(there):
            continue
        shown = np.isfinite(there).all(axis=0)
        x, low, high = steps[shown], there[:, shown].min(axis=0), there[:, shown].max(axis=0)
        meta = style.method_meta(index)
        edge = {"type": "scatter", "mode": "lines", "x": x, "hoverinfo": "skip", "showlegend": False,
                "name": ""}  # fmt: skip
        data += [
            {**edge, "y": high, "meta": meta, "line": {"width": 0}},
            {**edge, "y": low, "meta": meta, "line": {"width": 0}, "fill": "tonexty"},
            {"type": "scatter", "mode": "lines", "x": x, "y": there[:, shown].mean(axis=0), "meta": meta,
             "name": name, "line": style.method_line(index),
             "hovertemplate": f"step %{{x}}: %{{y:.4g}}, mean of {len(there)}"},
        ]  # fmt: skip
    positive = all(bool((np.asarray(trace["y"]) > 0).all()) for trace in data)
    y_axis = {"type": "log", "exponentformat": "power"} if positive else {}
    return style.figure(data, {"title": {"text": "step"}}, y_axis)


def rates(names: Sequence[str], colours: Sequence[int], ends: Array, column: int, best: Array) -> FigureDict:
    """Draw where every tried rate ended, and ring the best one of each method.

    Parameters
    ----------
    ends : (methods, rates, 4) rate, training loss, held-out loss, accuracy; inf = diverged, NaN = not yet.
    column : of `ends`.
    best : (methods,) best rates; NaN = not yet.
    """
    data: list[dict[str, Any]] = []
    for name, index, rows, rate in zip(names, colours, ends, best, strict=True):
        known = np.isfinite(rows[:, column])
        data.append(
            {"type": "scatter", "mode": "lines+markers", "x": rows[known, 0], "y": rows[known, column],
             "name": name, "line": style.method_line(index), "marker": {"size": 5},
             "meta": style.method_meta(index),
             "hovertemplate": f"{name}, rate %{{x:.3g}}: %{{y:.4g}}<extra></extra>"}
        )  # fmt: skip
        ring = known & (rows[:, 0] == rate)
        data.append(
            {"type": "scatter", "mode": "markers", "x": rows[ring, 0], "y": rows[ring, column], "name": "",
             "showlegend": False, "hoverinfo": "skip", "meta": style.method_meta(index),
             "marker": {"size": 13, "symbol": "circle-open", "line": {"width": 2}}}
        )  # fmt: skip
    log = {"type": "log", "exponentformat": "power"}
    is_share = column == 1 + QUANTITIES["held-out accuracy"]
    figure = style.figure(data, log | {"title": {"text": "learning rate"}}, {} if is_share else log)
    figure["layout"]["hovermode"] = "closest"
    return figure
