"""Lists of poses, one a line: KITTI's matrices and the lines with time stamps of the TUM benchmark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array

#: Largest accepted file of poses [bytes]: about 100 000 lines.
MAX_BYTES = 32 * 2**20
#: Largest deviation from a rotation that is taken for rounding and projected away.
ROUNDING = 1e-3
#: Larger positions [m] and times [s, or ns since 1970] are damage.
LARGEST = 1e19

_FORMATS = "12 numbers (KITTI), 16 numbers (a matrix) or 8 numbers (TUM: t x y z qx qy qz qw) in every line"


@dataclass(frozen=True, slots=True, eq=False)
class PoseList:
    """Poses as a file gives them.

    Attributes
    ----------
    poses : (N, 4, 4) T_world_sensor.
    times : (N,) [s], or None where the format has none.
    """

    poses: Array
    times: Array | None

    def nearest(self, times: Array, tolerance: float) -> NDArray[np.int64]:
        """Return the number (M,) of the pose nearest to each time [s]; -1 where none is within `tolerance`.

        Raises
        ------
        ValueError
            If the list has no times.
        """
        if self.times is None:
            raise ValueError("the list has no times")
        order = np.argsort(self.times, kind="stable")
        stamps = self.times[order]
        after = np.clip(np.searchsorted(stamps, times), 1, len(stamps) - 1) if len(stamps) > 1 else 0
        before = np.maximum(after - 1, 0)
        near = np.where(times - stamps[before] <= stamps[after] - times, before, after)
        return np.where(np.abs(stamps[near] - times) <= tolerance, order[near], -1)


def read_pose_list(path: Path, name: str | None = None) -> PoseList:
    """Read a list of poses.

    Every line holds 12 numbers, the upper three rows of the matrix row by row (KITTI odometry), the same with
    the fourth row, or a time stamp, a position and a unit quaternion with the real part last (TUM RGB-D).
    ``#`` starts a comment; numbers are separated by blanks or commas.

    Raises
    ------
    InputError
        If the file cannot be read, a line differs, or a number is no part of a rigid motion.
    """
    name = name or path.name
    numbers = _table(_text(path, name), name)
    if numbers.shape[1] == 8:
        times = np.array([_seconds(stamp) for stamp in numbers[:, 0].tolist()])
        return PoseList(_from_quaternions(numbers[:, 1:], name), times)
    poses = np.tile(np.eye(4), (len(numbers), 1, 1))
    poses[:, : numbers.shape[1] // 4] = numbers.reshape(len(numbers), -1, 4)
    if np.abs(poses[:, 3] - [0.0, 0.0, 0.0, 1.0]).max() > 1e-9:
        raise InputError(name, "0 0 0 1 as the last row of every matrix", "other numbers")
    return PoseList(_orthonormal(poses, name), None)


def times_in_names(names: Iterable[str]) -> Array | None:
    """Return the times (N,) [s] that files are named after, or None if one is not.

    A time is written in seconds with a decimal point, or in whole micro- or nanoseconds since 1970 (16 or 19
    digits); a shorter whole number is a running number.
    """
    found = []
    for name in names:
        stem = name.rsplit(".", 1)[0]
        if re.fullmatch(r"[0-9]+\.[0-9]+", stem):
            found.append(float(stem))
        elif re.fullmatch(r"[0-9]{16}|[0-9]{19}", stem):
            found.append(_seconds(int(stem)))
        else:
            return None
    return np.array(found)


def _seconds(stamp: float) -> float:
    """Return a time stamp of unknown unit in seconds: those since 1970 tell their unit by their size."""
    return stamp / 1e9 if stamp > 1e17 else stamp / 1e6 if stamp > 1e14 else float(stamp)


def _text(path: Path, name: str) -> str:
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
        elif path.stat().st_size > MAX_BYTES:
            found = f"a file of {path.stat().st_size / 2**20:.0f} MB"
        else:
            return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # unreadable, a name with a null byte, or not text
        found = f"an unreadable file ({type(error).__name__})"
    raise InputError(name, "a text file of poses", found, "check the path")


def _table(text: str, name: str) -> Array:
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = re.split(r"[\s,;]+", line.split("#", 1)[0].strip())
        if words == [""]:
            continue
        where = f"{name}, line {number}"
        try:
            row = [float(word) for word in words]
        except ValueError:
            raise InputError(where, "numbers", repr(line.strip()[:60])) from None
        if len(row) not in (8, 12, 16) or (rows and len(row) != len(rows[0])):
            raise InputError(where, _FORMATS, f"{len(row)} numbers")
        rows.append(row)
    if not rows:
        raise InputError(name, _FORMATS, "no line with numbers")
    table = np.array(rows)
    if not np.isfinite(table).all():
        first = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise InputError(name, "finite numbers", f"nan or inf in pose {first + 1}")
    if np.abs(table).max() > LARGEST:
        raise InputError(name, f"numbers up to {LARGEST:g}", "larger ones", "positions are in metres")
    return table


def _from_quaternions(rows: Array, name: str) -> Array:
    """Return the poses of rows x y z qx qy qz qw."""
    lengths = np.linalg.norm(rows[:, 3:], axis=1)
    off = np.abs(lengths - 1.0) > 0.01
    if off.any():
        i = int(np.flatnonzero(off)[0])
        raise InputError(
            name, "unit quaternions qx qy qz qw in columns 5 to 8", f"one of length {lengths[i]:g}",
            f"see pose {i + 1}",
        )  # fmt: skip
    x, y, z, w = (rows[:, 3:] / lengths[:, None]).T
    R = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3, :3] = np.moveaxis(np.array(R), 2, 0)
    poses[:, :3, 3] = rows[:, :3]
    return poses


def _orthonormal(poses: Array, name: str) -> Array:
    """Return the poses with their rotations free of rounding; InputError if one is no rotation."""
    R = poses[:, :3, :3]
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.abs(np.swapaxes(R, 1, 2) @ R - np.eye(3)).max(axis=(1, 2))
        wrong = ~(deviation < ROUNDING) | ~(np.linalg.det(R) > 0.0)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InputError(
            name, "rotations in the left three columns", f"another matrix in pose {i + 1}",
            "the matrices are given row by row, without scale",
        )  # fmt: skip
    U, _, Vt = np.linalg.svd(R)
    poses[:, :3, :3] = U @ Vt
    return poses
