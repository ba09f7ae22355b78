"""Point-to-plane ICP against Open3D."""

from __future__ import annotations

import numpy as np
import pytest

from core.iterate import Iterate, Status, drain
from core.registration.methods.icp_plane import IcpPlane
from core.registration.problem import ScanPair
from core.registration.scenes import Room
from tests.oracles_clouds import box_surface, make_pair


@pytest.fixture(scope="module")
def room() -> ScanPair:
    return drain(Room().build(0))


def x(item: Iterate) -> np.ndarray:
    return item.x() if callable(item.x) else item.x


def open3d_pose(pair: ScanPair, radius: float, iterations: int) -> np.ndarray:
    o3d = pytest.importorskip("open3d")
    level = pair.levels[-1]
    source, target = o3d.geometry.PointCloud(), o3d.geometry.PointCloud()
    source.points = o3d.utility.Vector3dVector(level.source)
    target.points = o3d.utility.Vector3dVector(level.target.points)
    target.normals = o3d.utility.Vector3dVector(level.target.normals)
    criteria = o3d.pipelines.registration.ICPConvergenceCriteria(0.0, 0.0, iterations)
    method = o3d.pipelines.registration.TransformationEstimationPointToPlane()
    found = o3d.pipelines.registration.registration_icp(
        source, target, radius, pair.T_initial, method, criteria
    )
    return np.asarray(found.transformation)


def test_it_ends_where_open3d_ends_with_the_same_normals(room: ScanPair) -> None:
    settings = IcpPlane(
        kernel="l2", max_iterations=40, max_distance=0.5, rtol_rotation=1e-14, rtol_translation=1e-14
    )
    last = list(settings.iterate(room))[-1]
    np.testing.assert_allclose(x(last), open3d_pose(room, 0.5, 40), atol=1e-12)


@pytest.mark.parametrize("solver", ["ldlt", "qr"])
def test_the_solver_does_not_matter_on_a_regular_system(room: ScanPair, solver: str) -> None:
    plain, other = list(IcpPlane().iterate(room))[-1], list(IcpPlane(solver=solver).iterate(room))[-1]
    np.testing.assert_allclose(x(other), x(plain), atol=1e-10)


def test_on_an_exact_plane_the_eigenvalue_solver_keeps_what_the_plane_does_not_hold() -> None:
    rng = np.random.default_rng(0)
    target = np.column_stack([rng.uniform(-5, 5, (3000, 2)), np.zeros(3000)])
    source = np.column_stack([rng.uniform(-4, 4, (1000, 2)), np.full(1000, -0.1)])
    items = list(IcpPlane().iterate(make_pair(source, target, np.eye(4))))
    assert items[-1].status is Status.CONVERGED
    expected = np.eye(4)
    expected[2, 3] = 0.1
    np.testing.assert_allclose(x(items[-1]), expected, atol=1e-12)


def test_a_pure_translation_off_exact_planes_is_found_in_one_step() -> None:
    T = np.eye(4)
    T[:3, 3] = [0.05, -0.04, 0.03]
    # source points well inside the faces of the target's box, so that every partner is on the same face
    target = box_surface(6000, 0)
    source = box_surface(6000, 1)
    inner = (np.abs(source) < np.array([3.0, 4.0, 1.5]) - 0.9).sum(axis=1) == 2
    items = list(IcpPlane(kernel="l2").iterate(make_pair(source[inner], target, T)))
    assert items[1].scalars["rmse"] < 1e-12
    np.testing.assert_allclose(x(items[1]), np.eye(4), atol=1e-12)
