"""Peer: CG with smoothed aggregation, by the package pyamg."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from core.iterate import Iterate, Preparation
from core.poisson.algebraic_multigrid import AlgebraicMultigrid, prepare
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.system import LinearSystem
from core.registry import method, param

if find_spec("pyamg") is None:
    raise ImportError("pyamg is not installed: pip install 'iterscope[peers]'")


@method(
    "pyamg_sa",
    lab="poisson",
    title="Smoothed aggregation CG (pyamg)",
    source="Vanek, Mandel & Brezina 1996, Algebraic multigrid by smoothed aggregation, Computing 56; "
    "implementation: Bell, Olson & Schroder 2022, PyAMG, J. Open Source Software 7",
    assumes="A symmetric positive definite, or semidefinite with b in its range",
    example="disc",
    scalars=SCALARS,
    colour=3,
    order=120,
)
@dataclass(frozen=True)
class PyamgSmoothedAggregation:
    """CG preconditioned with one cycle of smoothed aggregation in PyAMG's default setting.

    Cells that are strongly coupled are joined to aggregates, constants on the aggregates are smoothed by one
    Jacobi step and span the coarse space. The package finds the coarse grids from the matrix alone, so it
    sees walls of any thickness.

    References
    ----------
    Vanek, Mandel & Brezina 1996; Bell, Olson & Schroder 2022.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    theta: float = param(0.0, low=0.0, high=0.9, label="strength θ", doc="weaker couplings are ignored")
    cycle: str = param("V", choices=("V", "W", "F"), doc="in which order the grids are visited")

    def prepare(self, problem: LinearSystem) -> Preparation[AlgebraicMultigrid]:
        """Assemble the matrix and build the hierarchy."""
        return (yield from prepare(problem, self._build, self.cycle))

    def _build(self, A: Any) -> Any:
        import pyamg

        return pyamg.smoothed_aggregation_solver(A, strength=("symmetric", {"theta": self.theta}), keep=True)

    def iterate(self, problem: AlgebraicMultigrid) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )
