"""Steps given as poses, and the closed form of point-to-point against scipy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from core.iterate import Iterate, Status
from core.linalg.lie import T_from_xyzrpy, exp_se3, exp_so3, pose
from core.registration import kernels
from core.registration.correspondences import make_linearisation
from core.registration.methods.icp_point import IcpPoint
from core.registration.pose_step import PoseStep, rigid_motion
from tests.oracles_clouds import box_surface, make_pair

Array = NDArray[np.float64]
START = T_from_xyzrpy(0.1, -0.05, 0.05, 1.0, -1.0, 1.5)


def x(item: Iterate) -> Array:
    return item.x() if callable(item.x) else item.x


def moments(p: Array, q: Array, robust: str = "l2", scale: float = 1.0, reach: float = 1e3) -> Array:
    rows = np.arange(len(p))
    return kernels.pair_moments(p, np.eye(4), q, rows, kernels.ROBUST[robust], scale, reach)


def best(p: Array, q: Array, w: Array) -> Array:
    """Return the weighted least-squares motion by scipy."""
    p_mean, q_mean = np.average(p, axis=0, weights=w), np.average(q, axis=0, weights=w)
    R = Rotation.align_vectors(q - q_mean, p - p_mean, weights=w)[0].as_matrix()
    return pose(R, q_mean - R @ p_mean)


def test_the_closed_form_is_scipys() -> None:
    rng = np.random.default_rng(0)
    p = rng.normal(0.0, 3.0, (200, 3)) + np.array([100.0, -50.0, 7.0])
    T = exp_se3([0.4, -1.2, 2.0, 5.0, 6.0, -7.0])
    q = p @ T[:3, :3].T + T[:3, 3] + rng.normal(0.0, 0.1, p.shape)
    # coordinates of 100 m in moments of second order leave 1e-11 of the spread
    np.testing.assert_allclose(rigid_motion(moments(p, q)), best(p, q, np.ones(200)), atol=1e-9)


def test_weights_and_reach_enter_the_closed_form() -> None:
    rng = np.random.default_rng(1)
    p = rng.normal(0.0, 3.0, (200, 3))
    q = p + rng.normal(0.0, 0.5, p.shape)
    d = np.linalg.norm(q - p, axis=1)
    w = 0.3 / np.maximum(d, 0.3) * (d < 1.0)
    assert 0 < np.count_nonzero(d >= 1.0) < 100
    found = rigid_motion(moments(p, q, "huber", 0.3, reach=1.0))
    np.testing.assert_allclose(found, best(p, q, w), atol=1e-12)


def test_a_mirrored_cloud_is_turned_and_not_mirrored_back() -> None:
    p = np.random.default_rng(2).normal(0.0, 1.0, (50, 3)) * [3.0, 2.0, 1.0]
    q = p * [1.0, 1.0, -1.0]
    T = rigid_motion(moments(p, q))
    assert np.linalg.det(T[:3, :3]) == pytest.approx(1.0)
    np.testing.assert_allclose(T, best(p, q, np.ones(50)), atol=1e-12)


def test_pairs_without_weight_give_no_pose() -> None:
    p = np.zeros((3, 3))
    assert np.isnan(rigid_motion(moments(p, p + 5.0, reach=1.0))).all()


@pytest.mark.parametrize("kernel", ["l2", "cauchy"])
def test_each_step_is_the_best_motion_of_the_pairs_at_hand(kernel: str) -> None:
    pair = make_pair(box_surface(1500, 1), box_surface(1500, 0), START)
    target, source = pair.levels[0].target.points, pair.levels[0].source
    tree = cKDTree(target)
    items = list(IcpPoint(step="svd", kernel=kernel, kernel_scale=0.1).iterate(pair))
    for before, after in pairwise(items):
        T = x(before)
        d, row = tree.query(source @ T[:3, :3].T + T[:3, 3])
        w = (d < 1.0) / (1.0 + (d / 0.1) ** 2 if kernel == "cauchy" else 1.0)
        np.testing.assert_allclose(x(after), best(source, target[row], w), atol=1e-9)


@pytest.mark.parametrize("voxels", [(), (0.4, 0.2)])
def test_the_kind_of_update_does_not_matter_to_a_step_that_is_a_pose(voxels: Any) -> None:
    pair = make_pair(box_surface(1500, 1), box_surface(1500, 0), START, voxels=voxels)
    runs = [list(IcpPoint(step="svd", update=u, start_stride=2).iterate(pair)) for u in ("se3", "so3")]
    for one, other in zip(*runs, strict=True):
        np.testing.assert_allclose(x(one), x(other), atol=1e-10)


def test_its_end_is_a_fixed_point_of_gauss_newton_and_its_systems_are_those_of_gauss_newton() -> None:
    pair = make_pair(box_surface(1500, 1), box_surface(1500, 0), START)
    tight: dict[str, Any] = {"rtol_rotation": 1e-12, "rtol_translation": 1e-12, "max_iterations": 500}
    last = list(IcpPoint(step="svd", **tight).iterate(pair))[-1]
    assert last.status is Status.CONVERGED
    level = pair.levels[0]
    system = make_linearisation(level.source, level.target, factor="point", max_distance=1.0)(x(last))
    value = last.arrays["g"]
    np.testing.assert_array_equal(value() if callable(value) else value, system.g)
    assert np.abs(np.linalg.solve(system.H, system.g)).max() < 1e-10


def test_an_unknown_step_is_refused() -> None:
    pair = make_pair(box_surface(100, 1), box_surface(100, 0), START)
    with pytest.raises(ValueError, match="step"):
        IcpPoint(step="quaternion").iterate(pair)


@pytest.mark.parametrize("update", ["se3", "so3"])
def test_the_twist_leads_to_the_pose(update: str) -> None:
    pair = make_pair(box_surface(100, 1), box_surface(100, 0), START)
    goal = exp_se3([0.2, 2.0, -1.0, 3.0, 4.0, 5.0])
    step = PoseStep(update)
    own = make_linearisation(pair.levels[0].source, pair.levels[0].target)
    system = step.linearisation(own, lambda T: goal)(START)
    delta = step(system.H, system.g).delta
    moved = exp_se3(delta) if update == "se3" else pose(exp_so3(delta[:3]), delta[3:])
    np.testing.assert_allclose(START @ moved, goal, atol=1e-12)
    step.linearisation(own, lambda T: np.full((4, 4), np.nan))(START)
    assert np.isnan(step(system.H, system.g).delta).all()
