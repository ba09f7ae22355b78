"""A point cloud in memory, its limits, and the cleaning that every format goes through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.io.columns import Columns

#: Largest accepted file, in bytes and in words.
MAX_BYTES = 64 * 2**20
MAX_BYTES_TEXT = "64 MB"
#: Largest accepted number of points.
MAX_POINTS = 5_000_000

#: Coordinates beyond this [m] are damage, not measurement (the Moon is nearer); their squares still fit.
FARTHEST = 1e9
#: Centres beyond this [m] are map coordinates, which 32-bit numbers cannot hold to the centimetre.
MAP_COORDINATES = 1e5
#: Extents [m] outside this range are unusual for a laser scan in metres.
USUAL_EXTENT = (0.5, 1500.0)
#: Share of (0, 0, 0) points above which they are mentioned.
ZERO_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class PointCloud:
    """Points of one scan with what the file says about them.

    Attributes
    ----------
    points : (N, 3) float64, finite, C-contiguous, in the file's own frame and unit; no offset is removed.
    intensity : (N,) float64 in the file's own scale, or None.
    rgb : (N, 3) uint8, or None.
    normals : (N, 3) float64 as stored, not normalised, or None.
    name : how the user knows the file.
    notes : sentences on what was dropped, assumed or looks suspicious.
    """

    points: NDArray[np.float64]
    intensity: NDArray[np.float64] | None
    rgb: NDArray[np.uint8] | None
    normals: NDArray[np.float64] | None
    name: str
    notes: tuple[str, ...]


def clean(columns: Columns, name: str) -> PointCloud:
    """Drop unusable points, unify the types and note what a user should know.

    Points at (0, 0, 0) stay: whether they are no-returns is for the registration to decide. An empty cloud
    from a valid file stays empty.

    Raises
    ------
    InputError
        If the file has points but none is usable, or there are more than `MAX_POINTS`.
    """
    stored = columns.points
    if len(stored) > MAX_POINTS:
        raise too_many_points(name, len(stored))
    points = np.ascontiguousarray(stored, dtype=np.float64)
    notes = list(columns.notes)
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(points).all(axis=1)
        near = finite & (np.abs(points) <= FARTHEST).all(axis=1)
    lost, far = len(points) - int(finite.sum()), int(finite.sum() - near.sum())
    if len(points) and not finite.any():
        raise InputError(
            name,
            "points with finite coordinates",
            f"{lost:,} points, all NaN or infinite",
            "export the scan again without invalid points",
        )
    if far > 0.5 * finite.sum():
        raise InputError(
            name,
            "coordinates in metres",
            f"{far:,} of {len(points):,} points farther than {FARTHEST:g} m",
            "the file is damaged or its data layout differs from its header",
        )
    if lost:
        notes.append(f"{lost:,} of {len(points):,} points with NaN or infinite coordinates were dropped.")
    if far:
        notes.append(f"{far:,} points farther than {FARTHEST:g} m were dropped.")
    keep = np.flatnonzero(near)
    if len(keep) < len(points):
        points = points[keep]
    notes += _suspicions(points, stored.dtype)
    return PointCloud(
        points=points,
        intensity=_finite(columns.intensity, keep, "intensity", notes),
        rgb=None if columns.rgb is None else np.ascontiguousarray(columns.rgb[keep]),
        normals=_finite(columns.normals, keep, "normal", notes),
        name=name,
        notes=tuple(notes),
    )


def too_many_points(name: str, count: int) -> InputError:
    """Return the error for a cloud above the limit."""
    return InputError(
        name,
        f"at most {MAX_POINTS:,} points",
        f"{count:,}",
        "thin the scan, for example to one point per 5 cm",
    )


def _finite(
    values: NDArray[np.float64] | None, keep: NDArray[np.intp], what: str, notes: list[str]
) -> NDArray[np.float64] | None:
    """Return the kept values as contiguous float64 with 0 in place of NaN and infinity."""
    if values is None:
        return None
    kept = np.array(values[keep], dtype=np.float64, order="C")
    bad = ~np.isfinite(kept)
    if bad.any():
        kept[bad] = 0.0
        count = int(bad.any(axis=1).sum()) if kept.ndim > 1 else int(bad.sum())
        notes.append(f"{count:,} points with a NaN or infinite {what} got 0 instead.")
    return kept


def _suspicions(points: NDArray[np.float64], stored: np.dtype[np.generic]) -> list[str]:
    """Return sentences on no-returns, large coordinates and the unit."""
    if not len(points):
        return ["The file holds no points."]
    notes = []
    zeros = int((~points.any(axis=1)).sum())
    if zeros > ZERO_SHARE * len(points):
        notes.append(
            f"{zeros:,} of {len(points):,} points are (0, 0, 0), which many sensors write for no return."
        )
    low, high = points.min(axis=0), points.max(axis=0)
    magnitude = float(max(-low.min(), high.max()))
    if magnitude > MAP_COORDINATES:
        kept = f"Coordinates up to {magnitude:,.0f} are kept in 64-bit precision"
        if stored.itemsize <= 4 and stored.kind == "f":
            step = float(np.spacing(np.float32(magnitude)))
            kept += f", but the file stores 32-bit numbers, which are {step:g} apart there"
        notes.append(kept + ".")
    extent = float((high - low).max())
    if extent > USUAL_EXTENT[1]:
        notes.append(
            f"The cloud extends over {extent:,.0f} m: if its unit is the millimetre, scale it by 0.001."
        )
    elif 0.0 < extent < USUAL_EXTENT[0]:
        notes.append(f"The cloud extends over {extent:.3g} m only: its unit may not be the metre.")
    return notes
