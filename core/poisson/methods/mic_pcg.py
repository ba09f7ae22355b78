"""CG preconditioned with a modified incomplete Cholesky factor: dropped fill goes to the diagonal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate, Preparation, Progress
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.preconditioners import Factor, Triangles, incomplete_cholesky
from core.poisson.system import LinearSystem
from core.registry import method, param


@method(
    "mic_pcg",
    lab="poisson",
    title="Modified incomplete Cholesky CG",
    source="Gustafsson 1978, A class of first order factorization methods, BIT 18; safeguard and τ as in "
    "Bridson 2015, Fluid Simulation for Computer Graphics",
    assumes="A symmetric positive definite; τ < 1 near walls",
    example="disc",
    scalars=SCALARS,
    colour=2,
    order=50,
)
@dataclass(frozen=True)
class MicPcg:
    """CG with M⁻¹ = L Lᵀ where the share τ of the dropped fill is subtracted from the diagonal.

    e_i = A_ii − Σ_a w_a²/e − τ Σ_a Σ_{b≠a} w_a w_b/e at the neighbours −a; e_i = A_ii where e_i < σ A_ii.

    Notes
    -----
    τ = 1 keeps the row sums, which makes the count grow like √n on an empty box, and fails near walls: their
    cells have no Dirichlet neighbour to keep the pivots away from zero. 0.97 to 0.99 does both.

    References
    ----------
    Gustafsson 1978; Bridson 2015, Sec. 5.3.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    tau: float = param(0.97, low=0.0, high=1.0, label="share of fill τ", doc="0 is IC(0), 1 keeps row sums")
    sigma: float = param(
        0.25, low=0.0, high=1.0, label="pivot safeguard σ", advanced=True,
        doc="a pivot below this share of the diagonal is replaced by the diagonal",
    )  # fmt: skip

    def prepare(self, problem: LinearSystem) -> Preparation[Triangles | Factor]:
        """Factorise."""
        yield Progress("incomplete factor")
        return incomplete_cholesky(problem, self.tau, self.sigma)

    def iterate(self, problem: Triangles | Factor) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )
