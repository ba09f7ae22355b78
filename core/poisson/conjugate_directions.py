"""The loop of DCDM and NPSDO: any direction, made conjugate to the last few, with the best step along it.

r = b − A x, q = M(r), q −= p (q·A p / p·A p) for the last k directions p (newest first, each product with
what is left of q), x += q (q·r / q·A q). M may be anything: the energy error falls with every step, and with
M = I and k ≥ 1 this is conjugate gradients.

References
----------
Kaneda et al. 2023, A Deep Conjugate Direction Method for Iteratively Solving Linear Systems, ICML, Alg. 1;
Lan et al. 2024, A Neural-Preconditioned Poisson Solver, ICML, Alg. 1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

import numpy as np

from core.iterate import Array, Iterate, Status
from core.poisson.krylov import Preconditioner
from core.poisson.monitor import RESIDUALS, Monitor
from core.poisson.system import LinearSystem
from core.registry import Scalar, Scale, param

SCALARS: Mapping[str, Scalar] = {
    "residual_norm": RESIDUALS["residual_norm"],
    "step": Scalar("step length q·r / q·A q"),
    "reduction": Scalar("share of the residual left by the step", scale=Scale.LOG),
    "fallbacks": Scalar("steps along the residual instead"),
}
#: A direction with less energy than this share of its size before it was made conjugate is nothing.
VANISHED = 1e-14


def kept_param() -> int:
    """Declare how many earlier directions a new one is made conjugate to."""
    declared: int = param(
        2, low=0, high=50, label="conjugate to the last", doc="0 = each direction is taken as it comes"
    )
    return declared


def conjugate_directions(
    system: LinearSystem, operator: Preconditioner, *, rtol: float, max_iterations: int, k: int
) -> Iterator[Iterate]:
    """Yield the iterates from x = 0.

    Items carry x, ``residual``, ``raw`` (what the operator proposed for this step) and ``direction`` (what
    was left of it); both are 0 at the start. The residual is recomputed at every step.

    Parameters
    ----------
    k : how many earlier directions a new one is made conjugate to; 0 = none.
    """
    monitor = Monitor(system, rtol, max_iterations)
    x, r = np.zeros(system.size), system.b.copy()
    raw, q, Aq = (np.zeros(system.size) for _ in range(3))
    arrays = {"residual": r, "raw": raw, "direction": q}
    largest = 2.0 * float(system.diagonal_values().max())
    kept: deque[tuple[Array, Array, float]] = deque(maxlen=k)
    fallbacks = 0
    status = monitor.observe_true(0, x, r)
    scalars = {"fallbacks": 0.0}
    i = 0
    while status is Status.RUNNING:
        yield monitor.item(i, x, scalars, arrays)
        i += 1
        before = monitor.residual
        operator.apply(r, raw)
        monitor.preconditioned(operator.units)
        system.project(raw)
        q[:] = raw
        for p, Ap, energy in reversed(kept):
            q -= p * (float(np.dot(q, Ap)) / energy)
        system.apply(q, Aq)
        monitor.applied()
        energy = float(np.dot(q, Aq))
        if abs(energy) <= VANISHED * largest * float(np.dot(raw, raw)):
            # nothing new was proposed: one step of steepest descent
            fallbacks += 1
            q[:] = r
            system.apply(q, Aq)
            monitor.applied()
            energy = float(np.dot(q, Aq))
        if not energy > 0.0 or not np.isfinite(energy):
            note = f"qᵀA q = {energy:.2e} at k = {i}: A is not positive definite, or the direction not finite"
            yield monitor.item(i, x, {"fallbacks": float(fallbacks)}, arrays, Status.BREAKDOWN, note)
            return
        step = float(np.dot(q, r)) / energy
        x += step * q
        if k:
            kept.append((q.copy(), Aq.copy(), energy))
        status = monitor.observe_true(i, x, r)
        scalars = {
            "step": step, "reduction": monitor.residual / before, "fallbacks": float(fallbacks),
        }  # fmt: skip
    yield monitor.item(i, x, scalars, arrays, status)
