"""Generalised ICP: every point is the middle of a flat disc, and pairs of discs are brought together.

A point with normal n has the covariance C = I − (1 − ε) n nᵀ: variance ε across its surface, 1 along it. A
pair of p with C_p and q with C_q costs ½ ρᵀ M ρ, ρ = q − (R p + t), M = (C_q + R C_p Rᵀ)⁻¹, with M held fixed
in each linearisation. Because both covariances are given by a normal, M has a closed form
(`kernels.linearise_gicp`) and no matrix is stored or inverted.

References
----------
Segal, Haehnel & Thrun 2009, Generalized-ICP, RSS. Koide et al. 2021, Voxelized GICP for fast and accurate 3D
point cloud registration, ICRA.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from core.errors import InputError
from core.iterate import Array, Preparation, Progress, drain
from core.registration import kernels
from core.registration.alignment import MIN_CORRESPONDENCES
from core.registration.correspondences import SLACK, LinearisedSystem, SearchTree, make_linearisation
from core.registration.problem import ScanPair, require_pair
from core.registration.settings import AlignmentSettings
from core.registry import param


@dataclass(frozen=True, slots=True, eq=False)
class DiscPair(ScanPair):
    """A pair whose source points have normals too.

    Attributes
    ----------
    source_normals : for each level (N, 3) unit normals of its source, zero where there is none. The source
        itself stands in the order of its search tree, so that neighbours follow each other.
    """

    source_normals: tuple[Array, ...] = ()


@dataclass(frozen=True)
class DiscSettings(AlignmentSettings):
    """The settings of GICP and VGICP."""

    epsilon: float = param(
        1e-3, low=1e-6, high=1.0, log=True, label="ε",
        doc="variance of a point across its surface, relative to along it; 1 is point-to-point",
    )  # fmt: skip
    source_k: int = param(
        10, low=5, high=50, label="neighbours for source normals", advanced=True,
        doc="a source point's normal comes from this many nearest points",
    )  # fmt: skip

    def prepare(self, problem: ScanPair) -> Preparation[DiscPair]:
        """Estimate the normals of the source at every level; InputError if `problem` is no pair."""
        if not isinstance(problem, ScanPair):
            raise InputError("the problem", "two scans", "a sequence of scans", "that is for odometry")
        levels, normals = [], []
        for i, level in enumerate(require_pair(problem).levels):
            yield Progress(f"normals of {len(level.source)} source points", i, len(problem.levels))
            tree = SearchTree.build(level.source)
            vectors, *_ = kernels.normals(*tree.arrays, self.source_k)
            levels.append(replace(level, source=tree.points))
            normals.append(vectors)
        return DiscPair(
            tuple(levels), problem.T_initial, problem.T_true, problem.source_offset, problem.target_offset,
            problem.source, problem.target, problem.notes, tuple(normals),
        )  # fmt: skip


def discs_of(pair: ScanPair, settings: DiscSettings) -> DiscPair:
    """Return the pair with source normals, estimated now if `prepare` has not done so.

    Raises
    ------
    ValueError
        If epsilon is not in (0, 1].
    """
    if not 0.0 < settings.epsilon <= 1.0:
        raise ValueError(f"epsilon must be in (0, 1], not {settings.epsilon}")
    return pair if isinstance(pair, DiscPair) else drain(settings.prepare(pair))


def every(pair: DiscPair, index: int, stride: int) -> tuple[Array, Array]:
    """Return every `stride`-th source point of a level and its normal."""
    rows = pair.levels[index].source, pair.source_normals[index]
    return np.ascontiguousarray(rows[0][::stride]), np.ascontiguousarray(rows[1][::stride])


class GicpLinearisation:
    """GICP at successive poses of one run; remembers which matches cannot have changed.

    Parameters
    ----------
    source, source_normals : (N, 3) arrays, body frame.
    target : with normals.
    epsilon : variance of a point across its surface.
    kernel, scale : robust kernel and its scale [m].
    max_distance : pairs are closer than this [m].
    """

    def __init__(
        self,
        source: Array,
        source_normals: Array,
        target: SearchTree,
        *,
        epsilon: float,
        kernel: str,
        scale: float,
        max_distance: float,
    ) -> None:
        self._source, self._source_normals, self._target = source, source_normals, target
        self._epsilon, self._robust, self._scale = epsilon, kernels.ROBUST[kernel], scale
        self._max_distance = max_distance
        # distances carry rounding errors of the coordinates' size
        self._margin = 1e-9 * max_distance + 1e-14 * float(np.abs(target.points).max())
        self._slack = 0.0
        self._row = np.full(len(source), -1)
        self._bound = np.full(len(source), -np.inf)
        self._query = np.zeros(source.shape)

    def __call__(self, T: Array) -> LinearisedSystem:
        """Match at the (4, 4) pose `T` and return its normal equations; ``error`` is ½ Σ w ρᵀMρ."""
        partial = kernels.linearise_gicp(
            self._source, self._source_normals, np.require(T, np.float64, ["C", "W"]), *self._target.arrays,
            self._target.normals, self._epsilon, self._robust, self._scale, self._max_distance, self._slack,
            self._margin, self._row, self._bound, self._query,
        )  # fmt: skip
        # the first step is long, so looking further would not pay before it
        self._slack = SLACK * self._max_distance
        return LinearisedSystem.from_sums(partial)


class VgicpLinearisation:
    """Voxelised GICP: the partner of a point is the mean of the target points in the voxel it falls into.

    `resolution` is the voxels' edge [m]; the other parameters are those of `GicpLinearisation`. The recorded
    rmse, fitness and pairs are those of nearest points, as for every method.
    """

    def __init__(
        self,
        source: Array,
        source_normals: Array,
        target: SearchTree,
        *,
        resolution: float,
        epsilon: float,
        kernel: str,
        scale: float,
        max_distance: float,
    ) -> None:
        self._source, self._source_normals = source, source_normals
        self._epsilon, self._robust, self._scale = epsilon, kernels.ROBUST[kernel], scale
        self._resolution, self._max_distance = resolution, max_distance
        self._voxels = kernels.gaussian_voxels(target.points, target.normals, resolution)
        self._nearest = make_linearisation(source, target, max_distance=max_distance)

    def __call__(self, T: Array) -> LinearisedSystem:
        """Find the voxels at the (4, 4) pose `T` and return the normal equations."""
        voxels = LinearisedSystem.from_sums(
            kernels.linearise_vgicp(
                self._source, self._source_normals, np.require(T, np.float64, ["C", "W"]), *self._voxels,
                self._resolution, self._epsilon, self._robust, self._scale, self._max_distance,
            )
        )  # fmt: skip
        if voxels.correspondences < MIN_CORRESPONDENCES:  # too few for a step, whatever lies nearby
            return replace(voxels, squared_residuals=math.nan)
        yardstick = self._nearest(T)
        return replace(yardstick, H=voxels.H, g=voxels.g, error=voxels.error)
