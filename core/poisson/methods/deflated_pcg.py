"""CG with block indicators deflated: the coarse picture is solved at once, CG does the detail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate, Preparation, Progress
from core.poisson import preconditioners
from core.poisson.deflation import BlockDeflation, block_deflation
from core.poisson.krylov import SCALARS, Preconditioner, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.system import LinearSystem
from core.registry import method, param


@dataclass(frozen=True, slots=True, eq=False)
class Deflated:
    """A system with its coarse space and preconditioner."""

    deflation: BlockDeflation
    preconditioner: Preconditioner | None


@method(
    "deflated_pcg",
    lab="poisson",
    title="Deflated CG",
    source="Nicolaides 1987, Deflation of conjugate gradients with applications to boundary value problems, "
    "SIAM J. Numer. Anal. 24",
    assumes="A symmetric positive definite, or semidefinite with b in its range",
    example="disc",
    scalars=SCALARS,
    colour=4,
    order=55,
)
@dataclass(frozen=True)
class DeflatedPcg:
    """CG on P A with P = I − A W E⁻¹ Wᵀ, E = Wᵀ A W, W the indicators of blocks of cells.

    x₀ = W E⁻¹ Wᵀ b; every direction is p = z + β p − W E⁻¹ (A W)ᵀ z, so that residuals stay orthogonal to W.

    Notes
    -----
    Each step applies A twice, once for (A W)ᵀ z, and both are counted. Where walls cut a block into parts,
    one number for the whole block says little: ``deflation=parts`` gives each connected part its own.
    On a singular problem the indicators add up to a null vector of A and E has a pseudo-inverse.

    References
    ----------
    Nicolaides 1987; Saad, Yeung, Erhel & Guyomarc'h 2000, A deflated version of the conjugate gradient
    algorithm, SIAM J. Sci. Comput. 21.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    blocks: int = param(
        8,
        low=1,
        high=32,
        label="blocks an axis",
        doc="the grid is cut into this many along each axis, a matrix into their square",
    )
    deflation: str = param(
        "blocks", choices={"blocks": "blocks", "parts": "connected parts of blocks"}, label="columns of W",
        doc="what gets one unknown of the coarse problem",
    )  # fmt: skip
    preconditioner: str = param(
        "none", choices={"none": "none", "jacobi": "diagonal", "ic": "IC(0)", "mic": "MIC(0), τ = 0.97"},
        doc="what is done about the detail",
    )  # fmt: skip

    def prepare(self, problem: LinearSystem) -> Preparation[Deflated]:
        """Factorise the coarse problem and make the preconditioner."""
        yield Progress("coarse problem")
        deflation = block_deflation(problem, self.blocks, split=self.deflation == "parts")
        yield Progress("preconditioner")
        return Deflated(deflation, self._preconditioner(problem))

    def _preconditioner(self, system: LinearSystem) -> Preconditioner | None:
        match self.preconditioner:
            case "jacobi":
                return preconditioners.jacobi(system)
            case "ic":
                return preconditioners.incomplete_cholesky(system, 0.0, 0.0)
            case "mic":
                return preconditioners.incomplete_cholesky(system, 0.97, 0.25)
        return None

    def iterate(self, problem: Deflated) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.deflation.system, problem.preconditioner, rtol=self.rtol,
            max_iterations=self.max_iterations, deflation=problem.deflation,
        )  # fmt: skip
