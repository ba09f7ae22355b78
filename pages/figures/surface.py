"""Messages of the 3-D surface: heights over a plane, and the paths that methods take on it.

``assets/surface_view.js`` draws them. A surface is a grid of heights, row i at ``y[i]`` and column j at
``x[j]``; NaN is a hole. Logarithmic heights are taken here, in float64, and travel as logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.iterate import Array
from pages.figures import style
from pages.figures.pack import pack

#: Ticks that an axis has at most.
TICKS = 7
#: A plane whose axes share a unit keeps its shape up to this ratio of the sides.
LONGEST = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceTrack:
    """The iterates of one method over the plane.

    Attributes
    ----------
    title : of the method.
    colour : index into the palette of methods.
    k : (n,) recorded iterates, ascending.
    x, y : (n,) where they are, in the units of the surface's axes; NaN leaves a gap.
    z : (n,) their own heights, in the unit of the surface; None or NaN where the path lies on the surface.
        Around a sphere the third coordinate of points in space.
    """

    title: str
    colour: int
    k: NDArray[np.integer[Any]]
    x: Array
    y: Array
    z: Array | None = None


def surface_payload(
    x: ArrayLike,
    y: ArrayLike,
    z: ArrayLike,
    *,
    view: str,
    group: str,
    x_title: str,
    y_title: str,
    z_title: str,
    log: bool = False,
    levels: int | Sequence[float] = 14,
) -> bytes:
    """Encode a surface z(x, y).

    Parameters
    ----------
    x : (columns,) ascending, at least two.
    y : (rows,) ascending, at least two.
    z : (rows, columns) heights; what is not finite is a hole.
    view : identity of the scene; a new one fits the camera.
    group : whose cursor the paths on this surface follow.
    x_title, y_title, z_title : with the unit in brackets at the end.
    log : draw the logarithm; heights that have none stand at the smallest one that does.
    levels : heights of the contour lines in the unit of z, or how many there are at most, evenly spaced.

    Raises
    ------
    ValueError
        If the shapes do not fit or an axis does not ascend.
    """
    columns, rows = np.asarray(x, np.float64), np.asarray(y, np.float64)
    values = np.asarray(z, np.float64)
    for name, axis in (("x", columns), ("y", rows)):
        if axis.ndim != 1 or len(axis) < 2 or not np.all(np.diff(axis) > 0):
            raise ValueError(f"{name} must hold at least two ascending numbers")
    if values.shape != (len(rows), len(columns)):
        raise ValueError(f"z must have the shape ({len(rows)}, {len(columns)}), found {values.shape}")
    heights, shown, (low, high) = _coloured(values, log=log, levels=levels)
    meta = shown | {
        "view": view,
        "group": group,
        "titles": [x_title, y_title, z_title],
        "valueTitle": z_title,
        "sides": _sides(columns, rows, same_unit=_unit(x_title) == _unit(y_title)),
        "ticks": [
            _ticks(columns[0], columns[-1], TICKS),
            _ticks(rows[0], rows[-1], TICKS),
            _ticks(low, high, TICKS, log=log),
        ],
    }
    return pack({"x": columns, "y": rows, "heights": heights.astype(np.float32)}, meta)


def _coloured(
    values: Array, *, log: bool, levels: int | Sequence[float]
) -> tuple[Array, dict[str, Any], tuple[float, float]]:
    """Return heights as drawn, what the browser must know to colour them, and their ends."""
    floor = _floor(values) if log else None
    heights = _heights(values, floor)
    finite = heights[np.isfinite(heights)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if isinstance(levels, int):
        drawn = _even_levels(low, high, levels, log=log)
    else:
        drawn = _heights(np.asarray(levels, np.float64), floor).tolist()
    meta = {
        "log": log,
        "floor": floor,
        "levels": [level for level in drawn if low < level < high],
        "colours": style.SEQUENTIAL,
    }
    return heights, meta, (low, high)


def sphere_payload(
    longitudes: ArrayLike,
    latitudes: ArrayLike,
    values: ArrayLike,
    *,
    view: str,
    group: str,
    radius: float,
    rays: ArrayLike,
    look: tuple[float, float],
    value_title: str,
    titles: tuple[str, str, str] = ("x", "y", "z"),
    log: bool = False,
    levels: int | Sequence[float] = 14,
) -> bytes:
    """Encode a function of directions for a sphere around the origin; ``assets/sphere_view.js`` draws it.

    Parameters
    ----------
    longitudes, latitudes : (columns,), (rows,) ascending [°]: direction (cos b cos l, cos b sin l, sin b).
    values : (rows, columns) of the function; what is not finite is a hole.
    view, group, log, levels : see `surface_payload`.
    radius : of the sphere, in the unit of the paths' coordinates.
    rays : (m, 3) unit vectors of directions to mark, those of the minima.
    look : longitude and latitude [°] from which the sphere is seen first.
    """
    heights, meta, _ = _coloured(np.asarray(values, np.float64), log=log, levels=levels)
    meta |= {
        "view": view,
        "group": group,
        "titles": titles,
        "valueTitle": value_title,
        "lengthTitle": "length",
        "radius": radius,
        "rays": np.asarray(rays, np.float64).tolist(),
        "look": look,
    }
    axes = {"x": np.asarray(longitudes, np.float64), "y": np.asarray(latitudes, np.float64)}
    return pack(axes | {"heights": heights.astype(np.float32)}, meta)


def paths_payload(tracks: Sequence[SurfaceTrack], *, group: str, rev: str | int) -> bytes:
    """Encode the paths of methods for the surface of their group.

    Parameters
    ----------
    rev : revision of the data; the browser takes a new one only.

    Raises
    ------
    ValueError
        If the arrays of a track differ in length.
    """
    arrays: dict[str, NDArray[Any]] = {}
    members = []
    for number, track in enumerate(tracks):
        z = np.full(len(track.k), np.nan) if track.z is None else track.z
        if not len(track.k) == len(track.x) == len(track.y) == len(z):
            raise ValueError(f"k, x, y and z of {track.title!r} must have the same length")
        arrays[f"{number}.k"] = np.asarray(track.k, np.int32)
        arrays |= {
            f"{number}.{n}": np.asarray(v, np.float64)
            for n, v in zip("xyz", (track.x, track.y, z), strict=True)
        }
        members.append({"title": track.title, "colour": track.colour})
    return pack(arrays, {"group": group, "rev": rev, "members": members})


def _floor(values: Array) -> float:
    """Return the smallest value that has a logarithm; 1 if there is none."""
    positive = values[np.isfinite(values) & (values > 0.0)]
    return float(positive.min()) if positive.size else 1.0


def _heights(values: Array, floor: float | None) -> Array:
    """Return the heights as drawn: logarithms where there is a `floor`, NaN for what is not finite."""
    shown = np.where(np.isfinite(values), values, np.nan)
    return shown if floor is None else np.log10(np.maximum(shown, floor))


def _unit(title: str) -> str:
    return title[title.rfind("[") :] if title.endswith("]") else ""


def _sides(x: Array, y: Array, *, same_unit: bool) -> tuple[float, float]:
    """Return the half sides of the drawn plane, the longer one 1; square if the axes have different units."""
    if not same_unit:
        return 1.0, 1.0
    ratio = float(np.clip((y[-1] - y[0]) / (x[-1] - x[0]), 1.0 / LONGEST, LONGEST))
    return (1.0, ratio) if ratio <= 1.0 else (1.0 / ratio, 1.0)


def _ticks(low: float, high: float, most: int, *, log: bool = False) -> list[tuple[float, str]]:
    """Return at most `most` round values in a range, with their text; logarithms of round values if `log`."""
    if not high > low:
        return [(low, number(10.0**low if log else low))]
    if not log:
        return [(value, number(value)) for value in _round_values(low, high, most)]
    first, last = math.floor(low), math.ceil(high)
    for steps in (range(1, 10), (1, 2, 5), (1,)):
        ticks = [
            (math.log10(step) + decade, step * 10.0**decade)
            for decade in range(first, last + 1)
            for step in steps
        ]
        within = [(height, value) for height, value in ticks if low <= height <= high]
        if 3 <= len(within) <= most:
            break
    if len(within) < 3:
        within = [(math.log10(value), value) for value in _round_values(10.0**low, 10.0**high, most)]
    every = math.ceil(len(within) / most)
    return [(height, number(value)) for height, value in within[::every]]


def _even_levels(low: float, high: float, most: int, *, log: bool) -> list[float]:
    """Return at most `most` evenly spaced heights: round values, or whole, half, quarter … decades."""
    if not high > low:
        return []
    if not log:
        return _round_values(low, high, most)
    step = 2.0 ** math.ceil(math.log2((high - low) / most))
    return [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)][:most]


def _round_values(low: float, high: float, most: int) -> list[float]:
    """Return the multiples in a range of the smallest of 1, 2, 5 × 10ⁿ that gives at most `most` of them."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        # half an ulp of the ends must not cost the outer ticks
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            break
    return [index * step for index in range(first, last + 1)]


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """Write a round number for a tick: "0.5", "−2", "2·10⁻⁶"."""
    if value == 0.0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}".replace("-", "−")
    mantissa, exponent = f"{value:.3e}".split("e")
    digits = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return (power if digits == "1" else f"{digits}·{power}").replace("-", "−")
