"""Conjugate directions and columns of the inverse."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.poisson.conjugacy import conjugacy, greens_function
from tests.oracles_poisson import iterates, matrix, system, value


@pytest.mark.parametrize("method", ["cg", "mic_pcg", "multigrid_pcg", "deflated_pcg"])
def test_the_directions_of_cg_are_conjugate(method: str) -> None:
    given = system("disc", n=20)
    directions = [value(item.arrays["direction"]) for item in iterates(given, method)][1:12]
    found = conjugacy(given, directions)
    np.testing.assert_allclose(np.diag(found), 1.0)
    # the preconditioner of multigrid works in single precision
    limit = 1e-4 if method == "multigrid_pcg" else 1e-8
    assert np.abs(found - np.eye(len(found))).max() < limit


def test_any_directions_are_measured_as_defined() -> None:
    given = system("disc", n=8)
    rng = np.random.default_rng(0)
    directions = [rng.standard_normal((8, 8)) * given.grid.fluid() for _ in range(3)]
    A = matrix(given.grid).toarray()
    P = np.stack([p[given.grid.fluid()] for p in directions])
    G = P @ A @ P.T
    expected = np.abs(G) / np.sqrt(np.outer(np.diag(G), np.diag(G)))
    np.testing.assert_allclose(conjugacy(given, directions), expected, atol=1e-12)
    assert not conjugacy(given, [np.zeros((8, 8))]).any()
    assert conjugacy(given, []).shape == (0, 0)


@pytest.mark.parametrize(("problem", "boundary"), [("disc", "open_box"), ("disc", "walls"), ("maze", "box")])
def test_a_greens_function_is_a_column_of_the_inverse(problem: str, boundary: str) -> None:
    given = system(problem, n=12, boundary=boundary)
    fluid = given.grid.fluid()
    cell = tuple(int(i) for i in np.argwhere(fluid)[17])
    column = np.linalg.pinv(matrix(given.grid).toarray(), rcond=1e-11)[:, 17]
    np.testing.assert_allclose(greens_function(given, cell)[fluid], column, atol=1e-9 * np.abs(column).max())


@pytest.mark.parametrize("cell", [(0,), (99, 0), (-1, 0), (6, 5)])
def test_a_cell_without_fluid_has_none(cell: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="a fluid cell"):
        greens_function(system("disc", n=12), cell)
