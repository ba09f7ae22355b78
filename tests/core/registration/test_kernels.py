"""The compiled kernels against scipy and numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from core.iterate import Progress
from core.registration import kernels
from tests.oracles_surfaces import Array, room

CLOUDS = ["uniform", "clustered", "flat", "line", "one"]


def cloud(kind: str, rng: np.random.Generator) -> Array:
    n = 2500
    if kind == "uniform":
        return rng.uniform(-10, 10, (n, 3))
    if kind == "clustered":
        return rng.normal(0, 0.01, (n, 3)) + rng.integers(-3, 3, (n, 1)) * 5.0
    if kind == "flat":
        return rng.uniform(-10, 10, (n, 3)) * [1, 1, 0]
    if kind == "line":
        return rng.uniform(-10, 10, (n, 1)) * np.array([1.0, 2.0, -1.0])
    return rng.uniform(-1, 1, (1, 3))


def reference_centroids(points: Array, voxel: float) -> Array:
    cells, first, inverse = np.unique(
        np.floor(points / voxel).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    inverse = inverse.ravel()
    sums = np.stack([np.bincount(inverse, points[:, a], len(cells)) for a in range(3)], axis=1)
    centroids = sums / np.bincount(inverse)[:, None]
    return centroids[np.argsort(first)]


@pytest.mark.parametrize("voxel", [0.05, 0.3, 7.0])
def test_voxel_centroids_equal_numpy_in_order_of_first_appearance(voxel: float) -> None:
    points = room(np.random.default_rng(1), 5000)
    np.testing.assert_allclose(
        kernels.voxel_centroids(points, voxel), reference_centroids(points, voxel), rtol=0, atol=1e-12
    )


def test_voxel_centroids_survive_keys_that_collide() -> None:
    # a full lattice of cells far from the origin, visited twice in random order, fills half of the table
    axis = np.arange(16) * 1.0 + 1e6
    lattice = np.stack(np.meshgrid(axis, -axis, axis), axis=-1).reshape(-1, 3) + 0.5
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.permutation(lattice), rng.permutation(lattice)])
    centroids = kernels.voxel_centroids(points, 1.0)
    np.testing.assert_array_equal(centroids, points[: len(lattice)])


@pytest.mark.parametrize("bad", [2.0**20, -(2.0**20) - 1, np.nan, np.inf, 1e300])
def test_voxel_centroids_refuse_cells_that_cannot_be_numbered(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite or lies"):
        kernels.voxel_centroids(np.array([[0.0, 0.0, 0.0], [0.0, bad, 0.0]]), 1.0)


@pytest.mark.parametrize("n", [1, 2, 16, 17, 33, 1000, 4097])
def test_the_tree_is_a_permutation_with_full_leaves_on_their_side_of_every_split(n: int) -> None:
    points = np.random.default_rng(n).normal(size=(n, 3)).round(1)  # many equal coordinates
    leaf_points, order, axis, value, start = kernels.build_tree(points)
    np.testing.assert_array_equal(points[order], leaf_points)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    sizes = np.diff(start)
    assert sizes.sum() == n
    assert sizes.max() <= kernels.LEAF_SIZE
    assert sizes.max() - sizes.min() <= 1
    inner = len(value)
    for leaf in range(inner + 1):
        rows = leaf_points[start[leaf] : start[leaf + 1]]
        node = leaf + inner
        while node > 0:
            parent = (node - 1) // 2
            coordinate = rows[:, axis[parent]]
            left = node == 2 * parent + 1
            assert (coordinate <= value[parent] if left else coordinate >= value[parent]).all()
            node = parent


@pytest.mark.parametrize("kind", CLOUDS)
@pytest.mark.parametrize("max_distance", [np.inf, 0.4])
def test_nearest_equals_scipy(kind: str, max_distance: float) -> None:
    rng = np.random.default_rng(3)
    points = cloud(kind, rng)
    queries = np.concatenate(
        [points[:200] + rng.normal(0, 0.3, (len(points[:200]), 3)), cloud(kind, rng) * 2]
    )
    indices, distances = kernels.nearest(*kernels.build_tree(points), queries, max_distance)
    expected, rows = cKDTree(points).query(queries, distance_upper_bound=max_distance)
    np.testing.assert_array_equal(indices, np.where(np.isinf(expected), -1, rows))
    np.testing.assert_allclose(distances, expected, rtol=1e-15 * 8)


@pytest.mark.parametrize("kind", CLOUDS)
@pytest.mark.parametrize(("k", "max_distance"), [(1, np.inf), (10, np.inf), (5, 0.4), (40, np.inf)])
def test_k_nearest_equals_scipy(kind: str, k: int, max_distance: float) -> None:
    rng = np.random.default_rng(4)
    points = cloud(kind, rng)
    queries = points[:300] + rng.normal(0, 0.1, (len(points[:300]), 3))
    indices, distances = kernels.k_nearest(*kernels.build_tree(points), queries, k, max_distance)
    expected, rows = cKDTree(points).query(queries, range(1, k + 1), distance_upper_bound=max_distance)
    np.testing.assert_array_equal(indices, np.where(np.isinf(expected), -1, rows))
    np.testing.assert_allclose(distances, expected, rtol=1e-15 * 8)


def test_nearest_distances_are_right_among_ties() -> None:
    points = np.repeat(np.random.default_rng(5).integers(0, 4, (500, 3)), 4, axis=0).astype(np.float64)
    queries = np.random.default_rng(6).integers(-1, 5, (300, 3)) + 0.5
    tree = kernels.build_tree(points)
    _, distances = kernels.k_nearest(*tree, queries, 12, np.inf)
    expected, _ = cKDTree(points).query(queries, 12)
    np.testing.assert_allclose(distances, expected, rtol=1e-14)
    indices, distance = kernels.nearest(*tree, queries, np.inf)
    np.testing.assert_allclose(distance, expected[:, 0], rtol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(points[indices] - queries, axis=1), distance, rtol=1e-14)


@pytest.mark.parametrize("k", [5, 10, 20])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_normals_and_planarity_equal_those_of_eigh(k: int, offset: float) -> None:
    points = room(np.random.default_rng(7), 3000) + offset
    leaf_points, *rest = tree = kernels.build_tree(points)
    vectors, planarity, *_ = kernels.normals(*tree, k)
    _, rows = cKDTree(leaf_points).query(leaf_points, k)
    near = leaf_points[rows]
    centred = near - near.mean(axis=1, keepdims=True)
    eigenvalues, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", centred, centred))
    np.testing.assert_allclose(planarity, eigenvalues[:, 0] / eigenvalues.sum(axis=1), atol=1e-11)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-14)
    # where the two smaller eigenvalues nearly meet, the eigenvector itself is not determined
    clear = eigenvalues[:, 1] - eigenvalues[:, 0] > 0.02 * eigenvalues[:, 2]
    assert clear.mean() > 0.9
    angle = np.degrees(np.arcsin(np.linalg.norm(np.cross(vectors, axes[:, :, 0]), axis=1)))
    assert angle[clear].max() < 1e-5
    assert (np.einsum("ni,ni->n", vectors, leaf_points) <= 0).all(), "normals look towards the origin"
    assert len(rest) == 4


@pytest.mark.parametrize(
    "points",
    [
        np.random.default_rng(8).normal(size=(4, 3)),
        np.tile([[1.0, 2.0, 3.0]], (50, 1)),
        np.linspace(0, 1, 50)[:, None] * np.array([[1.0, 2.0, -3.0]]),
    ],
    ids=["four points", "one point", "line"],
)
def test_there_is_no_normal_without_a_surface(points: Array) -> None:
    vectors, planarity, *_ = kernels.normals(*kernels.build_tree(points), 10)
    assert not vectors.any()
    np.testing.assert_array_equal(planarity, 1.0)


def test_normals_of_an_exact_plane_are_exact() -> None:
    rng = np.random.default_rng(9)
    normal = np.array([1.0, -2.0, 3.0]) / np.sqrt(14)
    points = rng.normal(size=(500, 3))
    points -= (points @ normal)[:, None] * normal
    vectors, planarity, *_ = kernels.normals(*kernels.build_tree(points - 5 * normal), 10)
    np.testing.assert_allclose(vectors, np.tile(normal, (500, 1)), atol=1e-9)
    assert planarity.max() < 1e-12


def linearise(
    source: Array, pose: Array, target: tuple[Array, ...], factor: int, cache: list[Array]
) -> Array:
    return kernels.linearise(source, pose, *target, factor, 0, 1.0, 0.5, 0.05, 1e-9, *cache)


def fresh(n: int) -> list[Array]:
    return [np.full(n, -1), np.full(n, -np.inf), np.zeros((n, 3))]


@pytest.mark.parametrize("factor", [0, 1])
def test_certified_matches_save_most_searches_and_change_no_bit(factor: int) -> None:
    rng = np.random.default_rng(10)
    tree = kernels.build_tree(room(rng, 4000))
    target = (*tree, *(kernels.normals(*tree, 10)[i] for i in (0, 2, 3)))
    source = room(rng, 3000) + np.array([2.5, 0.0, 0.0])  # a good part finds no match
    cache = fresh(3000)
    searched = []
    pose = np.eye(4)
    for step in [0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]:
        pose[:3, 3] -= step * np.array([1.0, 0.3, -0.2])
        before = cache[2].copy()
        sums = linearise(source, pose, target, factor, cache)
        rows, distances = cKDTree(tree[0]).query(source + pose[:3, 3], distance_upper_bound=0.5)[::-1]
        matched = np.isfinite(distances)
        np.testing.assert_array_equal(cache[0][matched], rows[matched])
        assert sums[:, 30].sum() == matched.sum()
        np.testing.assert_array_equal(sums, linearise(source, pose, target, factor, fresh(3000)))
        searched.append((cache[2] != before).any(axis=1).mean())
        assert 0 < sums[:, 30].sum() < 3000
    assert searched[0] == 1.0
    assert searched[-1] < 0.1


def test_a_kernel_refuses_arrays_of_another_type() -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        kernels.build_tree(np.zeros((20, 3), np.float32))
    with pytest.raises(TypeError, match="No matching definition"):
        kernels.build_tree(np.asfortranarray(np.zeros((20, 3))))


def test_compilation_ahead_reports_its_stages_and_leaves_every_kernel_ready() -> None:
    stages = list(kernels.COMPILED.compile_all())
    assert kernels.COMPILED.ready()
    assert all(isinstance(s, Progress) and s.total == len(stages) for s in stages)
    assert [s.done for s in stages] == list(range(len(stages)))
    assert len({s.stage for s in stages}) == len(stages)


@pytest.mark.parametrize("kind", CLOUDS)
@pytest.mark.parametrize("k", [5, 10, 40])
def test_the_neighbours_of_each_point_equal_those_of_scipy(kind: str, k: int) -> None:
    # clusters hold more points than a block; in one of 40 points a leaf holds fewer than k
    for points in (cloud(kind, np.random.default_rng(11)), cloud(kind, np.random.default_rng(12))[:40]):
        leaf_points, *rest = kernels.build_tree(points)
        _, _, neighbours, gaps = kernels.normals(leaf_points, *rest, k)
        expected, rows = cKDTree(leaf_points).query(leaf_points, range(2, k + 1))
        np.testing.assert_array_equal(neighbours, np.where(np.isinf(expected), -1, rows))
        np.testing.assert_allclose(gaps, expected, rtol=4e-7)
        assert (gaps <= expected).all()


def test_neighbours_do_not_depend_on_how_full_the_leaves_are() -> None:
    points = room(np.random.default_rng(13), 3000)
    leaf_points, order, axis, value, start = kernels.build_tree(points)
    keep = leaf_points[:, 0] > 0.5
    sparse = np.concatenate(([0], np.cumsum(keep)))[start]
    assert (np.diff(sparse) == 0).any()
    kept = leaf_points[keep]
    neighbours = kernels.normals(kept, order[keep], axis, value, sparse, 10)[2]
    np.testing.assert_array_equal(neighbours, cKDTree(kept).query(kept, range(2, 11))[1])


def test_equal_points_are_each_others_neighbours_at_no_distance() -> None:
    points = np.repeat(np.random.default_rng(14).normal(size=(100, 3)), 3, axis=0)
    _, _, neighbours, gaps = kernels.normals(*kernels.build_tree(points), 6)
    np.testing.assert_array_equal(gaps[:, :2], 0.0)
    assert (gaps[:, 2:] > 0.0).all()
    assert (neighbours != np.arange(300)[:, None]).all()


@pytest.mark.parametrize("skip", [False, True])
def test_a_summary_equals_numpy(skip: bool) -> None:
    points = np.random.default_rng(15).normal(3.0, [1.0, 2.0, 0.5], (1000, 3))
    points[::7] = 0.0
    used = points[points.any(axis=1)] if skip else points
    summary = kernels.summarise(points, skip)
    assert summary[:2].tolist() == [143, len(used)]
    np.testing.assert_allclose(summary[2:5], used.mean(axis=0), rtol=1e-13)
    np.testing.assert_array_equal(summary[5:8], used.min(axis=0))
    np.testing.assert_array_equal(summary[8:11], used.max(axis=0))
    covariance = np.cov(used.T, bias=True)
    np.testing.assert_allclose(summary[11:], covariance[np.triu_indices(3)], atol=1e-13)


def test_a_summary_of_equal_points_has_no_spread_and_one_of_nothing_is_nan() -> None:
    assert not kernels.summarise(np.full((100_000, 3), 0.1), True)[11:].any()
    nothing = kernels.summarise(np.zeros((5, 3)), True)
    assert nothing[:2].tolist() == [5, 0]
    assert np.isnan(nothing[2:]).all()
