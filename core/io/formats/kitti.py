"""Headerless ``.bin`` of 32-bit floats: KITTI (4 a point), nuScenes (5), bare coordinates (3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.io.columns import Columns, Source

_LAYOUTS = {3: "x, y, z", 4: "x, y, z, intensity", 5: "x, y, z, intensity, ring"}
#: A value beyond this [m], or nearer to zero than the other, is no laser measurement.
_LARGEST, _SMALLEST = 1e6, 1e-15
_IMPLAUSIBLE_SHARE = 0.01


def read(source: Source) -> Columns:
    """Read the points; the floats a point are `source.columns` or the layout that fits best.

    Raises
    ------
    InputError
        If the size fits no layout, or the values cannot be coordinates.
    """
    size = len(source.data)
    if size == 0:
        raise source.error("32-bit floats", "an empty file", "choose a file with points")
    wanted = (source.columns,) if source.columns is not None else tuple(_LAYOUTS)
    fitting = [k for k in wanted if size % (4 * k) == 0]
    if not fitting:
        counts = " or ".join(str(k) for k in wanted)
        raise source.error(
            f"{counts} floats of 4 bytes a point",
            f"{size:,} bytes, no multiple of {' or '.join(str(4 * k) for k in wanted)}",
            "the file is cut short or is not a .bin scan",
        )
    values = np.frombuffer(source.data, "<f4")
    _check_plausible(source, values)
    width = fitting[0] if source.columns is not None else best_layout(values, fitting, source.name)
    table = values.reshape(-1, width)
    layout = _LAYOUTS.get(width, f"x, y, z and {width - 3} more")
    note = f"Read as {width} floats a point ({layout})"
    if source.columns is None:
        note += ", the layout that fits best; the file itself does not say"
    return Columns(table[:, :3], table[:, 3] if width > 3 else None, notes=(f"{note}.",))


def best_layout(values: NDArray[np.float32], fitting: list[int], name: str) -> int:
    """Return the floats a point under which values of one column resemble their neighbours most.

    At the true width, a value and the one a point later belong to the same column; at a wrong one they mix
    coordinates with intensities. The median distance, on a logarithmic scale, is smallest at the true width.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.arcsinh(values[: 4 * 10**6].astype(np.float64))
    scaled = scaled[np.isfinite(scaled)]
    if name.lower().endswith(".pcd.bin") and 5 in fitting:
        return 5
    if len(scaled) <= 64:
        return next(k for k in (4, 3, 5) if k in fitting)
    return min(fitting, key=lambda k: float(np.abs(scaled[k:] - scaled[:-k]).mean()))


def _check_plausible(source: Source, values: NDArray[np.float32]) -> None:
    """Raise InputError for values that no scan holds, as text or random bytes give them."""
    with np.errstate(invalid="ignore"):
        size = np.abs(values)
        odd = int(((size > _LARGEST) & np.isfinite(size)).sum() + ((size < _SMALLEST) & (size > 0)).sum())
    if odd > _IMPLAUSIBLE_SHARE * len(values):
        raise source.error(
            "32-bit floats of coordinates in metres",
            f"{odd:,} of {len(values):,} values above {_LARGEST:g} or below {_SMALLEST:g}",
            "give the file the extension of its format",
        )
