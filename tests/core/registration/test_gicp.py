"""GICP's and VGICP's normal equations against matrices inverted by numpy, differences and small_gicp."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from core.iterate import drain
from core.linalg.lie import T_from_xyzrpy, exp_se3
from core.registration import kernels
from core.registration.correspondences import SearchTree, make_linearisation
from core.registration.gicp import (
    DiscPair,
    DiscSettings,
    GicpLinearisation,
    VgicpLinearisation,
    discs_of,
    every,
)
from tests.oracles_clouds import box_surface, make_pair

Array = NDArray[np.float64]

POSE = T_from_xyzrpy(0.1, -0.05, 0.05, 1.0, -1.0, 1.5)
EPSILON = 1e-3


def unit(rng: np.random.Generator, n: int) -> Array:
    v = rng.standard_normal((n, 3))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def covariance(n: Array, epsilon: float = EPSILON) -> Array:
    return np.eye(3) - (1.0 - epsilon) * np.outer(n, n)


def skew(p: Array) -> Array:
    return np.array([[0, -p[2], p[1]], [p[2], 0, -p[0]], [-p[1], p[0], 0]])


@pytest.fixture(scope="module")
def clouds() -> tuple[Array, Array, SearchTree]:
    """Source points and normals, some without, and a target that has some points in no place of its own."""
    source = box_surface(400, 1, noise=0.01)
    target = SearchTree.build(box_surface(900, 0, noise=0.01)).with_normals(10, 0.34)
    tree = SearchTree.build(source)
    normals = kernels.normals(*tree.arrays, 10)[0]
    normals[::17] = 0.0
    return tree.points, normals, target


def gicp(clouds: tuple[Array, Array, SearchTree], **changes: Any) -> GicpLinearisation:
    settings = {"epsilon": EPSILON, "kernel": "l2", "scale": 0.05, "max_distance": 0.4} | changes
    return GicpLinearisation(*clouds, **settings)


def sums(
    p: Array, n_p: Array, q: Array, C_q: list[Array], T: Array, scale: float | None = None
) -> tuple[Array, Array, float]:
    """Return H, g and the error of given pairs; Cauchy weights by √(2ε ρᵀMρ) / scale where it is given."""
    H, g, error = np.zeros((6, 6)), np.zeros(6), 0.0
    R = T[:3, :3]
    for p_i, n_i, q_i, C_i in zip(p, n_p, q, C_q, strict=True):
        M = np.linalg.inv(C_i + R @ covariance(n_i) @ R.T)
        rho = q_i - (R @ p_i + T[:3, 3])
        w = 1.0 if scale is None else 1.0 / (1.0 + 2 * EPSILON * (rho @ M @ rho) / scale**2)
        J = np.hstack((R @ skew(p_i), -R))
        H += w * J.T @ M @ J
        g -= w * J.T @ M @ rho
        error += 0.5 * w * rho @ M @ rho
    return H, g, error


def matched(
    clouds: tuple[Array, Array, SearchTree], T: Array, reach: float = 0.4
) -> tuple[Array, NDArray[Any]]:
    """Return which source points have a partner, and its row."""
    source, _, target = clouds
    distance, row = cKDTree(target.points).query(source @ T[:3, :3].T + T[:3, 3])
    return distance < reach, row[distance < reach]


def test_the_information_of_a_pair_inverts_the_sum_of_its_covariances() -> None:
    rng = np.random.default_rng(0)
    a, b = unit(rng, 300), unit(rng, 300)
    b[:50] = a[:50]  # parallel
    b[50:60] = -a[50:60]
    a[60:70] = 0.0  # covariance I
    b[65:80] = 0.0
    for one, other in zip(a, b, strict=True):
        xx, xy, xz, yy, yz, zz = kernels.gicp._pair_information(*one, *other, EPSILON)
        M = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        np.testing.assert_allclose(M @ (covariance(one) + covariance(other)), np.eye(3), atol=1e-12)


@pytest.mark.parametrize("scale", [None, 0.02])
def test_gicp_sums_what_inverted_matrices_give(
    clouds: tuple[Array, Array, SearchTree], scale: float | None
) -> None:
    source, normals, target = clouds
    found, row = matched(clouds, POSE)
    C_q = [covariance(n) for n in target.normals[row]]
    H, g, error = sums(source[found], normals[found], target.points[row], C_q, POSE, scale)
    system = gicp(clouds, **({} if scale is None else {"kernel": "cauchy", "scale": scale}))(POSE)
    np.testing.assert_allclose(system.H, H, rtol=1e-10, atol=1e-10 * np.abs(H).max())
    np.testing.assert_allclose(system.g, g, rtol=1e-10, atol=1e-10 * np.abs(g).max())
    assert system.error == pytest.approx(error, rel=1e-10)
    assert system.correspondences == np.count_nonzero(found)


def test_its_yardstick_is_that_of_point_to_plane(clouds: tuple[Array, Array, SearchTree]) -> None:
    source, _, target = clouds
    plane = make_linearisation(source, target, max_distance=0.4)(POSE)
    system = gicp(clouds)(POSE)
    assert system.rmse == pytest.approx(plane.rmse, rel=1e-12)
    assert system.squared_distances == pytest.approx(plane.squared_distances, rel=1e-12)
    assert system.correspondences == plane.correspondences


def test_the_system_is_that_of_differences_with_the_information_held(
    clouds: tuple[Array, Array, SearchTree],
) -> None:
    source, normals, target = clouds
    found, row = matched(clouds, POSE)
    p, n_p, q, n_q = source[found], normals[found], target.points[row], target.normals[row]
    R = POSE[:3, :3]
    M = np.array(
        [np.linalg.inv(covariance(b) + R @ covariance(a) @ R.T) for a, b in zip(n_p, n_q, strict=True)]
    )

    def residuals(delta: Array) -> Array:
        T = POSE @ exp_se3(delta)
        return q - p @ T[:3, :3].T - T[:3, 3]

    h = 1e-6
    J = np.stack([(residuals(h * e) - residuals(-h * e)) / (2 * h) for e in np.eye(6)], axis=2)
    system, rho = gicp(clouds)(POSE), residuals(np.zeros(6))
    H = np.einsum("nai,nab,nbj->ij", J, M, J)
    # the step of 1e-6 leaves 1e-12 of curvature and 1e-10 of rounding in J
    np.testing.assert_allclose(system.H, H, rtol=1e-6, atol=1e-6 * np.abs(H).max())
    g = -np.einsum("nai,nab,nb->i", J, M, rho)
    np.testing.assert_allclose(system.g, g, rtol=1e-6, atol=1e-6 * np.abs(g).max())


def test_an_epsilon_of_one_is_half_of_point_to_point(clouds: tuple[Array, Array, SearchTree]) -> None:
    source, _, target = clouds
    point = make_linearisation(source, target, factor="point", max_distance=0.4)(POSE)
    system = gicp(clouds, epsilon=1.0)(POSE)
    np.testing.assert_allclose(2.0 * system.H, point.H, rtol=1e-12, atol=1e-12 * np.abs(point.H).max())
    np.testing.assert_allclose(2.0 * system.g, point.g, rtol=1e-12, atol=1e-10)


def test_matches_remembered_give_the_same_bits_as_matches_searched(
    clouds: tuple[Array, Array, SearchTree],
) -> None:
    remembering, T = gicp(clouds), POSE
    for step in (0.0, 0.05, 0.02, 0.005, 0.001, 0.1, 0.0):
        T = T @ exp_se3(np.full(6, step))
        again, fresh = remembering(T), gicp(clouds)(T)
        np.testing.assert_array_equal(again.H, fresh.H)
        np.testing.assert_array_equal(again.g, fresh.g)
        assert again.correspondences == fresh.correspondences


def test_a_plane_leaves_about_epsilon_of_information_in_what_it_does_not_hold() -> None:
    rng = np.random.default_rng(3)
    n = np.ones(3) / np.sqrt(3.0)
    basis = np.linalg.svd(n[None])[2][1:]
    source, target = (rng.uniform(-5, 5, (2000, 2)) @ basis for _ in range(2))
    tree = SearchTree.build(target).with_normals(10, 0.34)
    normals = np.tile(n, (2000, 1))
    H = GicpLinearisation(source, normals, tree, epsilon=EPSILON, kernel="l2", scale=1.0, max_distance=1.0)(
        np.eye(4)
    ).H
    translation = np.linalg.eigvalsh(H[3:, 3:])
    np.testing.assert_allclose(translation[:2] / translation[2], EPSILON, rtol=1e-6)


def test_voxels_hold_means_of_points_and_of_normals_squared() -> None:
    rng = np.random.default_rng(4)
    points, normals = rng.uniform(-3, 3, (500, 3)), unit(rng, 500)
    table, means, outer = kernels.gaussian_voxels(points, normals, 0.7)
    cells = np.floor(points / 0.7).astype(int)
    unique, inverse = np.unique(cells, axis=0, return_inverse=True)
    assert len(means) == len(unique) == np.count_nonzero(table[:, 0] >= 0)
    by_cell = {tuple(np.floor(m / 0.7).astype(int)): i for i, m in enumerate(means)}
    for i, cell in enumerate(unique):
        row, members = by_cell[tuple(cell)], inverse.ravel() == i
        np.testing.assert_allclose(means[row], points[members].mean(axis=0), rtol=1e-12)
        N = np.einsum("ni,nj->ij", normals[members], normals[members]) / members.sum()
        np.testing.assert_allclose(outer[row], N[np.triu_indices(3)], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scale", [None, 0.02])
def test_vgicp_sums_what_inverted_matrices_give(
    clouds: tuple[Array, Array, SearchTree], scale: float | None
) -> None:
    source, normals, target = clouds
    edge, reach = 0.8, 0.5
    cells = [tuple(c) for c in np.floor(target.points / edge).astype(int)]
    members: dict[tuple[int, ...], list[int]] = {}
    for i, cell in enumerate(cells):
        members.setdefault(cell, []).append(i)
    rows, q, C_q = [], [], []
    for i, x in enumerate(source @ POSE[:3, :3].T + POSE[:3, 3]):
        voxel = members.get(tuple(np.floor(x / edge).astype(int)))
        if voxel and np.linalg.norm(x - target.points[voxel].mean(axis=0)) < reach:
            rows.append(i)
            q.append(target.points[voxel].mean(axis=0))
            C_q.append(np.mean([covariance(n) for n in target.normals[voxel]], axis=0))
    assert 100 < len(rows) < len(source)
    H, g, error = sums(source[rows], normals[rows], np.array(q), C_q, POSE, scale)
    kernel = {"kernel": "l2", "scale": 1.0} if scale is None else {"kernel": "cauchy", "scale": scale}
    system = VgicpLinearisation(*clouds, resolution=edge, epsilon=EPSILON, max_distance=reach, **kernel)(POSE)  # type: ignore[arg-type]
    np.testing.assert_allclose(system.H, H, rtol=1e-10, atol=1e-10 * np.abs(H).max())
    np.testing.assert_allclose(system.g, g, rtol=1e-10, atol=1e-10 * np.abs(g).max())
    assert system.error == pytest.approx(error, rel=1e-10)


def test_the_yardstick_of_vgicp_is_that_of_nearest_points(clouds: tuple[Array, Array, SearchTree]) -> None:
    source, _, target = clouds
    plane = make_linearisation(source, target, max_distance=0.4)(POSE)
    system = VgicpLinearisation(
        *clouds, resolution=0.8, epsilon=EPSILON, kernel="l2", scale=1.0, max_distance=0.4
    )(POSE)
    assert (system.rmse, system.correspondences) == (plane.rmse, plane.correspondences)


def test_vgicp_finds_no_pair_beyond_the_numbered_cells(clouds: tuple[Array, Array, SearchTree]) -> None:
    far = POSE.copy()
    far[:3, 3] = 1e9
    system = VgicpLinearisation(
        *clouds, resolution=0.8, epsilon=EPSILON, kernel="l2", scale=1.0, max_distance=0.4
    )(far)
    assert system.correspondences == 0
    assert not system.H.any()


def test_preparing_gives_every_source_point_the_normal_of_its_neighbourhood() -> None:
    pair = make_pair(box_surface(2000, 1), box_surface(2000, 0), POSE, voxels=(0.4, 0.2))
    discs = drain(DiscSettings().prepare(pair))
    assert isinstance(discs, DiscPair)
    for level, before, normals in zip(discs.levels, pair.levels, discs.source_normals, strict=True):
        np.testing.assert_array_equal(np.sort(level.source, axis=0), np.sort(before.source, axis=0))
        for i in range(0, len(level.source), 97):
            near = level.source[cKDTree(level.source).query(level.source[i], 10)[1]]
            smallest = np.linalg.eigh(np.cov(near.T))[1][:, 0]
            assert abs(smallest @ normals[i]) == pytest.approx(1.0, abs=1e-8)
    assert discs_of(discs, DiscSettings()) is discs
    moved = replace(discs, T_initial=np.eye(4))
    assert moved.source_normals is discs.source_normals
    points, normals = every(discs, 1, 3)
    np.testing.assert_array_equal(points, discs.levels[1].source[::3])
    np.testing.assert_array_equal(normals, discs.source_normals[1][::3])
