"""The linear solvers: DCReg's PCG against its published numbers, scipy and the direct solution."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import cg

from core.registration.solvers import SOLVERS, Step, direct, solve_dcreg, solve_eigen, solve_qr
from tests.oracles_schur import golden_system, preconditioner, random_rows

seeds = st.integers(0, 10_000)
dcreg = partial(
    solve_dcreg,
    condition_threshold=10.0,
    condition_target=10.0,
    rtol=1e-6,
    max_iterations=10,
    fallback=solve_qr,
)


def random_system(seed: int) -> tuple[np.ndarray, np.ndarray]:
    J = random_rows(seed)
    H = J.T @ J
    return 0.5 * (H + H.T), J.T @ np.random.default_rng(seed).normal(size=len(J))


def test_the_published_system_gives_the_published_step_and_residuals() -> None:
    H, g = golden_system()
    step = dcreg(H, g, rtol=1e-10, max_iterations=20)
    expected = [0.190398, -0.306306, -2.620922, 0.095321, -0.515479, 41.997563]
    np.testing.assert_allclose(step.delta, expected, atol=1e-6)
    np.testing.assert_allclose(step.delta, np.linalg.solve(H, g), rtol=1e-9)
    assert step.scalars == {"pcg_iterations": 6.0, "pcg_fallback": 0.0}
    assert step.products == 6
    relative = step.arrays["pcg_residuals"] / max(1.0, float(np.linalg.norm(g)))
    np.testing.assert_allclose(relative[1:5], [4.077, 2.411, 1.501, 0.0351], rtol=3e-4)
    assert relative[5] == pytest.approx(2.6e-6, rel=0.02)
    assert relative[6] < 1e-14


def test_the_clamped_preconditioner_has_the_published_spectrum() -> None:
    H, _ = golden_system()
    eigenvalues = np.sort(np.linalg.eigvals(preconditioner(H, 10, 10) @ H).real)
    np.testing.assert_allclose(eigenvalues, [0.013359, 0.329426, 0.9999, 1, 1.01957, 1.06038], atol=2e-5)
    assert eigenvalues[-1] / eigenvalues[0] == pytest.approx(79.376, rel=1e-4)
    unclamped = np.sort(np.linalg.eigvals(preconditioner(H, 1e9, 1e9) @ H).real)
    assert unclamped[-1] / unclamped[0] == pytest.approx(2.710059, rel=1e-6)


@given(seeds, st.floats(1.5, 1000), st.integers(1, 5))
def test_each_residual_is_that_of_scipys_preconditioned_cg(seed: int, target: float, n: int) -> None:
    H, g = random_system(seed)
    residuals = dcreg(H, g, condition_target=target, rtol=1e-14).arrays["pcg_residuals"]
    x, _ = cg(H, g, M=preconditioner(H, 10, target), rtol=0.0, atol=0.0, maxiter=n)
    expected = float(np.linalg.norm(g - H @ x))
    # both lose digits relative to the largest residual met on the way
    assert residuals[n] == pytest.approx(expected, rel=1e-5, abs=1e-7 * float(residuals.max()))


@given(seeds, st.floats(1.01, 10_000), st.floats(1.01, 10_000))
def test_the_step_is_that_of_gauss_newton_whatever_is_clamped(
    seed: int, threshold: float, target: float
) -> None:
    H, g = random_system(seed)
    step = dcreg(H, g, condition_threshold=threshold, condition_target=target)
    expected = np.linalg.solve(H, g)
    # ‖δ - H⁻¹g‖ ≤ ‖r‖/λ_min with ‖r‖ ≤ 1e-6·max(1, ‖g‖)
    bound = 1e-6 * max(1.0, float(np.linalg.norm(g))) / float(np.linalg.eigvalsh(H)[0])
    assert np.linalg.norm(step.delta - expected) <= 1.01 * bound


@given(seeds)
def test_a_tight_tolerance_gives_the_gauss_newton_step_to_rounding(seed: int) -> None:
    H, g = random_system(seed)
    step = dcreg(H, g, rtol=1e-12, max_iterations=100)
    expected = np.linalg.solve(H, g)
    assert np.linalg.norm(step.delta - expected) <= 1e-6 * np.linalg.norm(expected)


def test_clamping_slows_pcg_down_and_does_not_change_where_it_ends() -> None:
    H, g = golden_system()
    clamped = dcreg(H, g, rtol=1e-10)
    unclamped = dcreg(H, g, rtol=1e-10, condition_threshold=1e9)
    assert (clamped.products, unclamped.products) == (6, 5)
    np.testing.assert_allclose(clamped.delta, unclamped.delta, rtol=1e-8)


def test_a_target_above_the_threshold_never_lowers_an_eigenvalue() -> None:
    # the published code would assign λ_max/κ_tg; max() leaves λ, so P is the unclamped one
    H, g = golden_system()
    raised = dcreg(H, g, rtol=1e-10, condition_target=10_000.0)
    unclamped = dcreg(H, g, rtol=1e-10, condition_threshold=1e9)
    np.testing.assert_array_equal(raised.arrays["pcg_residuals"], unclamped.arrays["pcg_residuals"])


def test_no_gradient_means_no_step() -> None:
    H, _ = golden_system()
    step = dcreg(H, np.zeros(6))
    np.testing.assert_array_equal(step.delta, np.zeros(6))
    assert step.scalars == {"pcg_iterations": 0.0, "pcg_fallback": 0.0}


def test_where_pcg_does_not_get_there_the_fallback_takes_over() -> None:
    H, g = golden_system()
    step = dcreg(H, g, rtol=1e-18, max_iterations=6)
    assert step.scalars["pcg_fallback"] == 1.0
    np.testing.assert_array_equal(step.delta, solve_qr(H, g))


def test_a_singular_consistent_system_is_solved_without_moving_along_its_null_space() -> None:
    J = random_rows(0)
    J[:, 3] = 0.0
    H = J.T @ J
    g = J.T @ np.random.default_rng(0).normal(size=len(J))
    expected = np.linalg.lstsq(J, np.linalg.lstsq(J.T, g, rcond=None)[0], rcond=None)[0]
    for delta in (solve_eigen(H, g), dcreg(H, g, rtol=1e-10).delta):
        assert abs(delta[3]) < 1e-12
        np.testing.assert_allclose(delta, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("name", SOLVERS)
@given(seed=seeds)
def test_every_direct_solver_solves_a_regular_system(name: str, seed: int) -> None:
    H, g = random_system(seed)
    delta = SOLVERS[name](H, g)
    expected = np.linalg.solve(H, g)
    assert np.linalg.norm(delta - expected) <= 1e-14 * np.linalg.cond(H) * np.linalg.norm(expected) * 10


@given(seeds)
def test_the_eigenvalue_solver_is_the_pseudo_inverse(seed: int) -> None:
    rows = random_rows(seed, n=4)
    H = rows.T @ rows
    g = rows.T @ np.ones(4)
    eigenvalues = np.linalg.eigvalsh(H)
    expected = np.linalg.pinv(H, rcond=1e-12, hermitian=True) @ g
    tolerance = 1e-13 * eigenvalues[-1] / eigenvalues[2]
    assert np.linalg.norm(solve_eigen(H, g) - expected) <= tolerance * max(np.linalg.norm(expected), 1.0)


@pytest.mark.parametrize("name", ["ldlt", "qr"])
def test_a_solver_that_meets_an_exact_zero_pivot_says_so_with_nan(name: str) -> None:
    delta = SOLVERS[name](np.diag([1.0, 1, 1, 1, 1, 0]), np.ones(6))
    assert np.isnan(delta).all()


@pytest.mark.parametrize("name", SOLVERS)
def test_solvers_leave_their_arguments_alone(name: str) -> None:
    H, g = golden_system()
    before = H.copy(), g.copy()
    step = direct(name)(H, g)
    assert isinstance(step, Step)
    assert step.products == 0
    np.testing.assert_array_equal(H, before[0])
    np.testing.assert_array_equal(g, before[1])
