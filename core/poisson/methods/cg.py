"""Conjugate gradients: the best approximation, in energy, from a space that grows by one vector a step.

Hestenes & Stiefel 1952. Legend of the loop (`core.poisson.krylov`): r residual, p direction, q = A p.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "cg",
    lab="poisson",
    title="Conjugate gradients",
    source="Hestenes & Stiefel 1952, Methods of conjugate gradients for solving linear systems, "
    "J. Res. NBS 49",
    assumes="A symmetric positive definite, or semidefinite with b in its range",
    example="disc",
    scalars=SCALARS,
    colour=0,
    order=10,
)
@dataclass(frozen=True)
class ConjugateGradients:
    """Minimise ‖x* − x‖_A over the Krylov space span{b, A b, …, A^{k−1} b}.

    α = r·r / p·A p, x += α p, r −= α A p, β = (r·r)₊ / r·r, p = r + β p.

    Notes
    -----
    The error in the energy norm falls with every step, the residual need not. The coefficients hold the
    Lanczos matrix whose eigenvalues (Ritz values) approach those of A: see `core.poisson.ritz`. If p·A p is
    not positive the run ends as a breakdown with its value.

    References
    ----------
    Hestenes & Stiefel 1952, Sec. 3; Saad 2003, Iterative Methods for Sparse Linear Systems, Alg. 6.18.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()

    def iterate(self, problem: LinearSystem) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(problem, None, rtol=self.rtol, max_iterations=self.max_iterations)
