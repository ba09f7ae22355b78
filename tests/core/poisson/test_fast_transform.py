"""Closed-form spectra and the direct solve."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.poisson.fast_transform import box_modes, eigenvalues, empty_box, make_axis
from core.poisson.system import AIR, FLUID, SOLID, make_grid, make_system
from tests.oracles_poisson import compact, matrix, system

ENDS = ["wall", "ghost", "face"]


def second_difference(n: int, low: str, high: str) -> np.ndarray:
    A = 2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    for end, i in ((low, 0), (high, n - 1)):
        A[i, i] += {"wall": -1.0, "ghost": 0.0, "face": 1.0}[end]
    return A


@pytest.mark.parametrize("n", [2, 3, 8, 13])
@pytest.mark.parametrize(
    ("low", "high"),
    [("wall", "wall"), ("ghost", "ghost"), ("face", "face"), ("ghost", "wall"), ("wall", "face")],
)
def test_eigenvalues_in_closed_form_are_those_of_the_matrix(n: int, low: str, high: str) -> None:
    dense = np.linalg.eigvalsh(second_difference(n, low, high))
    np.testing.assert_allclose(eigenvalues(n, low, high), dense, atol=1e-14 * n)


def test_a_ghost_that_meets_a_face_has_no_closed_form() -> None:
    with pytest.raises(ValueError, match="no closed form"):
        eigenvalues(8, "ghost", "face")


@pytest.mark.parametrize("low", ENDS)
@pytest.mark.parametrize("high", ENDS)
@pytest.mark.parametrize("n", [2, 7, 8])
def test_every_basis_diagonalises_its_axis(n: int, low: str, high: str) -> None:
    axis = make_axis(n, low, high)
    Q = np.stack([axis.transform(e, 0, True) for e in np.eye(n)])
    np.testing.assert_allclose(Q @ Q.T, np.eye(n), atol=1e-13)
    np.testing.assert_allclose(Q @ second_difference(n, low, high) @ Q.T, np.diag(axis.values), atol=1e-12)


@pytest.mark.parametrize("dirichlet", ["ghost", "face"])
@pytest.mark.parametrize("shape", [(6, 9), (4, 5, 6)])
@pytest.mark.parametrize("seed", range(4))
def test_the_direct_solve_is_the_dense_one(shape: tuple[int, ...], dirichlet: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sides = tuple(tuple(int(s) for s in rng.choice([SOLID, AIR], 2)) for _ in shape)
    grid = make_grid(np.full(shape, FLUID, np.int8), sides, dirichlet)
    given = make_system(grid, rng.standard_normal(shape))
    z = np.zeros(given.size)
    box = empty_box(given, exact=True)
    assert box.apply(given.b, z) == pytest.approx(float(given.b @ z), rel=1e-12)
    dense = np.linalg.pinv(matrix(grid).toarray(), rcond=1e-10) @ compact(grid, given.b)
    np.testing.assert_allclose(compact(grid, z), dense, atol=1e-11 * np.abs(dense).max())


def test_layers_of_air_are_the_boundary_of_the_box() -> None:
    given = system("open_box", n=8, air="layer")
    z = np.zeros(given.size)
    empty_box(given, exact=True).apply(given.b, z)
    dense = np.linalg.solve(matrix(given.grid).toarray(), compact(given.grid, given.b))
    np.testing.assert_allclose(compact(given.grid, z), dense, atol=1e-11 * np.abs(dense).max())


def test_an_obstacle_or_a_variable_coefficient_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="empty box"):
        empty_box(system("disc", n=16), exact=True)
    with pytest.raises(InputError, match="constant coefficient"):
        empty_box(system("box", n=16, coefficient="smooth"), exact=True)


def test_coefficients_keep_the_norm_and_point_at_the_mode() -> None:
    given = system("box", n=8)
    modes = box_modes(given)
    c = modes.coefficients(given.b)
    assert np.linalg.norm(c) == pytest.approx(np.linalg.norm(given.b), rel=1e-12)
    x = np.arange(1, 9) / 9.0
    wave = given.grid.embed(np.sin(2 * np.pi * x)[:, None] * np.sin(3 * np.pi * x)[None, :])
    share = modes.coefficients(wave) ** 2 / (wave @ wave)
    assert share[1, 2] == pytest.approx(1.0)
    expected = 4.0 - 2.0 * np.cos(2 * np.pi / 9) - 2.0 * np.cos(3 * np.pi / 9)
    assert modes.eigenvalues()[1, 2] == pytest.approx(expected)
