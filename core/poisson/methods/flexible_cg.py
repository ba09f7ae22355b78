"""Flexible CG with a learned preconditioner, and plain PCG with it as the counter-example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from core.iterate import Iterate, Preparation, Status
from core.poisson.krylov import Preconditioner
from core.poisson.learned.fitting import Fitted, learned_operator, weights_param
from core.poisson.monitor import RESIDUALS, Monitor, limit_param, norm, rtol_param
from core.poisson.system import LinearSystem
from core.registry import Scalar, method, param

SCALARS: Mapping[str, Scalar] = {
    **RESIDUALS,
    "step": Scalar("step length r·p / p·A p"),
    "memory": Scalar("β, the share of the last direction"),
}


@method(
    "flexible_cg",
    lab="poisson",
    title="Flexible CG, learned",
    source="Notay 2000, Flexible conjugate gradients, SIAM J. Sci. Comput. 22; Rudikov, Fanaskov, Muravleva, "
    "Laevsky & Oseledets 2024, Neural operators meet conjugate gradients, ICML",
    assumes="a grid with the boundary that the network was trained on",
    example="disc",
    scalars=SCALARS,
    colour=16,
    order=130,
)
@dataclass(frozen=True)
class FlexibleCg:
    """CG whose preconditioner may be anything: β = z₊·(r₊ − r) / z·r keeps two directions conjugate.

    z = M(r), p = z + β p, α = r·p / p·A p, x += α p, r −= α A p.

    Notes
    -----
    In exact arithmetic the same iterates as DCDM with k = 1, at one application of A a step instead of two,
    because the residual is updated and not recomputed. Plain PCG has β = z₊·r₊ / z·r, which is the same for a
    symmetric linear M (then z₊·r = 0). A network is not, and with ``beta=plain`` directions lose their
    conjugacy and the residual comes to rest.

    References
    ----------
    Notay 2000, Alg. FCG(1).
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param(200)
    beta: str = param(
        "flexible", choices={"flexible": "flexible: z₊·(r₊ − r) / z·r", "plain": "plain: z₊·r₊ / z·r"},
        label="β", doc="which formula makes a direction conjugate to the last one",
    )  # fmt: skip
    weights: str = weights_param()

    def prepare(self, problem: LinearSystem) -> Preparation[Fitted]:
        """Find weights that fit the grid, of either network, and put it on the grid."""
        return (yield from learned_operator(problem, ("stencil", "direction"), self.weights))

    def iterate(self, problem: Fitted) -> Iterator[Iterate]:
        """Yield the iterates with residual, preconditioned residual and direction."""
        monitor = Monitor(problem.system, self.rtol, self.max_iterations)
        return flexible_conjugate_gradients(
            problem.system, problem.operator, monitor, flexible=self.beta == "flexible"
        )


def flexible_conjugate_gradients(
    system: LinearSystem, operator: Preconditioner, monitor: Monitor, *, flexible: bool
) -> Iterator[Iterate]:
    """Yield the iterates from x = 0; ``raw`` is z, ``direction`` p, both 0 at the start."""
    x, r = np.zeros(system.size), system.b.copy()
    z, p, q = (np.zeros(system.size) for _ in range(3))
    arrays = {"residual": r, "raw": z, "direction": p}
    recursive = norm(r)
    status = monitor.observe(0, x, r, recursive)
    scalars = {"recursive_residual_norm": recursive}
    k, rho, step = 0, 0.0, 0.0
    while status is Status.RUNNING:
        yield monitor.item(k, x, scalars, arrays)
        k += 1
        operator.apply(r, z)
        monitor.preconditioned(operator.units)
        system.project(z)
        rho_new = float(np.dot(r, z))
        beta = 0.0
        if k > 1:
            # z₊·(r₊ − r) = −α z₊·A p, and q still holds A p
            beta = (-step * float(np.dot(z, q)) if flexible else rho_new) / rho
        p *= beta
        p += z
        rho = rho_new
        system.apply(p, q)
        monitor.applied()
        energy = float(np.dot(p, q))
        if not energy > 0.0 or rho == 0.0:
            note = f"pᵀA p = {energy:.2e}, rᵀM r = {rho:.2e} at k = {k}: no direction is left"
            scalars = {"recursive_residual_norm": recursive}
            yield monitor.item(k, x, scalars, arrays, Status.BREAKDOWN, note)
            return
        step = (float(np.dot(r, p)) if flexible else rho) / energy
        x += step * p
        r -= step * q
        recursive = norm(r)
        status = monitor.observe(k, x, r, recursive)
        scalars = {"recursive_residual_norm": recursive, "step": step, "memory": beta}
    yield monitor.item(k, x, scalars, arrays, status)
