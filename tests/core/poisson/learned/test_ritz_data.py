"""Training vectors: Lanczos against dense algebra, and how their energy is spread."""

from __future__ import annotations

import numpy as np
import pytest

from core.poisson.learned.ritz_data import coefficients, combinations, lanczos, ritz_basis, unit, white
from core.poisson.system import Grid
from tests.oracles_poisson import matrix, system


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def disc() -> Grid:
    return system("disc", n=24).grid


def test_lanczos_vectors_are_orthonormal_and_make_a_tridiagonal_matrix(disc: Grid) -> None:
    Q, diagonal, off = lanczos(disc, 120, rng())
    np.testing.assert_allclose(Q @ Q.T, np.eye(120), atol=1e-10)
    T = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    np.testing.assert_allclose(Q @ (matrix(disc) @ Q.T), T, atol=1e-10)


def test_ritz_vectors_diagonalise_a_and_lie_within_its_spectrum(disc: Grid) -> None:
    basis = ritz_basis(disc, 100, rng())
    A = matrix(disc)
    exact = np.linalg.eigvalsh(A.toarray())
    assert exact[0] - 1e-10 <= basis.values[0] <= basis.values[-1] <= exact[-1] + 1e-10
    assert (np.diff(basis.values) > 0).all()
    Y = basis.vectors[:, disc.fluid().ravel()].astype(float)
    # vectors are kept in single precision
    np.testing.assert_allclose(Y @ (A @ Y.T), np.diag(basis.values), atol=1e-6 * exact[-1])
    assert not basis.vectors[:, ~disc.fluid().ravel()].any()


def test_an_exhausted_space_gives_fewer_vectors_and_all_eigenvalues() -> None:
    grid = system("open_box", n=4).grid
    basis = ritz_basis(grid, 300, rng())
    exact = np.unique(np.linalg.eigvalsh(matrix(grid).toarray()).round(9))
    np.testing.assert_allclose(basis.values, exact, atol=1e-8)


def test_no_vector_has_a_part_in_the_null_space() -> None:
    grid = system("walls", n=12).grid
    basis = ritz_basis(grid, 60, rng())
    assert basis.values[0] > 1e-8
    vectors = combinations(basis, 20, 0.55, 9.0, rng(1))
    assert np.abs(vectors.sum(axis=1)).max() < 1e-4


def test_the_lower_part_has_its_share_of_the_energy() -> None:
    c = coefficients(300, 200, 0.55, 9.0, rng()).astype(float) ** 2
    low = c[:, :165].sum(axis=1) / c.sum(axis=1)
    assert low.mean() == pytest.approx(0.99, abs=0.01)


def test_all_vectors_have_unit_length_and_are_zero_off_the_fluid(disc: Grid) -> None:
    basis = ritz_basis(disc, 40, rng())
    for rows in (combinations(basis, 8, 0.55, 9.0, rng(2)), white(disc, 8, rng(3))):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)
        assert not rows[:, ~disc.fluid().ravel()].any()
    assert not unit(np.zeros((1, 3), np.float32)).any()
