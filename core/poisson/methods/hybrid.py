"""Smoothing sweeps with a network's correction now and then: each clears what the other cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from core.iterate import Iterate, Preparation, Status
from core.poisson.learned.fitting import Fitted, learned_operator, weights_param
from core.poisson.monitor import RESIDUALS, Monitor, limit_param, rtol_param
from core.poisson.system import LinearSystem
from core.registry import Scalar, method, param

SCALARS: Mapping[str, Scalar] = {
    "residual_norm": RESIDUALS["residual_norm"],
    "corrections": Scalar("corrections by the network so far"),
}


@method(
    "hybrid",
    lab="poisson",
    title="Sweeps and network",
    source="Zhang, Kahana, Kopaničáková, Turkel, Ranade, Pathak & Karniadakis 2024, Blending neural "
    "operators and relaxation methods in PDE numerical solvers, Nature Machine Intelligence 6 (HINTS)",
    assumes="a grid with the boundary that the network was trained on",
    example="disc",
    scalars=SCALARS,
    colour=17,
    order=140,
)
@dataclass(frozen=True)
class Hybrid:
    """Damped Jacobi sweeps, and every n-th step one correction by the network.

    x += ω D⁻¹ r; every n-th step instead x += f (f·r / f·A f) with f = M(r).

    Notes
    -----
    Sweeps clear what changes from cell to cell and hardly touch smooth errors; the network is good at those.
    The frequency fingerprint shows both. The published method adds the network's output as it is and uses a
    DeepONet; here the networks of `dcdm` and `npsdo` serve, with the exact step along their output, because
    DCDM's has no length. No directions are made conjugate: compare with `npsdo` to see what that is worth.

    References
    ----------
    Zhang et al. 2024, Algorithm HINTS.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param(500)
    every: int = param(5, low=1, high=50, doc="every n-th step is the network's; 1 = all of them")
    omega: float = param(2 / 3, low=0.05, high=1.95, label="damping ω", doc="of the Jacobi sweeps")
    weights: str = weights_param()

    def prepare(self, problem: LinearSystem) -> Preparation[Fitted]:
        """Find weights that fit the grid, of either network, and put it on the grid."""
        return (yield from learned_operator(problem, ("stencil", "direction"), self.weights))

    def iterate(self, problem: Fitted) -> Iterator[Iterate]:
        """Yield the iterates with residual and the change of x that led there."""
        return self._loop(problem)

    def _loop(self, problem: Fitted) -> Iterator[Iterate]:
        system, operator = problem.system, problem.operator
        monitor = Monitor(system, self.rtol, self.max_iterations, stalls=True)
        x, r = np.zeros(system.size), system.b.copy()
        change, image = np.zeros(system.size), np.zeros(system.size)
        diagonal = system.diagonal_values()
        damped = np.divide(self.omega, diagonal, out=np.zeros(system.size), where=diagonal != 0.0)
        arrays = {"residual": r, "direction": change}
        status = monitor.observe_true(0, x, r)
        k, corrections = 0, 0
        while status is Status.RUNNING:
            yield monitor.item(k, x, {"corrections": float(corrections)}, arrays)
            k += 1
            if k % self.every:
                np.multiply(damped, r, out=change)
                monitor.units += 1.0 / system.row_work
            else:
                corrections += 1
                operator.apply(r, change)
                monitor.preconditioned(operator.units)
                system.project(change)
                system.apply(change, image)
                monitor.applied()
                energy = float(np.dot(change, image))
                change *= float(np.dot(change, r)) / energy if energy > 0.0 else 0.0
            x += change
            system.project(x)
            status = monitor.observe_true(k, x, r)
        yield monitor.item(k, x, {"corrections": float(corrections)}, arrays, status)
