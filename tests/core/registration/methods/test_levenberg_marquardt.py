"""Levenberg-Marquardt: the schedule of its damping and that no step raises the error."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from core.iterate import Iterate, Status, drain
from core.linalg.lie import T_from_xyzrpy, exp_se3
from core.registration.alignment import align
from core.registration.correspondences import SearchTree, make_linearisation
from core.registration.evidence import Pairs
from core.registration.methods.icp_plane import IcpPlane
from core.registration.methods.levenberg_marquardt import LevenbergMarquardt, _Damped
from core.registration.problem import ScanPair
from core.registration.scenes import Corridor, Room
from core.registration.settings import PlaneSettings
from core.registration.solvers import Situation, Step, solve_eigen
from tests.oracles_surfaces import room


@pytest.fixture(scope="module")
def scans() -> ScanPair:
    return drain(Room().build(0))


def x(item: Iterate) -> np.ndarray:
    return item.x() if callable(item.x) else item.x


def array(item: Iterate, name: str) -> Any:
    value = item.arrays[name]
    return value() if callable(value) else value


def test_damping_falls_while_steps_pay_and_the_end_is_that_of_gauss_newton(scans: ScanPair) -> None:
    items = list(LevenbergMarquardt().iterate(scans))
    plain = list(IcpPlane().iterate(scans))
    assert items[-1].status is Status.CONVERGED
    np.testing.assert_allclose(x(items[-1]), x(plain[-1]), atol=1e-6)
    for before, after in itertools.pairwise(items):
        assert after.scalars["damping"] == pytest.approx(before.scalars["damping"] / 10)
        assert before.scalars["trials"] == 1


@pytest.mark.parametrize(("matrix", "damping"), [("identity", 1e4), ("diagonal", 2.0)])
def test_steps_solve_the_damped_system(scans: ScanPair, matrix: str, damping: float) -> None:
    items = list(
        LevenbergMarquardt(damping=damping, damping_matrix=matrix, update="so3", kernel="l2").iterate(scans)
    )
    H, g = array(items[0], "H"), array(items[0], "g")
    D = np.eye(6) if matrix == "identity" else np.diag(np.diag(H))
    delta = np.linalg.solve(H + damping * D, g)
    moved = x(items[1])[:3, 3] - x(items[0])[:3, 3]
    np.testing.assert_allclose(x(items[0])[:3, :3] @ delta[3:], moved, atol=1e-12)
    assert np.linalg.norm(delta) < 0.5 * np.linalg.norm(np.linalg.solve(H, g))


def situation(pairs: Pairs) -> Situation:
    return Situation(pairs.T, pairs.T, lambda: pairs)


def test_damping_is_raised_until_the_error_falls() -> None:
    """A gradient that is ten times too long: the plain step overshoots."""
    target = SearchTree.build(room(np.random.default_rng(20), 4000)).with_normals(10, 0.05)
    linearise = make_linearisation(room(np.random.default_rng(21), 2000), target, max_distance=0.4)
    T = T_from_xyzrpy(0.1, -0.07, 0.05, 1.5, -1.0, 3.0)
    system = linearise(T)
    pairs = linearise.pairs(T)
    treatment = _Damped(LevenbergMarquardt(), solve_eigen)
    step = treatment.treat(system.H, 10 * system.g, situation(pairs))
    assert step.scalars["trials"] > 1
    assert step.scalars["damping"] == pytest.approx(1e-3 * 10 ** (step.scalars["trials"] - 1))
    assert pairs.error_at(T @ exp_se3(step.delta)) <= pairs.error_at(T)
    again = treatment.treat(system.H, system.g, situation(pairs))
    assert again.scalars["damping"] == pytest.approx(step.scalars["damping"] / 10)


def test_where_no_trial_pays_it_says_so() -> None:
    target = SearchTree.build(room(np.random.default_rng(20), 4000)).with_normals(10, 0.05)
    linearise = make_linearisation(room(np.random.default_rng(21), 2000), target, max_distance=0.4)
    T = T_from_xyzrpy(0.1, -0.07, 0.05, 1.5, -1.0, 3.0)
    system = linearise(T)
    treatment = _Damped(LevenbergMarquardt(trials=3), solve_eigen)
    step = treatment.treat(system.H, -system.g, situation(linearise.pairs(T)))
    assert "none of 3" in step.obstacle
    assert not step.delta.any()


def test_an_obstacle_ends_the_run_as_breakdown(scans: ScanPair) -> None:
    *_, last = align(scans, PlaneSettings(), lambda H, g: Step(np.zeros(6), obstacle="no step today"))
    assert (last.status, last.note) == (Status.BREAKDOWN, "no step today at k = 0")


def test_damping_is_no_cure_for_a_corridor() -> None:
    pair = drain(Corridor().build(0))
    assert pair.T_true is not None
    *_, last = LevenbergMarquardt(kernel="l2", damping=10.0).iterate(pair)
    assert x(last)[0, 3] - pair.T_true[0, 3] < -0.3


def test_the_loam_model_can_be_damped_too(scans: ScanPair) -> None:
    *_, last = LevenbergMarquardt(correspondence="loam").iterate(scans)
    *_, plain = IcpPlane(correspondence="loam").iterate(scans)
    np.testing.assert_allclose(x(last), x(plain), atol=2e-3)
