"""Conjugate gradients with one multigrid cycle as preconditioner: a step count that does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate, Preparation
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.levels import MultigridParameters
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.multigrid import Multigrid, build
from core.poisson.preconditioners import on_grid
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "multigrid_pcg",
    lab="poisson",
    title="Multigrid-preconditioned CG",
    source="McAdams, Sifakis & Teran 2010, A parallel multigrid Poisson solver for fluids simulation on "
    "large grids, SCA 2010",
    assumes="a grid; walls thicker than a cell, or coarse grids do not see them",
    example="disc",
    scalars=SCALARS,
    colour=1,
    order=70,
)
@dataclass(frozen=True)
class MultigridPcg(MultigridParameters):
    """CG on M A, where M is one symmetric multigrid cycle from zero.

    Notes
    -----
    CG mends what makes a cycle diverge on its own: a few eigenvalues of M A near or beyond 2 cost a few
    steps, not convergence. In corridors one cell wide (`maze`) the coarse grids join what a wall separates,
    and the count grows with the grid: the weak case of this method.

    References
    ----------
    See `core.poisson.multigrid` for the transfers and coarse operators, which differ from the paper's.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()

    def prepare(self, problem: LinearSystem) -> Preparation[Multigrid]:
        """Build the hierarchy."""
        return (yield from build(on_grid(problem, "geometric multigrid"), self))

    def iterate(self, problem: Multigrid) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )
