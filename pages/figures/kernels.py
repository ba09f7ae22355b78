"""Charts of learned kernels: the stencil of one cell, the weights of the levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.iterate import Array
from pages.figures import style
from pages.figures.style import FigureDict


def stencil(kernel: Array) -> FigureDict:
    """Colour the entries of a kernel by where the neighbour lies, with the numbers in the cells.

    Parameters
    ----------
    kernel : (3, 3), or (3, 3, 3): then the three layers along axis 0 stand side by side.
    """
    layers = kernel.reshape(-1, 3, 3)
    steps = ("−1", "0", "+1")
    rows, columns = ("j", "l") if len(layers) > 1 else ("i", "j")
    gap, blank = np.full((3, 1), np.nan), np.full((3, 1), "")
    parts, hints = [], []
    for layer, step in zip(layers, steps, strict=False):
        parts += [layer, gap]
        before = f"i{step}, " if len(layers) > 1 else ""
        hints += [np.array([[f"{before}{rows}{a}, {columns}{b}" for b in steps] for a in steps]), blank]
    shown, hover = np.hstack(parts[:-1]), np.hstack(hints[:-1])
    width = shown.shape[1]
    size = float(np.abs(kernel).max()) or 1.0
    text = np.array([["" if np.isnan(v) else f"{v:.2g}".replace("-", "−") for v in row] for row in shown])
    heat: dict[str, Any] = {
        "type": "heatmap", "z": shown, "text": text.tolist(), "texttemplate": "%{text}",
        "customdata": hover.tolist(),
        "zmin": -size, "zmax": size, "colorscale": style.SIGNED, "showscale": False, "xgap": 2, "ygap": 2,
        "hoverongaps": False, "hovertemplate": "neighbour at %{customdata}: %{z:.4g}<extra></extra>",
        "textfont": {"size": 12 if width == 3 else 10, "color": "role:text"},
    }  # fmt: skip
    x: dict[str, Any] = {"tickvals": [0, 1, 2], "ticktext": ["j−1", "j", "j+1"], "showgrid": False}
    if len(layers) > 1:
        x |= {"tickvals": [1, 5, 9], "ticktext": ["i−1", "i", "i+1"], "title": {"text": "layer, in it l"}}
    y = {"tickvals": [0, 1, 2], "ticktext": [f"{rows}−1", rows, f"{rows}+1"], "showgrid": False}
    figure = style.figure([heat], x, y)
    figure["layout"]["hovermode"] = "closest"
    return figure


def combinations(weights: Array) -> FigureDict:
    """Bars of what each level keeps (c0) and of what it takes from the level below (c1).

    Parameters
    ----------
    weights : (levels above the bottom, 2).
    """
    levels = np.arange(len(weights))
    data = [
        {
            "type": "bar", "name": name, "x": levels, "y": weights[:, i], "meta": style.method_meta(i),
            "hovertemplate": f"level %{{x}}: {name} = %{{y:.3g}}",
        }
        for i, name in enumerate(("c0, kept", "c1, from below"))
    ]  # fmt: skip
    figure = style.figure(data, {"title": {"text": "level, 0 the finest"}, "dtick": 1}, {})
    figure["layout"]["barmode"] = "group"
    return figure
