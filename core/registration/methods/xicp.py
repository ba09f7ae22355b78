"""X-ICP: count the pairs that hold each direction, and constrain the directions that too few hold.

Tuna et al. 2023. Symbols: s_i = |a_i·u| contribution of pair i to direction u, L_c and L_s their sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate
from core.registration.cures import (
    CURE_SCALARS,
    CureSettings,
    bound,
    constrain,
    detector_param,
    named_solver,
    remap,
)
from core.registration.detectors import ROTATION, Weakness
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import Situation, Step
from core.registry import method, param

CONSTRAINTS = {
    "equality": "u·δ = 0 (optimised equality)",
    "inequality": "|u·δ| ≤ bound",
    "projection": "solve, then strike (remapping)",
}


@method(
    "xicp",
    lab="registration",
    title="X-ICP",
    source="Tuna, Nubert, Nava, Khattak & Hutter 2023, X-ICP: Localizability-aware LiDAR registration for "
    "robust localization in extreme environments, IEEE T-RO 40, arXiv 2211.16335",
    assumes="a start that is right along directions that are not localizable, because it is kept there",
    example="corridor",
    scalars={**SCALARS, **CURE_SCALARS},
    colour=19,
    order=60,
)
@dataclass(frozen=True)
class XIcp(CureSettings):
    """Point-to-plane ICP whose step is constrained along directions to which too few pairs contribute.

    1. F_i = [(p_i − p̄) × ñ_i; ñ_i], H = Σ w F Fᵀ; directions u: eigenvectors of its two diagonal blocks.
    2. Contributions s_i = |a_i·u|, a_i = ñ_i for translations, for rotations (p_i − p̄) × ñ_i, shortened to 1
       where longer. L_c sums s_i ≥ cos θ_min, L_s sums s_i > cos θ_strong.
    3. u is localizable if L_c ≥ enough or L_s ≥ insufficient.
    4. min ½ δᵀHδ − gᵀδ subject to u·δ = 0 (or |u·δ| ≤ bound) for the others.

    Notes
    -----
    Contributions are sums over pairs: halving the number of points halves them. "Six directions not
    localizable" in a good scan means that there are fewer points than the thresholds were made for; with N
    pairs no sum exceeds N, and a translation in a room gets about N/3 of L_s.

    Where paper and codes differ: the thresholds here (80°, 45°, 300, 150) are those of the authors' field
    analysis; the paper has other values, DCReg's comparison 60° and a soft penalty in place of the
    constraint. The translation bound of the inequality was not found in the code; the rotation's is half of
    `bound` [rad], here `bound` [m] is the translation's. Partly localizable directions (`categories=three`)
    take all pairs that contribute, where the code takes a sample. Sampling, trimming and normal filters of
    its pipeline are left out: all methods here share their correspondences. The rotation is applied by the
    exponential, where the code turns by atan ‖ω‖.

    References
    ----------
    Tuna et al. 2023; Tuna et al. 2024, Informed, Constrained, Aligned: a field analysis on degeneracy-aware
    point cloud registration in the wild, arXiv 2408.11809, for thresholds and optimised equality.
    """

    detector: str = detector_param("xicp")
    constraint: str = param("equality", choices=CONSTRAINTS, doc="what holds the weak directions")
    bound: float = param(
        0.0014, low=1e-6, high=1.0, log=True, unit="m", label="inequality bound", advanced=True,
        doc="largest step along a weak translation; a weak rotation may turn half as many radians",
    )  # fmt: skip

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system, contributions and constraints; see `alignment.align`."""
        if self.constraint not in CONSTRAINTS or not self.bound > 0.0:
            raise ValueError(f"unknown constraint {self.constraint!r}, or a bound that is not positive")
        if self.categories == "three" and (self.detector != "xicp" or self.constraint != "equality"):
            raise ValueError(
                "three categories give partly localizable directions a value: that needs the detector 'xicp' "
                "and the constraint 'equality'"
            )
        return self.align_with(problem, self._cure)

    def _cure(self, H: Array, g: Array, found: Weakness, _: Situation) -> Step:
        if self.constraint == "projection":
            return Step(remap(H, g, found, named_solver(self.solver)))
        if self.constraint == "inequality":
            limits = np.full(6, self.bound)
            limits[ROTATION] *= 0.5
            return Step(bound(H, g, found, limits))
        return Step(constrain(H, g, found))
