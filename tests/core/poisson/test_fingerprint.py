"""The error by frequency."""

from __future__ import annotations

import numpy as np
import pytest

from core.poisson.fingerprint import fingerprint, reference_solution
from tests.oracles_poisson import compact, iterates, matrix, system, value


@pytest.mark.parametrize(
    ("problem", "params"),
    [("box", {}), ("disc", {}), ("walls", {}), ("maze", {}), ("disc", {"coefficient": "inclusions"}),
     ("open_box", {"dirichlet": "face"}), ("blobs", {"dim": 3, "n": 9, "boundary": "walls"})],
)  # fmt: skip
def test_the_reference_is_the_dense_solution(problem: str, params: dict[str, object]) -> None:
    given = system(problem, **({"n": 17} | params))
    coefficient = None
    if "coefficient" in params:
        from core.poisson.problem import Disc, coefficient_of

        coefficient = coefficient_of(Disc(coefficient="inclusions"), (17, 17), 0)
    A = matrix(given.grid, coefficient).toarray()
    dense = np.linalg.pinv(A, rcond=1e-11) @ compact(given.grid, given.b)
    x = reference_solution(given)[given.grid.fluid()]
    np.testing.assert_allclose(x, dense, atol=1e-8 * np.abs(dense).max())


@pytest.mark.parametrize("problem", ["box", "disc", "walls"])
def test_the_bins_add_up_to_the_squared_error(problem: str) -> None:
    given = system(problem, n=16)
    x_star = reference_solution(given)
    xs = [value(item.x) for item in iterates(given, "cg")][:5]
    edges, energy = fingerprint(given, xs, x_star, bins=12)
    assert energy.shape == (5, 12)
    assert (np.diff(edges) > 0).all()
    # b has no part along the constant, so neither has an error with walls all round
    assert energy.sum(axis=1) == pytest.approx([((x - x_star) ** 2).sum() for x in xs], rel=1e-9)


def test_a_single_mode_fills_a_single_bin_at_its_eigenvalue() -> None:
    given = system("box", n=16)
    x = np.arange(1, 17) / 17.0
    wave = np.sin(4 * np.pi * x)[:, None] * np.sin(np.pi * x)[None, :]
    edges, energy = fingerprint(given, [wave], np.zeros((16, 16)))
    eigenvalue = 4.0 - 2.0 * np.cos(4 * np.pi / 17) - 2.0 * np.cos(np.pi / 17)
    (bin_,) = np.flatnonzero(energy[0] > 1e-9 * energy.sum())
    assert edges[bin_] <= eigenvalue <= edges[bin_ + 1]


def test_a_smoother_kills_the_high_bins_first() -> None:
    given = system("box", n=32, rhs="range")
    x_star = given.x_true
    assert x_star is not None
    xs = [value(item.x) for item in iterates(given, "chebyshev", low=0.5, max_iterations=8)]
    _, energy = fingerprint(given, [xs[0], xs[-1]], x_star, bins=8)
    left = energy[1] / energy[0]
    assert left[-1] < 1e-3
    assert left[0] > 0.5
