"""Systems given as a matrix: the same methods, checked against the grid and dense algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from core import registry
from core.errors import InputError
from core.iterate import Status
from core.poisson import preconditioners as pre
from core.poisson.deflation import block_deflation
from core.poisson.matrix import MatrixSystem, make_matrix_system
from core.poisson.system import GridSystem
from tests.oracles_poisson import Array, iterates, matrix, solve, system, value
from tests.oracles_poisson import compact as compact

GRID_ONLY = {
    "multigrid", "multigrid_pcg", "torch_cg", "torch_multigrid_pcg", "fft_direct", "fft_pcg",
    "dcdm", "npsdo", "flexible_cg", "hybrid", "train_network",
    "smoke_series",
}  # fmt: skip
METHODS = [spec.key for spec in registry.methods("poisson")]


def of_grid(given: GridSystem) -> MatrixSystem:
    return make_matrix_system(matrix(given.grid), compact(given.grid, given.b), "A.mtx")


def spd(n: int, seed: int) -> sparse.csr_array:
    """A sparse positive definite matrix with entries of both signs."""
    rng = np.random.default_rng(seed)
    B = sparse.random_array(
        (n, n), density=3.0 / n, rng=rng, data_sampler=lambda size: rng.standard_normal(size)
    )
    return sparse.csr_array(B @ B.T + 0.05 * sparse.eye_array(n))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["grid", "walls", "spd"])
def test_every_method_solves_a_matrix_or_says_that_it_needs_a_grid(method: str, kind: str) -> None:
    if kind == "spd":
        A = spd(120, 0)
        given = make_matrix_system(A, np.random.default_rng(1).standard_normal(120), "A.mtx")
    else:
        given = of_grid(system("disc" if kind == "grid" else "walls", n=16))
    anything: Any = given
    if method in GRID_ONLY:
        with pytest.raises(InputError, match="a grid, which"):
            solve(anything, method)
        return
    last = solve(anything, method)
    assert last.status is Status.CONVERGED, last.note
    residual = np.linalg.norm(given.b - given.A @ value(last.x))
    assert residual <= 1e-6 * np.linalg.norm(given.b) * (1 + 1e-9)
    assert value(last.x).shape == (given.size,)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("cg", {}),
        ("jacobi_pcg", {}),
        ("ssor_pcg", {"omega": 1.3}),
        ("ic_pcg", {}),
        ("mic_pcg", {}),
        ("minres", {}),
    ],
)
def test_a_grid_given_as_a_matrix_takes_the_same_steps(method: str, params: dict[str, Any]) -> None:
    given = system("disc", n=20)
    anything: Any = of_grid(given)
    for a, b in zip(iterates(given, method, **params), iterates(anything, method, **params), strict=True):
        first, second = value(a.x)[given.grid.fluid()], value(b.x)
        # rounding grows with the steps
        np.testing.assert_allclose(first, second, atol=1e-7 * max(np.abs(second).max(), 1e-300))


def apply_to_unit_vectors(M: Any, n: int) -> Array:
    columns = []
    for e in np.eye(n):
        z = np.zeros(n)
        assert M.apply(e, z) == pytest.approx(float(e @ z), rel=1e-12, abs=1e-300)
        columns.append(z)
    return np.stack(columns).T


def test_ic_of_a_tridiagonal_matrix_is_its_inverse() -> None:
    A = sparse.diags_array([[-1.0] * 9, [2.5] * 10, [-1.0] * 9], offsets=[-1, 0, 1]).tocsr()
    given: Any = make_matrix_system(A, np.arange(1.0, 11.0), "A.mtx")
    M = apply_to_unit_vectors(pre.incomplete_cholesky(given, 0.0, 0.0), 10)
    np.testing.assert_allclose(M @ A.toarray(), np.eye(10), atol=1e-12)
    assert solve(given, "ic_pcg").k == 1


def test_ic_reproduces_a_general_matrix_on_its_pattern() -> None:
    A = spd(40, 3).toarray() + 5.0 * np.eye(40)
    given: Any = make_matrix_system(A, np.ones(40), "A.mtx")
    factor = pre.incomplete_cholesky(given, 0.0, 0.0)
    assert isinstance(factor, pre.Factor)
    assert factor.shift == 0.0
    L = sparse.csr_array((factor.values, factor.columns, factor.starts), shape=(40, 40)).toarray().T
    product = L @ L.T
    np.testing.assert_allclose(product[A != 0], A[A != 0], atol=1e-12)


def test_a_failing_pivot_raises_the_diagonal_until_it_holds() -> None:
    # Kershaw's matrix: positive definite, IC(0) meets a negative pivot
    A = np.array(
        [[3.0, -2.0, 0.0, 2.0], [-2.0, 3.0, -2.0, 0.0], [0.0, -2.0, 3.0, -2.0], [2.0, 0.0, -2.0, 3.0]]
    )
    assert np.linalg.eigvalsh(A)[0] > 0.0
    given: Any = make_matrix_system(A, np.ones(4), "kershaw.mtx")
    factor = pre.incomplete_cholesky(given, 0.0, 0.0)
    assert isinstance(factor, pre.Factor)
    assert factor.shift > 0.0
    assert solve(given, "ic_pcg").status is Status.CONVERGED


@pytest.mark.parametrize("omega", [0.4, 1.0, 1.6])
def test_ssor_of_a_matrix_is_its_formula(omega: float) -> None:
    A = spd(20, 4).toarray()
    given: Any = make_matrix_system(A, np.ones(20), "A.mtx")
    D, L = np.diag(np.diag(A)), np.tril(A, -1)
    expected = omega / (2 - omega) * (D / omega + L) @ np.linalg.inv(D) @ (D / omega + L.T)
    M = apply_to_unit_vectors(pre.ssor(given, omega), 20)
    np.testing.assert_allclose(np.linalg.inv(M), expected, rtol=1e-9, atol=1e-9 * np.abs(A).max())


def test_a_matrix_is_deflated_by_runs_of_rows() -> None:
    given: Any = make_matrix_system(spd(50, 5), np.ones(50), "A.mtx")
    made = block_deflation(given, 3, split=False)
    assert made.columns == 9
    W = np.eye(9)[made.labels]
    np.testing.assert_allclose(np.linalg.inv(made.inverse), W.T @ given.A.toarray() @ W, rtol=1e-9, atol=1e-9)


def test_rows_that_add_up_to_zero_make_a_null_space() -> None:
    path = np.array([[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])
    A = sparse.block_diag([path, path + np.eye(3), path])
    given = make_matrix_system(A, np.arange(9.0), "A.mtx")
    assert given.singular == 2
    b = given.b
    assert b[:3].sum() == pytest.approx(0.0)
    assert b[6:].sum() == pytest.approx(0.0)
    np.testing.assert_array_equal(b[3:6], [3.0, 4.0, 5.0])
    assert given.removed > 0.0
    assert "add up to zero" in given.notes[0]


@pytest.mark.parametrize(
    ("A", "b", "message"),
    [
        (np.ones((2, 3)), np.ones(2), "a square matrix"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), np.ones(2), "a symmetric matrix"),
        (np.array([[1.0, 0.0], [0.0, -1.0]]), np.ones(2), "positive diagonal, found -1 in row 2"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), np.ones(2), "finite entries"),
        (np.eye(2) * 1j, np.ones(2), "real entries"),
        (np.eye(2), np.ones(3), "2 numbers, one a row, found 3"),
        (np.eye(2), np.array([1.0, np.inf]), "finite numbers"),
    ],
)
def test_an_unusable_matrix_is_refused_in_words(A: Array, b: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_matrix_system(A, b, "A.mtx")


def test_an_indefinite_matrix_breaks_cg_down_and_minres_solves_it() -> None:
    A = np.diag([3.0, 2.0, 1.0, 1.0])
    A[2, 3] = A[3, 2] = 2.0  # eigenvalues 3 and -1
    given: Any = make_matrix_system(A, np.array([1.0, 1.0, 1.0, -1.2]), "A.mtx")
    last = solve(given, "cg")
    assert last.status is Status.BREAKDOWN
    assert "not positive definite" in last.note
    assert solve(given, "minres").status is Status.CONVERGED
