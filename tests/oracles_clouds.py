"""Small clouds and pairs made without the scene simulator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.io.pointcloud import PointCloud
from core.registration.correspondences import SearchTree
from core.registration.kernels import voxel_centroids
from core.registration.problem import Level, ScanPair

Array = NDArray[np.float64]


def box_surface(
    n: int, seed: int, half: tuple[float, float, float] = (3.0, 4.0, 1.5), noise: float = 0.0
) -> Array:
    """Return n points on the faces of a box about the origin, off their face by `noise` [m]."""
    rng = np.random.default_rng(seed)
    axis = rng.integers(0, 3, n)
    points = rng.uniform(-1, 1, (n, 3)) * half
    rows = np.arange(n)
    points[rows, axis] = rng.choice([-1.0, 1.0], n) * np.array(half)[axis] + noise * rng.normal(size=n)
    return points


def make_pair(
    source: Array,
    target: Array,
    T_initial: Array,
    *,
    T_true: Array | None = None,
    voxels: Sequence[float] = (),
    source_offset: Sequence[float] = (0, 0, 0),
    target_offset: Sequence[float] = (0, 0, 0),
    planarity: float = 0.05,
) -> ScanPair:
    """Return a pair with one level of all points, or one level for each voxel size, coarsest first."""
    s, t = source - np.array(source_offset), target - np.array(target_offset)
    levels = [
        Level(
            voxel,
            voxel_centroids(s, voxel) if voxel else np.ascontiguousarray(s),
            SearchTree.build(voxel_centroids(t, voxel) if voxel else t).with_normals(10, planarity),
        )
        for voxel in voxels or (0.0,)
    ]
    clouds = (PointCloud(np.ascontiguousarray(p), None, None, None, "made", ()) for p in (source, target))
    return ScanPair(
        tuple(levels),
        T_initial,
        T_true,
        np.array(source_offset, float),
        np.array(target_offset, float),
        *clouds,
    )
