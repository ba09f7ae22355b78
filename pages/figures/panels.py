"""Draws what methods show of themselves (`core.optimizers.panels`): one chart a key, one colour a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from core.optimizers.panels import Course, Matrices, Panel, Points
from core.run import MemberView
from pages.figures import optimizers, style
from pages.figures.roster import indices
from pages.figures.style import FigureDict

P = TypeVar("P", Course, Points, Matrices)
#: Share of the width between two matrices.
GAP = 0.06
#: Entries a side that are sent: larger matrices are sent every second, third, … row and column.
SIDE = 128


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A panel with the method that shows it.

    Attributes
    ----------
    name, colour : of the method.
    number : of its panels of this key and kind, from 0.
    """

    panel: Panel
    member: MemberView
    name: str
    colour: int
    number: int

    @property
    def label(self) -> str:
        """What a legend says."""
        part = getattr(self.panel, "name", "")
        return f"{self.name}: {part}" if part else self.name


def by_key(members: Sequence[MemberView], panels: Sequence[Sequence[Panel]]) -> dict[str, list[Shown]]:
    """Return what goes into each chart, in the order in which keys are met.

    Parameters
    ----------
    panels : those of each member.
    """
    found: dict[str, list[Shown]] = {}
    names, colours = optimizers.labels(members), indices(members)
    for member, name, colour, own in zip(members, names, colours, panels, strict=True):
        for panel in own:
            chart = found.setdefault(panel.key, [])
            number = sum(other.member is member for other in chart)
            chart.append(Shown(panel, member, name, colour, number))
    return found


def _of(kind: type[P], shown: Sequence[Shown]) -> list[tuple[Shown, P]]:
    return [(s, s.panel) for s in shown if isinstance(s.panel, kind)]


def _line(shown: Shown) -> dict[str, Any]:
    """Return the line of a panel: the method's own, others of the same method in further dashes."""
    line = style.method_line(shown.colour)
    dash = style.DASHES.index(line["dash"]) + shown.number
    return line | {"dash": style.DASHES[dash % len(style.DASHES)]}


def courses(shown: Sequence[Shown]) -> FigureDict:
    """Draw numbers over the steps."""
    data: list[dict[str, Any]] = []
    found = _of(Course, shown)
    log = all(course.log for _, course in found)
    for one, course in found:
        ks, y = one.member.view.k, np.asarray(course.values, dtype=float)
        there = np.flatnonzero(np.isfinite(y) & ((y > 0) | (not log)))
        keep = there[optimizers.decimate(ks[there].astype(float), y[there], optimizers.FINAL_POINTS)]
        data.append(
            {
                "type": "scatter", "mode": "lines" if len(keep) > 1 else "markers", "x": ks[keep],
                "y": y[keep], "customdata": ks[keep], "name": one.label, "line": _line(one),
                "meta": style.method_meta(one.colour), "hovertemplate": "k = %{customdata}: %{y:.4g}",
            }
        )  # fmt: skip
    ends = [float(ks[-1]) for ks in (one.member.view.k for one, _ in found)]
    data += _levels([course for _, course in found], 0.0, max(ends, default=1.0))
    y_axis = {"type": "log", "exponentformat": "power"} if log else {}
    return style.figure(data, {"title": {"text": optimizers.X_AXES["steps"]}}, y_axis)


def _levels(panels: Sequence[Course | Points], low: float, high: float) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter", "mode": "lines", "x": np.array([low, high]), "y": np.array([level, level]),
            "name": "", "line": {"width": 1.2, "dash": "dot"}, "hoverinfo": "skip", "showlegend": False,
            "meta": {"role": "muted", "cursor": False},
        }
        for level in sorted({p.level for p in panels if p.level is not None})
    ]  # fmt: skip


def points(shown: Sequence[Shown]) -> FigureDict:
    """Draw scatters and curves."""
    data: list[dict[str, Any]] = []
    found = _of(Points, shown)
    for one, cloud in found:
        hover = f"{cloud.x_title} %{{x:.4g}}: %{{y:.4g}}"
        data.append(
            {
                "type": "scatter", "mode": "lines" if cloud.joined else "markers", "x": cloud.x, "y": cloud.y,
                "name": one.label, "line": _line(one), "marker": {"size": 6, "opacity": 0.7},
                "meta": style.method_meta(one.colour), "hovertemplate": hover,
            }
        )  # fmt: skip
    first = found[0][1]
    xs = np.concatenate([cloud.x[np.isfinite(cloud.x)] for _, cloud in found])
    if len(xs):
        data += _levels([cloud for _, cloud in found], float(xs.min()), float(xs.max()))
    x = {"title": {"text": first.x_title}} | _logarithmic(first.log_x)
    y = {"title": {"text": first.y_title}} | _logarithmic(first.log_y)
    figure = style.figure(data, x, y)
    figure["layout"]["hovermode"] = "closest"
    return figure


def _logarithmic(log: bool) -> dict[str, Any]:
    return {"type": "log", "exponentformat": "power"} if log else {}


def matrices(panel: Matrices) -> FigureDict:
    """Draw one method's matrices side by side, each with colours of its own."""
    count = len(panel.matrices)
    width = (1.0 - GAP * (count - 1)) / count
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"template": "none", "showlegend": False, "hovermode": "closest"}
    notes: list[dict[str, Any]] = []
    for i, (name, matrix) in enumerate(panel.matrices.items()):
        axis, stride = "" if i == 0 else str(i + 1), -(-max(matrix.shape) // SIDE)
        low = i * (width + GAP)
        data.append(_heat(matrix[::stride, ::stride], stride, signed=panel.signed) | _axes(axis))
        layout[f"xaxis{axis}"] = {
            "domain": [low, low + width], "showgrid": False, "zeroline": False, "anchor": f"y{axis}",
            "constrain": "domain",
        }  # fmt: skip
        layout[f"yaxis{axis}"] = {
            "autorange": "reversed", "showgrid": False, "zeroline": False, "anchor": f"x{axis}",
            "scaleanchor": f"x{axis}", "constrain": "domain",
        }  # fmt: skip
        notes.append(
            {"x": low + width / 2, "y": 1.0, "xref": "paper", "yref": "paper", "text": name,
             "showarrow": False, "xanchor": "center", "yanchor": "bottom",
             "font": {"size": 12, "color": "role:muted"}}
        )  # fmt: skip
    layout["annotations"] = notes
    return {"data": data, "layout": layout}


def _axes(axis: str) -> Mapping[str, str]:
    return {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}


def _heat(matrix: Any, stride: int, *, signed: bool) -> dict[str, Any]:
    values = np.asarray(matrix, dtype=float)
    known = values[np.isfinite(values)]
    high = float(np.abs(known).max() if signed else known.max()) if len(known) else 1.0
    low = -high if signed else float(known.min()) if len(known) else 0.0
    return {
        "type": "heatmap", "z": values, "zmin": low, "zmax": high if high > low else low + 1.0,
        "x": np.arange(values.shape[1]) * stride, "y": np.arange(values.shape[0]) * stride,
        "colorscale": style.SIGNED if signed else [[0.0, "role:panel"], [1.0, "role:primary"]],
        "showscale": False, "hovertemplate": "row %{y}, column %{x}: %{z:.4g}<extra></extra>",
        "meta": {"role": "text", "cursor": False},
    }  # fmt: skip
