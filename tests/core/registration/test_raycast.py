"""Closed-form ray casting against the surfaces' equations and against Open3D's ray casting of meshes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.iterate import Array
from core.registration.raycast import SENSORS, Box, Cylinder, Rectangle, Sphere, Surface, cast, scan

#: Each surface with its defining equation: zero exactly on the surface.
CASES: dict[str, tuple[Surface, Callable[[Array], Array]]] = {
    "rectangle": (Rectangle(2, -1.0, (-50.0, -50.0), (50.0, 50.0)), lambda p: p[:, 2] + 1.0),
    "room": (
        Box((-4.0, -5.0, -1.0), (6.0, 5.0, 2.0)),
        lambda p: np.max(np.abs(p - (1.0, 0.0, 0.5)) - (5.0, 5.0, 1.5), axis=1),
    ),
    "crate": (
        Box((1.0, 2.0, -1.0), (2.0, 3.0, 0.2)),
        lambda p: np.max(np.abs(p - (1.5, 2.5, -0.4)) - (0.5, 0.5, 0.6), axis=1),
    ),
    "tube": (
        Cylinder(0, (0.0, 0.1, -0.2), 2.5, -20.0, 20.0),
        lambda p: np.hypot(p[:, 1] - 0.1, p[:, 2] + 0.2) - 2.5,
    ),
    "pole": (
        Cylinder(2, (3.0, 1.0, 0.0), 0.3, -1.0, 1.0),
        lambda p: np.hypot(p[:, 0] - 3, p[:, 1] - 1) - 0.3,
    ),
    "sphere": (Sphere((2.0, 1.0, 1.0), 8.0), lambda p: np.linalg.norm(p - (2.0, 1.0, 1.0), axis=1) - 8.0),
    "ball": (Sphere((4.0, 0.0, 0.0), 1.0), lambda p: np.linalg.norm(p - (4.0, 0.0, 0.0), axis=1) - 1.0),
}
DIRECTIONS = SENSORS["os0_128"].directions(0.3)


@pytest.mark.parametrize("name", CASES)
def test_hits_satisfy_the_surfaces_equation(name: str) -> None:
    surface, equation = CASES[name]
    t = surface.distance(np.zeros(3), DIRECTIONS)
    hit = np.isfinite(t)
    assert hit.sum() > 50
    # a distance of up to 60 m carries a relative rounding of some 1e-15
    assert np.abs(equation(t[hit, None] * DIRECTIONS[hit])).max() < 1e-11


@pytest.mark.parametrize("name", CASES)
def test_nothing_of_the_surface_lies_before_the_hit(name: str) -> None:
    surface, equation = CASES[name]
    t = surface.distance(np.zeros(3), DIRECTIONS)
    hit = np.isfinite(t)
    before = np.sign(equation(np.zeros((1, 3))))
    for share in (0.3, 0.7, 0.999):
        assert (np.sign(equation(share * t[hit, None] * DIRECTIONS[hit])) == before).all()


@pytest.mark.parametrize("name", CASES)
def test_normals_are_the_gradient_of_the_equation(name: str) -> None:
    surface, equation = CASES[name]
    t = surface.distance(np.zeros(3), DIRECTIONS)
    hits = t[np.isfinite(t), None] * DIRECTIONS[np.isfinite(t)]
    normals = surface.normal(hits)
    # 1e-6 from an edge of a box the finite difference would see the other face
    step = 1e-6
    gradient = np.stack(
        [(equation(hits + step * e) - equation(hits - step * e)) / (2 * step) for e in np.eye(3)], axis=1
    )
    smooth = np.abs(np.linalg.norm(gradient, axis=1) - 1) < 1e-3
    assert smooth.mean() > 0.99
    assert np.abs(np.abs((normals * gradient).sum(axis=1)[smooth]) - 1).max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-12)


def test_a_ray_through_an_opening_misses_the_wall() -> None:
    wall = Rectangle(0, 2.0, (-5.0, -5.0), (5.0, 5.0), (((-1.0, -1.0), (0.0, 1.0)), ((2.0, 0.0), (3.0, 4.0))))
    at = np.array([[2.0, -0.5, 0.0], [2, 0.5, 0], [2, 2.5, 1], [2, 2.5, -0.5], [2, -0.5, 1.5]])
    distance = wall.distance(np.zeros(3), at)
    np.testing.assert_array_equal(distance, [np.inf, 1.0, np.inf, 1.0, 1.0])


def test_a_niche_shows_its_inside_through_the_opening_of_the_wall() -> None:
    """A wall at x = 2 with a door; back of the niche at 2.5, its sides at y = ±1: hits by hand."""
    niche = Box((2.0, -1.0, -1.0), (2.5, 1.0, 1.0), is_hollow=True)
    wall = Rectangle(0, 2.0, (-5.0, -5.0), (5.0, 5.0), (((-1.0, -1.0), (1.0, 1.0)),))
    rays = np.array([[1.0, 0.0, 0.0], [1.0, 0.45, 0.0], [1.0, 0.6, 0.0], [1.0, 0.0, 0.45]])
    distance, index = cast([wall, niche], np.zeros(3), rays)
    np.testing.assert_allclose(distance, [2.5, 1 / 0.45, 2.0, 1 / 0.45])
    assert index.tolist() == [1, 1, 0, 1]
    normals = niche.normal(distance[:, None] * rays)
    np.testing.assert_array_equal(normals[[0, 1, 3]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_a_ray_past_a_finite_cylinder_misses() -> None:
    pole = Cylinder(2, (3.0, 0.0, 0.0), 0.5, -1.0, 1.0)
    rays = np.array([[1.0, 0, 0], [1, 0, 0.5], [1, 0.5, 0], [-1, 0, 0], [0, 0, 1]])
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    assert np.isfinite(pole.distance(np.zeros(3), rays)).tolist() == [True, False, False, False, False]


def test_a_ray_over_the_near_rim_hits_the_far_inside() -> None:
    pot = Cylinder(2, (3.0, 0.0, 0.0), 1.0, -2.0, -0.5)
    ray = np.array([[4.0, 0.0, -0.7]])  # above the rim at x = 2, inside the wall at x = 4
    ray /= np.linalg.norm(ray)
    hit = pot.distance(np.zeros(3), ray)[0] * ray[0]
    np.testing.assert_allclose(hit, [4.0, 0.0, -0.7], atol=1e-12)


def test_the_nearest_surface_hides_the_others() -> None:
    wall, pole = Rectangle(0, 5.0, (-9.0, -9.0), (9.0, 9.0)), Cylinder(2, (3.0, 0.0, 0.0), 0.5, -1.0, 1.0)
    distance, index = cast([wall, pole], np.zeros(3), np.array([[1.0, 0, 0], [0.6, 0.8, 0], [-1.0, 0, 0]]))
    np.testing.assert_allclose(distance[:2], [2.5, 5.0 / 0.6])
    assert distance[2] == np.inf
    assert index[:2].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("key", "lowest", "highest", "rays"),
    [
        ("vlp16", -15, 15, 14_400),
        ("beams32", -25, 15, 28_800),
        ("os1_64", -22.5, 22.5, 65_536),
        ("os0_128", -45, 45, 131_072),
    ],
)
def test_sensors_cover_their_field_of_view(key: str, lowest: float, highest: float, rays: int) -> None:
    directions = SENSORS[key].directions(0.0)
    elevation = np.degrees(np.arcsin(directions[:, 2]))
    assert len(directions) == rays
    np.testing.assert_allclose([elevation.min(), elevation.max()], [lowest, highest], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-12)


def test_range_noise_has_the_stated_deviation_and_lies_along_the_ray() -> None:
    sphere, sensor = [Sphere((0.0, 0.0, 0.0), 8.0)], SENSORS["beams32"]
    points, _ = scan(sphere, sensor, np.eye(4), np.random.default_rng(3), noise=0.05, max_range=30.0)
    error = np.linalg.norm(points, axis=1) - 8.0
    n = len(points)  # five standard errors of a mean and of a standard deviation
    assert abs(error.mean()) < 5 * 0.05 / np.sqrt(n)
    assert abs(error.std() - 0.05) < 5 * 0.05 / np.sqrt(2 * n)


def test_no_return_beyond_the_range_limit() -> None:
    ground = [Rectangle(2, -1.2, (-200.0, -200.0), (200.0, 200.0))]
    sensor = SENSORS["beams32"]
    for limit in (5.0, 30.0):
        points, _ = scan(ground, sensor, np.eye(4), np.random.default_rng(0), noise=0.0, max_range=limit)
        assert np.linalg.norm(points, axis=1).max() < limit


def test_normals_look_at_the_sensor() -> None:
    box = [Box((-4.0, -5.0, -1.0), (6.0, 5.0, 2.0))]
    points, normals = scan(
        box, SENSORS["vlp16"], np.eye(4), np.random.default_rng(0), noise=0.0, max_range=30.0
    )
    assert ((points * normals).sum(axis=1) < 0).all()


def test_an_empty_sky_is_an_error_that_names_scene_and_place() -> None:
    above = np.eye(4)
    above[2, 3] = 500.0
    with pytest.raises(InputError, match=r"meadow.*500\.00"):
        scan([Rectangle(2, 0.0, (-9.0, -9.0), (9.0, 9.0))], SENSORS["vlp16"], above, np.random.default_rng(0),
             noise=0.0, max_range=30.0, what="meadow")  # fmt: skip


def _open3d() -> Any:
    libusb = pytest.importorskip("libusb_package")
    ctypes.CDLL(str(libusb.get_library_path()), mode=ctypes.RTLD_GLOBAL)
    return pytest.importorskip("open3d")


def test_flat_scenes_agree_with_open3d_ray_casting() -> None:
    o3d = _open3d()
    room, crate = Box((-4.0, -5.0, -1.2), (6.0, 5.0, 1.8)), Box((1.0, 2.0, -1.2), (2.0, 3.0, 0.0))
    scene = o3d.t.geometry.RaycastingScene()
    for box in (room, crate):
        size = np.subtract(box.high, box.low)
        mesh = o3d.geometry.TriangleMesh.create_box(*size)
        mesh.translate(box.low)
        scene.add_triangles(o3d.t.geometry.TriangleMesh.from_legacy(mesh))
    rays = SENSORS["beams32"].directions(0.37)
    origin = np.array([0.5, 0.1, 0.0])
    answer = scene.cast_rays(
        o3d.core.Tensor(np.hstack([np.broadcast_to(origin, rays.shape), rays]).astype(np.float32))
    )
    ours, _ = cast([room, crate], origin, rays)
    theirs = answer["t_hit"].numpy()
    # float32 rays: a grazing ray on the crate's edge may hit either surface
    same = np.abs(ours - theirs) < 1e-4
    assert same.mean() > 0.999


def test_a_tube_agrees_with_a_fine_mesh_of_open3d() -> None:
    o3d = _open3d()
    segments = 720
    mesh = o3d.geometry.TriangleMesh.create_cylinder(2.5, 400.0, segments, 1)
    mesh.rotate(mesh.get_rotation_matrix_from_xyz((0.0, np.pi / 2, 0.0)), center=(0.0, 0.0, 0.0))
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(o3d.t.geometry.TriangleMesh.from_legacy(mesh))
    rays = SENSORS["beams32"].directions(0.37)
    answer = scene.cast_rays(o3d.core.Tensor(np.hstack([np.zeros_like(rays), rays]).astype(np.float32)))
    ours = Cylinder(0, (0.0, 0.0, 0.0), 2.5, -200.0, 200.0).distance(np.zeros(3), rays)
    theirs = answer["t_hit"].numpy().astype(float)
    near = ours < 30.0
    # a chord lies up to r(1 - cos(pi/n)) inside the circle; a slanting ray stretches that by t/r
    sag = 2.5 * (1 - np.cos(np.pi / segments))
    gap = (ours - theirs)[near] / (ours[near] / 2.5)
    assert near.sum() > 20_000
    assert gap.min() > -1e-4
    assert gap.max() < sag + 1e-4
