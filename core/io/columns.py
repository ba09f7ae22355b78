"""What a format reader gets (`Source`) and returns (`Columns`), and how columns are known by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

#: Spellings of the columns that are used, after `normalised`.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "x": ("x", "px", "posx", "positionx", "pointx", "points0", "coordx"),
    "y": ("y", "py", "posy", "positiony", "pointy", "points1", "coordy"),
    "z": ("z", "pz", "posz", "positionz", "pointz", "points2", "coordz"),
    "intensity": ("intensity", "scalarintensity", "intensities", "i", "reflectance", "scalarreflectance",
                  "reflectivity", "remission", "amplitude"),
    "red": ("red", "r", "diffusered"),
    "green": ("green", "g", "diffusegreen"),
    "blue": ("blue", "b", "diffuseblue"),
    "rgb": ("rgb", "rgba"),
    "nx": ("nx", "normalx", "normals0"),
    "ny": ("ny", "normaly", "normals1"),
    "nz": ("nz", "normalz", "normals2"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read: its bytes, the user's name for it, and the two questions a format may leave open.

    Attributes
    ----------
    columns : floats a point in a headerless ``.bin``; None = find out.
    scan : number of the scan, from 0, in a file that holds several; None = merge all.
    """

    name: str
    data: bytes
    path: Path
    columns: int | None = None
    scan: int | None = None

    def error(self, expected: str, got: str, hint: str = "", *, line: int | None = None) -> InputError:
        """Return the error that names this file, and the line where one is known."""
        where = self.name if line is None else f"{self.name}, line {line}"
        return InputError(where, expected, got, hint)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What a format reader found, before cleaning; `points` is (N, 3) of any real type."""

    points: NDArray[Any]
    intensity: NDArray[Any] | None = None
    rgb: NDArray[np.uint8] | None = None
    normals: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()


def normalised(name: str) -> str:
    """Return a column's name in lower case without quotes, units in brackets and punctuation."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[\[(].*?[\])]", "", name.lower()))


def roles(names: Sequence[str]) -> dict[str, int]:
    """Return the position of each known column; the first one of a kind counts."""
    plain = [normalised(n) for n in names]
    found: dict[str, int] = {}
    for role, spellings in SPELLINGS.items():
        for spelling in spellings:
            if spelling in plain:
                found[role] = plain.index(spelling)
                break
    return found


def coordinates_in(source: Source, names: Sequence[str]) -> dict[str, int]:
    """Return `roles`, or raise InputError if x, y or z is not among them."""
    found = roles(names)
    missing = [axis for axis in "xyz" if axis not in found]
    if missing:
        shown = ", ".join(names[:12]) or "none"
        flat = "a two-dimensional scan with " if missing == ["z"] else ""
        raise source.error(
            "the columns x, y and z",
            f"{flat}only {shown} (no {', '.join(missing)})",
            "name the coordinate columns x, y and z",
        )
    return found


def from_fields(source: Source, names: Sequence[str], column: Callable[[int], NDArray[Any]]) -> Columns:
    """Assemble `Columns` from named columns in any order.

    Parameters
    ----------
    column : returns the values (N,) of the i-th name.

    Raises
    ------
    InputError
        If x, y or z is missing.
    """
    found = coordinates_in(source, names)

    def stacked(*wanted: str) -> NDArray[Any] | None:
        if not all(w in found for w in wanted):
            return None
        return np.column_stack([column(found[w]) for w in wanted])

    rgb = stacked("red", "green", "blue")
    if rgb is not None:
        rgb = colours(rgb)
    elif "rgb" in found:
        rgb = packed_colours(column(found["rgb"]))
    points = stacked("x", "y", "z")
    assert points is not None
    intensity = column(found["intensity"]) if "intensity" in found else None
    return Columns(points, intensity, rgb, stacked("nx", "ny", "nz"))


def colours(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (N, 3) uint8 from colours in 0…1, 0…255 or 0…65535, told apart by type and largest value."""
    if values.dtype == np.uint8 or not values.size:
        return values.astype(np.uint8)
    plain = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    largest = plain.max()
    if values.dtype.kind == "f" and largest <= 1.0:
        plain = plain * 255.0
    elif largest > 255.0:
        plain = plain / 257.0
    return np.clip(np.rint(plain), 0, 255).astype(np.uint8)


def packed_colours(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (N, 3) uint8 from 0x00RRGGBB numbers, which PCD also stores in the bits of a 32-bit float."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    else:
        bits = values.astype(np.uint32)
    return np.column_stack([(bits >> shift) & 255 for shift in (16, 8, 0)]).astype(np.uint8)
