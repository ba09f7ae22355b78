"""Tikhonov regularisation: add to H where something is weak."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate
from core.registration.cures import CURE_SCALARS, CureSettings, detector_param, named_solver
from core.registration.detectors import Weakness
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import Situation, Step
from core.registry import method, param


@method(
    "me_treg",
    lab="registration",
    title="ME-TReg: Tikhonov, smallest eigenvalues",
    source="Tikhonov 1963, Soviet Math. Dokl. 4; Hu et al. 2025, DCReg, arXiv 2509.06285 (as a comparison)",
    assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
    example="corridor",
    scalars={**SCALARS, **CURE_SCALARS},
    colour=18,
    order=52,
)
@dataclass(frozen=True)
class MeTikhonov(CureSettings):
    """Point-to-plane ICP with (H + γ I) δ = g at each iteration at which a direction is weak.

    Weak: λ_i < `eigenvalue_threshold`. With `penalty=weak` the weak directions alone are penalised, as
    ‖Hδ − g‖² + γ²‖F_W δ‖² (L-Reg).

    Notes
    -----
    γ is added to numbers per rad² and per m² alike. With 100 pairs γ = 100 outweighs what they know of a
    translation; rotations, with their lever arms, hardly notice.

    The penalty pulls each *step* to zero, not the pose to the start: the limits are those of plain ICP,
    reached more slowly along weak directions. Where the run stops before, the rest of the way is missing;
    that is what is seen as "keeping the start". A small step ends the run also if it is small because of γ.

    L-Reg penalises on the squared equations, so its weight is compared with λ², not with λ.

    References
    ----------
    Hu et al. 2025, implementation (γ = 100); Tuna et al. 2024, Informed, Constrained, Aligned, arXiv
    2408.11809, for L-Reg (weight 440).
    """

    detector: str = detector_param("me")
    gamma: float = param(
        100.0, low=1e-6, high=1e9, log=True, label="γ", doc="what is added to H; L-Reg: its weight"
    )
    penalty: str = param(
        "all", choices={"all": "all directions (H + γ I)", "weak": "weak directions (L-Reg)"},
        doc="what is penalised where a direction is weak",
    )  # fmt: skip

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system and what is weak; see `core.registration.alignment.align`."""
        if not self.gamma >= 0.0 or self.penalty not in ("all", "weak"):
            raise ValueError("gamma must not be negative and penalty be 'all' or 'weak'")
        solve = named_solver(self.solver)

        def cure(H: Array, g: Array, found: Weakness, _: Situation) -> Step:
            if not found.weak.any():
                return Step(solve(H, g))
            if self.penalty == "all":
                return Step(solve(H + self.gamma * np.eye(6), g))
            C = self.gamma * found.functionals[found.weak]
            stacked = np.vstack([H, C])
            return Step(np.linalg.lstsq(stacked, np.concatenate([g, np.zeros(len(C))]), rcond=None)[0])

        return self.align_with(problem, cure)
