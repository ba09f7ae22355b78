"""Point-to-point ICP against the closed form and Open3D."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from core.iterate import Iterate, Status
from core.linalg.lie import T_from_xyzrpy
from core.registration.correspondences import make_linearisation
from core.registration.methods.icp_plane import IcpPlane
from core.registration.methods.icp_point import IcpPoint
from tests.oracles_clouds import box_surface, make_pair

START = T_from_xyzrpy(0.1, -0.05, 0.05, 1.0, -1.0, 1.5)
TIGHT: dict[str, Any] = {
    "kernel": "l2",
    "rtol_rotation": 1e-12,
    "rtol_translation": 1e-12,
    "max_iterations": 500,
}


def x(item: Iterate) -> np.ndarray:
    return item.x() if callable(item.x) else item.x


def test_its_end_is_a_fixed_point_of_the_closed_form() -> None:
    pair = make_pair(box_surface(1500, 1), box_surface(1500, 0), START)
    last = list(IcpPoint(**TIGHT).iterate(pair))[-1]
    assert last.status is Status.CONVERGED
    T, level = x(last), pair.levels[0]
    moved = level.source @ T[:3, :3].T + T[:3, 3]
    found, _ = level.target.nearest(moved, 1.0)
    partners = pair.target.points[found[found >= 0]]
    p = level.source[found >= 0]
    rotation, _ = Rotation.align_vectors(partners - partners.mean(axis=0), p - p.mean(axis=0))
    R = rotation.as_matrix()
    np.testing.assert_allclose(T[:3, :3], R, atol=1e-9)
    np.testing.assert_allclose(T[:3, 3], partners.mean(axis=0) - R @ p.mean(axis=0), atol=1e-9)


def test_open3d_does_not_move_on_from_its_end() -> None:
    # from a common start the two may end at different ones of many fixed points
    o3d = pytest.importorskip("open3d")
    pair = make_pair(box_surface(1500, 1), box_surface(1500, 0), START)
    end = x(list(IcpPoint(**TIGHT).iterate(pair))[-1])
    level = pair.levels[0]
    clouds = []
    for points in (level.source, level.target.points):
        cloud = o3d.geometry.PointCloud()
        cloud.points = o3d.utility.Vector3dVector(points)
        clouds.append(cloud)
    criteria = o3d.pipelines.registration.ICPConvergenceCriteria(0.0, 0.0, 20)
    method = o3d.pipelines.registration.TransformationEstimationPointToPoint()
    found = o3d.pipelines.registration.registration_icp(*clouds, 1.0, end, method, criteria)
    np.testing.assert_allclose(found.transformation, end, atol=1e-9)


def test_its_rmse_is_point_to_plane_as_for_every_method() -> None:
    pair = make_pair(box_surface(1500, 1), box_surface(1500, 0), START)
    first_point, first_plane = next(iter(IcpPoint().iterate(pair))), next(iter(IcpPlane().iterate(pair)))
    assert first_point.scalars["rmse"] == first_plane.scalars["rmse"]
    level = pair.levels[0]
    system = make_linearisation(level.source, level.target, factor="point", max_distance=1.0)(START)
    assert np.sqrt(system.squared_distances / system.correspondences) > 2 * first_point.scalars["rmse"]


def test_it_needs_more_iterations_than_point_to_plane() -> None:
    pair = make_pair(box_surface(3000, 1), box_surface(3000, 0), START)
    assert len(list(IcpPoint(kernel="l2").iterate(pair))) > len(list(IcpPlane(kernel="l2").iterate(pair)))
