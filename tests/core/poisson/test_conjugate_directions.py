"""The loop of DCDM for any operator: identities with CG, PCG and flexible CG, and what always holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from core.iterate import Iterate, Status
from core.poisson.conjugacy import conjugacy
from core.poisson.conjugate_directions import conjugate_directions
from core.poisson.krylov import Preconditioner, conjugate_gradients
from core.poisson.methods.flexible_cg import flexible_conjugate_gradients
from core.poisson.monitor import Monitor
from core.poisson.preconditioners import incomplete_cholesky
from core.poisson.system import GridSystem
from tests.oracles_poisson import Array, compact, matrix, padded, system, value


@dataclass
class Operator:
    """A function of the fluid cells as an operator on padded vectors."""

    given: GridSystem
    function: Callable[[Array], Array]
    units: float = 1.0

    def apply(self, r: Array, z: Array) -> float:
        z[:] = padded(self.given.grid, self.function(compact(self.given.grid, r)))
        return float(r @ z)


def identity(given: GridSystem) -> Operator:
    return Operator(given, lambda r: r)


def odd(given: GridSystem) -> Operator:
    """Neither linear nor symmetric, and not even pointing downhill everywhere."""
    n = given.unknowns
    B = np.random.default_rng(5).standard_normal((n, n)) / np.sqrt(n)
    return Operator(given, lambda r: np.tanh(3.0 * r / np.abs(r).max()) + B @ r)


def run(
    given: GridSystem, operator: Preconditioner, k: int = 2, rtol: float = 1e-6, limit: int = 200
) -> list[Iterate]:
    return list(conjugate_directions(given, operator, rtol=rtol, max_iterations=limit, k=k))


def solutions(items: Iterator[Iterate]) -> list[Array]:
    """x of every item, taken while it is there."""
    return [value(item.x) for item in items]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_with_the_identity_it_is_conjugate_gradients(k: int) -> None:
    given = system("box", n=32)
    plain = solutions(conjugate_gradients(given, None, rtol=1e-6, max_iterations=500))
    found = solutions(conjugate_directions(given, identity(given), rtol=1e-6, max_iterations=500, k=k))
    assert len(found) == len(plain)
    for a, b in zip(found[:31], plain[:31], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * np.abs(b).max())


def test_without_conjugation_the_identity_is_steepest_descent() -> None:
    given = system("box", n=12)
    A, b = matrix(given.grid), compact(given.grid, given.b)
    x, expected = np.zeros_like(b), []
    for _ in range(40):
        r = b - A @ x
        x = x + r * (r @ r) / (r @ (A @ r))
        expected.append(x)
    found = solutions(conjugate_directions(given, identity(given), rtol=1e-9, max_iterations=40, k=0))[1:]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(compact_of(given, mine), theirs, atol=1e-11 * np.abs(theirs).max())


def compact_of(given: GridSystem, x: Array) -> Array:
    return x[given.grid.fluid()]


@pytest.mark.parametrize("factor", [1.0, -3.0, 1e-7])
def test_the_inverse_times_any_factor_needs_one_step(factor: float) -> None:
    given = system("disc", n=16)
    inverse = np.linalg.inv(matrix(given.grid).toarray())
    items = run(given, Operator(given, lambda r: factor * (inverse @ r)))
    assert [item.status for item in items] == [Status.RUNNING, Status.CONVERGED]


def test_with_a_linear_preconditioner_it_is_preconditioned_cg() -> None:
    given = system("disc", n=32)
    preconditioner = incomplete_cholesky(given, 0.0, 0.0)
    expected = solutions(conjugate_gradients(given, preconditioner, rtol=1e-6, max_iterations=500))
    found = solutions(conjugate_directions(given, preconditioner, rtol=1e-6, max_iterations=500, k=1))
    assert len(found) == len(expected)
    for a, b in zip(found[:21], expected[:21], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.abs(b).max())


def test_one_earlier_direction_is_flexible_cg_for_any_operator() -> None:
    given = system("disc", n=20)
    monitor = Monitor(given, 1e-12, 20)
    expected = solutions(flexible_conjugate_gradients(given, odd(given), monitor, flexible=True))
    found = solutions(conjugate_directions(given, odd(given), rtol=1e-12, max_iterations=20, k=1))
    assert len(found) == len(expected) == 21
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * np.abs(b).max())


@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize(("problem", "boundary"), [("disc", "open_box"), ("disc", "walls")])
def test_the_energy_error_never_rises_whatever_is_proposed(k: int, problem: str, boundary: str) -> None:
    given = system(problem, n=16, boundary=boundary)
    A, b = matrix(given.grid).toarray(), compact(given.grid, given.b)
    exact = np.linalg.pinv(A, rcond=1e-11) @ b
    errors = []
    for x in solutions(conjugate_directions(given, odd(given), rtol=1e-9, max_iterations=60, k=k)):
        e = exact - compact_of(given, x)
        errors.append(np.sqrt(e @ A @ e))
    assert (np.diff(errors) <= 1e-12 * errors[0]).all()
    assert errors[-1] < errors[0]


def test_directions_are_conjugate_to_the_last_k() -> None:
    given = system("disc", n=16)
    for k in (1, 2, 4):
        items = conjugate_directions(given, odd(given), rtol=1e-12, max_iterations=15, k=k)
        directions = [value(item.arrays["direction"]) for item in items][1:]
        products = conjugacy(given, directions)
        distance = np.abs(np.subtract.outer(*(2 * [np.arange(len(directions))])))
        assert products[(distance > 0) & (distance <= k)].max() < 1e-8
        assert products[distance > k].max() > 1e-4


def test_with_all_directions_kept_it_ends_after_as_many_steps_as_unknowns() -> None:
    given = system("disc", n=8)
    items = run(given, odd(given), k=given.unknowns, rtol=1e-9)
    assert items[-1].status is Status.CONVERGED
    assert items[-1].k <= given.unknowns


def test_the_length_of_what_is_proposed_does_not_matter() -> None:
    given = system("disc", n=16)
    base = odd(given)
    scaled = Operator(given, lambda r: base.function(r) * (0.3 + abs(np.sin(1e3 * r[0]))))
    found, expected = (
        solutions(conjugate_directions(given, op, rtol=1e-10, max_iterations=25, k=2))
        for op in (scaled, base)
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9 * np.abs(b).max())


def test_where_nothing_is_proposed_the_residual_is_taken() -> None:
    given = system("box", n=12)
    items = run(given, Operator(given, lambda r: 0.0 * r), limit=5)
    steepest = run(given, identity(given), k=2, limit=5)
    assert items[-1].scalars["fallbacks"] == 5
    assert items[-1].scalars["residual_norm"] > 0.0
    assert items[1].scalars["residual_norm"] == pytest.approx(steepest[1].scalars["residual_norm"])


def test_snapshots_hold_what_was_proposed_and_what_was_left_of_it() -> None:
    given = system("disc", n=16)
    operator, A = odd(given), matrix(given.grid)
    before: Array | None = None
    kept: list[Array] = []
    for item in conjugate_directions(given, operator, rtol=1e-12, max_iterations=6, k=2):
        residual, raw, q = (
            compact_of(given, value(item.arrays[name])) for name in ("residual", "raw", "direction")
        )
        b = compact(given.grid, given.b)
        np.testing.assert_allclose(residual, b - A @ compact_of(given, value(item.x)), atol=1e-12)
        if before is None:
            assert not raw.any()
            assert not q.any()
        else:
            np.testing.assert_allclose(raw, operator.function(before), rtol=1e-12)
            expected = raw.copy()
            for p in reversed(kept[-2:]):
                expected -= p * (expected @ (A @ p)) / (p @ (A @ p))
            np.testing.assert_allclose(q, expected, atol=1e-12 * np.abs(raw).max())
            kept.append(q)
        before = residual


def test_each_step_costs_two_applications_and_the_network() -> None:
    given = system("box", n=12)
    operator = identity(given)
    operator.units = 7.0
    last = run(given, operator, limit=10)[-1]
    # one more for the residual at the start
    assert (last.work.operator, last.work.preconditioner, last.work.units) == (21, 10, 91.0)
