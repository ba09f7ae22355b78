"""Schur-MAP: what DCReg's preconditioner adds to weak eigenvalues, added to the system itself.

Two variants of DCReg that change the step. `dcreg_map` is Theorem 4 of the paper put to use; `dcreg_anchored`
ties the pose to the start instead of each step to zero and is an addition of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate
from core.linalg.lie import inverse, log_se3
from core.registration.cures import CURE_SCALARS, CureSettings, named_solver, prior
from core.registration.detectors import Weakness
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import Situation, Step
from core.registry import Scalar, Scale, method, param

HU = "Hu et al. 2025, DCReg, arXiv 2509.06285"
_DRIFT = {
    "drift_rotation": Scalar("rotation away from the start", "rad", Scale.LOG),
    "drift_translation": Scalar("translation away from the start", "m", Scale.LOG),
}


@dataclass(frozen=True)
class _Prior(CureSettings):
    """What both variants share."""

    condition_target: float = param(
        10.0, low=1.01, high=10_000.0, log=True, label="κ target",
        doc="weak eigenvalues are raised to the largest divided by this",
    )  # fmt: skip
    prior_weight: float = param(
        1.0, low=1e-3, high=1e6, log=True, label="weight of the prior", doc="factor α of Γ"
    )

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system and what is weak; see `core.registration.alignment.align`."""
        if not (self.condition_target > 1.0 and self.prior_weight >= 0.0):
            raise ValueError("condition_target must exceed 1 and prior_weight not be negative")
        named_solver(self.solver)
        return self.align_with(problem, self._cure)

    def _cure(self, H: Array, g: Array, found: Weakness, situation: Situation) -> Step:
        raise NotImplementedError

    def _step(self, H: Array, g: Array, found: Weakness, xi: Array) -> Array:
        """Return the minimiser of ½δᵀHδ − gᵀδ + ½α(δ + ξ)ᵀΓ(δ + ξ)."""
        gamma = self.prior_weight * prior(found, self.condition_target)
        return named_solver(self.solver)(H + gamma, g - gamma @ xi)


@method(
    "dcreg_map",
    lab="registration",
    title="DCReg variant: Schur-MAP",
    source=HU + ", Theorem 4; its port to FAST-LIO2 solves this system",
    assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
    example="corridor",
    scalars={**SCALARS, **CURE_SCALARS},
    colour=4,
    order=70,
)
@dataclass(frozen=True)
class SchurMap(_Prior):
    """Point-to-plane ICP with (H + α Γ) δ = g; a variant of DCReg that changes the step.

    1. Detection as in DCReg: S_R, S_t, eigenvalues λ, weak where λ_max/λ > κ_th.
    2. λ̃ = max(λ, λ_max/κ_tg) on weak directions; Γ = blkdiag(V_R (Λ̃ − Λ) V_Rᵀ, V_t (Λ̃ − Λ) V_tᵀ).
    3. δ is the most probable step if each step were drawn from N(0, (α Γ)⁻¹) beforehand.

    Notes
    -----
    The published method puts Λ̃ into the preconditioner only, and takes the step of plain Gauss-Newton; the
    theorem describes the step taken here.

    The prior is on the step, and it is new at each iteration: the pose is damped along weak directions, not
    held. Iterated without end it reaches the limit of plain ICP. Where the tolerance or the limit on
    iterations ends the run before, it stands somewhere on the way.

    κ(S_R + Γ_R) ≤ κ_tg holds for the sum; the Schur complement of H + Γ is not S + Γ and may exceed it.

    The port to FAST-LIO2 calls a direction weak also if λ < 120 and raises it at least to 120; that threshold
    depends on the number of points and is left out.

    References
    ----------
    Hu et al. 2025, Theorem 4.
    """

    def _cure(self, H: Array, g: Array, found: Weakness, situation: Situation) -> Step:
        return Step(self._step(H, g, found, np.zeros(6)))


@method(
    "dcreg_anchored",
    lab="registration",
    title="DCReg variant: anchored Schur-MAP (ours)",
    source="ours, after " + HU + ", Theorem 4",
    assumes="a start that is right along the weak directions, to within what α says",
    example="corridor",
    scalars={**SCALARS, **CURE_SCALARS, **_DRIFT},
    colour=6,
    order=71,
)
@dataclass(frozen=True)
class AnchoredSchurMap(_Prior):
    """Point-to-plane ICP with (H + α Γ) δ = g − α Γ ξ, ξ = log(T_start⁻¹ T); a variant of ours.

    Γ as in Schur-MAP. The prior is N(0, (α Γ)⁻¹) on the way from the start, not on each step, so the pose is
    held along weak directions, by as much as Γ outweighs what the scans say.

    Notes
    -----
    Limits satisfy g = α Γ ξ: scans and start pull at a weak direction, each by its information. With α = 1
    the start's is what the direction lacks to λ_max/κ_tg. In a tunnel or on a plane that is much more than
    what noisy normals and scan pattern feign, and the start is kept to a centimetre; in a corridor they can
    be alike, and the pose ends in between. A large α keeps the start, as a constraint does.

    A direction that is weak but informative is kept at the start too, as roll in a corridor, which plain ICP
    would have corrected.

    log(T_start⁻¹ T Exp δ) ≈ ξ + δ is used, exact for small turns; Γ is that of the present pose.

    References
    ----------
    Hu et al. 2025, Theorem 4, for Γ.
    """

    def _cure(self, H: Array, g: Array, found: Weakness, situation: Situation) -> Step:
        xi = log_se3(inverse(situation.T_start) @ situation.T)
        drift = {
            "drift_rotation": float(np.linalg.norm(xi[:3])),
            "drift_translation": float(np.linalg.norm(xi[3:])),
        }
        return Step(self._step(H, g, found, xi), scalars=drift)
