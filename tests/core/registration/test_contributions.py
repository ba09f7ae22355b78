"""Contributions of points to a direction: against least squares, eigenvalues and finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from core.iterate import drain
from core.linalg.lie import exp_se3
from core.registration.contributions import PlaneRows, plane_rows, point_contributions, whole_motion
from core.registration.correspondences import SearchTree, make_linearisation, residuals
from core.registration.degeneracy import analyse_degeneracy
from core.registration.problem import Level, ScanPair
from core.registration.robust import robust_weight
from core.registration.scenes import Corridor, CorridorEnd, Room
from tests.oracles_clouds import box_surface

KERNELS = ("l2", "cauchy", "tukey")


@pytest.fixture(scope="module", params=[Corridor, Room])
def pair(request: pytest.FixtureRequest) -> ScanPair:
    return drain(request.param().build(0))


def level_of(pair: ScanPair) -> Level:
    return pair.levels[-1]


def rows_of(pair: ScanPair, T: np.ndarray) -> PlaneRows:
    level = level_of(pair)
    return plane_rows(level.source, level.target, T, 1.0)


def hessian(pair: ScanPair, T: np.ndarray, kernel: str) -> np.ndarray:
    level = level_of(pair)
    return make_linearisation(level.source, level.target, kernel=kernel, kernel_scale=0.05)(T).H


def test_residuals_are_those_of_the_colours(pair: ScanPair) -> None:
    level = level_of(pair)
    expected = residuals(level.source, level.target, pair.T_initial, 1.0)
    np.testing.assert_allclose(rows_of(pair, pair.T_initial).residuals, expected, atol=1e-14)


def test_rows_are_derivatives_of_the_residual() -> None:
    rng = np.random.default_rng(1)
    target = SearchTree.build(box_surface(4000, 0)).with_normals(10)
    points, T = box_surface(300, 1) * 0.99, exp_se3(np.array([0.02, -0.03, 0.05, 0.04, 0.02, -0.03]))
    rows = plane_rows(points, target, T, 1.0)
    z, h = rng.normal(size=6), 1e-7
    ahead = plane_rows(points, target, T @ exp_se3(h * z), 1.0).residuals
    behind = plane_rows(points, target, T @ exp_se3(-h * z), 1.0).residuals
    difference = np.abs((ahead - behind) / (2 * h) - rows.J @ z)
    # lengths of some 5 m leave 5·ε/h ≈ 1e-8; a step of 1e-7 m flips no more than a stray pair
    assert np.quantile(difference[np.isfinite(difference)], 0.99) < 1e-7


@pytest.mark.parametrize("kernel", KERNELS)
def test_contributions_along_an_eigenvector_of_the_whole_system_add_up_to_its_eigenvalue(
    pair: ScanPair, kernel: str
) -> None:
    T = pair.T_initial
    values, vectors = np.linalg.eigh(hessian(pair, T, kernel))
    rows = rows_of(pair, T)
    for value, vector in zip(values, vectors.T, strict=True):
        shares = point_contributions(rows, vector, kernel, 0.05)
        assert np.nansum(shares) == pytest.approx(value, rel=1e-9)
        assert np.nanmin(shares) >= 0.0


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("block", [0, 1])
def test_contributions_along_a_direction_add_up_to_the_eigenvalue_of_its_schur_complement(
    pair: ScanPair, block: int, kernel: str
) -> None:
    T = pair.T_initial
    H = hessian(pair, T, kernel)
    degeneracy, rows = analyse_degeneracy(H), rows_of(pair, T)
    for axis in range(3):
        motion = whole_motion(H, block, degeneracy.vectors[block][:, axis])
        total = np.nansum(point_contributions(rows, motion, kernel, 0.05))
        # λ comes from a Jacobi sweep that is exact to rounding of the block's largest
        assert total == pytest.approx(degeneracy.aligned[block, axis], abs=1e-9 * H.max())


@pytest.mark.parametrize("block", [0, 1])
def test_each_contribution_is_the_squared_residual_of_the_best_following_motion(
    pair: ScanPair, block: int
) -> None:
    T = pair.T_true
    assert T is not None
    rows, H = rows_of(pair, T), hessian(pair, T, "cauchy")
    matched = np.isfinite(rows.residuals)
    half = np.sqrt(robust_weight(rows.residuals[matched], "cauchy", 0.05))[:, None] * rows.J[matched]
    kept, free = (half[:, :3], half[:, 3:]) if block == 0 else (half[:, 3:], half[:, :3])
    u = analyse_degeneracy(H).vectors[block][:, 1]
    follow, *_ = np.linalg.lstsq(free, -kept @ u, rcond=None)
    contributions = point_contributions(rows, whole_motion(H, block, u), "cauchy", 0.05)
    np.testing.assert_allclose(
        contributions[matched], (kept @ u + free @ follow) ** 2, atol=1e-10 * np.nanmax(contributions)
    )
    assert np.isnan(contributions[~matched]).all()


def test_the_sum_holds_where_the_other_block_is_singular() -> None:
    rng = np.random.default_rng(0)
    plane = np.column_stack([rng.uniform(-5, 5, (3000, 2)), np.zeros(3000)])
    target = SearchTree.build(plane).with_normals(10)
    source = np.column_stack([rng.uniform(-4, 4, (800, 2)), np.full(800, 0.05)])
    H = make_linearisation(source, target)(np.eye(4)).H
    assert np.linalg.matrix_rank(H[3:, 3:]) == 1
    rows, degeneracy = plane_rows(source, target, np.eye(4), 1.0), analyse_degeneracy(H)
    for block in range(2):
        for axis in range(3):
            motion = whole_motion(H, block, degeneracy.vectors[block][:, axis])
            total = point_contributions(rows, motion).sum()
            assert total == pytest.approx(degeneracy.aligned[block, axis], abs=1e-9 * H.max())


def test_the_end_wall_holds_the_length_of_a_corridor() -> None:
    pair = drain(CorridorEnd().build(0))
    assert pair.T_true is not None
    level = pair.levels[-1]
    H = make_linearisation(level.source, level.target)(pair.T_true).H
    motion = whole_motion(H, 1, analyse_degeneracy(H).vectors[1][:, 0])
    contributions = point_contributions(plane_rows(level.source, level.target, pair.T_true, 1.0), motion)
    at = level.source @ pair.T_true[:3, :3].T + pair.T_true[:3, 3]
    on_end_wall = at[:, 0] > 7.8
    assert on_end_wall.mean() < 0.1
    # each of its points holds x fully; noise in the normals of the long walls feigns the rest
    assert np.nanmedian(contributions[on_end_wall]) > 0.9
    assert np.nanmedian(contributions[~on_end_wall]) < 0.01
    assert np.nansum(contributions[on_end_wall]) > 0.5 * np.nansum(contributions)


def test_a_block_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="block"):
        whole_motion(np.eye(6), 2, np.array([1.0, 0, 0]))


def test_a_target_without_normals_is_refused() -> None:
    target = SearchTree.build(box_surface(100, 0))
    with pytest.raises(ValueError, match="no normals"):
        plane_rows(box_surface(20, 1), target, np.eye(4), 1.0)
