"""How far an estimated path is from the true one: absolute and relative errors by their standard definitions.

Poses are T_world_sensor (N, 4, 4); the two paths may have different worlds, but describe the same sensor.

Sources: Umeyama 1991, Least-squares estimation of transformation parameters between two point patterns, IEEE
TPAMI 13(4), for the alignment; Sturm et al. 2012, A benchmark for the evaluation of RGB-D SLAM systems, IROS,
for ATE and RPE; Geiger, Lenz & Urtasun 2012, Are we ready for autonomous driving? The KITTI vision benchmark
suite, CVPR, for errors over segments of given length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.iterate import Array
from core.linalg.lie import pose, rotation_angle

#: KITTI measures segments of 1, 2, … 8 times 100 m; shorter paths are measured by 10 m, 1 m, …
MULTIPLES = tuple(range(1, 9))
LONGEST_UNIT = 100.0
#: The shortest segment that is measured [m]; below it, relative errors are noise.
SHORTEST_UNIT = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class SegmentErrors:
    """Relative errors over segments of the true path, one entry for each segment.

    Attributes
    ----------
    first, last : (M,) frames between which the error arose.
    length : (M,) [m], as asked for; a segment is longer by a part of its last step.
    translation : (M,) ‖error's translation‖ over the length of the segment, a fraction.
    rotation : (M,) angle of the error's rotation over the length of the segment [rad/m].
    """

    first: np.ndarray[tuple[int], np.dtype[np.int64]]
    last: np.ndarray[tuple[int], np.dtype[np.int64]]
    length: Array
    translation: Array
    rotation: Array


def align_positions(estimate: Array, truth: Array) -> Array:
    """Return the rigid motion T (4, 4), without scale, that minimises Σ ‖truth − T estimate‖².

    Parameters
    ----------
    estimate, truth : (N, 3) positions [m], N ≥ 1. On a straight path the turn about it is arbitrary.

    References
    ----------
    Umeyama 1991, with scale 1.
    """
    _check(estimate, truth, (3,))
    centre, centre_true = estimate.mean(axis=0), truth.mean(axis=0)
    U, _, Vt = np.linalg.svd((truth - centre_true).T @ (estimate - centre))
    # a reflection would fit better where the points are nearly flat
    R = U @ np.diag([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))]) @ Vt
    return pose(R, centre_true - R @ centre)


def absolute_errors(estimate: Array, truth: Array) -> tuple[Array, Array]:
    """Return the alignment of the estimate's world to the truth's, and what then is left at every pose.

    The root mean square of the second is the absolute trajectory error (ATE).

    Parameters
    ----------
    estimate, truth : (N, 4, 4).

    Returns
    -------
    T (4, 4), and distances (N,) [m].

    References
    ----------
    Sturm et al. 2012.
    """
    _check(estimate, truth, (4, 4))
    T = align_positions(estimate[:, :3, 3], truth[:, :3, 3])
    moved = estimate[:, :3, 3] @ T[:3, :3].T + T[:3, 3]
    return T, np.asarray(np.linalg.norm(moved - truth[:, :3, 3], axis=1))


def relative_errors(estimate: Array, truth: Array, delta: int = 1) -> tuple[Array, Array]:
    """Return the error of every motion over `delta` frames: ‖translation‖ [m] and angle [rad], (N − delta,).

    The root mean squares are the relative pose error (RPE).

    Parameters
    ----------
    estimate, truth : (N, 4, 4).
    delta : at least 1.

    References
    ----------
    Sturm et al. 2012: E_i = (Q_i⁻¹ Q_{i+Δ})⁻¹ (P_i⁻¹ P_{i+Δ}).
    """
    _check(estimate, truth, (4, 4))
    if delta < 1:
        raise ValueError(f"delta must be at least 1, not {delta}")
    first = np.arange(max(len(truth) - delta, 0))
    return _errors_between(estimate, truth, first, first + delta)


def segment_errors(estimate: Array, truth: Array, lengths: tuple[float, ...] | None = None) -> SegmentErrors:
    """Return the relative errors over all segments of the given lengths, from every frame on.

    A segment ends at the first frame whose distance along the true path exceeds its length. The means are
    KITTI's translational and rotational error.

    Parameters
    ----------
    estimate, truth : (N, 4, 4).
    lengths : [m]; those of `segment_lengths` by default.

    References
    ----------
    Geiger et al. 2012. Its development kit starts at every tenth frame, here at every frame, and divides by
    the length asked for, here by the length of the segment: the same for 100 m, but not for a few steps.
    """
    _check(estimate, truth, (4, 4))
    travelled = distances_along(truth)
    if lengths is None:
        lengths = segment_lengths(float(travelled[-1]))
    first, last, length = [], [], []
    for wanted in lengths:
        ends = np.searchsorted(travelled, travelled + wanted, side="right")
        starts = np.flatnonzero(ends < len(travelled))
        first.append(starts)
        last.append(ends[starts])
        length.append(np.full(len(starts), wanted))
    if not lengths:
        first, last, length = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    i, j, metres = np.concatenate(first), np.concatenate(last), np.concatenate(length)
    translation, rotation = _errors_between(estimate, truth, i, j)
    covered = travelled[j] - travelled[i]
    return SegmentErrors(i, j, metres, translation / covered, rotation / covered)


def segment_lengths(path_length: float) -> tuple[float, ...]:
    """Return KITTI's 100, 200, … 800 m, or a tenth, a hundredth, … of it, so that the path [m] is longer.

    Empty for a path of up to 0.8 m.
    """
    unit = LONGEST_UNIT
    while unit >= SHORTEST_UNIT:
        if MULTIPLES[-1] * unit < path_length:
            return tuple(multiple * unit for multiple in MULTIPLES)
        unit = round(unit / 10.0, 1)
    return ()


def distances_along(poses: Array) -> Array:
    """Return the length (N,) [m] of the path up to each of the poses (N, 4, 4)."""
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _errors_between(
    estimate: Array, truth: Array, first: np.ndarray[tuple[int], np.dtype[np.int64]],
    last: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> tuple[Array, Array]:  # fmt: skip
    """Return ‖t‖ [m] and the angle [rad] of the error of the motion from `first` to `last`."""
    moved = np.linalg.inv(estimate[first]) @ estimate[last]
    E = np.linalg.inv(moved) @ np.linalg.inv(truth[first]) @ truth[last]
    angles = np.array([rotation_angle(R) for R in E[:, :3, :3]])
    return np.asarray(np.linalg.norm(E[:, :3, 3], axis=1)), angles


def _check(estimate: Array, truth: Array, shape: tuple[int, ...]) -> None:
    if estimate.shape != truth.shape or estimate.shape[1:] != shape or not len(estimate):
        raise ValueError(f"two arrays (N, {', '.join(map(str, shape))}) are needed, not "
                         f"{estimate.shape} and {truth.shape}")  # fmt: skip
