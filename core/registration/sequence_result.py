"""The result of a sequence: the path, its errors where the true one is known, and where it was weak."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.iterate import Array
from core.registration.degeneracy import MOTIONS
from core.registration.report import finite_or_none
from core.registration.sequence import ScanSequence
from core.registration.trajectory import absolute_errors, distances_along, relative_errors, segment_errors
from core.trace import TraceView

#: Two positions can always be aligned but for their distance: a path of fewer poses has no absolute error.
MIN_POSES = 3


def sequence_result(problem: ScanSequence, view: TraceView) -> dict[str, Any]:
    """Return the path so far and how good it is.

    Parameters
    ----------
    problem : the scans that were placed.
    view : trace of a method; the kept items count.

    Returns
    -------
    JSON-ready: ``poses`` (N lists of 4 lists of 4, T_world_sensor, the first scan's frame is the world),
    ``frames`` (their numbers), ``path_length`` [m], ``rmse`` [m] and ``fitness`` (medians over the frames
    that were aligned), ``degeneracy``: ``masks`` (one text a frame: roll, pitch, yaw, x, y, z as 0 or 1),
    ``weak_share`` (share of frames in which each motion is weak, by its name), ``condition_rotation`` and
    ``condition_translation`` (one number a frame, None for infinity). Where true poses are known, else None:
    ``ate_rmse`` [m] after alignment without scale, ``ate_max`` [m], ``alignment`` (4 lists of 4: this world
    to that of the true poses), ``rte`` [%] and ``rre`` [degrees per m], the mean relative errors over
    segments, ``segment_lengths`` [m], ``rpe_translation`` [m] and ``rpe_rotation`` [degrees], the root mean
    squares of errors from one frame to the next.
    """
    kept = [int(k) for k in view.kept]
    poses = np.stack([view.snapshots[k]["x"] for k in kept])
    rows = np.searchsorted(view.k, kept)
    placed = rows[1:] if len(rows) > 1 else rows
    return {
        "poses": poses.tolist(),
        "frames": kept,
        "path_length": float(distances_along(poses)[-1]),
        "rmse": finite_or_none(float(np.median(view.scalars["rmse"][placed]))),
        "fitness": float(np.median(view.scalars["fitness"][placed])),
        "degeneracy": _degeneracy(view, kept, rows),
        **_errors(poses, None if problem.T_true is None else problem.T_true[kept]),
    }


def _degeneracy(view: TraceView, kept: list[int], rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    masks = np.stack([view.snapshots[k]["mask"] for k in kept])
    conditions = {
        name: [finite_or_none(v) for v in view.scalars[name][rows].tolist()]
        for name in ("condition_rotation", "condition_translation")
    }
    return {
        "masks": ["".join("1" if flagged else "0" for flagged in mask) for mask in masks],
        "weak_share": dict(zip(MOTIONS, masks.mean(axis=0).tolist(), strict=True)),
        **conditions,
    }


def _errors(poses: Array, T_true: Array | None) -> dict[str, Any]:
    names = ("ate_rmse", "ate_max", "alignment", "rte", "rre", "segment_lengths", "rpe_translation",
             "rpe_rotation")  # fmt: skip
    errors: dict[str, Any] = dict.fromkeys(names)
    if T_true is None:
        return errors
    if len(poses) >= MIN_POSES:
        T, distances = absolute_errors(poses, T_true)
        errors["alignment"] = T.tolist()
        errors["ate_rmse"], errors["ate_max"] = _rms(distances), float(distances.max())
    if len(poses) > 1:
        translation, rotation = relative_errors(poses, T_true)
        errors["rpe_translation"], errors["rpe_rotation"] = _rms(translation), math.degrees(_rms(rotation))
    segments = segment_errors(poses, T_true)
    if len(segments.length):
        errors["rte"] = 100.0 * float(segments.translation.mean())
        errors["rre"] = math.degrees(float(segments.rotation.mean()))
        errors["segment_lengths"] = sorted(set(segments.length.tolist()))
    return errors


def _rms(values: Array) -> float:
    return math.sqrt(float((values**2).mean()))
