"""CG preconditioned with a forward and a backward sweep of over-relaxation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.preconditioners import ssor
from core.poisson.system import LinearSystem
from core.registry import method, param


@method(
    "ssor_pcg",
    lab="poisson",
    title="SSOR-preconditioned CG",
    source="Axelsson 1972, A generalized SSOR method, BIT 12",
    assumes="A symmetric positive definite, 0 < ω < 2",
    example="disc",
    scalars=SCALARS,
    colour=13,
    order=30,
)
@dataclass(frozen=True)
class SsorPcg:
    """CG with M⁻¹ = ω/(2 − ω) (D/ω + L) D⁻¹ (D/ω + U), A = L + D + U in C order.

    Notes
    -----
    ω = 1 is symmetric Gauss-Seidel. On an empty box ω = 2/(1 + sin(π/n)) makes the count grow like √n
    instead of n; with walls the best ω is smaller.

    References
    ----------
    Axelsson 1972; Saad 2003, Iterative Methods for Sparse Linear Systems, Sec. 10.2.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    omega: float = param(
        1.5, low=0.1, high=1.99, label="relaxation ω", doc="over-relaxation; 1 is Gauss-Seidel"
    )

    def iterate(self, problem: LinearSystem) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem, ssor(problem, self.omega), rtol=self.rtol, max_iterations=self.max_iterations
        )
