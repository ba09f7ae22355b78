"""Pictures of the loss around a trained network: planes, the line from its start, curvature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.iterate import Array
from core.trace import Snapshot
from pages.figures import style
from pages.figures.maps import SCALE, filled
from pages.figures.style import FigureDict
from pages.figures.surface import SurfaceTrack, number, paths_payload, surface_payload

#: Contour lines of a plane.
LEVELS = 16
#: Decades below the highest point of a density that are shown.
DECADES = 7
#: Axis titles of the two planes.
RANDOM_AXES = ("first random direction [lengths of the weights]", "second one [lengths of the weights]")
WAY_AXES = ("first principal direction of the way", "second principal direction")
WAYS_AXES = ("first principal direction of all ways", "second principal direction")
#: Lines on the colours of a loss: white on a dark edge is seen on all of them.
LIGHT, EDGE = "#ffffff", "rgba(0, 0, 0, 0.55)"


def heights(snapshot: Snapshot) -> Array:
    """Return the losses (rows, columns) so far, what is not done yet as the nearest that is."""
    values = snapshot["x"][..., 0]
    return np.asarray(filled(np.where(np.isnan(values), np.nan, np.maximum(values, np.finfo(float).tiny))))


def plane(
    snapshot: Snapshot, axes: Sequence[str], names: Sequence[str], colours: Sequence[int]
) -> FigureDict:
    """Draw the loss over a plane as contour lines, with the ways of the trainings if they are known there.

    Parameters
    ----------
    axes : titles.
    names, colours : of the methods that trained.
    """
    x, y, values = snapshot["x_axis"], snapshot["y_axis"], heights(snapshot)
    logs = np.log10(values)
    finite = logs[np.isfinite(logs)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    size = (high - low) / LEVELS or 1.0
    ticks = np.linspace(low, high, 6)
    data: list[dict[str, Any]] = [
        {
            "type": "contour", "x": x, "y": y, "z": np.where(np.isfinite(logs), logs, high), "name": "",
            "customdata": values, "colorscale": SCALE, "zmin": low, "zmax": high, "autocontour": False,
            "contours": {"start": low, "end": high, "size": size, "coloring": "fill"}, "line": {"width": 0.4},
            "hovertemplate": "loss %{customdata:.4g}<extra></extra>", "showlegend": False,
            "colorbar": {
                "thickness": 10, "outlinewidth": 0, "ticks": "", "tickvals": ticks.tolist(),
                "ticktext": [number(float(f"{10.0**t:.2g}")) for t in ticks],
                "tickfont": {"size": 11, "color": "role:muted"},
                "title": {"text": "loss", "side": "right", "font": {"size": 11.5, "color": "role:muted"}},
            },
        }
    ]  # fmt: skip
    ways, offs = ways_in(snapshot)
    widest = float(offs.max(initial=0.0)) or 1.0
    for way, off, name, colour in zip(ways, offs, names, colours, strict=False):
        data += _way(snapshot["steps"], way, off / widest, name, colour, alone=len(ways) == 1)
    ends = ways[:, -1] if len(ways) else np.zeros((1, 2))
    data.append(
        {
            "type": "scatter", "mode": "markers", "x": ends[:, 0], "y": ends[:, 1], "name": "the end",
            "marker": {"symbol": "cross-thin", "size": 13, "line": {"width": 2.5, "color": LIGHT}},
            "hovertemplate": "the trained network<extra></extra>", "showlegend": False,
            "meta": {"role": "text", "cursor": False},
        }
    )  # fmt: skip
    titles = [{"title": {"text": title}, "range": [axis[0], axis[-1]], "showgrid": False}
              for title, axis in zip(axes, (x, y), strict=True)]  # fmt: skip
    figure = style.figure(data, *titles)
    figure["layout"]["hovermode"] = "closest"
    return figure


def ways_in(snapshot: Snapshot) -> tuple[Array, Array]:
    """Return the ways (methods, points, 2) of a plane and how far off it they are (methods, points)."""
    if "ways" in snapshot:
        return snapshot["ways"], snapshot["offs"]
    if "way" in snapshot:
        return snapshot["way"][None], snapshot["off"][None]
    return np.zeros((0, 1, 2)), np.zeros((0, 1))


def _way(
    steps: Array, way: Array, off: Array, name: str, colour: int, *, alone: bool
) -> list[dict[str, Any]]:
    """Return the way of a training; a dot is the larger, the further it is off the plane.

    Parameters
    ----------
    off : shares of the largest distance.
    alone : it is the only one, and white; others have their method's colour on a white edge.
    """
    common = {"type": "scatter", "x": way[:, 0], "y": way[:, 1]}
    below = EDGE if alone else LIGHT
    edge = {**common, "mode": "lines", "name": "", "line": {"width": 4.5, "color": below},
            "hoverinfo": "skip", "showlegend": False, "meta": {"role": "text", "cursor": False}}  # fmt: skip
    own = {"color": LIGHT} if alone else {}
    dots = {
        **common, "mode": "lines+markers", "name": name, "customdata": steps.astype(np.int64),
        "marker": {"size": 3.0 + 7.0 * off, "line": {"width": 1, "color": below}} | own,
        "line": (own | {"width": 2}) if alone else style.method_line(colour),
        "meta": {**style.method_meta(colour), "trail": "line"},
        "hovertemplate": f"{name}, step %{{customdata}}<extra></extra>", "showlegend": not alone,
    }  # fmt: skip
    return [edge, dots]


def surface(snapshot: Snapshot, axes: Sequence[str], *, view: str, group: str) -> bytes:
    """Encode the loss over a plane for the 3-D view, its logarithm as the height."""
    return surface_payload(
        snapshot["x_axis"], snapshot["y_axis"], heights(snapshot), view=view, group=group,
        x_title=axes[0], y_title=axes[1], z_title="loss", log=True,
    )  # fmt: skip


def balls(snapshot: Snapshot, names: Sequence[str], colours: Sequence[int], *, group: str, rev: str) -> bytes:
    """Encode the ways of trainings for the 3-D view: balls that follow the cursor; none on other planes."""
    steps = snapshot["steps"].astype(np.int64) if "steps" in snapshot else None
    tracks = [
        SurfaceTrack(name, colour, steps, way[:, 0], way[:, 1])
        for way, name, colour in zip(ways_in(snapshot)[0], names, colours, strict=False)
        if steps is not None
    ]
    return paths_payload(tracks, group=group, rev=rev)


def line(table: Array) -> FigureDict:
    """Draw the losses on the straight line from the first to the trained parameters.

    Parameters
    ----------
    table : (points, 3) share of the way, loss on the subset, held-out loss; NaN = not yet.
    """
    done = table[np.isfinite(table[:, 1])]
    data = [
        {"type": "scatter", "mode": "lines+markers", "x": done[:, 0], "y": done[:, column], "name": name,
         "marker": {"size": 4}, "meta": style.method_meta(index),
         "hovertemplate": "%{y:.4g}"}
        for column, name, index in ((1, "training samples", 0), (2, "held-out samples", 1))
    ]  # fmt: skip
    figure = style.figure(
        data, {"title": {"text": "share of the way: 0 the start, 1 the trained network"}},
        {"type": "log", "exponentformat": "power"},
    )  # fmt: skip
    figure["layout"]["shapes"] = [
        {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper",
         "line": {"width": 1, "dash": "dot", "color": "role:muted"}}
        for x in (0, 1)
    ]  # fmt: skip
    return figure


def shares(explained: Array, random_walk: Array, walks: int = 1) -> FigureDict:
    """Draw how much of the variance of so many ways each principal direction has, beside random walks'."""
    x = np.arange(1, len(explained) + 1)
    ours, theirs = "this training", "a random walk"
    if walks > 1:
        ours, theirs = "these trainings", f"{walks} random walks"
    data = [
        {"type": "bar", "x": x, "y": y, "name": name, "meta": meta, "hovertemplate": "%{y:.1%}"}
        for y, name, meta in (
            (explained, ours, style.method_meta(0)),
            (random_walk, theirs, style.role_meta("context")),
        )
    ]
    x_axis = {"title": {"text": "principal direction"}, "dtick": 1}
    figure = style.figure(data, x_axis, {"tickformat": ".0%", "rangemode": "tozero"})
    figure["layout"]["barmode"] = "group"
    return figure


def spectrum(density: Array) -> FigureDict:
    """Draw the density of the Hessian's eigenvalues, logarithmic.

    Parameters
    ----------
    density : (points, 2) λ and φ(λ).
    """
    top = float(density[:, 1].max())
    phi = np.maximum(density[:, 1], top * 10.0**-DECADES)
    data = [
        {"type": "scatter", "mode": "lines", "x": density[:, 0], "y": phi, "name": "density",
         "meta": style.method_meta(0), "hovertemplate": "λ = %{x:.4g}: φ = %{y:.3g}<extra></extra>"}
    ]  # fmt: skip
    figure = style.figure(
        data,
        {"title": {"text": "eigenvalue λ"}},
        {"type": "log", "exponentformat": "power", "title": {"text": "φ(λ)"}},
    )
    figure["layout"]["hovermode"] = "closest"
    return figure


def sharpness(table: Array) -> FigureDict:
    """Draw the largest curvature along a training, beside the line above which a step is not stable.

    Parameters
    ----------
    table : (points, 4) step, largest eigenvalue, loss on the subset, line of stability; NaN = not yet.
    """
    done = table[np.isfinite(table[:, 1])]
    data = [
        {"type": "scatter", "mode": "lines+markers", "x": done[:, 0], "y": done[:, 1], "marker": {"size": 5},
         "name": "largest eigenvalue", "meta": style.method_meta(0), "hovertemplate": "%{y:.4g}"},
        {"type": "scatter", "mode": "lines", "x": table[:, 0], "y": table[:, 3],
         "name": "line of stability", "line": {"dash": "dash", "width": 1.5}, "hovertemplate": "%{y:.4g}",
         "meta": style.role_meta("weak")},
    ]  # fmt: skip
    return style.figure(data, {"title": {"text": "step"}}, {"type": "log", "exponentformat": "power"})
