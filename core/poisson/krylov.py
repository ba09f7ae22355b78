"""Preconditioned conjugate gradients, the loop that the lab's CG methods share.

r = b − A x, z = M r, p = z + β p, α = r·z / p·A p, x += α p, r −= α A p, β = (r·z)₊ / r·z.
The pass that makes p also applies A, the pass that updates x also updates r (`core.poisson.kernels`). A
system may keep its vectors elsewhere, as tensors on another device: see `core.poisson.tensors`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from core.iterate import Array, Iterate, Status
from core.poisson import kernels
from core.poisson.monitor import RESIDUALS, Monitor, norm
from core.poisson.system import GridSystem, LinearSystem
from core.registry import Scalar, Scale

#: What every CG method records; `core.poisson.ritz` reads alpha, beta and rho.
SCALARS: Mapping[str, Scalar] = {
    **RESIDUALS,
    "alpha": Scalar("step length α", scale=Scale.LOG),
    "beta": Scalar("β = new over old r·z", scale=Scale.LOG),
    "rho": Scalar("r·z", scale=Scale.LOG),
}


class Preconditioner(Protocol):
    """M ≈ A⁻¹, symmetric positive definite; `units` is its cost in applications of A."""

    @property
    def units(self) -> float:
        """Cost of one application in applications of A."""

    def apply(self, r: Array, z: Array) -> float:
        """Set z = M r and return r·z."""


class Deflation(Protocol):
    """A subspace W that is solved for exactly; see `core.poisson.methods.deflated_pcg`."""

    def solve(self, b: Array) -> Array:
        """Return W E⁻¹ Wᵀ b."""

    def remove(self, z: Array, monitor: Monitor) -> None:
        """Subtract W E⁻¹ (A W)ᵀ z from z in place, counting what it costs."""


def direction(system: LinearSystem, p: Array, z: Array, beta: float, q: Array) -> float:
    """Set p = z + beta p and q = A p; returns p·q."""
    if isinstance(system, GridSystem) and system.grid.weights is None:
        s0, s1 = system.grid.strides
        return kernels.direction_unit(p, z, beta, system.grid.diagonal, s0, s1, q)  # type: ignore[arg-type]
    p *= beta
    p += z
    system.apply(p, q)
    return float(p @ q)


def update(x: Array, r: Array, p: Array, q: Array, alpha: float) -> float:
    """Set x += alpha p and r −= alpha q; returns r·r."""
    if isinstance(x, np.ndarray):
        return kernels.update(x, r, p, q, alpha)
    x += alpha * p
    r -= alpha * q
    return float(r @ r)


def conjugate_gradients(
    system: LinearSystem,
    preconditioner: Preconditioner | None,
    *,
    rtol: float,
    max_iterations: int,
    deflation: Deflation | None = None,
) -> Iterator[Iterate]:
    """Yield the iterates of preconditioned CG from x = 0.

    Items carry x, ``residual`` and ``direction`` (the p that led to this x; 0 at the start). `alpha` and
    `beta` of item k belong to the step that led there: α_{k−1} and β_{k−1} of Hestenes & Stiefel.
    """
    monitor = Monitor(system, rtol, max_iterations)
    x, r, p, q = (system.zeros() for _ in range(4))
    r[:] = system.b
    z = r if preconditioner is None and deflation is None else system.zeros()
    if deflation is not None:
        x = deflation.solve(system.b)
        system.project(x)
        monitor.true_residual(x, r)
    arrays = {"residual": r, "direction": p}
    recursive = norm(r)
    status = monitor.observe(0, x, r, recursive)
    scalars = {"recursive_residual_norm": recursive}
    rho, beta = 0.0, 0.0
    k = 0
    while not status.terminal:
        rho_new = _precondition(system, preconditioner, deflation, r, z, monitor)
        scalars["rho"] = rho_new
        if k > 0:
            beta = rho_new / rho
            scalars["beta"] = beta
        yield monitor.item(k, x, scalars, arrays)
        k += 1
        rho = rho_new
        curvature = direction(system, p, z, beta, q)
        monitor.applied()
        if not curvature > 0.0 or not rho > 0.0:
            what = f"pᵀA p = {curvature:.2e}" if not curvature > 0.0 else f"rᵀM r = {rho:.2e}"
            which = "A" if not curvature > 0.0 else "the preconditioner"
            scalars = {"recursive_residual_norm": recursive}
            note = f"{what} at k = {k}: {which} is not positive definite on this vector"
            yield monitor.item(k, x, scalars, arrays, Status.BREAKDOWN, note)
            return
        alpha = rho / curvature
        recursive = math.sqrt(update(x, r, p, q, alpha))
        status = monitor.observe(k, x, r, recursive)
        scalars = {"recursive_residual_norm": recursive, "alpha": alpha}
    yield monitor.item(k, x, scalars, arrays, status)


def _precondition(
    system: LinearSystem,
    preconditioner: Preconditioner | None,
    deflation: Deflation | None,
    r: Array,
    z: Array,
    monitor: Monitor,
) -> float:
    """Set z to the preconditioned, projected residual; returns r·z."""
    if preconditioner is None and deflation is None:
        return monitor.residual**2
    if preconditioner is None:
        z[:] = r
        rho = float(r @ r)
    else:
        rho = preconditioner.apply(r, z)
        monitor.preconditioned(preconditioner.units)
        if system.singular:
            system.project(z)
            rho = float(r @ z)
    if deflation is not None:
        # r is orthogonal to W, so r·z stays what it is up to rounding
        deflation.remove(z, monitor)
        system.project(z)
    return rho
