"""How methods grow with the size of their problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.sweep import Outcome, Sweep
from pages.figures import style
from pages.figures.style import FigureDict

#: Quantity → what the axis says.
QUANTITIES = {
    "iterations": "iterations to the tolerance",
    "work": "work [applications of A]",
    "seconds": "CPU time, set-up included [s]",
}


def growth(
    sweep: Sweep, names: Sequence[str], colours: Sequence[int], quantity: str, label: str
) -> FigureDict:
    """One curve a method over the swept parameter; crosses where the tolerance was not reached.

    Parameters
    ----------
    label : what the parameter is.
    """
    data = []
    for i, (name, index) in enumerate(zip(names, colours, strict=True)):
        own = [o for o in sweep.outcomes if o.member == i]
        reached = [o for o in own if o.converged]
        data.append(
            _points(reached, quantity)
            | {"name": name, "mode": "lines+markers", "line": style.method_line(index),
               "marker": {"size": 7}, "meta": style.method_meta(index)}
        )  # fmt: skip
        missed = [o for o in own if not o.converged and np.isfinite(o.iterations)]
        if missed:
            data.append(
                _points(missed, quantity)
                | {"name": f"{name}, not reached", "mode": "markers", "showlegend": False,
                   "marker": {"size": 9, "symbol": "x-open"}, "meta": style.method_meta(index)}
            )  # fmt: skip
    values = [float(v) for v in sweep.values]
    x = {
        "type": "log", "title": {"text": label}, "tickvals": values, "ticktext": [f"{v:g}" for v in values],
        "range": [np.log10(values[0]) - 0.05, np.log10(values[-1]) + 0.05],
    }  # fmt: skip
    return style.figure(data, x, {"type": "log", "exponentformat": "power"})


def _points(outcomes: Sequence[Outcome], quantity: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": np.array([o.value for o in outcomes], dtype=float),
        # the shortest time that a clock tells apart from nothing still has its place on the axis
        "y": np.array([max(getattr(o, quantity), 1e-6) for o in outcomes], dtype=float),
        "hovertemplate": "%{x}: %{y:.4g}",
    }
