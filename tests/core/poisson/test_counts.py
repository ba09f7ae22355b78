"""Iteration counts of the reference problems: how each method grows with the grid.

P2, P3: box with ghost cells. P2d, P3d: walls, one open side, a disc or ball. White right-hand side, true
residual to 1e-6. The expected counts were measured with an independent implementation on other seeds; they
hold within one step or a tenth.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from core.iterate import Status
from tests.oracles_poisson import solve, system

P2 = [("box", n, 2) for n in (64, 128)]
P2D = [("disc", n, 2) for n in (64, 128)]
P3 = [("box", n, 3) for n in (16, 32)]
P3D = [("disc", n, 3) for n in (16, 32)]
GALERKIN, REDISCRETISED = {"coarse": "galerkin", "omega": 2 / 3}, {"coarse": "unweighted", "omega": 2 / 3}

TABLE: list[tuple[str, dict[str, Any], list[tuple[str, int, int]], list[int]]] = [
    ("cg", {}, P2 + P2D + P3 + P3D, [168, 324, 301, 595, 51, 96, 104, 202]),
    ("jacobi_pcg", {}, P2 + P2D + P3 + P3D, [168, 324, 297, 592, 51, 96, 101, 198]),
    ("ssor_pcg", {"omega": 1.0}, P2 + P2D + P3 + P3D, [60, 115, 107, 210, 19, 34, 40, 70]),
    ("ssor_pcg", {"omega": 1.5}, P3 + P3D, [13, 22, 26, 46]),
    ("ssor_pcg", {"omega": 2 / (1 + 0.04907)}, P2[:1] + P2D[:1], [26, 65]),
    ("ic_pcg", {}, P2 + P2D + P3 + P3D, [51, 97, 92, 182, 17, 31, 36, 65]),
    ("mic_pcg", {}, P2 + P2D + P3 + P3D, [27, 45, 45, 82, 13, 18, 22, 36]),
    ("mic_pcg", {"tau": 0.99}, P3 + P3D, [15, 18, 25, 34]),
    ("mic_pcg", {"tau": 1.0}, P3 + P3D[1:], [16, 24, 91]),
    ("deflated_pcg", {}, P2 + P2D, [50, 95, 53, 101]),
    ("deflated_pcg", {"blocks": 16}, P2 + P2D, [26, 50, 29, 53]),
    ("deflated_pcg", {"blocks": 16, "preconditioner": "ic"}, P2 + P2D, [14, 22, 15, 24]),
    ("chebyshev", {}, P2[:1] + P2D[:1], [293, 856]),
    ("fft_pcg", {}, P2 + P2D + P3, [1, 1, 9, 8, 1, 1]),
    ("multigrid_pcg", GALERKIN, P2 + P2D + P3 + P3D, [5, 5, 5, 5, 6, 6, 6, 7]),
    ("multigrid_pcg", REDISCRETISED, P2 + P2D + P3 + P3D, [9, 10, 10, 11, 7, 8, 8, 9]),
    ("multigrid_pcg", {**REDISCRETISED, "band": 3}, P2 + P2D + P3 + P3D, [8, 8, 7, 8, 7, 8, 6, 7]),
    ("multigrid", GALERKIN, P2 + P2D + P3 + P3D, [7, 7, 7, 8, 10, 10, 11, 11]),
]
CASES = [
    pytest.param(
        method, params, problem, expected, id=f"{method}-{params}-{problem[0]}-{problem[1]}-{problem[2]}"
    )
    for method, params, problems, counts in TABLE
    for problem, expected in zip(problems, counts, strict=True)
]


@pytest.mark.parametrize(("method", "params", "problem", "expected"), CASES)
def test_the_count_is_the_published_one(
    method: str, params: dict[str, Any], problem: tuple[str, int, int], expected: int
) -> None:
    key, n, dim = problem
    last = solve(system(key, n=n, dim=dim, air="outside"), method, **params)
    assert last.status is Status.CONVERGED
    assert abs(last.k - expected) <= max(1.0, 0.1 * expected)


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
