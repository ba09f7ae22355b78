"""Files that hold several scans with poses: choose one, or merge all in the file's common frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.io.columns import Columns, Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """One scan in its own frame and the pose (rotation, translation) that maps it into the file's frame."""

    points: NDArray[Any]
    intensity: NDArray[Any] | None
    rgb: NDArray[np.uint8] | None
    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    @property
    def moved(self) -> bool:
        """Whether the pose is another than the identity."""
        return bool((self.rotation != np.eye(3)).any() or self.translation.any())

    def in_file_frame(self) -> NDArray[Any]:
        """Return the points in the file's frame."""
        return self.points @ self.rotation.T + self.translation if self.moved else self.points


def chosen(source: Source, scans: Sequence[T]) -> T:
    """Return the scan that the user asked for.

    Raises
    ------
    InputError
        If there is no scan of that number.
    """
    number = source.scan or 0
    if not 0 <= number < len(scans):
        have = f"scans 0 to {len(scans) - 1}" if scans else "no scan"
        raise source.error(f"a scan of number {number}", have, "choose one of these")
    return scans[number]


def merged(source: Source, scans: Sequence[Scan]) -> Columns:
    """Return all points in the file's frame; intensity and colour stay if every scan has them.

    Raises
    ------
    InputError
        If there is no scan.
    """
    if not scans:
        raise source.error("at least one scan", "none", "choose a file with points")
    with np.errstate(all="ignore"):
        points = np.concatenate([s.in_file_frame() for s in scans])
    notes = []
    if len(scans) > 1:
        notes.append(f"{len(scans)} scans were merged with their poses applied; one of them can be chosen.")
    elif scans[0].moved:
        notes.append("The pose that the file gives for the scan was applied.")
    intensity = [s.intensity for s in scans if s.intensity is not None]
    rgb = [s.rgb for s in scans if s.rgb is not None]
    return Columns(
        points,
        np.concatenate(intensity) if len(intensity) == len(scans) else None,
        np.concatenate(rgb) if len(rgb) == len(scans) else None,
        notes=tuple(notes),
    )
