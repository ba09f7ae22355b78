"""A landscape as seen from above, or as a curve where it has one variable, and the paths of methods on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.landscape import Landscape
from core.optimizers.overlays import tint_of
from core.run import MemberView
from core.trace import TraceView
from pages.figures import roster, style
from pages.figures.optimizers import labels
from pages.figures.overlays import arrows, overlays, tinted
from pages.figures.style import FigureDict

#: Points of the drawn grid along x and y, and of a curve.
COLUMNS, ROWS, CURVE = 132, 108, 900
#: The grid is this much larger than the window, so that it fills a wide or a high panel at equal axes.
WIDER, HIGHER = 1.9, 1.5
#: Contour lines.
LEVELS = 16
#: Points of a path.
PATH_POINTS = 1500


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A landscape on a grid.

    Attributes
    ----------
    x : (columns,). y : (rows,). values : (rows, columns) of f; NaN where it has none.
    window : lower and upper edges of what is looked at first.
    floor : what is subtracted before the logarithm; None = heights are linear.
    """

    x: Array
    y: Array
    values: Array
    window: tuple[tuple[float, float], ...]
    floor: float | None

    @property
    def heights(self) -> Array:
        """What is drawn: f, or the logarithm of its gap to the minimum."""
        return self.values if self.floor is None else np.log10(self.values - self.floor)


def plane(landscape: Landscape, *, beyond: bool = True) -> Plane:
    """Evaluate a landscape of two variables in its window.

    Parameters
    ----------
    beyond : evaluate beside the window too.
    """
    x, y = (
        _axis(edges, count, factor if beyond else 1.0)
        for edges, count, factor in zip(landscape.window, (COLUMNS, ROWS), (WIDER, HIGHER), strict=True)
    )
    with np.errstate(all="ignore"):
        values = np.asarray(landscape.function.value(np.stack(np.meshgrid(x, y), axis=-1)), dtype=float)
    values = np.where(np.isfinite(values), values, np.nan)
    floor = None
    if landscape.log_scale and landscape.minimum is not None:
        gaps = values - landscape.minimum
        # the logarithm of the gap alone would be a funnel around every minimum
        floor = landscape.minimum - 1e-3 * float(np.nanmedian(gaps))
    return Plane(x, y, values, landscape.window, floor)


def _axis(edges: tuple[float, float], count: int, factor: float) -> Array:
    middle, half = 0.5 * (edges[0] + edges[1]), 0.5 * (edges[1] - edges[0]) * factor
    return np.linspace(middle - half, middle + half, count)


def is_curve(landscape: Landscape) -> bool:
    """Whether the landscape is drawn as a curve."""
    return landscape.n == 1 and len(landscape.window) == 1


def contours(
    ground: Plane, landscape: Landscape, members: Sequence[MemberView], arrows_of: int | None = None
) -> FigureDict:
    """Contour lines, minima, start and paths; the browser adds what follows the cursor.

    Parameters
    ----------
    arrows_of : member whose terms are drawn as arrows at the cursor, with its own shapes and path colours.
    """
    data = [_ground(ground)]
    if len(landscape.minima):
        data.append(_minima(landscape))
    data += [
        {
            "type": "scatter", "mode": "lines", "x": line[:, 0], "y": line[:, 1], "name": name,
            "line": {"width": 1.6, "dash": dash}, "meta": {"role": "text", "cursor": False},
            "hovertemplate": f"{name}: (%{{x:.4g}}, %{{y:.4g}})<extra></extra>",
        }
        for (name, line), dash in zip(landscape.curves.items(), cycle(style.DASHES[1:]), strict=False)
    ]  # fmt: skip
    for i, (member, name, index) in enumerate(
        zip(members, labels(members), roster.indices(members), strict=True)
    ):
        path = _path(member, name, index, position(member.view))
        tint = tint_of(member.recipe.build_method(), member.view) if i == arrows_of else None
        data += [path] if tint is None else tinted(path, tint)
    data.append(_start(landscape.start))
    if arrows_of is not None and arrows_of < len(members):
        data += arrows(members[arrows_of].view)
        data += overlays(members[arrows_of], roster.indices(members)[arrows_of])
    (x0, x1), (y0, y1) = ground.window
    x = {"range": [x0, x1], "showgrid": False, "title": {"text": "x"}}
    y = {"range": [y0, y1], "showgrid": False, "title": {"text": "y"}, "scaleanchor": "x"}
    figure = style.figure(data, x, y)
    figure["layout"]["hovermode"] = "closest"
    return figure


def position(view: TraceView) -> tuple[NDArray[np.int64], Array]:
    """Return the kept iterates (n,) and their points (n, 2 or 1)."""
    ks = view.kept
    if len(ks) > PATH_POINTS:
        ks = ks[np.unique(np.rint(np.linspace(0, len(ks) - 1, PATH_POINTS)).astype(int))]
    return ks, np.array([np.atleast_1d(view.snapshots[int(k)]["x"]) for k in ks]).reshape(len(ks), -1)


def _ground(ground: Plane) -> dict[str, Any]:
    heights = ground.heights
    (x0, x1), (y0, y1) = ground.window
    inside = heights[np.ix_((ground.y >= y0) & (ground.y <= y1), (ground.x >= x0) & (ground.x <= x1))]
    low, high = float(np.nanmin(inside)), float(np.nanmax(inside))
    size = (high - low) / LEVELS or 1.0
    return {
        "type": "contour", "x": ground.x, "y": ground.y, "z": heights, "showscale": False, "name": "",
        "showlegend": False, "autocontour": False, "zmin": low, "zmax": high,
        "contours": {"start": low + 0.5 * size, "end": high, "size": size, "coloring": "fill"},
        "colorscale": [[0, "role:primary"], [1, "role:panel"]], "opacity": 0.4,
        "line": {"width": 0.6, "color": "role:muted", "smoothing": 0.6}, "hoverinfo": "skip",
    }  # fmt: skip


def _minima(landscape: Landscape) -> dict[str, Any]:
    known = landscape.minima[np.isfinite(landscape.minima).all(axis=1)]
    return {
        "type": "scatter", "mode": "markers", "x": known[:, 0], "y": known[:, 1], "name": "",
        "marker": {"symbol": "cross-thin", "size": 12, "line": {"width": 2, "color": "role:reached"}},
        "showlegend": False, "hovertemplate": "minimum at (%{x:.4g}, %{y:.4g})<extra></extra>",
        "meta": {"role": "reached", "cursor": False},
    }  # fmt: skip


def _start(start: Array, height: float | None = None) -> dict[str, Any]:
    y = start[1] if height is None else height
    return {
        "type": "scatter", "mode": "markers", "x": start[:1], "y": np.array([y]), "name": "",
        "showlegend": False, "hovertemplate": "start<extra></extra>",
        "marker": {"symbol": "circle-open", "size": 11, "line": {"width": 2, "color": "role:text"}},
        "meta": {"role": "text", "cursor": False},
    }  # fmt: skip


def _path(
    member: MemberView, name: str, index: int, path: tuple[NDArray[np.int64], Array], trail: str = "line"
) -> dict[str, Any]:
    ks, points = path
    with np.errstate(over="ignore"):
        points = np.where(np.abs(points) < 1e30, points, np.nan)
    return {
        "type": "scatter", "mode": "lines" if trail == "line" else "markers", "x": points[:, 0],
        "y": points[:, 1], "customdata": ks, "name": name, "line": style.method_line(index),
        "marker": {"size": 4, "opacity": 0.25}, "opacity": 0.35 if trail == "line" else 1.0,
        "hovertemplate": f"{name}, k = %{{customdata}}: (%{{x:.4g}}, %{{y:.4g}})<extra></extra>",
        "meta": {**style.method_meta(index), "trail": trail},
    }  # fmt: skip


def curve(landscape: Landscape, members: Sequence[MemberView]) -> FigureDict:
    """Draw f over its only variable, with the iterates of every method on it."""
    ((low, high),) = landscape.window
    margin = 0.15 * (high - low)
    x = np.linspace(low - margin, high + margin, CURVE)

    def f(points: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(landscape.function.value(points[:, None]), dtype=float)

    y = f(x)
    line = {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "name": "f", "line": {"width": 2},
        "meta": {"role": "muted", "cursor": False}, "hoverinfo": "skip", "showlegend": False,
    }  # fmt: skip
    data: list[dict[str, Any]] = [line]
    for member, name, index in zip(members, labels(members), roster.indices(members), strict=True):
        ks, points = position(member.view)
        on_curve = np.column_stack([points[:, 0], f(points[:, 0])])
        data.append(_path(member, name, index, (ks, on_curve), trail="dots"))
    data.append(_start(landscape.start, float(f(landscape.start)[0])))
    inside = y[(x >= low) & (x <= high)]
    top, bottom = float(np.nanmax(inside)), float(np.nanmin(inside))
    pad = 0.06 * (top - bottom)
    figure = style.figure(
        data,
        {"range": [low, high], "title": {"text": "x"}},
        {"range": [bottom - pad, top + pad], "title": {"text": "f(x)"}},
    )
    figure["layout"]["hovermode"] = "closest"
    return figure
