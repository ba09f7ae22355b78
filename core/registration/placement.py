"""A scan of a sequence in its place: its alignment by any method of the lab, and the item that shows it."""

from __future__ import annotations

import dataclasses
import math
from collections import deque

import numpy as np

from core.io.pointcloud import PointCloud
from core.iterate import Array, Iterate, Lazy, Method, Status, Work
from core.linalg.lie import rotation_angle
from core.registration.correspondences import SearchTree
from core.registration.degeneracy import analyse_degeneracy
from core.registration.problem import Level, ScanPair
from core.registration.sequence import ScanSequence

#: A pair carries its files' clouds for display; a scan of a sequence is shown by the page itself.
_UNSHOWN = PointCloud(np.empty((0, 3)), None, None, None, "", ())

Trees = tuple[SearchTree, ...]


def align_frame(
    registration: Method[ScanPair], sequence: ScanSequence, k: int, trees: Trees, start: Array,
    only_first: bool,
) -> Iterate:  # fmt: skip
    """Return the last item of the alignment of frame k, or the first."""
    levels = zip(sequence.voxels, sequence.frames[k].levels, trees, strict=True)
    pair = ScanPair(
        tuple(Level(*level) for level in levels), start, None, np.zeros(3), np.zeros(3), _UNSHOWN, _UNSHOWN
    )
    items = registration.iterate(pair)
    return next(items) if only_first else deque(items, maxlen=1)[0]


def placed(
    k: int, T: Array, moved: Array, aligned: Iterate, work: Work, *, settled: bool, target_points: int,
    end: str | None,
) -> Iterate:  # fmt: skip
    """Return frame k at T; `moved` is its motion since the frame before."""
    H = array_of(aligned.arrays.get("plane_hessian", aligned.arrays["H"]))
    degeneracy = analyse_degeneracy(H)
    return Iterate(
        k=k,
        x=T.copy(),
        scalars={
            **{name: aligned.scalars[name] for name in ("rmse", "fitness", "correspondences")},
            "iterations": float(aligned.k),
            "settled": float(settled),
            "rotation": rotation_angle(moved[:3, :3]),
            "translation": float(np.linalg.norm(moved[:3, 3])),
            "condition_rotation": degeneracy.condition_rotation,
            "condition_translation": degeneracy.condition_translation,
            "weak_motions": float(degeneracy.mask.sum()),
            "target_points": float(target_points),
        },
        arrays={"H": H, "mask": degeneracy.mask.copy()},
        work=work,
        status=Status.RUNNING if end is None else Status.CONVERGED,
        note=end or "",
    )


def lost(k: int, T: Array, work: Work, status: Status, note: str) -> Iterate:
    """Return the last item of a sequence that cannot go on: frame k where the one before is."""
    scalars = {
        "rmse": math.nan, "fitness": 0.0, "correspondences": 0.0, "iterations": 0.0, "settled": 0.0,
        "weak_motions": 6.0,
    }  # fmt: skip
    arrays: dict[str, Lazy] = {"H": np.zeros((6, 6)), "mask": np.ones(6, dtype=np.bool_)}
    return Iterate(k, T, scalars, arrays, work, status, note)


def summary(frames: int, unsettled: int) -> str:
    """Return what to say of a sequence at its end."""
    text = f"all {frames} scans are placed"
    if unsettled:
        text += f"; {unsettled} of them ended before the tolerance, at the iteration limit or in a cycle"
    return text


def total(a: Work, b: Work) -> Work:
    """Return the work of both together."""
    return Work(**{f.name: getattr(a, f.name) + getattr(b, f.name) for f in dataclasses.fields(Work)})


def array_of(value: Lazy) -> Array:
    """Return what an item holds as an array."""
    return np.asarray(value() if callable(value) else value)
