"""GICP and VGICP as methods: the poses of small_gicp, and what they share with every method."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.iterate import Iterate, Status, drain
from core.linalg.lie import T_from_xyzrpy
from core.registration.correspondences import make_linearisation
from core.registration.methods.gicp import Gicp
from core.registration.methods.icp_plane import IcpPlane
from core.registration.methods.vgicp import Vgicp
from core.registration.metrics import pose_error
from core.registration.problem import ScanPair
from tests.oracles_clouds import box_surface, make_pair

START = T_from_xyzrpy(0.1, -0.05, 0.05, 1.0, -1.0, 1.5)
TIGHT: dict[str, Any] = {"kernel": "l2", "rtol_rotation": 1e-11, "rtol_translation": 1e-11}


def pair(**changes: Any) -> ScanPair:
    source, target = (box_surface(2500, seed, noise=0.01) for seed in (1, 0))
    return make_pair(source, target, START, T_true=np.eye(4), planarity=0.34, **changes)


def x(item: Iterate) -> np.ndarray:
    return item.x() if callable(item.x) else item.x


def array(item: Iterate, name: str) -> np.ndarray:
    value = item.arrays[name]
    return value() if callable(value) else value


@pytest.mark.parametrize("kind", ["GICP", "VGICP"])
def test_its_pose_is_that_of_small_gicp(kind: str) -> None:
    small_gicp = pytest.importorskip("small_gicp")
    made = pair()
    method = Gicp(**TIGHT) if kind == "GICP" else Vgicp(**TIGHT, resolution=0.9)
    ours = list(method.iterate(made))[-1]
    assert ours.status is Status.CONVERGED
    source, target = (small_gicp.PointCloud(points) for points in (made.source.points, made.target.points))
    trees = [small_gicp.KdTree(cloud) for cloud in (source, target)]
    for cloud, tree in zip((source, target), trees, strict=True):
        small_gicp.estimate_covariances(cloud, tree, 10)
    rule = {
        "init_T_target_source": START, "max_correspondence_distance": 1.0, "max_iterations": 200,
        "rotation_epsilon": 1e-11, "translation_epsilon": 1e-11,
    }  # fmt: skip
    if kind == "GICP":
        theirs = small_gicp.align(target, source, trees[1], registration_type="GICP", **rule)
    else:
        voxels = small_gicp.GaussianVoxelMap(0.9)
        voxels.insert(target)
        theirs = small_gicp.align(voxels, source, **rule)
    # both have converged far below this; the covariances are those of the same ten neighbours
    np.testing.assert_allclose(x(ours), theirs.T_target_source, atol=1e-8)


@pytest.mark.parametrize("method", [Gicp(), Vgicp(resolution=0.5), Gicp(start_stride=4)])
def test_it_ends_near_the_true_pose(method: Gicp | Vgicp) -> None:
    for made in (pair(), pair(voxels=(0.4, 0.2)), pair(source_offset=(5, 1, 0), target_offset=(-3, 0, 2))):
        last = list(method.iterate(made))[-1]
        assert last.status is Status.CONVERGED
        translation, rotation = pose_error(x(last), np.eye(4))
        # 1 cm of noise over 2500 points; VGICP's voxels across the box's edges cost the most
        assert translation < 0.02
        assert rotation < 0.005


@pytest.mark.parametrize("method", [Gicp(), Vgicp()])
def test_evidence_and_yardstick_are_point_to_plane_at_its_own_poses(method: Gicp | Vgicp) -> None:
    made = pair()
    source, target = made.levels[0].source, made.levels[0].target
    plane = make_linearisation(source, target, max_distance=1.0)
    for item in method.iterate(made):
        system = plane(x(item))
        assert item.scalars["rmse"] == pytest.approx(system.rmse, rel=1e-9)
        # summed in another order of the points
        np.testing.assert_allclose(array(item, "plane_hessian"), system.H, rtol=1e-9, atol=1e-7)
        assert item.scalars["correspondences"] == system.correspondences


def test_all_methods_start_with_the_same_number() -> None:
    made = pair()
    first = [next(m.iterate(made)).scalars["rmse"] for m in (IcpPlane(), Gicp(), Vgicp())]
    np.testing.assert_allclose(first, first[0], rtol=1e-12)


def test_its_path_does_not_depend_on_who_prepares() -> None:
    made, method = pair(), Gicp()
    prepared = drain(method.prepare(made))
    for one, other in zip(method.iterate(made), method.iterate(prepared), strict=True):
        np.testing.assert_array_equal(x(one), x(other))
    moved = replace(prepared, T_initial=np.eye(4))
    np.testing.assert_array_equal(x(next(method.iterate(moved))), np.eye(4))


def test_far_away_it_says_that_there_are_no_pairs() -> None:
    made = pair()
    far = replace(made, T_initial=T_from_xyzrpy(500.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    for method in (Gicp(), Vgicp()):
        (item,) = method.iterate(far)
        assert item.status is Status.BREAKDOWN
        assert "0 of 2500 source points" in item.note


def test_points_without_neighbours_are_balls() -> None:
    """Four source points far from all others have no normal, and the run goes on with them."""
    source = np.vstack((box_surface(300, 1), box_surface(300, 0)[:4] * 3.0))
    made = make_pair(source, box_surface(2500, 0), START, planarity=0.34)
    last = list(Gicp(max_distance=20.0, source_k=5).iterate(made))[-1]
    assert np.isfinite(x(last)).all()


@pytest.mark.parametrize("epsilon", [0.0, -1.0, 2.0, float("nan")])
def test_epsilon_must_be_a_share(epsilon: float) -> None:
    with pytest.raises(ValueError, match="epsilon"):
        Gicp(epsilon=epsilon).iterate(pair())
