"""Voxelised generalised ICP: discs of the source against averaged discs of the target.

Koide et al. 2021. Symbols as in `gicp`; μ, C̄ mean and mean covariance of the target points of a voxel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate
from core.registration.alignment import Linearise, align
from core.registration.gicp import DiscSettings, VgicpLinearisation, discs_of, every
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS
from core.registration.solvers import direct
from core.registry import method, param


@method(
    "vgicp",
    lab="registration",
    title="VGICP",
    source="Koide, Yokozuka, Oishi & Banno 2021, Voxelized GICP for fast and accurate 3D point cloud "
    "registration, IEEE ICRA",
    assumes="voxels that hold one surface each, and a start within about one voxel",
    example="room",
    scalars=SCALARS,
    colour=21,
    order=41,
)
@dataclass(frozen=True)
class Vgicp(DiscSettings):
    """GICP whose partner is the voxel that a point falls into: no nearest neighbour is searched.

    E(T) = ½ Σ w ρᵀ M ρ over source points p in voxels that hold target points, ρ = μ − (R p + t) and
    M = (C̄ + R C_p Rᵀ)⁻¹, with μ and C̄ the means of the voxel's points and of their covariances
    I − (1 − ε) n nᵀ. The step is that of GICP.

    Notes
    -----
    A voxel with two surfaces has a mean on neither and a covariance that is round: it says little. A point
    that leaves its voxel changes its partner at once, so the objective has steps; the run may end by
    flipping between two poses.

    The paper weighs a pair by the number of points in the voxel, and its authors' first implementation can
    take the 7 or 27 voxels around a point; here, as in their later small_gicp, pairs weigh alike and there is
    one voxel.

    The recorded rmse, fitness and pairs are those of nearest points with normals, so that they compare with
    other methods; this search, which the method itself does not need, costs about as much as its own sums.
    A pair of a point and a voxel's mean counts if it is shorter than max_distance.

    References
    ----------
    Koide et al. 2021.
    """

    resolution: float = param(
        1.0, low=0.01, high=100.0, log=True, unit="m", label="voxel of the target",
        doc="edge of the voxels whose points are averaged; each coarser level doubles it",
    )  # fmt: skip

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose and its system at k = 0, 1, …; see `core.registration.alignment.align`."""
        pair = discs_of(problem, self)

        def make(index: int, stride: int, max_distance: float, scale: float) -> Linearise:
            coarseness = 2.0 ** (len(pair.levels) - 1 - index)
            return VgicpLinearisation(
                *every(pair, index, stride), pair.levels[index].target,
                resolution=self.resolution * coarseness, epsilon=self.epsilon, kernel=self.kernel,
                scale=scale, max_distance=max_distance,
            )  # fmt: skip

        return align(pair, self, direct(self.solver), make_linearise=make)
