"""Cures against independent formulas, and the identities between them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse.linalg import cg

from core.iterate import Array
from core.registration.cures import (
    bound,
    clamped,
    constrain,
    named_solver,
    preconditioner,
    prior,
    remap,
    truncate,
    truncated_pcg,
)
from core.registration.detectors import Thresholds, Weakness, detect
from core.registration.solvers import solve_eigen
from tests.oracles_schur import golden_system, named_modes, random_rows, schur
from tests.oracles_schur import preconditioner as schur_preconditioner

seeds = st.integers(0, 10_000)
NAMES = ("me", "fcn", "fcn_scaled", "cn", "schur")


def system(seed: int) -> tuple[Array, Array]:
    J = random_rows(seed)
    return J.T @ J, J.T @ np.random.default_rng(seed).normal(size=len(J))


def some_weak(name: str, H: Array, seed: int) -> Weakness:
    """The detector's basis with an arbitrary choice of weak directions, at least one and not all."""
    weak = np.random.default_rng(seed).random(6) < 0.4
    weak[seed % 6], weak[(seed + 1) % 6] = True, False
    return replace(detect(name, H), weak=weak)


def with_weak(found: Weakness, *directions: int) -> Weakness:
    weak = np.zeros(6, dtype=bool)
    weak[list(directions)] = True
    return replace(found, weak=weak)


def close(a: Array, b: Array, H: Array, factor: float = 1e-13) -> None:
    """Equal up to rounding that the conditioning of H magnifies."""
    tolerance = factor * np.linalg.cond(H) * max(float(np.linalg.norm(b)), 1e-12)
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


# --- identities -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["me", "fcn", "fcn_scaled"])
@given(seed=seeds)
def test_remapping_truncation_and_constraints_are_one_on_eigenvectors(name: str, seed: int) -> None:
    H, g = system(seed)
    found = some_weak(name, H, seed)
    step = remap(H, g, found, np.linalg.solve)
    close(truncate(H, g, found), step, H)
    close(constrain(H, g, found), step, H)


@pytest.mark.parametrize("name", ["schur", "cn"])
def test_they_differ_in_any_other_basis(name: str) -> None:
    H, g = golden_system()
    found = some_weak(name, H, 3)
    steps = [remap(H, g, found, np.linalg.solve), truncate(H, g, found), constrain(H, g, found)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(steps[i] - steps[j]) > 1e-3 * np.linalg.norm(steps[i])


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds)
def test_nothing_moves_along_a_flagged_direction(name: str, seed: int) -> None:
    H, g = system(seed)
    found = some_weak(name, H, seed)
    for step in (remap(H, g, found, np.linalg.solve), constrain(H, g, found)):
        scale = max(float(np.abs(found.functionals).max() * np.linalg.norm(step)), 1e-300)
        assert np.abs(found.functionals[found.weak] @ step).max() <= 1e-12 * scale


@given(seeds)
def test_nothing_flagged_is_gauss_newton_and_all_flagged_is_no_step(seed: int) -> None:
    H, g = system(seed)
    plain = np.linalg.solve(H, g)
    for name in NAMES:
        nothing = with_weak(detect(name, H))
        everything = with_weak(detect(name, H), 0, 1, 2, 3, 4, 5)
        for cure in (truncate, constrain, lambda *a: remap(*a, np.linalg.solve)):
            close(cure(H, g, nothing), plain, H)
            np.testing.assert_array_equal(cure(H, g, everything), np.zeros(6))
        close(bound(H, g, nothing, np.zeros(6)), plain, H)


@given(seeds)
def test_remapping_is_zhangs_formula(seed: int) -> None:
    """V_f⁻¹ V_u δ_u, rows of V_f the eigenvectors, the weak rows of V_u struck."""
    H, g = system(seed)
    found = detect("me", H, Thresholds(eigenvalue_threshold=float(np.median(np.linalg.eigvalsh(H)))))
    _, V = np.linalg.eigh(H)
    V_u = V.T.copy()
    V_u[found.weak] = 0.0
    assert found.weak.sum() == 3
    close(remap(H, g, found, np.linalg.solve), np.linalg.inv(V.T) @ V_u @ np.linalg.solve(H, g), H)


def test_a_turned_null_direction_is_struck_and_not_its_transpose() -> None:
    """The slip of taking rows for columns shows only where the null direction is no axis."""
    J = random_rows(1)
    null = np.array([0.1, -0.3, 0.2, 0.7, 0.5, -0.4])
    null /= np.linalg.norm(null)
    J = J - np.outer(J @ null, null)
    H, g = J.T @ J, J.T @ np.ones(len(J)) + 0.3 * null
    found = detect("me", H, Thresholds(eigenvalue_threshold=1e-6))
    assert found.weak.sum() == 1
    step = remap(H, g, found, solve_eigen)
    assert abs(step @ null) < 1e-12
    _, V = np.linalg.eigh(H)
    slipped = V.T @ np.diag((~found.weak).astype(float)) @ V @ solve_eigen(H, g)
    assert np.linalg.norm(slipped - step) > 0.1 * np.linalg.norm(step)


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds)
def test_constraints_solve_the_kkt_system(name: str, seed: int) -> None:
    H, g = system(seed)
    found = some_weak(name, H, seed)
    found = replace(found, values=np.random.default_rng(seed).normal(size=6))
    C, c = found.functionals[found.weak], found.values[found.weak]
    m = len(C)
    kkt = np.block([[H, C.T], [C, np.zeros((m, m))]])
    expected = np.linalg.solve(kkt, np.concatenate([g, c]))[:6]
    np.testing.assert_allclose(constrain(H, g, found), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds)
def test_bounds_satisfy_the_optimality_conditions(name: str, seed: int) -> None:
    H, g = system(seed)
    found = some_weak(name, H, seed)
    plain = found.functionals @ np.linalg.solve(H, g)
    limits = 0.3 * np.abs(plain) + 1e-9
    y = found.functionals @ bound(H, g, found, limits)
    gradient = found.motions.T @ (H @ found.motions @ y - g)
    scale = np.abs(found.motions.T @ g).max() + np.abs(H).max() * np.abs(y).max()
    for i in range(6):
        at_limit = found.weak[i] and abs(abs(y[i]) - limits[i]) <= 1e-9 * limits[i]
        if at_limit:
            assert gradient[i] * np.sign(y[i]) <= 1e-8 * scale
        else:
            assert not found.weak[i] or abs(y[i]) < limits[i]
            assert abs(gradient[i]) <= 1e-8 * scale


def test_bounds_agree_with_a_general_optimiser() -> None:
    H, g = golden_system()
    found = detect("schur", H)
    limits, F = np.full(6, 0.05), found.functionals[found.weak]
    expected = minimize(
        lambda d: 0.5 * d @ H @ d - g @ d, np.zeros(6), jac=lambda d: H @ d - g, method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda d, sign=sign: limits[found.weak] - sign * F @ d}
            for sign in (1, -1)
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    ).x  # fmt: skip
    np.testing.assert_allclose(bound(H, g, found, limits), expected, atol=1e-6)


def test_bounds_and_constraints_survive_an_exactly_singular_system() -> None:
    J = random_rows(0)
    J[:, 3] = 0.0
    H, g = J.T @ J, J.T @ np.ones(len(J))
    found = detect("me", H, Thresholds(eigenvalue_threshold=1e-6))
    for step in (bound(H, g, found, np.full(6, 1e-3)), constrain(H, g, found), truncate(H, g, found)):
        assert np.isfinite(step).all()
        assert abs(step[3]) <= 1.001e-3
        np.testing.assert_allclose(H @ step, g, atol=1e-6 * np.abs(g).max())


@given(seeds)
def test_truncation_matches_the_weak_directions_of_another_basis_to_eigenvectors(seed: int) -> None:
    """One weak direction: the eigenvector with the largest |f·v| is left out, the others stay."""
    H, g = system(seed)
    found = with_weak(detect("schur", H), seed % 6)
    values, V = np.linalg.eigh(H)
    out = np.argmax(np.abs(found.functionals[seed % 6] @ V))
    expected = sum(V[:, i] * (V[:, i] @ g) / values[i] for i in range(6) if i != out)
    close(truncate(H, g, found), np.asarray(expected), H)


# --- priors ---------------------------------------------------------------------------------------------


def test_the_map_step_of_the_published_system() -> None:
    """The published system, with Γ written out from the two Schur complements."""
    H, g = golden_system()
    gamma = np.zeros((6, 6))
    for block, part in enumerate((slice(0, 3), slice(3, 6))):
        values, V = named_modes(schur(H, block))
        lacking = np.where(values.max() / values > 10, values.max() / 10 - values, 0.0)
        gamma[part, part] = V @ np.diag(lacking) @ V.T
    found = detect("schur", H)
    np.testing.assert_allclose(prior(found, 10.0), gamma, atol=1e-12)
    step = np.linalg.solve(H + prior(found, 10.0), g)
    expected = [0.014071, -0.058035, 0.137093, -0.026210, 0.018508, 0.577215]
    np.testing.assert_allclose(step, expected, atol=1e-6)
    conditions = [np.linalg.cond(schur(H + gamma, block)) for block in range(2)]
    np.testing.assert_allclose(conditions, [9.478, 10.251], atol=1e-3)


def test_the_tikhonov_step_of_the_published_system() -> None:
    H, g = golden_system()
    expected = [0.005784, -0.009162, 0.005817, -0.004051, 0.002653, 0.013996]
    np.testing.assert_allclose(np.linalg.solve(H + 100 * np.eye(6), g), expected, atol=1e-6)


@given(seeds, st.floats(1.5, 1000))
def test_with_the_prior_each_block_reaches_its_target(seed: int, target: float) -> None:
    """Theorem 4: κ(S + Γ) ≤ κ_tg where the threshold is not above it."""
    H, _ = system(seed)
    found = detect("schur", H, Thresholds(condition_threshold=target))
    gamma = prior(found, target)
    for block, part in enumerate((slice(0, 3), slice(3, 6))):
        assert np.linalg.cond(schur(H, block) + gamma[part, part]) <= target * (1 + 1e-9)
    assert (clamped(found, target) >= found.information).all()
    np.testing.assert_array_equal(clamped(found, target)[~found.weak], found.information[~found.weak])


@given(seeds, st.floats(1.01, 1000))
def test_without_a_weak_direction_there_is_no_prior(seed: int, target: float) -> None:
    H, _ = system(seed)
    for name in NAMES:
        assert not prior(with_weak(detect(name, H)), target).any()


# --- truncated PCG --------------------------------------------------------------------------------------


@given(seeds, st.floats(1.01, 1000))
def test_the_preconditioner_is_dcregs(seed: int, target: float) -> None:
    H, _ = system(seed)
    P = preconditioner(detect("schur", H), target)
    expected = schur_preconditioner(H, 10.0, target)
    np.testing.assert_allclose(P, expected, atol=1e-9 * np.abs(expected).max())


@given(seeds, st.integers(1, 6))
def test_truncated_pcg_is_scipys_after_as_many_steps(seed: int, m: int) -> None:
    H, g = system(seed)
    P = preconditioner(detect("schur", H), 10.0)
    delta, norms = truncated_pcg(H, g, P, m)
    expected, _ = cg(H, g, M=P, rtol=0.0, atol=0.0, maxiter=m)
    assert len(norms) == m + 1
    np.testing.assert_allclose(delta, expected, atol=1e-5 * np.linalg.norm(np.linalg.solve(H, g)))
    assert norms[0] == pytest.approx(np.linalg.norm(g))


def test_six_steps_solve_the_published_system_and_two_leave_the_weak_direction() -> None:
    H, g = golden_system()
    P = preconditioner(detect("schur", H), 10.0)
    full, norms = truncated_pcg(H, g, P, 6)
    np.testing.assert_allclose(full, np.linalg.solve(H, g), rtol=1e-8)
    relative = norms / max(1.0, float(np.linalg.norm(g)))
    np.testing.assert_allclose(relative[1:5], [4.077, 2.411, 1.501, 0.0351], rtol=3e-4)
    early, _ = truncated_pcg(H, g, P, 2)
    assert abs(early[5]) < 0.5 * abs(full[5])


def test_pcg_without_a_gradient_stands_still() -> None:
    delta, norms = truncated_pcg(np.eye(6), np.zeros(6), np.eye(6), 4)
    np.testing.assert_array_equal(delta, np.zeros(6))
    assert len(norms) == 1


def test_an_unknown_solver_is_refused() -> None:
    with pytest.raises(ValueError, match="eigen, ldlt, qr"):
        named_solver("lu")
