"""Masks to begin a painting with, and a painting as it comes from the browser."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import InputError
from core.poisson import obstacles
from core.poisson.system import AIR, BOUNDARY, FLUID, SOLID, Flags

#: Cells a side that a painting may have.
SIDES = (32, 64, 96, 128, 256)


def _blank(shape: tuple[int, int], seed: int) -> obstacles.Mask:
    return np.zeros(shape, bool)


def _gaps(shape: tuple[int, int], seed: int) -> obstacles.Mask:
    """Two walls with a gap each and a disc between them."""
    x, y = np.broadcast_arrays(*obstacles.cell_centres(shape))
    low = (np.abs(x - 0.3) < 0.02) & (np.abs(y - 0.75) > 0.08)
    high = (np.abs(x - 0.7) < 0.02) & (np.abs(y - 0.25) > 0.08)
    return np.asarray(low | high | ((x - 0.5) ** 2 + (y - 0.5) ** 2 <= 0.1**2))


#: Name of a beginning → the solid cells of a grid with two axes for a seed.
BEGINNINGS: Mapping[str, Callable[[tuple[int, int], int], obstacles.Mask]] = {
    "walls with gaps": _gaps,
    "disc": lambda shape, seed: obstacles.disc(shape),
    "blobs": lambda shape, seed: obstacles.blobs(shape, np.random.default_rng(seed)),
    "maze": lambda shape, seed: obstacles.maze(shape, [(0, 1)], np.random.default_rng(seed)),
    "nothing": _blank,
}


def beginning(name: str, side: int, seed: int = 0) -> Flags:
    """Return a mask (side, side) to paint on, int8: 1 solid, 2 fluid."""
    solid = BEGINNINGS[name]((side, side), seed)
    return np.where(solid, SOLID, FLUID).astype(np.int8)


def flags_of_runs(shape: Sequence[Any], runs: Sequence[Any]) -> Flags:
    """Return the mask that a run-length code names.

    Parameters
    ----------
    shape : rows and columns, each one of `SIDES`.
    runs : value, length, value, length, …; rows one after the other.

    Raises
    ------
    InputError
        If the code does not fill the grid or names another kind of cell.
    """
    expected = "rows, columns and runs of flags that fill them"
    numbers = [*shape, *runs]
    if any(type(n) is not int for n in numbers) or len(shape) != 2 or len(runs) % 2:
        raise InputError("painting", expected, f"{str(numbers)[:80]}")
    if any(side not in SIDES for side in shape):
        raise InputError("painting", f"sides of {SIDES}", f"{list(shape)}")
    values, lengths = runs[::2], runs[1::2]
    if sum(lengths) != shape[0] * shape[1] or min(lengths, default=0) < 1:
        raise InputError("painting", f"{shape[0] * shape[1]} cells", f"{sum(lengths)}")
    if min(values) < BOUNDARY or max(values) > AIR:
        raise InputError("painting", "flags from 0 to 3", f"values from {min(values)} to {max(values)}")
    return np.repeat(np.array(values, np.int8), lengths).reshape(shape)


def as_npy(flags: Flags) -> bytes:
    """Return a mask as the content of an .npy file."""
    file = io.BytesIO()
    np.save(file, flags, allow_pickle=False)
    return file.getvalue()
