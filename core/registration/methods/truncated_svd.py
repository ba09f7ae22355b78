"""Truncated SVD: leave the weak eigenvalues out of the inverse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Array, Iterate
from core.registration.cures import CURE_SCALARS, CureSettings, detector_param, truncate
from core.registration.detectors import Weakness
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import Situation, Step
from core.registry import method


@method(
    "me_tsvd",
    lab="registration",
    title="ME-TSVD: truncated SVD, smallest eigenvalues",
    source="Hansen 1987, The truncated SVD as a method for regularization, BIT 27; Hu et al. 2025, DCReg, "
    "arXiv 2509.06285 (as a comparison)",
    assumes="a start that is right along the weak directions, because it is kept there",
    example="corridor",
    scalars={**SCALARS, **CURE_SCALARS},
    colour=17,
    order=51,
)
@dataclass(frozen=True)
class MeTruncatedSvd(CureSettings):
    """Point-to-plane ICP with δ = Σ_K v_i (v_iᵀg)/λ_i over eigenpairs of H that are not weak.

    Weak: λ_i < `eigenvalue_threshold`. H is symmetric, so its singular vectors are its eigenvectors.

    Notes
    -----
    On eigenvectors of H this is *the same step* as solution remapping: v_iᵀH⁻¹g = (v_iᵀg)/λ_i. The published
    tables show two different rows only because the program applied a mask in ascending order to singular
    values in descending order, and so left out the largest; with the slip its row is reproduced to all
    digits, without it the row of ME-SR is.

    A detector that does not judge eigenvectors of H (CN, Schur, X-ICP, SuperLoc) has each weak direction
    stand for the eigenvector that it is most parallel to, the rule of the field analysis of Tuna et al. Then
    the step differs from solution remapping's.

    `solver` is not used.

    References
    ----------
    Hansen 1987; Tuna et al. 2024, Informed, Constrained, Aligned, arXiv 2408.11809, for other detectors.
    """

    detector: str = detector_param("me")

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system and what is weak; see `core.registration.alignment.align`."""
        return self.align_with(problem, _cure)


def _cure(H: Array, g: Array, found: Weakness, _: Situation) -> Step:
    return Step(truncate(H, g, found))
