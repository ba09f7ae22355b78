"""The map that odometry aligns scans to: keyframes near the sensor, merged to one point a voxel.

The map holds no points but the numbers and poses of its keyframes. Its points are the means of all points of
these keyframes in a voxel, so none weighs more because it came first, and nothing is left of a keyframe that
has gone.
"""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.linalg.lie import rotation_angle
from core.registration.correspondences import SearchTree
from core.registration.kernels import voxel_centroids
from core.registration.sequence import ScanSequence


class LocalMap:
    """A map of the surroundings, made anew at every keyframe.

    Parameters
    ----------
    sequence : the scans.
    radius : points farther from the sensor are left out, and so are keyframes [m].
    most : the newest keyframes within the radius that count.
    distance, angle : a scan this far from the newest keyframe becomes one [m, rad].
    """

    def __init__(
        self, sequence: ScanSequence, *, radius: float, most: int, distance: float, angle: float
    ) -> None:
        self._sequence = sequence
        self._radius, self._most = radius, most
        self._distance, self._angle = distance, angle
        self._keyframes: list[tuple[int, Array]] = []
        self.trees: tuple[SearchTree, ...] | None = None

    @property
    def keyframes(self) -> tuple[int, ...]:
        """Numbers of all frames that became keyframes."""
        return tuple(index for index, _ in self._keyframes)

    def add(self, index: int, T: Array) -> None:
        """Make frame `index` at T_world_sensor (4, 4) a keyframe if it is far enough from the newest one."""
        if self._keyframes:
            newest = self._keyframes[-1][1]
            near = float(np.linalg.norm(T[:3, 3] - newest[:3, 3])) < self._distance
            if near and rotation_angle(newest[:3, :3].T @ T[:3, :3]) < self._angle:
                return
        self._keyframes.append((index, T))
        points = self._points(T[:3, 3])
        self.trees = self._sequence.trees([voxel_centroids(points, v) for v in self._sequence.voxels])

    def _points(self, centre: Array) -> Array:
        """Return the points (N, 3) of the keyframes that count, world frame."""
        within = [(i, T) for i, T in self._keyframes if np.linalg.norm(T[:3, 3] - centre) <= self._radius][
            -self._most :
        ]
        merged = np.concatenate([self._sequence.frames[i].points @ T[:3, :3].T + T[:3, 3] for i, T in within])
        near = ((merged - centre) ** 2).sum(axis=1) <= self._radius**2
        return np.ascontiguousarray(merged[near])
