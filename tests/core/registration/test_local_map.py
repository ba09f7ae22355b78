"""The local map: which scans it holds, and where its points are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.linalg.lie import T_from_xyzrpy
from core.registration.kernels import voxel_centroids
from core.registration.local_map import LocalMap
from core.registration.sequence import Frame, ScanSequence
from tests.oracles_clouds import box_surface

VOXELS = (0.8, 0.4)


@pytest.fixture(scope="module")
def scans() -> ScanSequence:
    frames = [
        Frame(str(i), tuple(voxel_centroids(box_surface(3000, i), v) for v in VOXELS)) for i in range(6)
    ]
    return ScanSequence(tuple(frames), VOXELS, 10, 0.34, None)


def make_map(scans: ScanSequence, radius: float = 50.0, most: int = 20) -> LocalMap:
    return LocalMap(scans, radius=radius, most=most, distance=1.0, angle=math.radians(10))


def points_of(scan_map: LocalMap, level: int = -1) -> np.ndarray:
    assert scan_map.trees is not None
    tree = scan_map.trees[level]
    points = np.empty_like(tree.points)
    points[tree.order] = tree.points
    return points


def at(x: float, yaw: float = 0.0) -> np.ndarray:
    return T_from_xyzrpy(x, 0, 0, 0, 0, yaw)


def test_a_scan_far_or_turned_enough_becomes_a_keyframe(scans: ScanSequence) -> None:
    scan_map = make_map(scans)
    for k, T in enumerate([at(0), at(0.9), at(1.1), at(1.2, 9), at(1.2, 11), at(-0.5, 11)]):
        scan_map.add(k, T)
    assert scan_map.keyframes == (0, 2, 4, 5)


def test_points_are_means_over_all_keyframes_in_a_voxel(scans: ScanSequence) -> None:
    scan_map = make_map(scans)
    poses = [at(0), at(1.3, 20), at(2.9, -15)]
    for k, T in enumerate(poses):
        scan_map.add(k, T)
    merged = np.concatenate([scans.frames[k].points @ T[:3, :3].T + T[:3, 3] for k, T in enumerate(poses)])
    for level, voxel in enumerate(VOXELS):
        cells, inverse = np.unique(np.floor(merged / voxel), axis=0, return_inverse=True)
        sums = np.zeros((len(cells), 3))
        np.add.at(sums, inverse.ravel(), merged)
        expected = sums / np.bincount(inverse.ravel())[:, None]
        found = points_of(scan_map, level)
        assert len(found) == len(expected)
        order, expected_order = (np.lexsort(p.round(9).T) for p in (found, expected))
        np.testing.assert_allclose(found[order], expected[expected_order], atol=1e-9)


def test_nothing_beyond_the_radius_is_kept(scans: ScanSequence) -> None:
    scan_map = make_map(scans, radius=4.0)
    for k, T in enumerate([at(0), at(3.0), at(6.0)]):
        scan_map.add(k, T)
        distances = np.linalg.norm(points_of(scan_map) - T[:3, 3], axis=1)
        assert distances.max() <= 4.0
    # the first is 6 m off: alone it would give points at x = 3 that the others do not have
    alone = make_map(scans, radius=4.0)
    alone.add(1, at(3.0))
    alone.add(2, at(6.0))
    np.testing.assert_array_equal(points_of(scan_map), points_of(alone))


def test_only_the_newest_keyframes_count(scans: ScanSequence) -> None:
    scan_map, newest = make_map(scans, most=2), make_map(scans)
    for k in range(4):
        scan_map.add(k, at(1.5 * k))
    for k in (2, 3):
        newest.add(k, at(1.5 * k))
    np.testing.assert_array_equal(points_of(scan_map), points_of(newest))


def test_without_surfaces_there_is_no_map() -> None:
    rng = np.random.default_rng(0)
    fog = Frame("fog", (rng.uniform(-5, 5, (300, 3)),))
    scan_map = make_map(ScanSequence((fog, fog), (0.1,), 10, 0.001, None))
    scan_map.add(0, at(0))
    assert scan_map.trees is None
