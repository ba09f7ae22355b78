"""Solution remapping: solve as usual, then strike the weak directions from the step.

Zhang, Kaess & Singh 2016. Three keys, one cure: they differ in what detector they come with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Array, Iterate
from core.registration.cures import CURE_SCALARS, CureSettings, detector_param, named_solver, remap
from core.registration.detectors import Weakness
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import Situation, Step
from core.registry import method

ZHANG = "Zhang, Kaess & Singh 2016, On degeneracy of optimization-based state estimation problems, ICRA 2016"


@dataclass(frozen=True)
class _SolutionRemapping(CureSettings):
    """The cure that the three methods share."""

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system and what is weak; see `core.registration.alignment.align`."""
        solve = named_solver(self.solver)

        def cure(H: Array, g: Array, found: Weakness, _: Situation) -> Step:
            return Step(remap(H, g, found, solve))

        return self.align_with(problem, cure)


@method(
    "me_sr",
    lab="registration",
    title="ME-SR: solution remapping, smallest eigenvalues",
    source=ZHANG,
    assumes="a start that is right along the weak directions, because it is kept there",
    example="corridor",
    scalars={**SCALARS, **CURE_SCALARS},
    colour=14,
    order=50,
)
@dataclass(frozen=True)
class MeSolutionRemapping(_SolutionRemapping):
    """Point-to-plane ICP that takes no step along eigenvectors of H with an eigenvalue below τ.

    1. δ_u = H⁻¹g; H = V Λ Vᵀ.
    2. Weak: λ_i < τ, τ = `eigenvalue_threshold`.
    3. δ = V_K V_Kᵀ δ_u, V_K the eigenvectors that are not weak; if all are weak δ = 0.

    Notes
    -----
    Along weak directions the start is kept. That wins where a direction is truly unobservable and the start
    is good, and loses where it is weak but informative.

    τ has a unit that no direction has alone: λ is per rad² or per m², and grows with the number of pairs and
    their weights. So the same place is weak or not depending on the voxel size.

    Where paper and codes differ: the paper judges and remaps once a scan, LOAM at the first iteration
    (`detect_at=first`), DCReg's comparison at each iteration with τ = 120, LOAM with τ = 10 (odometry) and
    100 (mapping). A well-known slip takes the *rows* of V for eigenvectors: right with OpenCV, which returns
    them so, wrong with Eigen.

    With another detector the coordinates y = F δ_u are struck in that detector's basis.

    References
    ----------
    Zhang, Kaess & Singh 2016; DCReg's comparison for τ = 120.
    """

    detector: str = detector_param("me")


@method(
    "fcn_sr",
    lab="registration",
    title="FCN-SR: solution remapping, full condition number",
    source="Hu et al. 2025, DCReg, arXiv 2509.06285 (as a comparison); " + ZHANG,
    assumes="a start that is right along the weak directions, because it is kept there",
    example="corridor",
    scalars={**SCALARS, **CURE_SCALARS},
    colour=15,
    order=53,
)
@dataclass(frozen=True)
class FcnSolutionRemapping(_SolutionRemapping):
    """Point-to-plane ICP that takes no step along eigenvectors of H with λ_max/λ > κ_th.

    As ME-SR, but a direction is weak if λ_max/λ_i > `condition_threshold`.

    Notes
    -----
    λ_max is a rotation's, per rad², and grows with the square of the distance to the walls: in a room of 10 m
    some translations are "weak" whatever the scans show. The detector `fcn_scaled` measures rotations by the
    way of a point at the RMS lever arm and does not do that.

    References
    ----------
    Hu et al. 2025 (FCN-SR in its tables).
    """

    detector: str = detector_param("fcn")


@method(
    "cn_sr",
    lab="registration",
    title="CN-SR: solution remapping, block condition numbers",
    source="Hu et al. 2025, DCReg, arXiv 2509.06285 (as a comparison); " + ZHANG,
    assumes="a start that is right along the weak directions, because it is kept there",
    example="room",
    scalars={**SCALARS, **CURE_SCALARS},
    colour=16,
    order=54,
)
@dataclass(frozen=True)
class CnSolutionRemapping(_SolutionRemapping):
    """Point-to-plane ICP that does not rotate if κ(H_RR) > κ_th and does not move if κ(H_tt) > κ_th.

    Notes
    -----
    The diagonal blocks are compared, not Schur complements: how far rotation and translation stand in for
    each other is not seen. A whole block is struck, also its well-held directions: in a corridor the distance
    from the walls stays wrong because the way along them is not known. The comparison's code has this
    detector unfinished and its paper prints no row for it.

    References
    ----------
    Hu et al. 2025, implementation (EVD_SUB_CONDITION).
    """

    detector: str = detector_param("cn")
