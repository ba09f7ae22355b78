"""What the coefficients of CG tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core import registry
from core.poisson import ritz
from core.trace import Trace, TraceView
from tests.oracles_poisson import compact, iterates, matrix, system, value


def record(problem: str, method: str = "cg", stop: int = 10**6, **params: object) -> TraceView:
    trace = Trace(registry.method_spec("poisson", method).scalars, "residual_norm")
    for item in iterates(system(problem, **params), method, rtol=1e-10):  # type: ignore[arg-type]
        trace.append(item, 0.0)
        if item.k == stop:
            break
    return trace.view()


def test_ritz_values_are_the_eigenvalues_of_the_projected_matrix() -> None:
    given = system("disc", n=12)
    view = record("disc", n=12, stop=15)
    A = matrix(given.grid).toarray()
    V, _ = np.linalg.qr(
        np.stack([np.linalg.matrix_power(A, i) @ compact(given.grid, given.b) for i in range(8)]).T
    )
    exact = np.linalg.eigvalsh(V.T @ A @ V)
    # the powers of A lose digits: cond(V) is about 1e6
    np.testing.assert_allclose(ritz.ritz_values(*ritz.coefficients(view, 8)), exact, rtol=1e-6)


def test_the_largest_ritz_value_is_close_after_twenty_steps() -> None:
    view = record("box", n=64, stop=20)
    largest = 8.0 * np.cos(np.pi / 130) ** 2
    values = ritz.ritz_values(*ritz.coefficients(view))
    assert len(values) == 20
    assert 0.99 * largest < values[-1] < largest


def test_all_ritz_values_lie_within_the_spectrum_and_find_both_ends() -> None:
    view = record("box", n=16)
    low, high = 8.0 * np.sin(np.pi / 34) ** 2, 8.0 * np.cos(np.pi / 34) ** 2
    history = ritz.ritz_history(view, np.arange(len(view)))
    assert [len(values) for values in history] == list(range(len(view)))
    for values in history[1:]:
        assert values[0] > low * (1 - 1e-10)
        assert values[-1] < high * (1 + 1e-10)
    assert ritz.condition_estimate(view) == pytest.approx(high / low, rel=1e-6)
    assert ritz.condition_estimate(view, 0) == 1.0


def test_the_energy_error_of_a_finished_run_is_the_true_one() -> None:
    given = system("disc", n=16)
    A = matrix(given.grid)
    exact = np.linalg.solve(A.toarray(), compact(given.grid, given.b))
    view = record("disc", n=16)
    estimated = ritz.energy_error(view)
    for item in iterates(given, "cg", rtol=1e-10):
        if item.k % 7 == 0:
            e = value(item.x)[given.grid.fluid()] - exact
            # what the last iterate still lacks is about 1e-10 of the first error
            assert estimated[item.k] == pytest.approx(np.sqrt(e @ A @ e), rel=1e-3, abs=1e-8 * estimated[0])


def test_cg_stays_below_the_chebyshev_bound() -> None:
    view = record("box", n=24)
    error = ritz.energy_error(view)
    condition = 1.0 / np.tan(np.pi / 50) ** 2
    bound = ritz.chebyshev_bound(condition, view.k) * error[0]
    assert (error <= bound * (1 + 1e-9)).all()
    assert ritz.chebyshev_bound(1.0, np.array([0, 1])).tolist() == [2.0, 0.0]
    assert ritz.chebyshev_bound(np.inf, np.array([0, 9])).tolist() == [2.0, 2.0]


def test_a_ritz_value_below_zero_leaves_no_condition_number() -> None:
    # T = [[1, 2], [2, 1]] has the eigenvalues 3 and −1
    view = record("box", n=4, stop=2)
    given = {"alpha": np.array([np.nan, 1.0, -1.0 / 3.0]), "beta": np.array([np.nan, 4.0, 0.0])}
    view = dataclasses.replace(view, scalars={**view.scalars, **given})
    assert ritz.ritz_values(*ritz.coefficients(view)).tolist() == pytest.approx([-1.0, 3.0])
    assert ritz.condition_estimate(view) == np.inf


def test_nothing_to_say_before_the_first_step() -> None:
    assert len(ritz.ritz_values(np.empty(0), np.empty(0))) == 0
