"""Conjugate gradients preconditioned with the diagonal: the cheapest preconditioner there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.preconditioners import jacobi
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "jacobi_pcg",
    lab="poisson",
    title="Jacobi-preconditioned CG",
    source="Concus, Golub & O'Leary 1976, A generalized conjugate gradient method for the numerical "
    "solution of elliptic partial differential equations",
    assumes="A symmetric positive definite, or semidefinite with b in its range",
    example="disc",
    scalars=SCALARS,
    colour=8,
    order=20,
)
@dataclass(frozen=True)
class JacobiPcg:
    """CG with z_i = r_i / A_ii.

    Notes
    -----
    Where the diagonal is constant (`box` with ghost cells) the iterates are those of plain CG. It helps where
    coefficients vary.

    References
    ----------
    Saad 2003, Iterative Methods for Sparse Linear Systems, Alg. 9.1.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()

    def iterate(self, problem: LinearSystem) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem, jacobi(problem), rtol=self.rtol, max_iterations=self.max_iterations
        )
