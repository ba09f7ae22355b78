"""DCReg's simulated cylinder: its points, and what follows from the way planes are fitted to them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from core.iterate import Array, Iterate, drain
from core.linalg.lie import T_from_xyzrpy
from core.registration.degeneracy import analyse_degeneracy
from core.registration.metrics import pose_error
from core.registration.paper_cylinder import PaperCylinder
from core.registration.problem import ScanPair
from core.registry import method_spec

#: As the publication ran it.
PAPER = {"correspondence": "loam", "update": "so3", "max_iterations": 30}
PCA = {"correspondence": "nearest", "kernel": "l2", "update": "so3", "max_iterations": 30}


@cache
def built(seed: int, floor_height: float = 0.0) -> ScanPair:
    return drain(PaperCylinder(floor_height=floor_height).build(seed))


@cache
def last(key: str, seed: int, settings: str, floor_height: float = 0.0) -> Iterate:
    chosen: dict[str, Any] = {"paper": PAPER, "pca": PCA}[settings]
    return list(method_spec("registration", key).cls(**chosen).iterate(built(seed, floor_height)))[-1]


def array(item: Iterate, name: str) -> Array:
    value = item.x if name == "x" else item.arrays[name]
    return np.asarray(value() if callable(value) else value)


def mask(item: Iterate) -> str:
    return analyse_degeneracy(array(item, "H")).mask_text


def test_the_points_are_those_of_table_3_up_to_the_draw() -> None:
    points = PaperCylinder().points(0)
    floor, wall = points[:3775], points[3775:]
    assert points.shape == (7562, 3)
    assert not floor[:, 2].any()
    radius = np.hypot(floor[:, 0], floor[:, 1])
    assert radius.max() < 40.0
    # uniform over the disc: half of the points lie within 40/√2 m, give or take four standard deviations
    assert abs((radius < 40.0 / np.sqrt(2)).mean() - 0.5) < 4 * 0.5 / np.sqrt(3775)
    np.testing.assert_allclose(np.hypot(wall[:, 0], wall[:, 1]), 40.0, rtol=1e-14)
    assert 0.0 <= wall[:, 2].min() < 0.1
    assert 19.9 < wall[:, 2].max() <= 20.0


def test_source_and_target_are_the_same_points_and_none_is_thinned_away() -> None:
    pair = built(0)
    level = pair.levels[-1]
    assert len(level.source) == 7562
    np.testing.assert_allclose(level.source[np.lexsort(level.source.T)][:9], pair.target.points[
        np.lexsort(pair.target.points.T)][:9], atol=1e-12)  # fmt: skip
    np.testing.assert_allclose(pair.T_initial, T_from_xyzrpy(0.2, 0.8, 0.5, 0.1, 0.1, 2.0), atol=1e-15)
    assert pair.T_true is not None
    np.testing.assert_array_equal(pair.T_true, np.eye(4))
    assert any("same points" in note for note in pair.notes)


@pytest.mark.parametrize("seed", range(3))
def test_planes_that_cannot_hold_the_origin_make_height_weak(seed: int) -> None:
    item = last("dcreg", seed, "paper")
    found = analyse_degeneracy(array(item, "H"))
    assert found.mask_text == "000001"
    assert found.condition_rotation < 3.0
    assert found.condition_translation > 10.0
    # the floor, half of all points, is all but missing
    assert item.scalars["correspondences"] < 0.15 * 7562


@pytest.mark.parametrize("seed", range(4))
def test_normals_from_the_covariance_leave_yaw_open(seed: int) -> None:
    for floor_height in (0.0, -1.5):
        item = last("icp_plane", seed, "pca", floor_height)
        assert mask(item) == "001000"
        assert item.scalars["correspondences"] > 0.9 * 7562


@pytest.mark.parametrize("seed", range(3))
def test_dcreg_ends_where_gauss_newton_does_and_remapping_stays_behind(seed: int) -> None:
    ends = {key: array(last(key, seed, "paper"), "x") for key in ("gn_eigen", "dcreg", "me_sr")}
    np.testing.assert_allclose(ends["dcreg"], ends["gn_eigen"], atol=1e-6)
    errors = {key: pose_error(T, np.eye(4))[0] for key, T in ends.items()}
    assert errors["gn_eigen"] < 0.1 * errors["me_sr"]
    # it freezes z and the horizontal place with it: the start is 0.96 m off
    assert errors["me_sr"] == pytest.approx(0.961, abs=0.002)


def test_lowering_the_floor_changes_the_published_result_and_not_the_other() -> None:
    """Seed 1: the whole cloud moved down by 1.5 m, both scans alike, which changes nothing about the hall."""
    at_zero, below = (pose_error(array(last("dcreg", 1, "paper", h), "x"), np.eye(4))[0] for h in (0.0, -1.5))
    assert at_zero < 0.1
    assert below > 0.5
    for h in (0.0, -1.5):
        translation, rotation = pose_error(array(last("icp_plane", 1, "pca", h), "x"), np.eye(4))
        assert translation < 0.005
        assert np.degrees(rotation) < 0.01


def test_a_start_pose_takes_the_place_of_the_published_one() -> None:
    pair = drain(PaperCylinder(initial="0.01 0.01 0.01 0.1 0.1 2").build(0))
    np.testing.assert_allclose(pair.T_initial, T_from_xyzrpy(0.01, 0.01, 0.01, 0.1, 0.1, 2.0), atol=1e-15)
