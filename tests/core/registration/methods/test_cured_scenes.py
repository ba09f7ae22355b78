"""Every cure on the scenes, any detector with it, and the experiment that separates them.

Scans are taken from two places; errors are in the scene's frame. Plain least squares.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest

from core import registry
from core.iterate import Array, Iterate, Status, drain
from core.linalg.lie import exp_se3, inverse, log_se3
from core.registration.cures import CureSettings
from core.registration.detectors import DETECTORS
from core.registration.problem import ScanPair

CURES = (
    "me_sr", "me_tsvd", "me_treg", "fcn_sr", "cn_sr", "xicp", "superloc", "dcreg_map", "dcreg_anchored",
    "dcreg_truncated",
)  # fmt: skip
METHODS = ("gn_eigen", "gn_ldlt", "gn_qr", "levenberg_marquardt", *CURES)
SCENES = (
    "corridor", "tunnel", "room", "plane", "corridor_end", "parking", "forest", "stairwell", "sphere",
    "sphere_off", "vcyl",
)  # fmt: skip


@cache
def built(scene: str, seed: int = 0) -> ScanPair:
    return drain(registry.problem_spec("registration", scene).cls().build(seed))


def run(key: str, scene: str, seed: int = 0, **settings: Any) -> list[Iterate]:
    return list(registry.method_spec("registration", key).cls(**settings).iterate(built(scene, seed)))


def array(item: Iterate, name: str) -> Array:
    value = item.x if name == "x" else item.arrays[name]
    return value() if callable(value) else value


@cache
def end(key: str, scene: str, seed: int = 0, **settings: Any) -> tuple[Array, Array]:
    """Return where a run ends: error of translation (3) [m] along the scene's axes, of rotation (3) [°]."""
    x = array(run(key, scene, seed, kernel="l2", max_iterations=50, **settings)[-1], "x")
    T_true = built(scene, seed).T_true
    assert T_true is not None
    return x[:3, 3] - T_true[:3, 3], np.degrees(log_se3(inverse(T_true) @ x)[:3])


def start(scene: str) -> tuple[Array, Array]:
    pair = built(scene)
    assert pair.T_true is not None
    x = pair.T_initial
    return x[:3, 3] - pair.T_true[:3, 3], np.degrees(log_se3(inverse(pair.T_true) @ x)[:3])


@pytest.mark.parametrize(("key", "scene"), list(itertools.product(METHODS, SCENES)))
def test_every_method_runs_on_every_scene_or_says_why_not(key: str, scene: str) -> None:
    items = run(key, scene, max_iterations=4)
    last = items[-1]
    assert last.status.terminal
    assert last.note
    x = array(last, "x")
    np.testing.assert_allclose(x[:3, :3] @ x[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.isfinite(last.scalars["rmse"])
    if last.status is Status.BREAKDOWN:
        # remapping of whole blocks leaves no step where all six are called weak
        assert (key, array(last, "mask").all()) == ("cn_sr", True)
        assert "all six" in last.note


@pytest.mark.parametrize(("key", "detector"), list(itertools.product(CURES, DETECTORS)))
def test_every_detector_goes_with_every_cure(key: str, detector: str) -> None:
    """In the tunnel; what a detector says is the same whatever is done about it."""
    first = run(key, "tunnel", max_iterations=2, detector=detector, kernel="l2")[0]
    reference = run("me_sr", "tunnel", max_iterations=1, detector=detector, kernel="l2")[0]
    assert first.scalars["weak"] == reference.scalars["weak"] == array(first, "weak_flags").sum()
    np.testing.assert_array_equal(array(first, "mask"), array(reference, "mask"))
    assert (detector == "none") == (first.scalars["weak"] == 0)


@pytest.mark.parametrize("key", CURES)
def test_without_a_detector_every_cure_is_gauss_newton(key: str) -> None:
    # two iterations of PCG are not the whole solution
    settings = {"pcg_iterations": 6} if key == "dcreg_truncated" else {}
    cured = run(key, "room", detector="none", kernel="l2", **settings)[-1]
    plain = run("gn_eigen", "room", kernel="l2")[-1]
    assert cured.k == plain.k
    np.testing.assert_allclose(array(cured, "x"), array(plain, "x"), atol=1e-8)


@pytest.mark.parametrize("key", [key for key in CURES if key != "fcn_sr"])
def test_in_a_room_nothing_is_weak_and_nothing_is_cured(key: str) -> None:
    settings = {"pcg_iterations": 6} if key == "dcreg_truncated" else {}
    cured = run(key, "room", kernel="l2", **settings)[-1]
    assert cured.scalars["weak"] == 0
    np.testing.assert_allclose(
        array(cured, "x"), array(run("gn_qr", "room", kernel="l2")[-1], "x"), atol=1e-8
    )


SEEDS = range(2)


@pytest.mark.parametrize(
    ("key", "scene", "lost"),
    [
        ("xicp", "corridor", "x"),
        ("xicp", "tunnel", "x"),
        ("xicp", "plane", "xy"),
        ("me_sr", "tunnel", "x"),
        ("me_sr", "plane", "xy"),
    ],
)
def test_projection_keeps_the_start_along_what_is_lost_and_gauss_newton_does_not(
    key: str, scene: str, lost: str
) -> None:
    """(ii): within a quarter of the start's error; Gauss-Newton is drawn to no motion, half a metre off."""
    began, _ = start(scene)
    for seed in SEEDS:
        kept, plain = end(key, scene, seed)[0], end("gn_eigen", scene, seed)[0]
        axes = ["xyz".index(name) for name in lost]
        assert np.abs(kept[axes] - began[axes]).max() < 0.25 * np.linalg.norm(began)
        assert np.abs(plain[axes]).max() > 3 * np.abs(began[axes]).max()
        held = [i for i in range(3) if i not in axes]
        assert np.abs(kept[held]).max() < 0.01


def test_me_does_not_flag_the_corridor_and_so_changes_nothing() -> None:
    """Noisy normals feign more than τ = 120 along it."""
    for seed in SEEDS:
        np.testing.assert_allclose(end("me_sr", "corridor", seed)[0], end("gn_eigen", "corridor", seed)[0])


def test_schur_remapping_keeps_the_roll_of_a_corridor_that_the_walls_would_correct() -> None:
    for seed in SEEDS:
        (x, *across), (roll, *_) = end("me_sr", "corridor", seed, detector="schur")
        assert x == pytest.approx(start("corridor")[0][0], abs=0.01)
        assert np.abs(across).max() < 0.01
        assert 0.8 < abs(roll) < 1.2
        assert abs(end("gn_eigen", "corridor", seed)[1][0]) < 0.1


@pytest.mark.parametrize("scene", ["room", "corridor", "corridor_end"])
def test_the_full_condition_number_keeps_translations_that_walls_hold(scene: str) -> None:
    """(iii), (iv): at least half of the start's error stays, where Gauss-Newton is within a centimetre."""
    began, _ = start(scene)
    for seed in SEEDS:
        flagged, plain = end("fcn_sr", scene, seed)[0], end("gn_eigen", scene, seed)[0]
        assert np.linalg.norm(flagged[1:]) > 0.5 * np.linalg.norm(began[1:])
        assert np.linalg.norm(plain[1:]) < 0.01


def test_with_an_end_wall_a_cure_that_does_not_flag_x_finds_it() -> None:
    for seed in SEEDS:
        plain = end("gn_eigen", "corridor_end", seed)[0][0]
        for key in ("me_sr", "xicp", "dcreg_map", "dcreg_anchored"):
            assert end(key, "corridor_end", seed)[0][0] == pytest.approx(plain, abs=0.01)


def test_a_prior_on_steps_is_no_anchor_and_a_prior_on_the_pose_is() -> None:
    """In the tunnel: Schur-MAP slides away from the start, anchored Schur-MAP stays within a centimetre."""
    began = start("tunnel")[0][0]
    for seed in SEEDS:
        assert end("dcreg_map", "tunnel", seed)[0][0] < began - 0.1
        assert end("dcreg_anchored", "tunnel", seed)[0][0] == pytest.approx(began, abs=0.01)


def test_a_strong_anchor_is_remapping() -> None:
    """As α grows the step along weak directions vanishes, as with equality constraints."""
    for scene in ("tunnel", "plane"):
        anchored = end("dcreg_anchored", scene, prior_weight=1e6)
        equality = end("xicp", scene, detector="schur")
        np.testing.assert_allclose(anchored[0], equality[0], atol=3e-3)
        np.testing.assert_allclose(anchored[1], equality[1], atol=0.05)


def test_limits_of_the_anchored_variant_balance_pull_and_prior() -> None:
    """g = α Γ ξ where it stands still."""
    pair = built("tunnel")
    items = run("dcreg_anchored", "tunnel", rtol_rotation=1e-10, rtol_translation=1e-9, kernel="l2")
    last = items[-1]
    H, g, M = (array(last, name) for name in ("H", "g", "motions"))
    F, weak = np.linalg.inv(M), array(last, "weak_flags") > 0
    strengths = array(last, "strengths")
    gamma = np.zeros(6)
    for block in (slice(0, 3), slice(3, 6)):
        gamma[block] = np.where(weak[block], np.maximum(strengths[block].max() / 10 - strengths[block], 0), 0)
    xi = log_se3(inverse(pair.T_initial) @ array(last, "x"))
    assert last.scalars["drift_translation"] == pytest.approx(np.linalg.norm(xi[3:]), rel=1e-9)
    left = g - F.T @ (gamma * (F @ xi))
    # what is left moves the pose by less than the tolerances
    assert np.linalg.norm(np.linalg.solve(H + F.T @ np.diag(gamma) @ F, left)) < 1e-6


def test_inequality_moves_a_weak_direction_by_at_most_its_bound() -> None:
    items = run("xicp", "corridor", constraint="inequality", bound=0.002, kernel="l2", max_iterations=6)
    for item, following in itertools.pairwise(items):
        weak = array(item, "weak_flags") > 0
        F = np.linalg.inv(array(item, "motions"))
        delta = log_se3(inverse(array(item, "x")) @ array(following, "x"))
        limits = np.repeat([0.001, 0.002], 3)
        assert (np.abs(F @ delta)[weak] <= limits[weak] * (1 + 1e-9)).all()
        assert weak.any()


def test_detecting_at_the_first_iteration_keeps_what_was_found_there() -> None:
    items = run("me_sr", "tunnel", detect_at="first", kernel="l2")
    assert len(items) > 3
    for item in items:
        np.testing.assert_array_equal(array(item, "motions"), array(items[0], "motions"))
    weak = array(items[0], "weak_flags") > 0
    F = np.linalg.inv(array(items[0], "motions"))[weak]
    for item, following in itertools.pairwise(items):
        delta = log_se3(inverse(array(item, "x")) @ array(following, "x"))
        assert np.abs(F @ delta).max() < 1e-12


@pytest.mark.parametrize("key", CURES)
@pytest.mark.parametrize(
    "settings", [{"condition_threshold": 1.0}, {"eigenvalue_threshold": -1.0}, {"detector": "nobody"}]
)
def test_senseless_settings_are_refused_at_the_call(key: str, settings: dict[str, Any]) -> None:
    method = registry.method_spec("registration", key).cls(**settings)
    assert isinstance(method, CureSettings)
    with pytest.raises(ValueError, match=r"exceed 1|eigenvalue_threshold|nobody"):
        method.iterate(built("room"))


@pytest.mark.parametrize(
    ("key", "settings", "words"),
    [
        ("me_treg", {"gamma": -1.0}, "gamma"),
        ("me_treg", {"penalty": "some"}, "penalty"),
        ("me_sr", {"solver": "lu"}, "solver"),
        ("dcreg_map", {"condition_target": 1.0}, "condition_target"),
        ("dcreg_anchored", {"prior_weight": -1.0}, "prior_weight"),
        ("dcreg_truncated", {"pcg_iterations": 0}, "pcg_iterations"),
        ("xicp", {"bound": 0.0}, "bound"),
        ("xicp", {"categories": "three", "constraint": "projection"}, "three categories"),
        ("xicp", {"categories": "three", "detector": "schur"}, "three categories"),
        ("levenberg_marquardt", {"damping": 0.0}, "damping"),
    ],
)
def test_settings_without_a_meaning_are_refused_in_words(
    key: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        registry.method_spec("registration", key).cls(**settings).iterate(built("room"))


def test_xicp_says_when_there_are_too_few_pairs_for_its_thresholds() -> None:
    sparse = drain(registry.problem_spec("registration", "room").cls(voxel=1.5).build(0))
    *_, last = registry.method_spec("registration", "xicp").cls(max_distance=2.0).iterate(sparse)
    assert last.status is Status.BREAKDOWN
    assert "all six" in last.note
    assert "3 × enough = 900" in last.note


def test_penalising_weak_directions_only_minimises_the_stacked_squares() -> None:
    items = run("me_treg", "tunnel", penalty="weak", gamma=440.0, kernel="l2", max_iterations=2)
    H, g = array(items[0], "H"), array(items[0], "g")
    weak = array(items[0], "weak_flags") > 0
    C = array(items[0], "motions").T[weak]
    expected = np.linalg.solve(H @ H + 440.0**2 * C.T @ C, H @ g)
    delta = log_se3(inverse(array(items[0], "x")) @ array(items[1], "x"))
    assert weak.any()
    np.testing.assert_allclose(delta, expected, atol=1e-7)


def test_exponentials_used_here_are_those_of_the_loop() -> None:
    delta = np.array([0.01, 0.02, -0.03, 0.1, -0.2, 0.3])
    np.testing.assert_allclose(log_se3(exp_se3(delta)), delta, atol=1e-14)
