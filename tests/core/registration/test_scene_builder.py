"""The scene builder: exact null spaces of bare places, what doors and walls bring back, what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.iterate import Array, drain
from core.linalg.lie import T_from_xyzrpy
from core.registration.correspondences import make_linearisation
from core.registration.degeneracy import MOTIONS, Degeneracy, analyse_degeneracy
from core.registration.methods.icp_plane import IcpPlane
from core.registration.raycast import Box, Cylinder, Rectangle
from core.registration.scene_builder import BuiltScene
from core.registry import instantiate, problem_spec

#: Bare places and the dimension of what they leave open, by hand.
BARE: dict[str, tuple[dict[str, Any], int]] = {
    "corridor": ({"doors": 0}, 1),
    "corridor, one end": ({"doors": 0, "end_walls": "one"}, 0),
    "corridor, end out of sight": ({"doors": 0, "end_walls": "one", "end_wall_distance": 45.0}, 1),
    "corridor, both ends": ({"doors": 0, "end_walls": "both"}, 0),
    "corridor, oblique": ({"doors": 0, "sensor_yaw": 35.0}, 1),
    "room": ({"shape": "room", "doors": 0, "width": 6.0}, 0),
    "tunnel": ({"shape": "tunnel"}, 2),
    "tunnel, one end": ({"shape": "tunnel", "end_walls": "one"}, 1),
    "tunnel, across": ({"shape": "tunnel", "width": 5.0, "sensor_yaw": 90.0}, 2),
    "open ground": ({"shape": "open_ground"}, 3),
    "open ground, oblique": ({"shape": "open_ground", "sensor_yaw": -50.0}, 3),
    "open ground, one wall": ({"shape": "open_ground", "end_walls": "one"}, 1),
    "open ground, two walls": ({"shape": "open_ground", "end_walls": "both"}, 1),
}
bare_places = pytest.mark.parametrize("place", BARE)


def exact_rows(scene: BuiltScene, seed: int = 0) -> tuple[Array, Array]:
    """Point-to-plane Jacobian (N, 6) with exact normals at the true pose, and its points."""
    (points, normals), _ = scene.scans(seed)
    return np.hstack([np.cross(points, normals), normals]), points


def null_dimension(scene: BuiltScene, seed: int = 0) -> int:
    """Count the eigenvalues below 1e-6 of the lever-normalised H/N."""
    J, points = exact_rows(scene, seed)
    J[:, :3] /= np.sqrt((points**2).sum(axis=1).mean())
    return int((np.linalg.eigvalsh(J.T @ J / len(J)) < 1e-6).sum())


def judged(scene: BuiltScene, seed: int) -> Degeneracy:
    """Analyse the pair at its true pose, with estimated normals."""
    pair = drain(scene.build(seed))
    assert pair.T_true is not None
    level = pair.levels[-1]
    linearise = make_linearisation(level.source, level.target, max_distance=1.0)
    return analyse_degeneracy(linearise(pair.to_internal(pair.T_true)).H)


def flagged(scene: BuiltScene, seed: int) -> set[str]:
    return {name for name, bit in zip(MOTIONS, judged(scene, seed).mask_text, strict=True) if bit == "1"}


def error_along(scene: BuiltScene, seed: int) -> float:
    """Return how far along x (scene and first sensor agree) a run ends off [m]."""
    pair = drain(scene.build(seed))
    assert pair.T_true is not None
    last = list(IcpPlane().iterate(pair))[-1]
    T = last.x() if callable(last.x) else last.x
    return float(abs(T[0, 3] - pair.T_true[0, 3]))


@bare_places
def test_the_null_space_of_a_bare_place_is_exact(place: str) -> None:
    settings, dimension = BARE[place]
    scene = BuiltScene(noise=0.0, **settings)
    N = scene.null_space_of_source()
    assert N.shape == (6, dimension)
    J, _ = exact_rows(scene)
    for v in N.T:
        assert np.linalg.norm(J @ v) < 1e-6 * np.linalg.norm(J) * np.linalg.norm(v)
    assert null_dimension(scene) == dimension


@bare_places
def test_masks_of_bare_places_hold_over_seeds(place: str) -> None:
    scene = BuiltScene(**BARE[place][0])
    for seed in range(3):
        assert scene.must - scene.missed <= flagged(scene, seed) <= scene.must | scene.may, f"seed {seed}"


def test_axes_that_must_be_flagged_turn_with_the_sensor() -> None:
    def must(yaw: float, **settings: Any) -> frozenset[str]:
        return BuiltScene(doors=0, sensor_yaw=yaw, **settings).must

    assert must(0.0) == must(-10.0) == {"x"}
    assert must(90.0) == must(-85.0) == {"y"}
    assert must(45.0) == set()
    assert {"x", "y"} <= BuiltScene(doors=0, sensor_yaw=45.0).may
    assert must(90.0, shape="tunnel") == {"pitch", "y"}
    assert must(40.0, shape="open_ground") == {"yaw", "x", "y"}


def test_a_narrow_corridor_is_said_to_defeat_condition_numbers() -> None:
    narrow = BuiltScene(doors=0, width=1.2)
    assert narrow.must == narrow.missed == {"x"}
    assert BuiltScene(doors=0, width=2.0).missed == set()
    assert {"x"} <= flagged(BuiltScene(doors=0, width=2.0), 0)
    assert "x" not in flagged(narrow, 0)


@pytest.mark.parametrize(
    "settings", [{}, {"pillars": 3, "doors": 0}, {"boxes": 3, "doors": 0}, {"shape": "tunnel", "pillars": 3}]
)
def test_doors_pillars_and_boxes_leave_nothing_lost(settings: dict[str, Any]) -> None:
    scene = BuiltScene(noise=0.0, **settings)
    assert scene.null_space == ()
    assert scene.must == set()
    assert null_dimension(scene) == 0


def test_doors_of_open_ground_and_tunnel_are_not_counted() -> None:
    for shape in ("tunnel", "open_ground"):
        with_doors, without = BuiltScene(shape=shape, doors=6), BuiltScene(shape=shape, doors=0)
        assert with_doors.null_space == without.null_space != ()
        np.testing.assert_array_equal(with_doors.scans(0)[0][0], without.scans(0)[0][0])


def test_each_further_door_tells_more_about_the_place_along_the_corridor() -> None:
    """Sensor axes along the corridor, exact normals: only the doors' sides face along x."""
    information = []
    for doors in (0, 2, 4, 6, 8, 10):
        J, _ = exact_rows(BuiltScene(doors=doors, noise=0.0, motion="0.5 0.1 0 0 0 0"))
        information.append(float(J[:, 3] @ J[:, 3]))
    assert information[0] < 1e-20
    assert all(more > less for less, more in itertools.pairwise(information))


def test_doors_bring_the_position_along_the_corridor_back() -> None:
    assert error_along(BuiltScene(doors=0), 0) > 0.4
    assert error_along(BuiltScene(), 0) < 0.05
    assert error_along(BuiltScene(doors=10), 0) < 0.02


@pytest.mark.parametrize("distance", [2.5, 8.0, 20.0])
def test_an_end_wall_in_sight_brings_x_back(distance: float) -> None:
    assert error_along(BuiltScene(doors=0, end_walls="one", end_wall_distance=distance), 0) < 0.03


def test_an_end_wall_out_of_sight_does_not() -> None:
    assert error_along(BuiltScene(doors=0, end_walls="one", end_wall_distance=40.0), 0) > 0.4


def test_turning_the_sensor_mixes_the_weak_direction() -> None:
    """At 30 degrees the corridor's axis is (cos 30°, −sin 30°, 0) in the sensor's frame."""
    found = judged(BuiltScene(doors=0, sensor_yaw=30.0), 0)
    weakest = found.vectors[1][:, int(np.argmin(found.aligned[1]))]
    T = T_from_xyzrpy(0.5, 0.1, 0.0, 0.0, 0.0, 3.0)
    axis = T[:3, :3].T @ (np.cos(np.pi / 6), -np.sin(np.pi / 6), 0.0)
    # the estimated direction is off by noise, far less than the 30 degrees in question
    assert abs(weakest @ axis) > np.cos(np.radians(5.0))


def surfaces(scene: BuiltScene, seed: int = 4) -> list[Any]:
    return scene.surfaces(np.random.default_rng(seed))


def test_one_more_thing_leaves_the_others_where_they_are() -> None:
    for name, kind in (("pillars", Cylinder), ("boxes", Box)):
        few = [s for s in surfaces(BuiltScene(doors=0, **{name: 5})) if isinstance(s, kind)]
        more = [s for s in surfaces(BuiltScene(doors=0, **{name: 9})) if isinstance(s, kind)]
        assert more[:5] == few
        assert len(more) == 9
    niches = [{s for s in surfaces(BuiltScene(doors=n)) if isinstance(s, Box)} for n in (3, 4)]
    assert niches[0] < niches[1]
    pillars = [
        [s for s in surfaces(BuiltScene(doors=n, pillars=3)) if isinstance(s, Cylinder)] for n in (0, 8)
    ]
    assert pillars[0] == pillars[1]


@pytest.mark.parametrize("shape", ["corridor", "room"])
def test_each_door_is_an_opening_with_a_niche_behind_it_and_none_overlap(shape: str) -> None:
    for seed in range(10):
        found = surfaces(BuiltScene(shape=shape, doors=10), seed)
        walls = [s for s in found if isinstance(s, Rectangle) and s.axis == 1]
        niches = [s for s in found if isinstance(s, Box)]
        openings = {(w.offset, low[0], high[0]) for w in walls for low, high in w.openings}
        assert len(niches) == len(openings) == 10
        for niche in niches:
            side = niche.low[1] if niche.low[1] > 0 else niche.high[1]
            assert (side, niche.low[0], niche.high[0]) in openings
            assert niche.is_hollow
        for wall in walls:
            spans = sorted((low[0], high[0]) for low, high in wall.openings)
            assert all(left[1] < right[0] for left, right in itertools.pairwise(spans))
            assert all(wall.low[0] < low and high < wall.high[0] for low, high in spans)


@pytest.mark.parametrize("shape", ["corridor", "room", "tunnel", "open_ground"])
def test_nothing_stands_near_a_sensor_or_outside_the_walls(shape: str) -> None:
    scene = BuiltScene(shape=shape, doors=0, pillars=30, boxes=30, motion="1.2 -0.4 0 0 0 20")
    for seed in range(5):
        for s in surfaces(scene, seed):
            if isinstance(s, Cylinder) and s.axis == 2:
                centre, reach, half = s.centre[:2], s.radius, s.radius
            elif isinstance(s, Box):
                centre = tuple(np.add(s.low, s.high)[:2] / 2)
                half = (s.high[0] - s.low[0]) / 2
                reach = np.sqrt(2) * half
            else:
                continue
            assert (
                min(np.hypot(centre[0], centre[1]), np.hypot(centre[0] - 1.2, centre[1] + 0.4)) > 0.5 + reach
            )
            if shape != "open_ground":
                assert abs(centre[1]) + half <= 1.5 + 1e-12
            if shape == "room":
                assert abs(centre[0]) + half <= 6.0 + 1e-12


def test_the_shortest_and_fullest_place_can_still_be_built() -> None:
    full = BuiltScene(shape="room", length=4.0, width=1.0, height=2.0, pillars=30, boxes=30)
    (points, _), (target, _) = full.scans(0)
    assert min(len(points), len(target)) > 500


def fate(scene: BuiltScene) -> str:
    """Return what is refused about a scene, or that its scans are full ones."""
    try:
        (source, _), (target, _) = scene.scans(0)
    except InputError as error:
        return error.what
    return "scanned" if min(len(source), len(target)) > 500 else "empty"


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("shape", ["corridor", "room", "tunnel", "open_ground"])
def test_every_end_of_every_range_gives_full_scans_or_one_sentence(shape: str, end: str) -> None:
    """One range at a time; what is too tight for the default motion or for ten doors is refused in words."""
    by_name = {p.name: p for p in problem_spec("registration", "built").parameters}
    may_refuse = {"width": "motion", "sensor_yaw": "motion", "doors": "doors"}
    for name in ("width", "height", "end_wall_distance", "length", "doors", "pillars", "boxes", "sensor_yaw"):
        values = {"shape": shape, "end_walls": "both", name: getattr(by_name[name], end)}
        scene = instantiate(problem_spec("registration", "built"), values, "-p ")
        assert fate(scene) in ("scanned", may_refuse.get(name)), values


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"motion": "0 1.6 0 0 0 0"}, r"motion.*inside walls and ground.*beyond"),
        ({"motion": "0 1.3 0 0 0 0"}, r"motion.*0\.20 m away"),
        ({"motion": "0 0 -1.3 0 0 0", "shape": "open_ground"}, r"motion.*\(0\.00, 0\.00, -0\.10\) m"),
        ({"motion": "0 0 1.7 0 0 0"}, r"motion.*beyond"),
        ({"motion": "7 0 0 0 0 0", "shape": "room"}, r"motion.*beyond"),
        ({"motion": "0 1 1.2 0 0 0", "shape": "tunnel"}, r"motion.*beyond"),
        ({"motion": "1.6 0 0 0 0 0", "sensor_yaw": 90.0}, r"motion.*beyond"),
        ({"motion": "8 0 0 0 0 0", "end_walls": "one"}, r"motion.*beyond|motion.*away"),
        ({"shape": "room", "length": 5.0, "doors": 10}, r"doors.*at most 4"),
        ({"motion": "1 2"}, "motion"),
    ],
)
def test_a_sensor_outside_and_too_many_doors_are_refused_in_words(
    settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        drain(BuiltScene(**settings).build(0))


def test_what_the_place_is_comes_before_how_it_is_scanned() -> None:
    names = [p.name for p in problem_spec("registration", "built").parameters]
    assert names[:10] == [
        "shape", "width", "height", "end_walls", "end_wall_distance", "length", "doors", "pillars", "boxes",
        "sensor_yaw",
    ]  # fmt: skip
    assert {"sensor", "noise", "motion", "perturbation"} <= set(names)
