"""Chebyshev iteration: the best polynomial for an interval, without a single inner product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.iterate import Array, Iterate, Preparation, Progress, Status
from core.poisson.krylov import conjugate_gradients
from core.poisson.monitor import RESIDUALS, Monitor, limit_param, norm, rtol_param
from core.poisson.ritz import ritz_values
from core.poisson.system import LinearSystem
from core.registry import method, param

#: CG steps after which the smallest Ritz value is taken as the smallest eigenvalue.
LANCZOS_STEPS = 5000


@dataclass(frozen=True, slots=True, eq=False)
class Bounded:
    """A system with bounds of its spectrum."""

    system: LinearSystem
    low: float
    high: float


@method(
    "chebyshev",
    lab="poisson",
    title="Chebyshev iteration",
    source="Golub & Varga 1961, Chebyshev semi-iterative methods, successive overrelaxation "
    "iterative methods, and second order Richardson iterative methods, Numer. Math. 3",
    assumes="bounds of the spectrum; an upper bound that is too small makes it diverge",
    example="box",
    scalars=RESIDUALS,
    colour=5,
    order=100,
)
@dataclass(frozen=True)
class Chebyshev:
    """x += d, r −= A d, d = ρ' ρ d + 2 ρ'/δ r with θ, δ the middle and half width of [low, high].

    Notes
    -----
    Needs 1.7 to 3 times the steps of CG, which adapts to the spectrum. On a machine where an inner product
    means that thousands of processes wait for each other it may still be the faster one.

    The recursion is written with θ and δ, not with θ/δ, so that low = high makes no 0/0. By default high is
    twice the largest diagonal entry, which no eigenvalue exceeds, and low comes from the Ritz values of a CG
    run to a tight tolerance before the start: that is the price of knowing nothing.

    References
    ----------
    Saad 2003, Iterative Methods for Sparse Linear Systems, Alg. 12.1.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param(5000)
    low: float = param(
        0.0, low=0.0, high=1e6, label="lower bound", doc="no eigenvalue is smaller; 0: found before the start"
    )
    high: float = param(
        0.0, low=0.0, high=1e6, label="upper bound", doc="no eigenvalue is larger; 0: twice the largest A_ii"
    )

    def __post_init__(self) -> None:
        if self.low > self.high > 0.0:
            raise InputError("-m low", f"at most high = {self.high:g}", f"{self.low:g}")

    def prepare(self, problem: LinearSystem) -> Preparation[Bounded]:
        """Find the bounds that were not given."""
        high = self.high or 2.0 * float(problem.diagonal_values().max())
        low = self.low
        if not low:
            low = yield from _smallest_eigenvalue(problem)
        return Bounded(problem, min(low, high), high)

    def iterate(self, problem: Bounded) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return self._loop(problem)

    def _loop(self, bounded: Bounded) -> Iterator[Iterate]:
        system = bounded.system
        theta, delta = 0.5 * (bounded.high + bounded.low), 0.5 * (bounded.high - bounded.low)
        monitor = Monitor(system, self.rtol, self.max_iterations)
        x, r = np.zeros(system.size), system.b.copy()
        d, q = r / theta, np.zeros(system.size)
        step = np.zeros(system.size)
        arrays = {"residual": r, "direction": step}
        recursive = norm(r)
        status = monitor.observe(0, x, r, recursive)
        yield monitor.item(0, x, {"recursive_residual_norm": recursive}, arrays, status)
        # s = rho / delta, so that the recursion survives delta = 0
        s = 1.0 / theta
        k = 0
        while status is Status.RUNNING:
            k += 1
            step[:] = d
            x += d
            system.apply(d, q)
            monitor.applied()
            r -= q
            recursive = norm(r)
            status = monitor.observe(k, x, r, recursive)
            yield monitor.item(k, x, {"recursive_residual_norm": recursive}, arrays, status)
            s_new = 1.0 / (2.0 * theta - delta**2 * s)
            d *= delta**2 * s_new * s
            d += 2.0 * s_new * r
            s = s_new


def _smallest_eigenvalue(system: LinearSystem) -> Preparation[float]:
    """Return the smallest non-zero eigenvalue that CG on b finds."""
    alpha: list[float] = []
    beta: list[float] = []
    for item in conjugate_gradients(system, None, rtol=1e-10, max_iterations=LANCZOS_STEPS):
        if item.k:
            alpha.append(item.scalars.get("alpha", np.nan))
            beta.append(item.scalars.get("beta", np.nan))
        if item.k % 50 == 0:
            yield Progress("lower bound of the spectrum", item.k)
    steps = np.array(alpha)[np.isfinite(alpha)]
    values: Array = ritz_values(steps, np.array(beta)[: len(steps)])
    return float(values[0]) if len(values) else 1.0
