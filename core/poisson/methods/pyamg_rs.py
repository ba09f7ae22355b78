"""Peer: CG with classical Ruge-Stüben multigrid, by the package pyamg."""

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
    "pyamg_rs",
    lab="poisson",
    title="Ruge-Stüben CG (pyamg)",
    source="Ruge & Stüben 1987, Algebraic multigrid, in Multigrid Methods (McCormick, ed.), SIAM; "
    "implementation: Bell, Olson & Schroder 2022, PyAMG, J. Open Source Software 7",
    assumes="A symmetric positive definite, or semidefinite with b in its range",
    example="disc",
    scalars=SCALARS,
    colour=11,
    order=130,
)
@dataclass(frozen=True)
class PyamgRugeStuben:
    """CG preconditioned with one cycle of classical algebraic multigrid in PyAMG's default setting.

    Cells are split into coarse and fine ones so that every fine cell depends strongly on coarse ones, from
    which it is interpolated with weights made of the matrix entries.

    References
    ----------
    Ruge & Stüben 1987; Bell, Olson & Schroder 2022.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    theta: float = param(0.25, low=0.0, high=0.9, label="strength θ", doc="weaker couplings are ignored")
    cycle: str = param("V", choices=("V", "W", "F"), doc="in which order the grids are visited")

    def prepare(self, problem: LinearSystem) -> Preparation[AlgebraicMultigrid]:
        """Assemble the matrix and build the hierarchy."""
        return (yield from prepare(problem, self._build, self.cycle))

    def _build(self, A: Any) -> Any:
        import pyamg

        return pyamg.ruge_stuben_solver(A, strength=("classical", {"theta": self.theta}), keep=True)

    def iterate(self, problem: AlgebraicMultigrid) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )
