"""SuperLoc: each pair votes for the axes that it holds; axes with few votes are reported, not treated.

Zhao et al. 2024.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Array, Iterate
from core.registration.cures import CURE_SCALARS, CureSettings, detector_param, named_solver
from core.registration.detectors import Weakness
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import Situation, Step
from core.registry import inherited, method


@method(
    "superloc",
    lab="registration",
    title="SuperLoc",
    source="Zhao, Zhu, Gao, Kim, Qiu, Johnson & Scherer 2024, SuperLoc: The key to robust LiDAR-inertial "
    "localization lies in predicting alignment risks, arXiv 2412.02901",
    assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
    example="corridor",
    scalars={**SCALARS, **CURE_SCALARS},
    colour=8,
    order=61,
)
@dataclass(frozen=True)
class SuperLoc(CureSettings):
    """Point-to-plane ICP with a Tukey kernel that reports how many pairs hold each axis.

    1. Each pair votes for the axis with the largest |ñ·axis| among the translations and with the largest
       |(p × ñ)·axis| among the rotations, axes those of the sensor.
    2. Score of an axis: min(1, 3 · share of votes). 1 is well observed, 0 unobservable.
    3. Reported as weak: roll, yaw, x, z below 0.2, pitch and y below 0.1.
    4. The step is plain Gauss-Newton: the report is for whatever fuses the pose.

    Notes
    -----
    Scores are shares: they do not depend on the number of points, and they cannot say that an axis is held by
    few but sufficient pairs (an end wall). Only axes of the sensor are judged, and each pair has one vote:
    seen from a sensor that stands at 45° in a corridor, x and y share the votes and nothing is weak.

    Where paper and code differ: the paper calls the score an uncertainty, although 1 is good. The code gives
    votes to both signs of an axis, which changes nothing, and takes moments about the origin of the map; here
    about the sensor. Its optimiser (Ceres, four inner iterations, stops after the first iteration that
    succeeds) and its weight by the quality of each plane are replaced by the shared loop with the same Tukey
    kernel; planes that fit badly are left out beforehand (`planarity`).

    References
    ----------
    Zhao et al. 2024; the reimplementation published with DCReg.
    """

    kernel: str = inherited(CureSettings, "kernel", default="tukey")
    kernel_scale: float = inherited(
        CureSettings, "kernel_scale", default=0.5477,
        doc="residual at which the robust kernel sets in, √0.3 m; each coarser level doubles it",
    )  # fmt: skip
    detector: str = detector_param("superloc")

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system and the scores of the axes; see `alignment.align`."""
        solve = named_solver(self.solver)

        def cure(H: Array, g: Array, _: Weakness, __: Situation) -> Step:
            return Step(solve(H, g))

        return self.align_with(problem, cure)
