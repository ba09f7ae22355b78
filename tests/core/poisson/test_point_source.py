"""Columns of the inverse, and what preconditioners make of a point source."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.poisson.point_source import greens_function, preconditioner, response
from core.poisson.system import Grid
from core.recipe import make
from tests.oracles_poisson import Array, compact, matrix, padded, system


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


class Given:
    """A preconditioner that is a matrix on the fluid cells."""

    units = 1.0

    def __init__(self, grid: Grid, dense: Array) -> None:
        self.grid, self.dense = grid, dense

    def apply(self, r: Array, z: Array) -> float:
        z[:] = padded(self.grid, self.dense @ compact(self.grid, r))
        return float(r @ z)


def test_the_best_step_and_the_angle_are_those_of_the_energy_norm() -> None:
    given = system("disc", n=10)
    fluid, cell = given.grid.fluid(), (2, 7)
    column, A = greens_function(given, cell), matrix(given.grid).toarray()
    rng = np.random.default_rng(0)
    B = rng.standard_normal(A.shape)
    M = B @ B.T
    found = response(given, Given(given.grid, M), cell, column)
    e, r = column[fluid], A @ column[fluid]
    f = M @ r
    alpha = (f @ A @ e) / (f @ A @ f)
    np.testing.assert_allclose(found.values[fluid], alpha * f, rtol=1e-8)
    left = e - alpha * f
    assert np.sqrt(left @ A @ left / (e @ A @ e)) == pytest.approx(np.sqrt(1.0 - found.cosine**2))


@pytest.mark.parametrize("factor", [1.0, -3.0])
def test_the_inverse_up_to_a_factor_gives_the_column_itself(factor: float) -> None:
    given = system("disc", n=10)
    column = greens_function(given, (2, 7))
    inverse = factor * np.linalg.inv(matrix(given.grid).toarray())
    found = response(given, Given(given.grid, inverse), (2, 7), column)
    np.testing.assert_allclose(found.values, column, rtol=1e-8, atol=1e-12)
    assert found.cosine == pytest.approx(np.sign(factor))


def test_what_gives_nothing_has_no_angle() -> None:
    given = system("disc", n=10)
    nothing = Given(given.grid, np.zeros((given.unknowns,) * 2))
    found = response(given, nothing, (2, 7), greens_function(given, (2, 7)))
    assert found.cosine == 0.0
    assert not found.values.any()


def test_the_methods_with_a_preconditioner_give_it() -> None:
    given = system("disc", n=16)
    column = greens_function(given, (4, 4))
    cosines = {}
    for key in ("ic_pcg", "mic_pcg", "fft_pcg", "multigrid_pcg", "pyamg_sa", "npsdo"):
        M = preconditioner(make("poisson", "disc", key).build_method(), given)
        assert M is not None, key
        cosines[key] = response(given, M, (4, 4), column).cosine
    for key in ("cg", "minres", "chebyshev", "deflated_pcg"):
        assert preconditioner(make("poisson", "disc", key).build_method(), given) is None, key
    # what reaches everywhere is closer to the inverse than what reaches as far as a few cells
    assert cosines["ic_pcg"] < cosines["mic_pcg"] < cosines["multigrid_pcg"] < 1.0 + 1e-12
    assert cosines["npsdo"] > cosines["ic_pcg"]
