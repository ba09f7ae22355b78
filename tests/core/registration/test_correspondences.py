"""Search tree and normal equations against finite differences, formulas, Open3D and published numbers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from core.errors import InputError
from core.io.reading import read
from core.registration import kernels
from core.registration.correspondences import LinearisedSystem, SearchTree, make_linearisation, residuals
from tests.oracles_surfaces import Array, room


def exponential(delta: Array) -> Array:
    """Return the (4, 4) motion of a twist [ω, v], by the matrix exponential."""
    x, y, z = delta[:3]
    generator = np.zeros((4, 4))
    generator[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
    generator[:3, 3] = delta[3:]
    return expm(generator)


def transform(T: Array, points: Array) -> Array:
    return points @ T[:3, :3].T + T[:3, 3]


def central_difference(f: Callable[[Array], Array], step: float = 1e-5) -> Array:
    """Return the derivative of f(δ) at δ = 0, one column for each of the six motions."""
    columns = [(f(step * e) - f(-step * e)) / (2 * step) for e in np.eye(6)]
    return np.stack(columns, axis=-1)


@pytest.fixture(scope="module")
def target() -> SearchTree:
    return SearchTree.build(room(np.random.default_rng(20), 4000)).with_normals(10, 0.05)


@pytest.fixture(scope="module")
def source() -> Array:
    return room(np.random.default_rng(21), 2000)


POSE = exponential(np.array([0.03, -0.02, 0.05, 0.1, -0.07, 0.05]))


def tilted_plane() -> tuple[SearchTree, Array]:
    """Return a target whose every normal is the same, and that normal (towards the origin)."""
    rng = np.random.default_rng(22)
    normal = np.array([-2.0, 1.0, -3.0]) / np.sqrt(14)
    points = rng.uniform(-3, 3, (800, 3))
    points -= (points @ normal + 4.0)[:, None] * normal
    return SearchTree.build(points).with_normals(10, 0.05), normal


def test_the_tree_answers_in_rows_of_the_cloud_also_after_points_were_dropped() -> None:
    rng = np.random.default_rng(23)
    cloud = np.concatenate([room(rng, 2000, 0.002), rng.uniform(-3, 3, (500, 3))])
    tree = SearchTree.build(cloud).with_normals(10, 0.02)
    assert tree.complete is not None
    assert len(tree.complete.points) == 2500
    assert 1000 < len(tree.points) < 2300
    np.testing.assert_array_equal(cloud[tree.order], tree.points)
    assert tree.planarity.max() <= 0.02
    queries = rng.uniform(-5, 5, (400, 3))
    indices, distances = tree.nearest(queries)
    expected, rows = cKDTree(tree.points).query(queries, 3)
    np.testing.assert_array_equal(indices, tree.order[rows[:, 0]])
    np.testing.assert_allclose(distances, expected[:, 0], rtol=1e-14)
    indices, distances = tree.k_nearest(queries, 3)
    np.testing.assert_array_equal(indices, tree.order[rows])
    np.testing.assert_allclose(distances, expected, rtol=1e-14)


def test_neighbours_of_kept_points_are_renamed_and_dropped_ones_are_marked() -> None:
    tree = SearchTree.build(room(np.random.default_rng(27), 3000)).with_normals(10, 0.01)
    assert tree.complete is not None
    assert 100 < len(tree.points) < 2900
    assert tree.neighbours.min() == -1
    rows, columns = np.nonzero(tree.neighbours >= 0)
    others = tree.points[tree.neighbours[rows, columns]]
    distance = np.linalg.norm(others - tree.points[rows], axis=1)
    np.testing.assert_allclose(tree.gaps[rows, columns], distance, rtol=4e-7)


def test_a_planarity_limit_of_a_third_keeps_every_point_with_a_normal() -> None:
    cloud = np.random.default_rng(24).uniform(-1, 1, (300, 3))
    tree = SearchTree.build(cloud).with_normals(10, 0.33)
    assert len(tree.points) == 300
    assert tree.complete is None


def test_input_of_any_layout_is_accepted() -> None:
    cloud = np.random.default_rng(25).uniform(-1, 1, (300, 3))
    frozen = cloud.copy()
    frozen.flags.writeable = False
    for other in (frozen, np.asfortranarray(cloud), np.repeat(cloud, 2, axis=0)[::2]):
        np.testing.assert_array_equal(SearchTree.build(other).points, SearchTree.build(cloud).points)
    single = SearchTree.build(cloud.astype(np.float32))
    np.testing.assert_array_equal(single.points, cloud.astype(np.float32)[single.order])


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.full((5, 3), np.nan), np.zeros((5, 2)), np.zeros(3)])
def test_a_tree_of_unusable_points_is_refused(bad: Array) -> None:
    with pytest.raises(ValueError, match="points"):
        SearchTree.build(bad)


def test_a_line_has_no_normals_and_says_so() -> None:
    line = SearchTree.build(np.linspace(0, 1, 50)[:, None] * np.ones((1, 3)))
    with pytest.raises(InputError, match="surfaces"):
        line.with_normals(10, 0.33)
    with pytest.raises(ValueError, match="at least 5"):
        line.with_normals(4, 0.33)


@pytest.mark.parametrize("factor", ["plane", "point"])
def test_sums_equal_a_written_out_numpy_version(target: SearchTree, source: Array, factor: str) -> None:
    system = make_linearisation(source, target, factor=factor, max_distance=0.4)(POSE)
    moved = transform(POSE, source)
    d, rows = cKDTree(target.points).query(moved, distance_upper_bound=0.4)
    hit = np.isfinite(d)
    p, x, q, n = source[hit], moved[hit], target.points[rows[hit]], target.normals[rows[hit]]
    r = np.einsum("ni,ni->n", n, x - q)
    body = n @ POSE[:3, :3]
    if factor == "plane":
        J = np.concatenate([np.cross(p, body), body], axis=1)
        H, g, error = J.T @ J, -J.T @ r, 0.5 * r @ r
    else:
        zero = np.zeros(len(p))
        cross = np.array([[zero, -p[:, 2], p[:, 1]], [p[:, 2], zero, -p[:, 0]], [-p[:, 1], p[:, 0], zero]])
        R = POSE[:3, :3]
        J = np.concatenate([np.einsum("ij,jkn->nik", R, cross), np.tile(-R, (len(p), 1, 1))], axis=2)
        H, g = np.einsum("nki,nkj->ij", J, J), -np.einsum("nki,nk->i", J, q - x)
        error = 0.5 * np.sum((q - x) ** 2)
    scale = np.abs(H).max()
    np.testing.assert_allclose(system.H, H, atol=1e-12 * scale)
    np.testing.assert_allclose(system.g, g, atol=1e-12 * scale)
    assert system.error == pytest.approx(error, rel=1e-12)
    assert system.squared_residuals == pytest.approx(r @ r, rel=1e-12)
    assert system.squared_distances == pytest.approx(d[hit] @ d[hit], rel=1e-12)
    assert system.correspondences == hit.sum()
    assert system.rmse == pytest.approx(np.sqrt(np.mean(r**2)), rel=1e-12)


def test_point_to_point_information_about_translation_is_the_number_of_pairs(
    target: SearchTree, source: Array
) -> None:
    system = make_linearisation(source, target, factor="point")(POSE)
    np.testing.assert_array_equal(system.H[3:, 3:], system.correspondences * np.eye(3))


@pytest.mark.parametrize("factor", ["plane", "point"])
@pytest.mark.parametrize("kernel", kernels.ROBUST)
def test_normal_equations_are_symmetric_and_positive_semidefinite(
    target: SearchTree, source: Array, factor: str, kernel: str
) -> None:
    H = make_linearisation(source, target, factor=factor, kernel=kernel, kernel_scale=0.1)(POSE).H
    np.testing.assert_array_equal(H, H.T)
    eigenvalues = np.linalg.eigvalsh(H)
    assert eigenvalues[0] > -1e-12 * eigenvalues[-1]
    assert eigenvalues[-1] > 0


def test_the_plane_row_is_the_derivative_of_the_residual() -> None:
    target, normal = tilted_plane()
    point = np.array([[0.3, -0.2, 0.4]]) - 3.6 * normal
    system = make_linearisation(point, target, max_distance=1.0)(POSE)
    q = target.points[cKDTree(target.points).query(transform(POSE, point)[0])[1]]

    def residual(delta: Array) -> Array:
        return normal @ (transform(POSE @ exponential(delta), point)[0] - q)

    J, r = central_difference(residual), residual(np.zeros(6))
    assert abs(r) > 0.1
    np.testing.assert_allclose(system.H, np.outer(J, J), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(system.g, -J * r, rtol=1e-6, atol=1e-7)


def test_the_point_row_is_the_derivative_of_the_difference() -> None:
    target, normal = tilted_plane()
    point = np.array([[0.3, -0.2, 0.4]]) - 3.6 * normal
    system = make_linearisation(point, target, factor="point", max_distance=1.0)(POSE)
    q = target.points[cKDTree(target.points).query(transform(POSE, point)[0])[1]]

    def difference(delta: Array) -> Array:
        return q - transform(POSE @ exponential(delta), point)[0]

    J = central_difference(difference)
    np.testing.assert_allclose(system.H, J.T @ J, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(system.g, -J.T @ difference(np.zeros(6)), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("distance", [0.2, -0.4, 0.7])
@pytest.mark.parametrize("derivative", [True, False])
def test_the_loam_row_is_the_derivative_of_the_weighted_residual(distance: float, derivative: bool) -> None:
    target, normal = tilted_plane()
    moved = -4.0 * normal + distance * normal
    point = transform(np.linalg.inv(POSE), moved[None])
    loam = make_linearisation(
        point, target, correspondence="loam", max_distance=2.0, weight_derivative=derivative
    )

    def residual(delta: Array) -> Array:
        return normal @ transform(POSE @ exponential(delta), point)[0] + 4.0

    def weighted(delta: Array) -> Array:
        r = residual(delta)
        return (1 - 0.9 * abs(r)) * r

    row = central_difference(weighted if derivative else residual)
    if not derivative:
        row = (1 - 0.9 * abs(distance)) * row
    system = loam(POSE)
    assert system.correspondences == 1
    assert system.squared_residuals == pytest.approx(distance**2, rel=1e-9)
    assert system.error == pytest.approx(0.5 * weighted(np.zeros(6)) ** 2, rel=1e-9)
    np.testing.assert_allclose(system.H, np.outer(row, row), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(system.g, -row * weighted(np.zeros(6)), rtol=1e-6, atol=1e-7)


WEIGHTS = {
    "l2": lambda r, s: 1.0,
    "l1": lambda r, s: 1 / abs(r),
    "huber": lambda r, s: s / max(abs(r), s),
    "cauchy": lambda r, s: 1 / (1 + (r / s) ** 2),
    # k² / (k + r²)² with k = s²
    "geman_mcclure": lambda r, s: s**4 / (s**2 + r**2) ** 2,
    "tukey": lambda r, s: (1 - min(1, abs(r) / s) ** 2) ** 2,
    "linear": lambda r, s: max(0.0, 1 - 0.9 * abs(r) / s),
}


@pytest.mark.parametrize("kernel", kernels.ROBUST)
@pytest.mark.parametrize("r", [0.02, -0.2, 0.31, -0.7])
def test_robust_weights_are_those_of_the_formulas(kernel: str, r: float) -> None:
    target, normal = tilted_plane()
    point = (target.points[100] + r * normal)[None]
    plane = make_linearisation(point, target, kernel=kernel, kernel_scale=0.3)(np.eye(4))
    weight = WEIGHTS[kernel](r, 0.3)
    np.testing.assert_allclose(plane.H[3:, 3:], weight * np.outer(normal, normal), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(plane.g[3:], -weight * r * normal, rtol=1e-9, atol=1e-12)
    assert plane.error == pytest.approx(0.5 * weight * r * r, rel=1e-9)
    assert plane.squared_residuals == pytest.approx(r * r, rel=1e-9)
    # beside the plane point-to-point sees the same distance, so the same weight
    pair = make_linearisation(point, target, factor="point", kernel=kernel, kernel_scale=0.3)(np.eye(4))
    np.testing.assert_allclose(pair.H[3:, 3:], weight * np.eye(3), rtol=1e-9, atol=1e-12)
    assert pair.squared_residuals == pytest.approx(r * r, rel=1e-9)


def test_the_l1_weight_is_finite_at_zero(target: SearchTree) -> None:
    system = make_linearisation(target.points, target, kernel="l1")(np.eye(4))
    assert np.isfinite(system.H).all()
    assert not system.g.any()


@pytest.mark.parametrize("factor", ["plane", "point"])
def test_the_system_depends_on_the_pose_alone(target: SearchTree, source: Array, factor: str) -> None:
    rng = np.random.default_rng(26)
    remembering = make_linearisation(source, target, factor=factor, max_distance=0.3)
    T = POSE.copy()
    for size in [1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.0, 0.003, 2.0, 0.001]:
        T = T @ exponential(size * rng.normal(0, 0.1, 6))
        seen = remembering(T)
        new = make_linearisation(source, target, factor=factor, max_distance=0.3)(T)
        np.testing.assert_array_equal(seen.H, new.H)
        np.testing.assert_array_equal(seen.g, new.g)
        assert (seen.error, seen.rmse) == (new.error, new.rmse)


def test_two_threads_at_once_get_what_one_gets(target: SearchTree, source: Array) -> None:
    poses = [POSE @ exponential(np.full(6, 0.01 * i)) for i in range(20)]

    def run() -> list[LinearisedSystem]:
        linearisation = make_linearisation(source, target)
        return [linearisation(T) for T in poses]

    with ThreadPoolExecutor(2) as pool:
        first, second = (f.result() for f in [pool.submit(run), pool.submit(run)])
    for a, b, c in zip(first, second, run(), strict=True):
        np.testing.assert_array_equal(a.H, c.H)
        np.testing.assert_array_equal(b.H, c.H)


def moved_target(A: Array) -> tuple[Array, Array]:
    cloud = room(np.random.default_rng(27), 3000)
    return cloud, transform(A, cloud)


MOVE = exponential(np.array([0.4, -0.7, 1.1, 30.0, -20.0, 4.0]))


def test_a_rigid_motion_of_the_target_changes_nothing_for_model_b(source: Array) -> None:
    before, after = (
        make_linearisation(source, SearchTree.build(points).with_normals(10, 0.05))(T)
        for points, T in zip(moved_target(MOVE), [POSE, MOVE @ POSE], strict=True)
    )
    assert before.correspondences == after.correspondences
    scale = np.abs(before.H).max()
    np.testing.assert_allclose(after.H, before.H, atol=1e-9 * scale)
    np.testing.assert_allclose(after.g, before.g, atol=1e-9 * scale)


def test_a_rigid_motion_of_the_target_changes_model_a(source: Array) -> None:
    # a plane through the origin of the target frame has no solution of n·x = -1
    shift = np.eye(4)
    shift[2, 3] = 1.2  # puts the floor there
    before, after = (
        make_linearisation(source, SearchTree.build(points), correspondence="loam")(T)
        for points, T in zip(moved_target(shift), [POSE, shift @ POSE], strict=True)
    )
    assert np.abs(after.H - before.H).max() > 0.02 * np.abs(before.H).max()


def test_published_numbers_of_the_dcreg_cylinder_are_reproduced(data: Path) -> None:
    cloud = read(data / "dcreg_cylinder" / "target_clouds.pcd").points
    T = np.eye(4)
    T[:3, 3] = 0.01
    tree = SearchTree.build(cloud)
    _, fifth = tree.k_nearest(transform(T, cloud), 5, 1.0)
    assert np.isfinite(fifth[:, 4]).sum() == 1557
    system = make_linearisation(cloud, tree, correspondence="loam", weight_derivative=False)(T)
    assert system.correspondences == 871
    assert system.rmse == pytest.approx(0.033357, abs=5e-7)
    np.testing.assert_allclose(
        np.linalg.eigvalsh(system.H), [15.296, 128.819, 179.792, 16680.09, 60715.6, 68461.1], rtol=3e-5
    )
    # the published gradient was accumulated in single precision
    gradient = np.array([-47.168, 55.576, 4.973, 3.842, 4.981, -0.206])
    np.testing.assert_allclose(-system.g, gradient, rtol=2e-4, atol=5e-4)


def test_gauss_newton_ends_where_open3d_ends(target: SearchTree, source: Array) -> None:
    import libusb_package

    ctypes.CDLL(str(libusb_package.get_library_path()))
    import open3d

    def wrap(points: Array) -> open3d.geometry.PointCloud:
        return open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))

    peer = wrap(target.points)
    peer.normals = open3d.utility.Vector3dVector(target.normals)
    icp = open3d.pipelines.registration
    result = icp.registration_icp(
        wrap(source),
        peer,
        0.5,
        POSE,
        icp.TransformationEstimationPointToPlane(),
        icp.ICPConvergenceCriteria(0.0, 0.0, 30),
    )
    linearisation = make_linearisation(source, target, max_distance=0.5)
    T = POSE
    for _ in range(30):
        system = linearisation(T)
        T = T @ exponential(np.linalg.solve(system.H, system.g))
    np.testing.assert_allclose(T, result.transformation, atol=1e-12)
    final = linearisation(T)
    assert final.correspondences == len(result.correspondence_set)
    distance = np.sqrt(final.squared_distances / final.correspondences)
    assert distance == pytest.approx(result.inlier_rmse, rel=1e-10)


def test_colouring_residuals_are_signed_and_nan_without_a_match() -> None:
    target, normal = tilted_plane()
    rng = np.random.default_rng(28)
    offsets = rng.uniform(-0.3, 0.3, 200)
    points = target.points[:200] + offsets[:, None] * normal
    points[7] += 50.0
    values = residuals(transform(np.linalg.inv(POSE), points), target, POSE, 0.5)
    assert np.isnan(values[7])
    keep = np.arange(200) != 7
    # positive on the side of the origin
    np.testing.assert_allclose(values[keep], offsets[keep], atol=1e-9)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("factor", "line"),
        ("correspondence", "closest"),
        ("kernel", "welsch"),
        ("kernel_scale", 0.0),
        ("max_distance", 0.0),
        ("max_distance", np.inf),
        ("max_distance", np.nan),
    ],
)
def test_unknown_or_senseless_arguments_are_refused(
    target: SearchTree, source: Array, argument: str, value: object
) -> None:
    with pytest.raises(ValueError, match=argument):
        make_linearisation(source, target, **{argument: value})


def test_a_target_without_normals_is_refused_where_they_are_needed(target: SearchTree, source: Array) -> None:
    bare = SearchTree.build(target.points)
    with pytest.raises(ValueError, match="normals"):
        make_linearisation(source, bare)
    with pytest.raises(ValueError, match="normals"):
        residuals(source, bare, POSE, 1.0)
    with pytest.raises(ValueError, match="point-to-point"):
        make_linearisation(source, target, correspondence="loam", factor="point")


def test_a_system_without_pairs_is_zero_and_has_no_rmse(target: SearchTree) -> None:
    system = make_linearisation(np.full((30, 3), 1e3), target)(np.eye(4))
    assert system.correspondences == 0
    assert not system.H.any()
    assert np.isnan(system.rmse)


def test_rotations_of_scipy_agree_with_the_exponential_used_here() -> None:
    omega = np.array([0.3, -0.2, 0.5])
    np.testing.assert_allclose(
        exponential(np.r_[omega, 0, 0, 0])[:3, :3], Rotation.from_rotvec(omega).as_matrix(), atol=1e-14
    )
