"""DCReg with conjugate gradients that stop early: then the preconditioner does change the step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Array, Iterate
from core.registration.cures import CURE_SCALARS, CureSettings, preconditioner, truncated_pcg
from core.registration.detectors import Weakness
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import Situation, Step
from core.registry import Scalar, Scale, method, param


@method(
    "dcreg_truncated",
    lab="registration",
    title="DCReg variant: truncated PCG",
    source="after Hu et al. 2025, DCReg, arXiv 2509.06285; Steihaug 1983, The conjugate gradient method "
    "and trust regions in large scale optimization, SIAM J. Numer. Anal. 20(3)",
    assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
    example="corridor",
    scalars={
        **SCALARS,
        **CURE_SCALARS,
        "pcg_iterations": Scalar("PCG iterations"),
        "remaining": Scalar("‖g − Hδ‖ / ‖g‖", "", Scale.LOG),
    },
    colour=7,
    order=72,
)
@dataclass(frozen=True)
class TruncatedDCReg(CureSettings):
    """Point-to-plane ICP with m steps of DCReg's PCG and no direct solve after them; a variant for study.

    H, detection, clamping and P as in DCReg: P = blkdiag(V_R Λ̃_R⁻¹ V_Rᵀ, V_t Λ̃_t⁻¹ V_tᵀ). Then m = 1 … 6
    steps of conjugate gradients on H δ = g from 0.

    Notes
    -----
    After m steps δ is the best in the span of P g, P H P g, …: with P ≈ H⁻¹ on the strong directions and much
    too small on the weak ones, the strong components come first. So truncation damps weak directions, and the
    more the lower κ_tg. As with any damping of single steps, iterated it goes where plain ICP goes. m = 6 is
    Gauss-Newton up to rounding.

    `solver` is not used.

    References
    ----------
    Hu et al. 2025 for P; Hansen 1998, Rank-deficient and discrete ill-posed problems, chapter 6, for
    regularisation by early stopping.
    """

    condition_target: float = param(
        10.0, low=1.01, high=10_000.0, log=True, label="κ target",
        doc="weak eigenvalues are raised to the largest divided by this, in the preconditioner",
    )  # fmt: skip
    pcg_iterations: int = param(
        2, low=1, high=6, label="PCG iterations", doc="m, steps of conjugate gradients"
    )

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system and PCG's residuals; see `core.registration.alignment.align`."""
        if not (self.condition_target > 1.0 and self.pcg_iterations >= 1):
            raise ValueError("condition_target must exceed 1 and pcg_iterations be at least 1")
        return self.align_with(problem, self._cure)

    def _cure(self, H: Array, g: Array, found: Weakness, _: Situation) -> Step:
        P = preconditioner(found, self.condition_target)
        delta, norms = truncated_pcg(H, g, P, self.pcg_iterations)
        remaining = float(norms[-1] / norms[0]) if norms[0] > 0.0 else 0.0
        return Step(
            delta,
            len(norms) - 1,
            {"pcg_iterations": float(len(norms) - 1), "remaining": remaining},
            {"pcg_residuals": norms},
        )
