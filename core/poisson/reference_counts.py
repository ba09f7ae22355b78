"""Iteration counts of the reference problems, as an independent implementation measured them on other seeds.

P2, P3: box with ghost cells. P2d, P3d: walls, one open side, a disc or ball. White right-hand side, true
residual to 1e-6. The counts of this package hold within one step or a tenth; the benchmark prints both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.recipe import make
from core.run import Run

#: Problem, cells a side, dimensions.
Problem = tuple[str, int, int]

P2 = [("box", n, 2) for n in (64, 128)]
P2D = [("disc", n, 2) for n in (64, 128)]
P3 = [("box", n, 3) for n in (16, 32)]
P3D = [("disc", n, 3) for n in (16, 32)]
GALERKIN, REDISCRETISED = {"coarse": "galerkin", "omega": 2 / 3}, {"coarse": "unweighted", "omega": 2 / 3}

#: Method, its settings, the problems, the steps on each.
TABLE: list[tuple[str, dict[str, Any], list[Problem], list[int]]] = [
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


def rows() -> Iterator[tuple[str, dict[str, Any], Problem, int]]:
    """Yield method, settings, problem and expected steps, one problem at a time."""
    for method, settings, problems, counts in TABLE:
        for problem, expected in zip(problems, counts, strict=True):
            yield method, settings, problem, expected


def is_as_expected(steps: float, expected: int) -> bool:
    """Whether a count is within one step or a tenth."""
    return abs(steps - expected) <= max(1.0, 0.1 * expected)


def steps_here(method: str, settings: dict[str, Any], problem: Problem) -> int:
    """Return the steps that a registered method needs for its tolerance."""
    key, n, dim = problem
    recipe = make("poisson", key, method, {"n": n, "dim": dim, "air": "outside"}, settings)
    return int(Run([recipe]).inline().view().members[0].view.k[-1])
