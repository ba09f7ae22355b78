"""The lab's result: what the command line prints and the page shows."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from core import registry
from core.iterate import drain
from core.linalg.lie import T_from_xyzrpy, exp_se3
from core.registration import lab
from core.registration.degeneracy import analyse_degeneracy
from core.registration.methods.dcreg import DCReg
from core.registration.methods.icp_plane import IcpPlane
from core.registration.methods.icp_point import IcpPoint
from core.registration.problem import ScanPair
from core.registration.scenes import Corridor, Room
from core.trace import Trace, TraceView
from tests.oracles_clouds import box_surface, make_pair

METHODS = {"dcreg": DCReg, "icp_plane": IcpPlane, "icp_point": IcpPoint}


def record(pair: ScanPair, key: str = "dcreg", stop: int = 1000, **settings: Any) -> TraceView:
    trace = Trace(registry.method_spec("registration", key).scalars, "rmse")
    for item in METHODS[key](**settings).iterate(pair):
        trace.append(item, 0.0)
        if item.k == stop:
            break
    return trace.view()


@pytest.fixture(scope="module")
def corridor() -> ScanPair:
    return drain(Corridor().build(0))


@pytest.fixture(scope="module")
def room() -> ScanPair:
    return drain(Room().build(0))


@pytest.mark.parametrize("key", METHODS)
def test_a_corridor_is_weak_along_x_for_every_method(corridor: ScanPair, key: str) -> None:
    answer = lab.result(corridor, record(corridor, key))
    assert answer["mask"][3] == "1"
    assert answer["mask"][4:] == "00"
    along = next(w for w in answer["weak"] if w["kind"] == "translation")
    assert along["axis"] == "x"
    assert along["contributions"]["x"] > 0.95
    assert along["condition"] > 10


@pytest.mark.parametrize("key", METHODS)
def test_a_room_has_no_weak_direction_and_its_error_is_given(room: ScanPair, key: str) -> None:
    answer = lab.result(room, record(room, key))
    assert answer["mask"] == "000000"
    assert answer["weak"] == []
    assert answer["translation_error"] < 0.05
    assert answer["rotation_error"] < 0.5


def test_the_result_has_the_documented_keys_and_is_strict_json(room: ScanPair) -> None:
    answer = lab.result(room, record(room))
    assert set(answer) == {
        "T_target_source", "rmse", "fitness", "correspondences", "mask", "condition", "weak",
        "translation_error", "rotation_error", "residual_scale",
    }  # fmt: skip
    assert set(answer["condition"]) == {"rotation", "translation", "full"}
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_without_a_true_pose_no_error_is_given() -> None:
    pair = make_pair(box_surface(2000, 1), box_surface(2000, 0), np.eye(4))
    assert not {"translation_error", "rotation_error"} & set(lab.result(pair, record(pair)))


def test_the_numbers_are_those_of_the_last_item(room: ScanPair) -> None:
    view = record(room)
    answer = lab.result(room, view)
    assert answer["rmse"] == view.scalars["rmse"][-1]
    assert answer["fitness"] == view.scalars["fitness"][-1]
    assert answer["correspondences"] == view.scalars["correspondences"][-1]
    np.testing.assert_array_equal(answer["T_target_source"], view.last("x"))
    found = analyse_degeneracy(view.last("plane_hessian"))
    assert answer["condition"]["rotation"] == found.condition_rotation
    assert answer["condition"]["full"] == found.condition_full


def test_the_pose_is_that_of_the_users_frames() -> None:
    shift, true = np.array([1000.0, -2000.0, 50.0]), T_from_xyzrpy(0.1, 0.05, 0.02, 0.5, 0.3, 1.0)
    target, source = box_surface(3000, 0), box_surface(3000, 1)
    moved = (source - true[:3, 3]) @ true[:3, :3]
    far = exp_se3(np.concatenate([np.zeros(3), shift])) @ true
    start = exp_se3(np.concatenate([np.zeros(3), shift]))
    pair = make_pair(moved, target + shift, start, T_true=far, target_offset=shift.tolist())
    answer = lab.result(pair, record(pair))
    np.testing.assert_allclose(answer["T_target_source"], far, atol=5e-3)
    assert answer["translation_error"] < 5e-3


def test_errors_are_in_metres_and_degrees() -> None:
    true = T_from_xyzrpy(0.3, 0, 0, 0, 0, 2.0)
    cloud = box_surface(2000, 0)
    pair = make_pair(cloud, cloud, np.eye(4), T_true=true, planarity=0.34)
    answer = lab.result(pair, record(pair))
    assert answer["translation_error"] == pytest.approx(0.3, abs=1e-9)
    assert answer["rotation_error"] == pytest.approx(2.0, abs=1e-9)


def test_point_to_point_is_judged_by_planes_and_not_by_its_own_hessian(corridor: ScanPair) -> None:
    view = record(corridor, "icp_point")
    answer = lab.result(corridor, view)
    own = analyse_degeneracy(view.last("H"))
    assert own.condition_translation < 2
    assert answer["condition"]["translation"] > 10


def test_a_run_in_progress_has_a_result_on_its_own_level() -> None:
    pair = make_pair(
        box_surface(4000, 1), box_surface(4000, 0), T_from_xyzrpy(0.2, 0, 0, 0, 0, 1), voxels=(0.8, 0.2)
    )
    view = record(pair, stop=0)
    assert view.scalars["level"][-1] == 1
    answer = lab.result(pair, view)
    assert answer["fitness"] == view.scalars["fitness"][0]
    assert answer["mask"] == "000000"


def test_without_a_pair_nothing_is_claimed() -> None:
    pair = make_pair(box_surface(500, 1), box_surface(500, 0), T_from_xyzrpy(100, 0, 0, 0, 0, 0))
    answer = lab.result(pair, record(pair))
    assert answer["correspondences"] == 0
    assert answer["rmse"] is None
    assert answer["mask"] == "111111"
    assert answer["condition"] == {"rotation": None, "translation": None, "full": None}
    json.dumps(answer, allow_nan=False)


def test_the_predicted_deviation_is_the_residual_scale_over_the_root_of_the_information(
    corridor: ScanPair,
) -> None:
    view = record(corridor)
    along = next(w for w in lab.result(corridor, view)["weak"] if w["kind"] == "translation")
    information = float(np.linalg.inv(np.linalg.inv(view.last("plane_hessian"))[3:, 3:])[0, 0])
    # ranges are 2 cm off, distances to walls less by the angle of incidence
    assert 0.001 < along["standard_deviation"] * math.sqrt(information) < 0.02


def test_the_lab_is_registered_with_its_yardstick() -> None:
    spec = registry.lab("registration")
    assert spec.yardstick == "rmse"
    assert [m.key for m in registry.methods("registration")][:3] == ["dcreg", "icp_plane", "icp_point"]
    assert all("rmse" in m.scalars for m in registry.methods("registration"))
