"""Simulated scenes: exact null spaces, reproducible scans, and masks that hold over seeds.

Masks are evaluated at the true pose, with the sensor moved between the scans by each scene's default motion,
default sensor, noise and voxel size, matching distance 1 m.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest

from core.errors import InputError
from core.iterate import Array, drain
from core.linalg.lie import T_from_xyzrpy
from core.registration.correspondences import LinearisedSystem, make_linearisation, residuals
from core.registration.degeneracy import MOTIONS, Degeneracy, analyse_degeneracy
from core.registration.methods.icp_plane import IcpPlane
from core.registration.metrics import residual_scale
from core.registration.problem import ScanPair
from core.registration.raycast import Box, Cylinder
from core.registration.report import weak_directions
from core.registration.scenes import (
    AXES,
    Corridor,
    CorridorEnd,
    Forest,
    HollowSphere,
    HollowSphereOff,
    Parking,
    Plane,
    Room,
    RoundHall,
    Scene,
    Stairwell,
    Tunnel,
)

SCENES: list[type[Scene]] = [
    Corridor, Tunnel, Room, Plane, CorridorEnd, Parking, Forest, Stairwell, HollowSphere, HollowSphereOff,
    RoundHall,
]  # fmt: skip
#: Dimension of the exact null space.
DIMENSION = {Corridor: 1, Tunnel: 2, Plane: 3, HollowSphere: 3, HollowSphereOff: 3, RoundHall: 1}
SEEDS = range(6)
#: SHA-256 of both scans at the defaults and seed 0, in steps of 0.1 mm: links and recordings rest on them.
SCANS = {
    Corridor: "48298f51fab4c828",
    Tunnel: "ebbcf82b48246d8d",
    Room: "5627ab1b31a11b6e",
    Plane: "0c58eb5dde4c5b4b",
    CorridorEnd: "86541cd574df6667",
    Parking: "e454d672d0183d86",
    Forest: "2373bc8cc73865ab",
    Stairwell: "b47d1b0efa70e53c",
    HollowSphere: "78b099a8c71a3164",
    HollowSphereOff: "4306483fb628b892",
    RoundHall: "844ce48b9cb28d56",
}

all_scenes = pytest.mark.parametrize("scene", SCENES, ids=lambda c: c.__name__)


@cache
def built(scene: type[Scene], seed: int) -> ScanPair:
    return drain(scene().build(seed))


@cache
def at_truth(scene: type[Scene], seed: int) -> tuple[LinearisedSystem, Degeneracy]:
    pair = built(scene, seed)
    level = pair.levels[-1]
    assert pair.T_true is not None
    system = make_linearisation(level.source, level.target, max_distance=1.0)(pair.to_internal(pair.T_true))
    return system, analyse_degeneracy(system.H)


def rows(points: Array, normals: Array) -> Array:
    """Point-to-plane Jacobian in the sensor frame at the true pose."""
    return np.hstack([np.cross(points, normals), normals])


@all_scenes
def test_the_null_space_is_exact(scene: type[Scene]) -> None:
    quiet = scene(noise=0.0)
    (points, normals), _ = quiet.scans(0)
    J = rows(points, normals)
    N = quiet.null_space_of_source()
    assert N.shape[1] == DIMENSION.get(scene, 0)
    for v in N.T:
        assert np.linalg.norm(J @ v) / (np.linalg.norm(J) * np.linalg.norm(v)) < 1e-6


@all_scenes
def test_there_is_no_further_null_direction(scene: type[Scene]) -> None:
    (points, normals), _ = scene(noise=0.0).scans(0)
    J = rows(points, normals)
    lever = np.sqrt((points**2).sum(axis=1).mean())
    J[:, :3] /= lever
    eigenvalues = np.linalg.eigvalsh(J.T @ J / len(J))
    assert (eigenvalues < 1e-6).sum() == DIMENSION.get(scene, 0)


def test_the_null_space_moves_with_the_sensor() -> None:
    """At another true pose, rolled and off the tunnel's axis, the twists are others and null as well."""
    tunnel = Tunnel(noise=0.0, motion="0.4 0.7 -0.5 20 5 30")
    (points, normals), _ = tunnel.scans(1)
    J = rows(points, normals)
    N = tunnel.null_space_of_source()
    assert np.linalg.norm(J @ N) / np.linalg.norm(J) < 1e-6
    assert np.abs(N[:3, 0]).min() > 0.05


@all_scenes
def test_must_names_the_axes_of_the_null_space(scene: type[Scene]) -> None:
    """An axis that must be flagged is part of some null twist, and is not also one that may be flagged."""
    made = scene()
    twists = np.array(made.null_space, dtype=float).reshape(-1, 6)
    touched = {name for name, part in zip(AXES, np.abs(twists).sum(axis=0), strict=True) if part > 0}
    assert made.must <= touched
    assert made.missed <= made.must
    assert not made.must & made.may
    assert (made.must | made.may) <= set(AXES)
    assert bool(made.must) == bool(made.null_space)
    assert AXES == MOTIONS


@all_scenes
def test_noise_free_points_of_both_scans_lie_on_the_same_surfaces(scene: type[Scene]) -> None:
    quiet = scene(noise=0.0)
    (source, _), (target, normals) = quiet.scans(3)
    surfaces = quiet.surfaces(np.random.default_rng(np.random.SeedSequence(3).spawn(1)[0]))
    T = T_from_xyzrpy(*map(float, quiet.motion.split()))
    height = np.array([0.0, 0.0, 1.2])
    for points, origin in (
        (source @ T[:3, :3].T + T[:3, 3] + height, T[:3, 3] + height),
        (target + height, height),
    ):
        rays = points - origin
        distance = np.linalg.norm(rays, axis=1)
        hits = np.min([s.distance(origin, rays / distance[:, None]) for s in surfaces], axis=0)
        np.testing.assert_allclose(hits, distance, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-12)


@all_scenes
def test_the_same_seed_gives_the_same_scans(scene: type[Scene]) -> None:
    first, again, other = scene().scans(7), scene().scans(7), scene().scans(8)
    np.testing.assert_array_equal(first[0][0], again[0][0])
    np.testing.assert_array_equal(first[1][0], again[1][0])
    assert not np.array_equal(first[0][0][:100], other[0][0][:100])
    assert not np.array_equal(first[0][0][:100], first[1][0][:100])


@all_scenes
def test_the_scans_of_a_link_stay_what_they_were(scene: type[Scene]) -> None:
    scans = b"".join(np.round(points * 1e4).astype("<i8").tobytes() for points, _ in scene().scans(0))
    assert hashlib.sha256(scans).hexdigest()[:16] == SCANS[scene]


def test_start_and_true_pose_are_those_of_the_recipe() -> None:
    pair = built(Room, 0)
    assert pair.T_true is not None
    np.testing.assert_allclose(pair.T_true, T_from_xyzrpy(0.5, 0.1, 0.0, 0.0, 0.0, 3.0))
    np.testing.assert_allclose(
        pair.T_initial, pair.T_true @ T_from_xyzrpy(0.05, 0.1, 0.05, 1.0, 0.5, 1.0), atol=1e-15
    )
    given = drain(Room(initial="0.3 0 0 0 0 0").build(0))
    np.testing.assert_allclose(given.T_initial, T_from_xyzrpy(0.3, 0, 0, 0, 0, 0))


@all_scenes
def test_scans_have_a_size_that_can_be_shown(scene: type[Scene]) -> None:
    pair = built(scene, 0)
    assert 2_000 < len(pair.levels[-1].source) < 20_000
    assert pair.notes == ()


@all_scenes
def test_masks_hold_over_seeds(scene: type[Scene]) -> None:
    """Everything lost is flagged, except what condition numbers cannot show; nothing that is held is."""
    for seed in SEEDS:
        _, found = at_truth(scene, seed)
        flagged = {name for name, is_flagged in zip(MOTIONS, found.mask, strict=True) if is_flagged}
        made = scene()
        assert made.must - made.missed <= flagged <= made.must | made.may, f"seed {seed}"


def held_by_the_absolute_test(scene: type[Scene], seed: int) -> set[str]:
    """Return the axes that the absolute test does not call weak."""
    system, found = at_truth(scene, seed)
    pair = built(scene, seed)
    level = pair.levels[-1]
    assert pair.T_true is not None
    r = residuals(level.source, level.target, pair.to_internal(pair.T_true), 1.0)
    lever = float(np.sqrt((level.source**2).sum(axis=1).mean()))
    weak = weak_directions(
        found, residual_scale=residual_scale(r), correspondences=system.correspondences, lever=lever
    )
    return set(AXES).difference(*(d.axes for d in weak if d.is_absolute))


def test_the_sphere_defeats_condition_numbers_but_not_the_absolute_test() -> None:
    """Finding 4: the rotations are lost alike, so their ratio says nothing; their size does."""
    for seed in SEEDS:
        _, found = at_truth(HollowSphere, seed)
        assert found.condition_rotation < 3.0
        assert not found.mask[:3].any()
        assert held_by_the_absolute_test(HollowSphere, seed) >= {"x", "y"}
        assert not held_by_the_absolute_test(HollowSphere, seed) & {"roll", "pitch", "yaw"}
        assert held_by_the_absolute_test(Room, seed) == set(AXES)


def test_an_end_wall_brings_the_position_along_the_corridor_back() -> None:
    """At the end of a run: off by the motion of the sensor without the wall, by centimetres with it."""
    for seed in range(3):
        off = {}
        for scene in (Corridor, CorridorEnd):
            pair = built(scene, seed)
            last = list(IcpPlane().iterate(pair))[-1]
            T = last.x() if callable(last.x) else last.x
            assert pair.T_true is not None
            off[scene] = np.abs(T[:3, 3] - pair.T_true[:3, 3])
        assert off[Corridor][0] > 0.3
        assert off[CorridorEnd][0] < 0.03
        assert max(off[scene][1:].max() for scene in off) < 0.01


def test_a_ninety_degree_turn_swaps_the_flagged_axis() -> None:
    pair = drain(Corridor(motion="0.5 0.1 0 0 0 90").build(0))
    level = pair.levels[-1]
    assert pair.T_true is not None
    system = make_linearisation(level.source, level.target, max_distance=1.0)(pair.to_internal(pair.T_true))
    assert analyse_degeneracy(system.H).mask_text == "010010"


def test_no_trunk_stands_where_a_sensor_stands() -> None:
    forest = Forest(motion="4 -3 0 0 0 0")
    trunks = [s for s in forest.surfaces(np.random.default_rng(5)) if isinstance(s, Cylinder)]
    assert len(trunks) == 60
    for x, y in ((0.0, 0.0), (4.0, -3.0)):
        assert min(np.hypot(t.centre[0] - x, t.centre[1] - y) - t.radius for t in trunks) > 1.5


def test_the_treads_of_the_stairwell_rise() -> None:
    treads = Stairwell().surfaces(np.random.default_rng(0))[1:]
    tops = [box.high[2] for box in treads if isinstance(box, Box)]
    np.testing.assert_allclose(np.diff(tops), 0.17)


def test_a_sensor_that_sees_nothing_is_an_error_that_names_the_scene() -> None:
    with pytest.raises(InputError, match=r"plane.*rays return"):
        drain(Plane(motion="0 0 500 0 0 0").build(0))


def test_a_motion_that_is_no_pose_is_refused() -> None:
    with pytest.raises(InputError, match="motion"):
        drain(Room(motion="1 2").build(0))
