"""Right-hand sides."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.poisson import sources
from tests.oracles_poisson import compact, matrix, solve, system, value


def test_white_noise_has_one_standard_number_a_fluid_cell() -> None:
    given = system("disc", n=64)
    b = compact(given.grid, given.b)
    # standard errors of mean and variance of n normal numbers
    assert abs(b.mean()) < 5 / np.sqrt(b.size)
    assert abs(b.var() - 1.0) < 5 * np.sqrt(2 / b.size)
    np.testing.assert_array_equal(b, compact(given.grid, system("disc", n=64).b))
    assert not np.array_equal(b, compact(given.grid, system("disc", 1, n=64).b))


def test_range_is_the_image_of_a_known_solution() -> None:
    given = system("disc", n=16, rhs="range")
    assert given.x_true is not None
    x = given.x_true[given.grid.fluid()]
    np.testing.assert_allclose(compact(given.grid, given.b), matrix(given.grid) @ x, atol=1e-12)


def test_charges_cancel() -> None:
    b = system("disc", n=16, rhs="charges").b
    assert b.sum() == 0.0
    assert np.count_nonzero(b) == 2 * sources.CHARGES


@pytest.mark.parametrize("exponent", [0.0, 2.0])
def test_a_random_field_has_the_asked_for_spectrum(exponent: float) -> None:
    field = sources.random_field((256, 256), exponent, np.random.default_rng(0))
    power = np.abs(np.fft.fft2(field)) ** 2
    f = np.fft.fftfreq(256) * 256
    k = np.hypot(*np.meshgrid(f, f, indexing="ij"))
    rings = [power[(k >= a) & (k < b)].mean() for a, b in ((9, 11), (36, 44))]
    assert np.log(rings[0] / rings[1]) / np.log(4.0) == pytest.approx(2 * exponent, abs=0.2)
    assert field.std() == pytest.approx(1.0)


@pytest.mark.parametrize("dirichlet", ["ghost", "face"])
@pytest.mark.parametrize("dim", [2, 3])
def test_the_manufactured_solution_is_approached_with_second_order(dirichlet: str, dim: int) -> None:
    errors = []
    for n in (7, 15):  # h = 1/8, 1/16 with ghost cells
        n += dirichlet == "face"
        given = system("box", n=n, dim=dim, rhs="manufactured", dirichlet=dirichlet)
        x = value(solve(given, "fft_direct").x)
        assert given.x_true is not None
        errors.append(np.abs(x - given.x_true).max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.1)


def test_a_manufactured_solution_needs_a_constant_coefficient() -> None:
    with pytest.raises(InputError, match="variable coefficient"):
        system("box", n=8, rhs="manufactured", coefficient="smooth")
