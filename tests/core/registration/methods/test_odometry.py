"""Odometry on simulated sequences whose path and weak motions are known."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from core import registry
from core.iterate import Iterate, Status, drain
from core.recipe import make
from core.registration import lab
from core.registration.degeneracy import analyse_degeneracy
from core.registration.methods.icp_plane import IcpPlane
from core.registration.methods.odometry import REGISTRATIONS, Odometry
from core.registration.problem import Level, ScanPair
from core.registration.scenes import Room
from core.registration.sequence import Frame, ScanSequence, SimulatedSequence
from core.run import Run, State
from core.trace import Trace, TraceView
from tests.oracles_clouds import box_surface, make_pair

TARGETS = ("map", "previous")
SHOWN = registry.method_spec("registration", "odometry").scalars


def run(problem: ScanSequence, **settings: Any) -> TraceView:
    trace = Trace(SHOWN, "rmse")
    for item in Odometry(**settings).iterate(problem):
        trace.append(item, 0.0)
    return trace.view()


def poses(view: TraceView) -> np.ndarray:
    return np.stack([view.snapshots[int(k)]["x"] for k in view.kept])


@pytest.fixture(scope="module")
def room() -> ScanSequence:
    return drain(SimulatedSequence(scene="room", frames=12, step=0.2, turn=6.0, reach=30.0).build(0))


@pytest.fixture(scope="module")
def corridor() -> ScanSequence:
    return drain(SimulatedSequence().build(0))


@pytest.mark.parametrize("registration", ["icp_plane", "dcreg"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_path_through_a_room_is_found(room: ScanSequence, target: str, registration: str) -> None:
    view = run(room, target=target, registration=registration)
    assert view.status is Status.CONVERGED
    assert len(view) == len(room)
    answer = lab.result(room, view)
    # ranges are noisy by 2 cm
    assert answer["ate_rmse"] < 0.03
    assert answer["rpe_translation"] < 0.02
    assert answer["rpe_rotation"] < 0.2


@pytest.mark.parametrize("target", TARGETS)
def test_point_to_point_is_held_back_by_the_scan_pattern(room: ScanSequence, target: str) -> None:
    """Rings move with the sensor, and points are drawn to rings; the path found is shorter, not another."""
    answer = lab.result(room, run(room, target=target, registration="icp_point"))
    plane = lab.result(room, run(room, target=target))
    assert answer["ate_rmse"] > 2 * plane["ate_rmse"]
    assert answer["path_length"] < plane["path_length"]


def test_a_map_drifts_less_than_a_chain_of_pairs(room: ScanSequence) -> None:
    errors = {target: lab.result(room, run(room, target=target))["ate_rmse"] for target in TARGETS}
    assert errors["map"] < 0.5 * errors["previous"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("seed", range(3))
def test_a_corridor_is_weak_along_x_once_its_end_is_out_of_sight(target: str, seed: int) -> None:
    problem = drain(SimulatedSequence().build(seed))
    masks = lab.result(problem, run(problem, target=target))["degeneracy"]["masks"]
    assert problem.T_true is not None
    # the wall stands 8 m ahead of the first scan, ranges are noisy by 2 cm
    seen = 8.0 - problem.T_true[:, 0, 3] < 10.0 - 0.1
    hidden = 8.0 - problem.T_true[:, 0, 3] > 10.0 + 0.1
    assert seen.sum() > 3
    assert hidden.sum() > 8
    along = np.array([mask[3] == "1" for mask in masks])
    assert not along[seen].any()
    assert along[hidden].all()
    # height and sideways motion are always held
    assert all(mask[4:] == "00" for mask in masks)


def test_what_a_wall_shows_is_found_and_what_it_does_not_show_is_lost(corridor: ScanSequence) -> None:
    T = poses(run(corridor))
    assert corridor.T_true is not None
    off = np.abs(T[:, :3, 3] - corridor.T_true[:, :3, 3])
    assert off[:5, 0].max() < 0.05
    assert off[-1, 0] > 1.0
    # the walls go on holding what they show
    assert off[:, 1:].max() < 0.1


def test_the_first_scan_is_the_world(room: ScanSequence) -> None:
    first = next(Odometry().iterate(room))
    np.testing.assert_array_equal(first.x, np.eye(4))
    assert first.scalars["iterations"] == 0
    assert first.scalars["translation"] == 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_step_is_the_alignment_of_two_scans(room: ScanSequence, target: str) -> None:
    """The second scan, placed by hand with the public parts: same start, same target, same pose."""
    trees = room.trees(room.frames[0].levels)
    assert trees is not None
    levels = tuple(
        Level(voxel, points, tree)
        for voxel, points, tree in zip(room.voxels, room.frames[1].levels, trees, strict=True)
    )
    cloud = make_pair(box_surface(500, 0), box_surface(500, 0), np.eye(4)).source
    pair = ScanPair(levels, np.eye(4), None, np.zeros(3), np.zeros(3), cloud, cloud)
    if target == "map":  # coarser levels of a map are made of the finest
        pair = dataclasses.replace(pair, levels=levels[-1:])
        room = dataclasses.replace(
            room, voxels=room.voxels[-1:],
            frames=tuple(dataclasses.replace(f, levels=f.levels[-1:]) for f in room.frames),
        )  # fmt: skip
    settings = {"kernel_scale": 0.1, "rtol_rotation": 1e-4}
    *_, last = IcpPlane(max_iterations=50, **settings).iterate(pair)
    found = run(room, target=target)
    assert callable(last.x)
    np.testing.assert_allclose(found.snapshots[1]["x"], last.x(), atol=1e-9)
    assert found.scalars["rmse"][1] == pytest.approx(last.scalars["rmse"], rel=1e-9)
    assert found.scalars["iterations"][1] == last.k


def test_weak_motions_are_those_of_the_unweighted_planes(corridor: ScanSequence) -> None:
    view = run(corridor, registration="icp_point", target="previous")
    for k in view.kept:
        snapshot = view.snapshots[int(k)]
        found = analyse_degeneracy(snapshot["H"])
        np.testing.assert_array_equal(snapshot["mask"], found.mask)
        assert view.scalars["weak_motions"][k] == found.mask.sum()
        assert view.scalars["condition_translation"][k] == found.condition_translation
    # point-to-point's own Hessian would call no translation weak
    assert view.snapshots[len(corridor) - 1]["mask"][3]


@pytest.mark.parametrize("prediction", ["fitting", "velocity"])
def test_a_steady_motion_needs_fewer_iterations_when_it_is_predicted(
    room: ScanSequence, prediction: str
) -> None:
    def iterations(prediction: str) -> float:
        return float(run(room, prediction=prediction).scalars["iterations"][2:].sum())

    assert iterations(prediction) < iterations("none")


def test_a_sensor_that_stops_is_not_predicted_to_go_on() -> None:
    whole = drain(SimulatedSequence(scene="room", frames=4, step=0.8, turn=15.0, reach=30.0).build(0))
    stopped = dataclasses.replace(whole, frames=(*whole.frames, *(whole.frames[-1],) * 3), T_true=None)
    view = run(stopped, target="previous")
    np.testing.assert_allclose(view.scalars["translation"][-3:], 0.0, atol=5e-3)
    assert view.scalars["iterations"][-3:].max() <= 5


def test_a_scan_from_somewhere_else_ends_the_run_in_words(room: ScanSequence) -> None:
    elsewhere = Frame("odd.pcd", tuple(level + 500.0 for level in room.frames[3].levels))
    broken = dataclasses.replace(room, frames=(*room.frames[:3], elsewhere, *room.frames[4:]))
    for target in TARGETS:
        view = run(broken, target=target)
        assert view.status is Status.BREAKDOWN
        assert len(view) == 4
        assert "odd.pcd" in view.note
        np.testing.assert_array_equal(view.last("x"), view.snapshots[2]["x"])
        answer = lab.result(broken, view)
        assert answer["degeneracy"]["masks"][-1] == "111111"
        json.dumps(answer, allow_nan=False)


def test_a_scan_without_surfaces_ends_the_run_in_words() -> None:
    rng = np.random.default_rng(0)
    fog = Frame("fog", (rng.uniform(-5, 5, (400, 3)),))
    for target in TARGETS:
        items: list[Iterate] = list(
            Odometry(target=target).iterate(ScanSequence((fog, fog), (0.1,), 10, 0.001, None))
        )
        assert [item.status for item in items] == [Status.BREAKDOWN]
        assert "flat" in items[0].note


def test_an_alignment_cut_short_is_counted(room: ScanSequence) -> None:
    view = run(room, frame_iterations=1)
    assert view.status is Status.CONVERGED
    assert "ended before the tolerance" in view.note
    assert view.scalars["settled"][0] == 1
    assert view.scalars["settled"][1:].min() == 0


def test_two_scans_and_a_sequence_are_refused_by_each_others_methods(room: ScanSequence) -> None:
    pair = drain(Room().build(0))
    with pytest.raises(ValueError, match="needs a sequence"):
        Odometry().iterate(pair)  # type: ignore[arg-type]
    for spec in registry.methods("registration"):
        if spec.key != "odometry":
            method = spec.cls()
            prepare = getattr(method, "prepare", None)
            with pytest.raises(ValueError, match="two scans"):
                method.iterate(drain(prepare(room)) if prepare else room)


def test_the_refusal_is_what_the_run_says() -> None:
    for problem, method in (("room", "odometry"), ("simulated_sequence", "dcreg")):
        refused = Run([make("registration", problem, method)]).inline()
        assert refused.state is State.FAILED
        assert refused.refused
        assert "scans" in refused.view().note


def test_every_choice_of_registration_is_a_method() -> None:
    keys = {spec.key for spec in registry.methods("registration")}
    assert set(REGISTRATIONS) <= keys
