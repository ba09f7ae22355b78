"""How charts look, said once: roles instead of colours, axes, number formats.

A builder names the role of a trace; the browser turns it into a colour of the current theme.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.registry import Scalar, Scale

FigureDict = dict[str, Any]

#: Dash patterns by method, so that curves that coincide, and prints in grey, can be told apart.
DASHES = ("solid", "dash", "dot", "dashdot")
COLOURS = 8
#: Colours of a quantity from small to large: even steps to the eye, lighter as it grows, and neither end is
#: lost on a light or a dark page.
SEQUENTIAL = (
    "#392B7F", "#324B95", "#246AA4", "#0588A8", "#2AA3A6", "#47BEA2", "#7AD494", "#B5E480", "#F2EF6F",
)  # fmt: skip
#: Colours of entries from negative over zero to positive.
SIGNED = [[0.0, "#2F7FBF"], [0.5, "role:panel"], [1.0, "#D0701A"]]

#: Bar of a map's colours.
BAR = {"thickness": 10, "outlinewidth": 0, "ticks": "", "tickfont": {"size": 11, "color": "role:muted"}}


def method_line(index: int) -> dict[str, Any]:
    """Return the line style of the method with colour `index`."""
    return {"width": 2, "dash": DASHES[(index + index // COLOURS) % len(DASHES)]}


def method_meta(index: int) -> dict[str, Any]:
    """Mark a trace as a method's, for the theme's palette."""
    return {"role": "method", "index": index % COLOURS}


def role_meta(role: str) -> dict[str, Any]:
    """Mark a trace by its role: "weak", "reference", "source", "target", "context"."""
    return {"role": role}


def axis(scalar: Scalar) -> dict[str, Any]:
    """Return the axis of a recorded number in its preferred scale; the panel's head names it and its unit."""
    return {"type": "log", "exponentformat": "power"} if scalar.scale is Scale.LOG else {}


def figure(data: list[dict[str, Any]], x: Mapping[str, Any], y: Mapping[str, Any]) -> FigureDict:
    """Return a figure without template; the browser adds the theme."""
    layout = {"template": "none", "xaxis": dict(x), "yaxis": dict(y), "showlegend": False}
    return {"data": data, "layout": layout}
