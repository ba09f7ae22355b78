"""Detection scores: sets against sets, and what the detectors make of the scenes."""

from __future__ import annotations

import numpy as np
import pytest

from core.iterate import drain
from core.linalg.lie import T_from_xyzrpy
from core.registration.correspondences import make_linearisation
from core.registration.degeneracy import analyse_degeneracy
from core.registration.detectors import DETECTORS, Thresholds
from core.registration.scenes import Corridor, HollowSphere, Room, Scene, Tunnel
from core.registration.scoring import (
    DetectionScore,
    DetectionTally,
    detections,
    score_mask,
    score_scene,
    tally,
)
from tests.oracles_clouds import box_surface, make_pair


def names(score: DetectionScore) -> tuple[set[str], ...]:
    return set(score.hits), set(score.misses), set(score.tolerated), set(score.false_alarms)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("000000", (set(), {"x"}, set(), set())),
        ("000100", ({"x"}, set(), set(), set())),
        ("100100", ({"x"}, set(), {"roll"}, set())),
        ("110010", (set(), {"x"}, {"roll"}, {"pitch", "y"})),
    ],
)
def test_a_mask_is_held_against_what_is_lost_and_what_is_weak(
    mask: str, expected: tuple[set[str], ...]
) -> None:
    score = score_mask(mask, {"x"}, {"roll"})
    assert names(score) == expected
    assert score.is_right == (mask in ("000100", "100100"))


def test_nothing_lost_and_nothing_flagged_is_right() -> None:
    assert score_mask("000000", ()).is_right
    assert not score_mask("000001", ()).is_right


@pytest.mark.parametrize("mask", ["00010", "00010x", "0001000"])
def test_a_mask_that_is_none_is_refused(mask: str) -> None:
    with pytest.raises(ValueError, match="six characters"):
        score_mask(mask, {"x"})
    with pytest.raises(ValueError, match="no motion"):
        score_mask("000000", {"sideways"})


def test_a_tally_adds_up() -> None:
    scores = [score_mask(m, {"x", "yaw"}, {"roll"}) for m in ("001100", "100100", "000010")]
    total = tally(scores)
    assert total == DetectionTally(judgements=3, right=1, hits=3, misses=3, false_alarms=1)
    assert (total.recall, total.precision) == (0.5, 0.75)
    empty = tally([score_mask("000000", ())])
    assert (empty.recall, empty.precision) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("scene", "right", "wrong"),
    [
        # noisy normals feign information along the corridor: absolute tests are taken in, ratios are not
        (Corridor, {"schur", "xicp", "superloc", "fcn_scaled", "schur_absolute"}, {"me", "fcn", "absolute"}),
        (Tunnel, {"schur", "xicp", "superloc", "absolute", "schur_absolute"}, {"none", "me", "fcn", "cn"}),
        (Room, set(DETECTORS) - {"fcn"}, {"fcn"}),
        # lost alike: ratios are taken in, absolute tests are not
        (HollowSphere, {"absolute", "schur_absolute"}, {"none", "schur", "xicp", "superloc"}),
    ],
)  # fmt: skip
def test_which_detectors_are_right_about_a_scene(
    scene: type[Scene], right: set[str], wrong: set[str]
) -> None:
    for seed in range(2):
        made = scene()
        scores = score_scene(made, drain(made.build(seed)))
        assert set(scores) == set(DETECTORS)
        assert {name for name, score in scores.items() if score.is_right} >= right
        assert not {name for name, score in scores.items() if score.is_right} & wrong


def test_the_schur_mask_is_that_of_the_report() -> None:
    pair = drain(Tunnel().build(3))
    assert pair.T_true is not None
    found = detections(pair, pair.T_true, names=["schur"])
    level = pair.levels[-1]
    H = make_linearisation(level.source, level.target, max_distance=1.0)(pair.to_internal(pair.T_true)).H
    assert found["schur"].mask_text == analyse_degeneracy(H).mask_text


def test_thresholds_reach_the_detectors() -> None:
    pair = drain(Tunnel().build(0))
    assert pair.T_true is not None
    strict = detections(pair, pair.T_true, thresholds=Thresholds(eigenvalue_threshold=1e7))
    assert strict["me"].mask_text == "111111"


def test_without_a_true_pose_or_a_pair_nothing_is_scored() -> None:
    pair = make_pair(box_surface(500, 1), box_surface(500, 0), np.eye(4))
    with pytest.raises(ValueError, match="true pose"):
        score_scene(Room(), pair)
    with pytest.raises(ValueError, match="partner"):
        detections(pair, T_from_xyzrpy(500.0, 0, 0, 0, 0, 0))
