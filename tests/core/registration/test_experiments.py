"""The experiments, run as the home page runs them: verdicts, and the numbers in their sentences."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from core import registry
from core.iterate import drain
from core.recipe import make
from core.registration.degeneracy import analyse_degeneracy
from core.registration.experiments import ELSEWHERE, move_origin
from core.registry import Verdict
from core.run import Run, State
from core.trace import TraceView

KEYS = (
    "gauss_newton_step", "corridor", "sphere", "same_pose", "plane_fit_artefact", "origin_of_translation",
)  # fmt: skip
Views, Results = dict[str, TraceView], dict[str, dict[str, Any]]


@cache
def played(key: str, seed: int) -> tuple[Views, Results]:
    spec = registry.experiment_spec("registration", key)
    recipes = [
        make("registration", spec.problem, method, spec.problem_params, params, seed)
        for method, params in spec.methods.items()
    ]
    run = Run(recipes).inline()
    assert run.state is State.FINISHED
    views = {member.recipe.method: member.view for member in run.view().members}
    problem = drain(recipes[0].build_problem())
    result = registry.lab("registration").result
    return views, {method: result(problem, view) for method, view in views.items()}


def test_the_lab_has_its_experiments_in_the_order_of_the_home_page() -> None:
    assert tuple(spec.key for spec in registry.experiments("registration")) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_texts_stand_and_name_a_source(key: str) -> None:
    spec = registry.experiment_spec("registration", key)
    assert spec.question.endswith("?")
    assert "2509.06285" in spec.source
    assert len(spec.explanation.split()) > 80


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("gauss_newton_step", Verdict.HOLDS),
        ("corridor", Verdict.HOLDS),
        ("sphere", Verdict.DOES_NOT_HOLD),
        ("same_pose", Verdict.DOES_NOT_HOLD),
        ("plane_fit_artefact", Verdict.DOES_NOT_HOLD),
        ("origin_of_translation", Verdict.DOES_NOT_HOLD),
    ],
)
def test_the_verdict_holds_over_seeds(key: str, verdict: Verdict, seed: int) -> None:
    finding = registry.experiment_spec("registration", key).check(*played(key, seed))
    assert finding.verdict is verdict
    assert finding.sentence.endswith(".")
    assert "nan" not in finding.sentence


def test_the_two_poses_of_the_first_experiment_agree() -> None:
    """Independent of the check: final matrices, entry by entry."""
    _, results = played("gauss_newton_step", 0)
    plain, dcreg = (np.array(results[m]["T_target_source"]) for m in ("icp_plane", "dcreg"))
    np.testing.assert_allclose(dcreg, plain, atol=1e-6)


def test_a_pose_that_differs_refutes_the_first_claim() -> None:
    views, results = played("gauss_newton_step", 0)
    other = views["dcreg"]
    k = max(other.snapshots)
    moved = dict(other.snapshots)
    x = moved[k]["x"].copy()
    x[0, 3] += 1e-3
    moved[k] = MappingProxyType({**moved[k], "x": x})
    changed = dataclasses.replace(other, snapshots=MappingProxyType(moved))
    check = registry.experiment_spec("registration", "gauss_newton_step").check
    finding = check({**views, "dcreg": changed}, results)
    assert finding.verdict is Verdict.DOES_NOT_HOLD
    assert "1e-03 m" in finding.sentence


def test_the_corridor_sentence_gives_the_errors_of_the_run() -> None:
    """The true pose of the scene is 0.5 m along x, 0.1 m along y, yawed by 3 degrees."""
    views, results = played("corridor", 0)
    sentence = registry.experiment_spec("registration", "corridor").check(views, results).sentence
    start = views["dcreg"].snapshots[0]["x"]
    expected = [abs(start[0, 3] - 0.5)]
    expected += [abs(results[m]["T_target_source"][0][3] - 0.5) for m in ("icp_plane", "dcreg")]
    numbers = [float(n) for n in re.findall(r"(\d+) cm", sentence)][:3]
    np.testing.assert_allclose(numbers, 100 * np.array(expected), atol=0.5)


def test_a_corridor_that_is_found_out_refutes_the_second_claim() -> None:
    views, results = played("corridor", 0)
    unflagged = {m: {**r, "mask": "100000"} for m, r in results.items()}
    check = registry.experiment_spec("registration", "corridor").check
    assert check(views, unflagged).verdict is Verdict.DOES_NOT_HOLD


def test_a_mask_that_sees_the_rotations_would_confirm_the_third_claim() -> None:
    views, results = played("sphere", 0)
    check = registry.experiment_spec("registration", "sphere").check
    assert check(views, {"dcreg": {**results["dcreg"], "mask": "111001"}}).verdict is Verdict.HOLDS


def test_the_sphere_sentence_names_what_each_test_finds() -> None:
    views, results = played("sphere", 0)
    sentence = registry.experiment_spec("registration", "sphere").check(views, results).sentence
    assert "misses roll, pitch, yaw" in sentence
    assert re.search(r"absolute test finds roll, pitch, yaw", sentence)
    assert results["dcreg"]["condition"]["rotation"] < 10


def check(key: str) -> Any:
    return registry.experiment_spec("registration", key).check


def test_from_one_place_the_lost_motion_looks_found_and_from_two_it_is_not() -> None:
    """Independent of the check: where runs end, with a true pose of no motion here and 0.5 m there."""
    _, results = played("same_pose", 0)
    _, moved = played("corridor", 0)
    for method in ("dcreg", "icp_plane"):
        assert results[method]["mask"][3] == moved[method]["mask"][3] == "1"
        assert abs(results[method]["T_target_source"][0][3]) < 0.03
        assert abs(moved[method]["T_target_source"][0][3] - 0.5) > 0.3


def test_a_mask_that_does_not_name_x_would_confirm_the_same_pose_claim() -> None:
    views, results = played("same_pose", 0)
    assert check("same_pose")(views, results).sentence.count(" cm") == 3
    unflagged = {m: {**r, "mask": "100000"} for m, r in results.items()}
    assert check("same_pose")(views, unflagged).verdict is Verdict.HOLDS


def test_the_two_plane_fits_disagree_about_the_same_cloud() -> None:
    views, results = played("plane_fit_artefact", 1)
    sentence = check("plane_fit_artefact")(views, results).sentence
    assert re.search(r"names z, from 8\d\d of 7562 points", sentence)
    assert re.search(r"names yaw, from 7[45]\d\d", sentence)
    agreed = {m: {**r, "mask": "000001"} for m, r in results.items()}
    assert check("plane_fit_artefact")(views, agreed).verdict is Verdict.HOLDS


def test_a_moved_origin_gives_the_hessian_of_moved_points() -> None:
    rng = np.random.default_rng(0)
    p, n = rng.normal(size=(50, 3)), rng.normal(size=(50, 3))
    c = np.array([3.0, -20.0, 7.0])

    def hessian(points: Any) -> Any:
        J = np.hstack([np.cross(points, n), n])
        return J.T @ J

    np.testing.assert_allclose(move_origin(hessian(p), c), hessian(p - c), rtol=1e-12)


def test_moving_the_origin_changes_translation_and_leaves_rotation() -> None:
    """S_R stays to rounding; the verdict follows from the translations alone."""
    views, results = played("origin_of_translation", 0)
    H = views["dcreg"].snapshots[int(views["dcreg"].kept[-1])]["plane_hessian"]
    here, there = (analyse_degeneracy(m) for m in (np.array(H), move_origin(np.array(H), ELSEWHERE)))
    np.testing.assert_allclose(there.schur_rotation, here.schur_rotation, rtol=1e-6, atol=1e-6 * H[0, 0])
    assert here.mask_text == "000000"
    assert there.condition_translation > 20 * here.condition_translation
    sentence = check("origin_of_translation")(views, results).sentence
    assert f"{there.condition_translation:.0f}" in sentence
    assert "names nothing" in sentence
