"""Surfaces of equal value of a field in space, with the obstacles inside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.poisson.system import SOLID
from pages.figures import style
from pages.figures.style import FigureDict

#: Cells a side that are sent: larger fields are sent every second, third, … cell.
SIDE = 32
#: Colours of the surfaces of positive and of negative values, as in the slices.
POSITIVE, NEGATIVE = "#D0701A", "#2F7FBF"


def surfaces(values: Array, flags: NDArray[np.integer[Any]], share: float) -> FigureDict:
    """Draw where a field is ± a share of its largest absolute value; axis 0 points up.

    Parameters
    ----------
    values, flags : (i, j, l) numbers and kinds of cells: 0 and 1 solid.
    share : in (0, 1).
    """
    step = max(1, -(-max(values.shape) // SIDE))
    cut = (slice(None, None, step),) * 3
    thinned, solid = values[cut], flags[cut] <= SOLID
    i, j, k = (axis.ravel() * step for axis in np.indices(thinned.shape))
    places = {"x": k, "y": j, "z": i}
    size = float(np.abs(values).max(initial=0.0))
    data = []
    for sign, colour in ((1.0, POSITIVE), (-1.0, NEGATIVE)):
        level = sign * share * size
        if size > 0.0 and (sign * thinned >= abs(level)).any():
            data.append(_surface(places, thinned.ravel(), level, colour, 0.75, f"{level:.3g}"))
    if solid.any():
        data.append(_surface(places, solid.ravel().astype(float), 0.5, "role:muted", 0.35, "solid"))
    axis = {
        "showbackground": False, "gridcolor": "role:border", "linecolor": "role:border", "zeroline": False,
        "tickfont": {"size": 10, "color": "role:muted"},
    }  # fmt: skip
    ends = {
        f"{letter}axis": {**axis, "range": [-0.5, n - 0.5], "title": {"text": name}}
        for letter, name, n in zip("zyx", "ijl", values.shape, strict=True)
    }
    figure = style.figure(data, {"visible": False}, {"visible": False})
    figure["layout"] |= {
        "hovermode": "closest", "margin": {"l": 0, "r": 0, "t": 0, "b": 0}, "scene": {
            **ends, "aspectmode": "data", "dragmode": "turntable",
            "camera": {"eye": {"x": 1.5, "y": -1.7, "z": 0.9}},
        },
    }  # fmt: skip
    return figure


def _surface(
    places: dict[str, NDArray[np.int64]], values: Array, level: float, colour: str, opacity: float, name: str
) -> dict[str, Any]:
    return {
        "type": "isosurface", **places, "value": values, "isomin": level, "isomax": level,
        "surface": {"count": 1}, "caps": {axis: {"show": False} for axis in "xyz"},
        "colorscale": [[0.0, colour], [1.0, colour]], "showscale": False, "opacity": opacity, "name": name,
        "showlegend": False,
        "hovertemplate": f"i = %{{z}}, j = %{{y}}, l = %{{x}}<extra>{name}</extra>",
    }  # fmt: skip
