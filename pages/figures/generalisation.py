"""The matrix of what was trained on what and solved on what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.iterate import Array
from pages.figures import style
from pages.figures.style import FigureDict


def matrix(
    rows: Sequence[str], columns: Sequence[str], shares: Array, texts: Sequence[Sequence[str]]
) -> FigureDict:
    """Colour the iterations over those of CG, with the iterations themselves in the cells.

    Parameters
    ----------
    shares : (rows, columns); NaN leaves a cell without colour.
    texts : what the cells say; the first row is CG's, which has share 1.
    """
    shown = np.log10(np.maximum(shares, 1e-3))
    ticks = [1.0, 0.3, 0.1, 0.03, 0.01]
    bar: dict[str, Any] = {
        "thickness": 10, "outlinewidth": 0, "ticks": "", "tickfont": {"size": 11, "color": "role:muted"},
        "tickvals": [float(np.log10(t)) for t in ticks], "ticktext": [f"{t:g}" for t in ticks],
        "title": {"text": "iterations over CG's", "side": "right",
                  "font": {"size": 11.5, "color": "role:muted"}},
    }  # fmt: skip
    heat: dict[str, Any] = {
        "type": "heatmap", "z": shown, "x": list(columns), "y": list(rows), "zmin": -2.0, "zmax": 0.0,
        "colorscale": [[0.0, "role:reached"], [1.0, "role:panel"]], "colorbar": bar, "xgap": 2, "ygap": 2,
        "text": [list(row) for row in texts], "texttemplate": "%{text}", "hoverongaps": False,
        "textfont": {"size": 12, "color": "role:text"}, "customdata": shares,
        "hovertemplate": "%{y} on %{x}: %{text} iterations, %{customdata:.3f} of CG's<extra></extra>",
    }  # fmt: skip
    # a cell without colour has no text of its own in a heat map: what was refused or not reached is said here
    y_axis = {"autorange": "reversed", "type": "category", "showgrid": False, "automargin": True}
    x_axis = {"type": "category", "showgrid": False, "side": "top", "tickangle": 0}
    figure = style.figure([heat], x_axis, y_axis)
    figure["layout"]["hovermode"] = "closest"
    figure["layout"]["annotations"] = [
        {"x": columns[j], "y": rows[i], "text": texts[i][j], "showarrow": False,
         "font": {"size": 12, "color": "role:muted"}}
        for i, j in np.argwhere(np.isnan(shares))
        if texts[i][j]
    ]  # fmt: skip
    return figure
