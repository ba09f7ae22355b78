"""Generalised ICP: plane to plane, with a covariance for every point of both scans.

Segal, Haehnel & Thrun 2009. Symbols: ρ residual of a pair, C covariances, M = (C_q + R C_p Rᵀ)⁻¹, ε the
variance across a surface.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate
from core.registration.alignment import Linearise, align
from core.registration.gicp import DiscSettings, GicpLinearisation, discs_of, every
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import direct
from core.registry import method


@method(
    "gicp",
    lab="registration",
    title="GICP",
    source="Segal, Haehnel & Thrun 2009, Generalized-ICP, Robotics: Science and Systems",
    assumes="surfaces that are locally flat in both scans, and a start within about max_distance",
    example="room",
    scalars=SCALARS,
    colour=20,
    order=40,
)
@dataclass(frozen=True)
class Gicp(DiscSettings):
    """Iterated closest points between flat discs, by Gauss-Newton.

    E(T) = ½ Σ w ρᵀ M ρ over pairs of source points p and nearest target points q, ρ = q − (R p + t) and
    M = (C_q + R C_p Rᵀ)⁻¹, where C = I − (1 − ε) n nᵀ for a point with normal n. M is held fixed while a step
    is computed: J = [R [p]×, −R], T ← T·Exp(δ), (Σ w JᵀMJ) δ = −Σ w JᵀM ρ.

    Notes
    -----
    Where both normals agree, M weighs the distance across the surface 1/ε times as much as along it. Pairs
    whose normals disagree, as across an edge, are held in all directions. With ε = 1 this is point-to-point.

    ε gives every direction at least about ε of the information of the strongest, so that the condition
    numbers of this H end near 1/ε and hide weak directions; the result's mask comes from point-to-plane.

    The published method keeps no robust kernel; neither do its well-known implementations (``kernel=l2``).
    Here the kernel takes √(2ε ρᵀMρ), for equal normals the distance across the surface in metres.

    A source point with fewer than five neighbours has C = I.

    References
    ----------
    Segal, Haehnel & Thrun 2009. The closed form of M is ours.
    """

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose and its system at k = 0, 1, …; see `core.registration.alignment.align`."""
        pair = discs_of(problem, self)

        def make(index: int, stride: int, max_distance: float, scale: float) -> Linearise:
            return GicpLinearisation(
                *every(pair, index, stride), pair.levels[index].target,
                epsilon=self.epsilon, kernel=self.kernel, scale=scale, max_distance=max_distance,
            )  # fmt: skip

        return align(pair, self, direct(self.solver), make_linearise=make)
