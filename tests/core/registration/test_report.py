"""Which directions are called weak, and in what words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from core.registration.degeneracy import analyse_degeneracy
from core.registration.report import WeakDirection, weak_directions

#: 1000 pairs, 10 m lever: 1e5 per rad² and 1e3 per m² are what one point each gives at best.
GOOD = [4e4, 4e4, 4e4, 400.0, 400.0, 400.0]


def weak(
    diagonal: list[float], scale: float = 0.02, vectors: np.ndarray | None = None
) -> tuple[WeakDirection, ...]:
    V = np.eye(6) if vectors is None else vectors
    H = V @ np.diag(diagonal) @ V.T
    return weak_directions(analyse_degeneracy(H), residual_scale=scale, correspondences=1000, lever=10.0)


def test_a_room_has_no_weak_direction() -> None:
    assert weak(GOOD) == ()


def test_a_flagged_translation_is_said_with_its_condition_share_and_deviation() -> None:
    found = weak([4e6, 4e6, 4e6, 10.0, 400.0, 410.0], scale=0.38)[0]
    assert (found.kind, found.axes) == ("translation", ("x",))
    assert found.condition == pytest.approx(41.0)
    assert found.standard_deviation == pytest.approx(0.38 / math.sqrt(10))
    assert found.is_relative
    assert found.sentence.startswith(
        "Translation along x is weakly constrained (κ = 41, 100 % x): the value found along it is set by "
        "noise and scan pattern; expect ± 12 cm"
    )


def test_a_flagged_rotation_is_named_with_its_axis_and_given_in_degrees() -> None:
    (found,) = weak([4e4, 4e4, 400.0, *GOOD[3:]], scale=0.02)
    assert "Rotation about z (yaw) is weakly constrained (κ = 100, 100 % yaw)" in found.sentence
    assert "expect ± 0.057°" in found.sentence
    answer = found.as_dict()
    assert answer["unit"] == "deg"
    assert answer["standard_deviation"] == pytest.approx(math.degrees(0.02 / 20))
    assert answer["axis"] == "yaw"
    np.testing.assert_allclose(answer["direction"], [0, 0, 1], atol=1e-12)


def test_equally_weak_directions_are_reported_as_a_plane() -> None:
    V = np.eye(6)
    c, s = math.cos(0.7), math.sin(0.7)
    V[3:5, 3:5] = [[c, -s], [s, c]]
    (found,) = weak([*GOOD[:3], 2.0, 2.1, 1000.0], vectors=V)
    answer = found.as_dict()
    assert answer["subspace"] == ["x", "y"]
    assert "axis" not in answer
    assert np.abs(np.array(answer["basis"])[:, 2]).max() < 1e-9
    # the projector's diagonal does not depend on which basis of the plane was found
    assert answer["contributions"] == pytest.approx({"x": 1.0, "y": 1.0, "z": 0.0}, abs=1e-9)
    assert "Translation in the x-y plane is weakly constrained" in found.sentence


def test_an_oblique_direction_is_given_as_a_vector() -> None:
    V = np.eye(6)
    V[3:5, 3:5] = np.array([[1, -1], [1, 1]]) / math.sqrt(2)
    (found,) = weak([*GOOD[:3], 10.0, 400.0, 410.0], vectors=V)
    assert "Translation along (0.71, 0.71, 0.00)" in found.sentence
    assert "50 % x, 50 % y" in found.sentence


def test_three_equally_lost_rotations_are_seen_by_the_absolute_test_alone() -> None:
    (found,) = weak([60.0, 61.0, 62.0, *GOOD[3:]], scale=0.005)
    assert (found.is_relative, found.is_absolute) == (False, True)
    assert found.axes == ("roll", "pitch", "yaw")
    assert "Rotation about any axis is hardly constrained" in found.sentence


def test_large_residuals_make_a_well_conditioned_direction_weak() -> None:
    assert weak(GOOD, scale=0.15) == ()
    found = weak(GOOD, scale=0.3)
    assert [w.kind for w in found] == ["translation"]
    assert found[0].is_absolute


def test_no_information_at_all_is_infinite_and_null_in_json() -> None:
    found = weak([*GOOD[:3], 0.0, 400.0, 400.0])
    assert found[0].standard_deviation == math.inf
    assert "expect any value" in found[0].sentence
    answer = found[0].as_dict()
    assert answer["standard_deviation"] is None
    json.dumps(answer, allow_nan=False)


def test_rotations_come_before_translations_and_weaker_ones_first() -> None:
    found = weak([4e4, 100.0, 1000.0, 1.0, 5.0, 400.0])
    assert [w.axes for w in found] == [("pitch",), ("yaw",), ("x",), ("y",)]


@pytest.mark.parametrize(("scale", "text"), [(0.002, "± 0.63 mm"), (0.1, "± 3.2 cm"), (5.0, "± 1.6 m")])
def test_lengths_are_given_in_a_unit_that_suits_them(scale: float, text: str) -> None:
    found = weak([*GOOD[:3], 10.0, 400.0, 410.0], scale=scale)
    assert text in next(w for w in found if "x" in w.axes).sentence
