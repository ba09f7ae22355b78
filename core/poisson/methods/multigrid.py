"""Multigrid cycles as a solver: x ← x + M (b − A x)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Iterate, Preparation, Status
from core.poisson.levels import MultigridParameters
from core.poisson.monitor import RESIDUALS, Monitor, limit_param, rtol_param
from core.poisson.multigrid import Multigrid as Hierarchy
from core.poisson.multigrid import build
from core.poisson.preconditioners import on_grid
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "multigrid",
    lab="poisson",
    title="Multigrid",
    source="Brandt 1977, Multi-level adaptive solutions to boundary-value problems, Math. Comp. 31; "
    "transfers and walls as in McAdams, Sifakis & Teran 2010",
    assumes="a grid; coarse operators good enough that no eigenvalue of M A exceeds 2",
    example="disc",
    scalars={"residual_norm": RESIDUALS["residual_norm"]},
    colour=9,
    order=60,
)
@dataclass(frozen=True)
class Multigrid(MultigridParameters):
    """Repeat: smooth, solve for the residual on a coarser grid in the same way, add, smooth.

    Notes
    -----
    The residual is recomputed at every step, because the method needs it. With ``coarse=rediscretised`` the
    cycle may diverge: coarse grids place the boundary a little wrong, which pushes eigenvalues of M A beyond
    2. The very same cycle inside CG (`multigrid_pcg`) converges in about ten steps.

    References
    ----------
    See `core.poisson.multigrid`.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param(200)

    def prepare(self, problem: LinearSystem) -> Preparation[Hierarchy]:
        """Build the hierarchy."""
        return (yield from build(on_grid(problem, "geometric multigrid"), self))

    def iterate(self, problem: Hierarchy) -> Iterator[Iterate]:
        """Yield the iterates with residual and the correction that led there."""
        return self._loop(problem)

    def _loop(self, hierarchy: Hierarchy) -> Iterator[Iterate]:
        system = hierarchy.system
        monitor = Monitor(system, self.rtol, self.max_iterations, stalls=True)
        x, r, z = np.zeros(system.size), system.b.copy(), np.zeros(system.size)
        arrays = {"residual": r, "direction": z}
        status = monitor.observe_true(0, x, r)
        yield monitor.item(0, x, {}, arrays, status)
        k = 0
        while status is Status.RUNNING:
            k += 1
            hierarchy.apply(r, z)
            monitor.preconditioned(hierarchy.units)
            system.project(z)
            x += z
            status = monitor.observe_true(k, x, r)
            yield monitor.item(k, x, {}, arrays, status)
