"""Charts of the analyses that sweep two of the six motions: a colour for each pose, paths drawn over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from core.iterate import Array
from core.registration.degeneracy import MOTIONS
from core.registration.pose_grid import Path
from core.trace import Snapshot
from pages.figures import style
from pages.figures.style import FigureDict
from pages.figures.surface import SurfaceTrack, paths_payload, surface_payload

#: Plotly's form of the colours of a quantity.
SCALE = [[i / (len(style.SEQUENTIAL) - 1), colour] for i, colour in enumerate(style.SEQUENTIAL)]

#: Title and colour index of a method with its iterates.
TitledPath = tuple[str, int, Path]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A layer of an analysis and how it is shown.

    Attributes
    ----------
    key : name of the array.
    title, unit : what the page calls it; angles are shown in degrees.
    log : colour by the logarithm.
    """

    key: str
    title: str
    unit: str = ""
    log: bool = False

    def shown(self, values: Array) -> Array:
        """Return the values in the unit of the page."""
        return np.degrees(values) if self.unit == "°" else values


BASIN = (
    Quantity("success", "success"),
    Quantity("translation_error", "translation error", "m", log=True),
    Quantity("rotation_error", "rotation error", "°", log=True),
    Quantity("iterations", "iterations"),
)
LANDSCAPE = (
    Quantity("objective", "objective a point", "m²", log=True),
    Quantity("rmse", "RMSE of the pairs", "m"),
    Quantity("fitness", "share with a partner"),
)


def axis_values(snapshot: Snapshot, which: str) -> tuple[Array, str]:
    """Return offsets (n,) in m or degrees and the title of an axis, `which` being "first" or "second"."""
    motion = int(snapshot["motions"][("first", "second").index(which)])
    offsets = snapshot[which]
    is_rotation = motion < 3
    unit = "°" if is_rotation else "m"
    return np.degrees(offsets) if is_rotation else offsets, f"{MOTIONS[motion]} from the centre [{unit}]"


def pose_map(snapshot: Snapshot, quantity: Quantity, paths: Sequence[TitledPath] = ()) -> FigureDict:
    """Colour every pose of a grid; poses that are not done take the colour of the nearest one that is.

    Parameters
    ----------
    paths : (title, colour index, path) of methods whose iterates are drawn over the map.
    """
    (x, x_title), (y, y_title) = (axis_values(snapshot, which) for which in ("first", "second"))
    values = filled(np.where(np.isfinite(snapshot[quantity.key]), snapshot[quantity.key], np.nan))
    values = quantity.shown(values)
    data = [_success(x, y, values) if quantity.key == "success" else _coloured(x, y, values, quantity)]
    rotations = [int(m) < 3 for m in snapshot["motions"]]
    for title, colour, path in paths:
        data.append(_path(title, colour, path, rotations))
    data.append(
        {
            "type": "scatter", "mode": "markers", "name": "centre", "x": [0.0], "y": [0.0],
            "marker": {"symbol": "cross-thin", "size": 11, "line": {"width": 2, "color": "role:weak"}},
            "hovertemplate": "the centre of the grid",
        }
    )  # fmt: skip
    figure = style.figure(data, {"title": {"text": x_title}}, {"title": {"text": y_title}})
    # whole cells, and nothing but cells
    for name, offsets in (("xaxis", x), ("yaxis", y)):
        half = 0.5 * (offsets[1] - offsets[0])
        figure["layout"][name] |= {"range": [offsets[0] - half, offsets[-1] + half], "zeroline": False}
    figure["layout"]["hovermode"] = "closest"
    return figure


def pose_surface(
    snapshot: Snapshot,
    quantity: Quantity,
    paths: Sequence[TitledPath] = (),
    *,
    view: str,
    group: str,
) -> tuple[bytes, bytes]:
    """Return the messages of the quantity over a grid as a 3-D surface, and of the paths on it.

    Poses that are not done lie between those that are, so that the surface refines; poses where the quantity
    is not defined are holes. The paths lie on the surface: of each iterate only the two motions are drawn.

    Parameters
    ----------
    paths : as in `pose_map`.
    view : identity of the scene; a new one fits the camera.
    group : whose cursor the iterates follow.
    """
    (x, x_title), (y, y_title) = (axis_values(snapshot, which) for which in ("first", "second"))
    values, done = snapshot[quantity.key], ~np.isnan(snapshot["objective"])
    values = np.where(done, values, refined(np.where(done, values, np.nan), done))
    title = f"{quantity.title} [{quantity.unit}]" if quantity.unit else quantity.title
    titles = {"x_title": x_title, "y_title": y_title, "z_title": title}
    surface = surface_payload(
        x, y, quantity.shown(values), view=view, group=group, log=quantity.log, **titles
    )
    rotations = [int(m) < 3 for m in snapshot["motions"]]
    tracks = [
        SurfaceTrack(title, colour % style.COLOURS, path.k, *_shown_path(path, rotations))
        for title, colour, path in paths
    ]
    return surface, paths_payload(tracks, group=group, rev=f"{view}.{sum(len(track.k) for track in tracks)}")


def refined(values: Array, done: NDArray[np.bool_]) -> Array:
    """Interpolate a grid that is computed coarse to fine: bilinear in its finest complete sub-grid.

    Parameters
    ----------
    values : (rows, columns).
    done : (rows, columns) where there is a value; without a complete sub-grid the nearest one is taken.

    Returns
    -------
    (rows, columns) beyond the sub-grid's last row and column they stay as there.
    """
    if done.all() or not done.any():
        return values
    stride = 1
    while not done[::stride, ::stride].all():
        stride *= 2
        if stride >= min(done.shape):
            return filled(values)
    known = [np.arange(0, n, stride) for n in done.shape]
    down = np.apply_along_axis(
        lambda v: np.interp(np.arange(done.shape[0]), known[0], v), 0, values[::stride, ::stride]
    )
    return np.apply_along_axis(lambda v: np.interp(np.arange(done.shape[1]), known[1], v), 1, down)


def _shown_path(path: Path, rotations: Sequence[bool]) -> tuple[Array, Array]:
    """Return the two coordinates of a path in the units of the page."""
    first, second = (
        np.degrees(values) if is_rotation else values
        for values, is_rotation in zip((path.first, path.second), rotations, strict=True)
    )
    return first, second


def filled(values: Array, unknown: NDArray[np.bool_] | None = None) -> Array:
    """Give cells that are not done the value of the nearest one that is, so that the map refines.

    Parameters
    ----------
    unknown : which cells are not done; those that are NaN by default.
    """
    unknown = np.isnan(values) if unknown is None else unknown
    if unknown.all() or not unknown.any():
        return values
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(nearest)])


def _success(x: Array, y: Array, values: Array) -> dict[str, Any]:
    return {
        "type": "heatmap", "x": x, "y": y, "z": values, "zmin": 0, "zmax": 1, "showscale": False,
        "colorscale": [[0, "role:muted@0.35"], [1, "role:reached"]], "xgap": 1, "ygap": 1,
        "hovertemplate": "start at %{x:.3g}, %{y:.3g}: %{z}<extra></extra>",
    }  # fmt: skip


def _coloured(x: Array, y: Array, values: Array, quantity: Quantity) -> dict[str, Any]:
    bar: dict[str, Any] = {
        "thickness": 10, "outlinewidth": 0, "ticks": "", "tickfont": {"size": 11, "color": "role:muted"},
        "title": {"text": f"{quantity.title} [{quantity.unit}]" if quantity.unit else quantity.title,
                  "side": "right", "font": {"size": 11.5, "color": "role:muted"}},
    }  # fmt: skip
    shown = values
    if quantity.log:
        floor = np.nanmin(np.where(values > 0, values, np.nan), initial=np.inf)
        shown = np.log10(np.maximum(values, floor if np.isfinite(floor) else 1e-300))
        bar |= _decades(shown)
    return {
        "type": "heatmap", "x": x, "y": y, "z": shown, "colorscale": SCALE, "colorbar": bar,
        "customdata": values,
        "hovertemplate": f"%{{x:.3g}}, %{{y:.3g}}: %{{customdata:.4g}} {quantity.unit}<extra></extra>",
    }  # fmt: skip


def _decades(logarithms: Array) -> dict[str, Any]:
    """Label a logarithmic colour bar at 1, 2 and 5 of each decade, at whole decades where there are many."""
    finite = logarithms[np.isfinite(logarithms)]
    if not len(finite):
        return {}
    low, high = float(finite.min()), float(finite.max())
    steps = (1,) if high - low > 3 else (1, 2, 5)
    ticks = [
        np.log10(step) + decade
        for decade in range(int(np.floor(low)), int(np.ceil(high)) + 1)
        for step in steps
    ]
    kept = [t for t in ticks if low <= t <= high]
    return {"tickvals": kept, "ticktext": [f"{10**t:.3g}" for t in kept]}


def _path(title: str, colour: int, path: Path, rotations: Sequence[bool]) -> dict[str, Any]:
    first, second = _shown_path(path, rotations)
    return {
        "type": "scatter", "mode": "lines+markers", "name": title, "x": first, "y": second,
        "customdata": path.k, "hovertemplate": "k = %{customdata}",
        "line": style.method_line(colour), "marker": {"size": 5}, "meta": style.method_meta(colour),
    }  # fmt: skip
