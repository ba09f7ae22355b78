"""Incomplete factors and SSOR against their definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.errors import InputError
from core.poisson import preconditioners as pre
from core.poisson.krylov import Preconditioner
from core.poisson.problem import Disc, coefficient_of
from core.poisson.system import GridSystem
from tests.oracles_poisson import Array, compact, matrix, padded, system

CASES: list[dict[str, object]] = [
    {"n": 7}, {"n": 5, "dim": 3}, {"n": 7, "coefficient": "smooth"},
    {"n": 5, "dim": 3, "coefficient": "inclusions"}, {"n": 7, "boundary": "box", "dirichlet": "face"},
]  # fmt: skip


def dense(given: GridSystem, params: dict[str, object]) -> Array:
    if "coefficient" not in params:
        return np.asarray(matrix(given.grid).toarray())
    return np.asarray(matrix(given.grid, coefficient_of(Disc(**params), given.grid.shape, 0)).toarray())  # type: ignore[arg-type]


def inverse_of(given: GridSystem, M: Preconditioner) -> Array:
    n = given.unknowns
    columns = []
    for i in range(n):
        r, z = padded(given.grid, np.eye(n)[i]), np.zeros(given.size)
        rz = M.apply(r, z)
        assert rz == pytest.approx(float(r @ z), rel=1e-13)
        np.testing.assert_array_equal(z, padded(given.grid, compact(given.grid, z)))
        columns.append(compact(given.grid, z))
    return np.linalg.inv(np.stack(columns).T)


def incomplete(A: Array, tau: float) -> Array:
    """IC(0) or MIC(0) column by column, dropped fill times tau subtracted from both diagonals."""
    A = A.copy()
    pattern = A != 0
    n = len(A)
    L = np.zeros_like(A)
    for k in range(n):
        L[k, k] = np.sqrt(A[k, k])
        below = [i for i in range(k + 1, n) if pattern[i, k]]
        for i in below:
            L[i, k] = A[i, k] / L[k, k]
        for i in below:
            for j in below:
                if j > i:
                    continue
                if pattern[i, j]:
                    A[i, j] -= L[i, k] * L[j, k]
                else:
                    A[i, i] -= tau * L[i, k] * L[j, k]
                    A[j, j] -= tau * L[i, k] * L[j, k]
    return L


@pytest.mark.parametrize("tau", [0.0, 0.5, 0.97])
@pytest.mark.parametrize("params", CASES)
def test_the_grid_form_is_the_sparse_factorisation(params: dict[str, object], tau: float) -> None:
    given = system("disc", **params)
    A = dense(given, params)
    L = incomplete(A, tau)
    M = inverse_of(given, pre.incomplete_cholesky(given, tau, 0.0))
    np.testing.assert_allclose(M, L @ L.T, atol=1e-9 * np.abs(A).max())


@pytest.mark.parametrize("params", CASES)
def test_ic_reproduces_a_on_its_pattern_and_mic_off_the_diagonal(params: dict[str, object]) -> None:
    given = system("disc", **params)
    A = dense(given, params)
    on_pattern = A != 0
    M = inverse_of(given, pre.incomplete_cholesky(given, 0.0, 0.0))
    np.testing.assert_allclose(M[on_pattern], A[on_pattern], atol=1e-9 * np.abs(A).max())
    M = inverse_of(given, pre.incomplete_cholesky(given, 0.9, 0.0))
    off = on_pattern & ~np.eye(len(A), dtype=bool)
    np.testing.assert_allclose(M[off], A[off], atol=1e-9 * np.abs(A).max())


def test_full_modification_keeps_row_sums() -> None:
    given = system("box", n=8)
    A = matrix(given.grid).toarray()
    M = inverse_of(given, pre.incomplete_cholesky(given, 1.0, 0.0))
    np.testing.assert_allclose(M.sum(axis=1), A.sum(axis=1), atol=1e-12)


def test_a_small_pivot_is_replaced_by_the_diagonal() -> None:
    given = system("disc", n=12)
    plain, guarded = (pre.incomplete_cholesky(given, 1.0, sigma).c for sigma in (0.0, 0.5))
    d = given.diagonal_values()
    inside = d > 0
    assert (1.0 / plain[inside] < 0.5 * d[inside]).any()
    assert (1.0 / guarded[inside] >= 0.5 * d[inside] * (1 - 1e-12)).all()


@pytest.mark.parametrize("omega", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("params", CASES)
def test_ssor_is_its_formula_and_a_forward_and_a_backward_sweep(
    params: dict[str, object], omega: float
) -> None:
    given = system("disc", **params)
    A = dense(given, params)
    D, L = np.diag(np.diag(A)), np.tril(A, -1)
    expected = omega / (2 - omega) * (D / omega + L) @ np.linalg.inv(D) @ (D / omega + L.T)
    M = inverse_of(given, pre.ssor(given, omega))
    np.testing.assert_allclose(M, expected, atol=1e-10 * np.abs(A).max())
    r = np.random.default_rng(0).standard_normal(len(A))
    x = np.zeros(len(A))
    for order in (range(len(A)), reversed(range(len(A)))):
        for i in order:
            x[i] += omega * (r[i] - A[i] @ x) / A[i, i]
    np.testing.assert_allclose(np.linalg.solve(M, r), x, atol=1e-9 * np.abs(x).max())


def test_jacobi_divides_by_the_diagonal() -> None:
    given = system("disc", n=8)
    np.testing.assert_allclose(
        inverse_of(given, pre.jacobi(given)), np.diag(np.diag(matrix(given.grid).toarray())), atol=1e-13
    )


@pytest.mark.parametrize("make", [lambda s: pre.ssor(s, 1.0), lambda s: pre.incomplete_cholesky(s, 0.0, 0.0)])
def test_a_matrix_is_refused_in_words(make: Callable[[object], object]) -> None:
    with pytest.raises(InputError, match="a grid"):
        make(object())
