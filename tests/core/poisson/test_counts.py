"""Iteration counts of the reference problems: how each method grows with the grid."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from core.iterate import Status
from core.poisson.reference_counts import REDISCRETISED, is_as_expected, rows, steps_here
from tests.oracles_poisson import solve, system

CASES = [
    pytest.param(
        method, params, problem, expected, id=f"{method}-{params}-{problem[0]}-{problem[1]}-{problem[2]}"
    )
    for method, params, problem, expected in rows()
]


@pytest.mark.parametrize(("method", "params", "problem", "expected"), CASES)
def test_the_count_is_the_published_one(
    method: str, params: dict[str, Any], problem: tuple[str, int, int], expected: int
) -> None:
    key, n, dim = problem
    last = solve(system(key, n=n, dim=dim, air="outside"), method, **params)
    assert last.status is Status.CONVERGED
    assert is_as_expected(last.k, expected)


def test_multigrid_does_not_grow_with_the_grid_and_cg_doubles() -> None:
    flat = [solve(system("disc", n=n), "multigrid_pcg").k for n in (32, 64, 128, 256)]
    assert max(flat) - min(flat) <= 2
    doubling = [solve(system("disc", n=n), "cg").k for n in (32, 64, 128)]
    assert all(1.7 < b / a < 2.3 for a, b in pairwise(doubling))


@pytest.mark.parametrize("problem", ["box", "disc"])
def test_a_cycle_that_fails_as_a_solver_is_a_flat_preconditioner(problem: str) -> None:
    given = system(problem, n=256, air="outside")
    alone = solve(given, "multigrid", **REDISCRETISED)
    assert alone.status in (Status.STALLED, Status.DIVERGED, Status.MAX_ITERATIONS)
    inside = solve(given, "multigrid_pcg", **REDISCRETISED)
    assert inside.status is Status.CONVERGED
    assert inside.k <= 13


def test_full_modification_is_best_on_an_empty_box_and_bad_near_walls() -> None:
    box, walls = (system(p, n=128, air="outside") for p in ("box", "disc"))
    assert solve(box, "mic_pcg", tau=1.0).k < solve(box, "mic_pcg").k
    assert solve(walls, "mic_pcg", tau=1.0).k > 1.5 * solve(walls, "mic_pcg").k


@pytest.mark.parametrize("params", [{}, {"coarse": "rediscretised", "smoother": "red_black", "nu": 1}])
def test_the_default_in_three_dimensions_takes_at_most_ten_steps(params: dict[str, Any]) -> None:
    for problem in ("box", "disc"):
        assert solve(system(problem, n=48, dim=3), "multigrid_pcg", **params).k <= 10


def test_a_run_counts_as_the_loop_does_and_tolerance_is_a_tenth_or_a_step() -> None:
    assert steps_here("cg", {}, ("box", 64, 2)) == solve(system("box", n=64, air="outside"), "cg").k
    assert [is_as_expected(k, 5) for k in (3, 4, 6, 7)] == [False, True, True, False]
    assert [is_as_expected(k, 100) for k in (89, 90, 110, 111)] == [False, True, True, False]
