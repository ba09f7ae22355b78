"""CG preconditioned with an incomplete Cholesky factor on the pattern of A."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate, Preparation, Progress
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.preconditioners import Factor, Triangles, incomplete_cholesky
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "ic_pcg",
    lab="poisson",
    title="Incomplete Cholesky CG",
    source="Meijerink & van der Vorst 1977, An iterative solution method for linear systems of which the "
    "coefficient matrix is a symmetric M-matrix, Math. Comp. 31",
    assumes="A symmetric positive definite; on a matrix that is no M-matrix the diagonal may be raised",
    example="disc",
    scalars=SCALARS,
    colour=10,
    order=40,
)
@dataclass(frozen=True)
class IcPcg:
    """CG with M⁻¹ = L Lᵀ, L on the pattern of A's lower triangle: fill is dropped, IC(0).

    Notes
    -----
    On the stencil only the pivots differ from A: e_i = A_ii − Σ_a (w_a)²/e at the neighbours −a. The factor
    exists for every M-matrix. The two solves go from cell to cell and cannot be vectorised.

    References
    ----------
    Meijerink & van der Vorst 1977; Bridson 2015, Fluid Simulation for Computer Graphics, Sec. 5.3.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()

    def prepare(self, problem: LinearSystem) -> Preparation[Triangles | Factor]:
        """Factorise."""
        yield Progress("incomplete factor")
        return incomplete_cholesky(problem, 0.0, 0.0)

    def iterate(self, problem: Triangles | Factor) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )
