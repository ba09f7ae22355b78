"""Draws what methods show of themselves (`core.optimizers.panels`): one chart a key, one colour a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from core.optimizers.panels import Arrows, Bands, Course, Matrices, Panel, Points
from core.run import MemberView
from pages.figures import optimizers, style
from pages.figures.maps import SCALE
from pages.figures.roster import indices
from pages.figures.style import FigureDict
from pages.figures.surface import number

P = TypeVar("P", Course, Points, Matrices, Bands)
#: Share of the width between two matrices, and matrices in a row.
GAP, IN_A_ROW = 0.06, 8
#: Markers in place of dashes.
SYMBOLS = dict(zip(style.DASHES, ("circle", "square", "diamond", "triangle-up"), strict=True))
#: Entries a side that are sent: larger matrices are sent every second, third, … row and column.
SIDE = 128
#: Columns of bands that are sent.
COLUMNS = 400


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
        return f"{self.name}, {part}" if part else self.name


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


def is_apart(panel: Panel) -> bool:
    """Whether each method has a chart of its own."""
    return isinstance(panel, Arrows | Bands) or (isinstance(panel, Points) and panel.apart)


def apart(shown: Sequence[Shown]) -> list[list[Shown]]:
    """Return the panels of each chart of one key: of one method each where they are apart."""
    if not is_apart(shown[0].panel):
        return [list(shown)]
    names = dict.fromkeys(one.name for one in shown)
    return [[one for one in shown if one.name == name] for name in names]


def _of(kind: type[P], shown: Sequence[Shown]) -> list[tuple[Shown, P]]:
    return [(s, s.panel) for s in shown if isinstance(s.panel, kind)]


def _line(shown: Shown) -> dict[str, Any]:
    """Return the line of a panel: the method's own, others of the same method in further dashes."""
    line = style.method_line(shown.colour)
    alone = is_apart(shown.panel)
    first = 0 if alone else style.DASHES.index(line["dash"])
    dash = style.DASHES[(first + shown.number) % len(style.DASHES)]
    return line | {"dash": dash, "width": line["width"] if alone or shown.number == 0 else 1.2}


def _symbol(shown: Shown) -> str:
    """Return the marker of a cloud: the method's own shape, hollow for its second cloud."""
    shape = SYMBOLS[style.method_line(shown.colour)["dash"]]
    return f"{shape}-open" if shown.number else shape


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
        label = cloud.name if cloud.apart and cloud.name else one.label
        data.append(
            {
                "type": "scatter", "mode": "lines" if cloud.joined else "markers", "x": cloud.x, "y": cloud.y,
                "name": label, "line": _line(one),
                "marker": {"size": 6, "opacity": 0.7, "symbol": _symbol(one)},
                "meta": style.method_meta(one.colour), "hovertemplate": hover,
            }
        )  # fmt: skip
    data += _beside([cloud for _, cloud in found])
    first = found[0][1]
    xs = np.concatenate([cloud.x[np.isfinite(cloud.x)] for _, cloud in found])
    if len(xs):
        data += _levels([cloud for _, cloud in found], float(xs.min()), float(xs.max()))
    x = {"title": {"text": first.x_title}} | _logarithmic(first.log_x)
    y = {"title": {"text": first.y_title}} | _logarithmic(first.log_y)
    figure = style.figure(data, x, y)
    figure["layout"]["hovermode"] = "closest"
    return figure


def _beside(clouds: Sequence[Points]) -> list[dict[str, Any]]:
    """Return the curves that all methods have in common, each once."""
    curves = {name: curve for cloud in clouds for name, curve in cloud.beside.items()}
    return [
        {
            "type": "scatter", "mode": "lines", "x": curve[:, 0], "y": curve[:, 1], "name": name,
            "line": {"width": 1.5, "dash": style.DASHES[(i + 1) % len(style.DASHES)]}, "hoverinfo": "skip",
            "meta": {"role": "muted", "cursor": False},
        }
        for i, (name, curve) in enumerate(curves.items())
    ]  # fmt: skip


def arrows(panel: Arrows) -> FigureDict:
    """Draw vectors that do not vanish at equal axes, each named in the legend."""
    data: list[dict[str, Any]] = []
    for i, (name, arrow) in enumerate(panel.arrows.items()):
        (x0, y0), (x1, y1) = arrow
        if x0 == x1 and y0 == y1:
            continue
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "x": np.array([x0, x1]), "y": np.array([y0, y1]),
                "name": name, "line": {"width": 2, "dash": style.DASHES[i // style.COLOURS]},
                "marker": {"symbol": "arrow", "angleref": "previous", "size": np.array([0, 14])},
                "meta": style.method_meta(i), "hovertemplate": f"({x1 - x0:.4g}, {y1 - y0:.4g})",
            }
        )  # fmt: skip
    x, y = {"title": {"text": panel.x_title}}, {"title": {"text": panel.y_title}, "scaleanchor": "x"}
    figure = style.figure(data, x, y)
    figure["layout"]["hovermode"] = "closest"
    return figure


def _logarithmic(log: bool) -> dict[str, Any]:
    return {"type": "log", "exponentformat": "power"} if log else {}


def side_by_side(shown: Sequence[Shown]) -> list[tuple[str, Matrices]]:
    """Return the matrices of each chart with its head: one of all methods that have a single matrix each."""
    found = _of(Matrices, shown)
    if any(len(panel.matrices) != 1 for _, panel in found):
        return [(f"{one.name}: {panel.title}", panel) for one, panel in found]
    first = found[0][1]
    together = {one.name: next(iter(panel.matrices.values())) for one, panel in found}
    return [(first.title, replace(first, matrices=together))]


def rows_of(panel: Matrices) -> int:
    """Return how many rows the matrices stand in."""
    return -(-len(panel.matrices) // IN_A_ROW)


def matrices(panel: Matrices) -> FigureDict:
    """Draw one method's matrices side by side, each with colours of its own; many of them in several rows."""
    count = len(panel.matrices)
    rows, columns = rows_of(panel), min(count, IN_A_ROW)
    gap = GAP if rows == 1 else GAP / 4
    width, height = (1.0 - gap * (columns - 1)) / columns, 1.0 / rows
    head = (0.1 if rows == 1 else 0.16) * height  # room for the names
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"template": "none", "showlegend": False, "hovermode": "closest"}
    notes: list[dict[str, Any]] = []
    for i, (name, matrix) in enumerate(panel.matrices.items()):
        axis, stride = "" if i == 0 else str(i + 1), -(-max(matrix.shape) // SIDE)
        low, top = (i % columns) * (width + gap), 1.0 - (i // columns) * height - head
        heat = _heat(matrix[::stride, ::stride], stride, signed=panel.signed) | _axes(axis)
        ticks: dict[str, Any] = {"showticklabels": rows == 1, "ticks": ""}
        if panel.sides:
            ticks |= {"tickvals": np.arange(len(panel.sides)), "ticktext": list(panel.sides)}
            heat |= {"texttemplate": "%{z:.2f}"}
        beside = bool(panel.sides) and i % columns > 0
        data.append(heat)
        layout[f"xaxis{axis}"] = {
            "domain": [low, low + width], "showgrid": False, "zeroline": False, "anchor": f"y{axis}",
            "constrain": "domain", **ticks,
        }  # fmt: skip
        layout[f"yaxis{axis}"] = {
            "autorange": "reversed", "showgrid": False, "zeroline": False, "anchor": f"x{axis}",
            "scaleanchor": f"x{axis}", "constrain": "domain", "domain": [top - height + head, top],
            **ticks, "showticklabels": ticks["showticklabels"] and not beside,
        }  # fmt: skip
        notes.append(
            {"x": low + width / 2, "y": top, "xref": "paper", "yref": "paper", "text": name,
             "showarrow": False, "xanchor": "center", "yanchor": "bottom",
             "font": {"size": 12 if rows == 1 else 10, "color": "role:muted"}}
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


def bands(panel: Bands) -> FigureDict:
    """Draw rows of colours over the steps; the cursor is a line across them."""
    ks, values = np.asarray(panel.ks), np.asarray(panel.values, dtype=float)
    keep = np.unique(np.rint(np.linspace(0, len(ks) - 1, min(COLUMNS, len(ks)))).astype(int))
    ks, values = ks[keep], values[:, keep]
    y_axis: dict[str, Any] = {"title": {"text": panel.y_title}}
    if panel.edges is None:
        y, what = np.arange(len(values), dtype=float), "%{text}"
        y_axis |= {"tickvals": y, "ticktext": list(panel.names), "autorange": "reversed"}
    else:
        y, what = 0.5 * (panel.edges[:-1] + panel.edges[1:]), "%{y:.3g}"
    shown, bar, ends = values, dict(style.BAR), {}
    if panel.log:
        shown = np.log10(values, out=np.full_like(values, np.nan), where=values > 0)
        known = shown[np.isfinite(shown)]
        low, high = (np.floor(known.min()), np.ceil(known.max())) if len(known) else (0.0, 0.0)
        low = min(low, high - 1)
        ends = {"zmin": low, "zmax": high}
        ticks = np.arange(low, high + 1, max(1, round((high - low) / 4)))
        bar |= {"tickvals": ticks.tolist(), "ticktext": [number(10.0**t) for t in ticks]}
    heat = {
        "type": "heatmap", "x": ks, "y": y, "z": shown, "customdata": values, "colorscale": SCALE,
        "colorbar": bar, "hovertemplate": f"k = %{{x}}, {what}: %{{customdata:.4g}}<extra></extra>",
        "meta": {"cursor": False}, **ends,
    }  # fmt: skip
    if panel.edges is None:
        heat["text"] = [[name] * len(ks) for name in panel.names]
    figure = style.figure([heat], {"title": {"text": optimizers.X_AXES["steps"]}}, y_axis)
    figure["layout"]["hovermode"] = "closest"
    return figure
