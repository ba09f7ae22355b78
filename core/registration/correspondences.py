"""Correspondences and their normal equations: the readable face of the compiled kernels.

Two correspondence models. Model B (``"nearest"``, the default): each source point pairs with the nearest
target point that has a trusted normal. Model A (``"loam"``): a plane through the five nearest target points,
as in the LOAM family and in DCReg's released code.

Conventions: metres; T maps the source (body) frame to the target frame; T ← T·Exp(δ) with δ = [ω, v]; with
ñ = Rᵀn the row of the residual r = n·(Rp + t - q) is J = [(p × ñ)ᵀ, ñᵀ]; H δ = g, g = -Σ w Jᵀ r.

References
----------
Chen and Medioni, "Object modelling by registration of multiple range images", 1992, for point-to-plane.
Zhang and Singh, "LOAM", RSS 2014, and Hu et al., "DCReg", arXiv:2509.06285, for model A.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array
from core.registration import kernels
from core.registration.evidence import Pairs, loam_pairs, nearest_pairs

Correspondence = Literal["nearest", "loam"]
Factor = Literal["plane", "point"]

#: Planarity at and above which the test is off: λ₀ / (λ₀ + λ₁ + λ₂) cannot exceed 1/3.
PLANARITY_OFF = 0.33
#: Model B searches this share of `max_distance` further than it must, to save searches later.
SLACK = 0.1

_UPPER = np.triu_indices(6)


def _array(values: NDArray[Any], name: str) -> Array:
    """Return `values` as the kernels want them: (N, 3), float64, C-contiguous, writable."""
    array = np.require(values, np.float64, ["C", "W"])
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"{name} must have shape (N, 3), not {array.shape}")
    return array


def _pose(T: NDArray[Any]) -> Array:
    """Return a (4, 4) transform as the kernels want it."""
    array = np.require(T, np.float64, ["C", "W"])
    if array.shape != (4, 4):
        raise ValueError(f"a transform must have shape (4, 4), not {array.shape}")
    return array


@dataclass(frozen=True, slots=True, eq=False)
class SearchTree:
    """A cloud in a static kd-tree, with normals where asked for.

    Attributes
    ----------
    points : (N, 3) array [m], in leaf order
    order : (N,) array, the row of the cloud given to `build` for each row here
    split_axis, split_value, leaf_start : the tree, see `kernels`
    normals : (N, 3) array of unit normals in leaf order, towards the frame's origin; (0, 3) without
    planarity : (N,) array, smallest eigenvalue of the neighbourhood's covariance over their sum; (0,) without
    neighbours, gaps : (N, k - 1) arrays, rows of the nearest others and their distances; -1 for a dropped one
    complete : the tree of all points of the cloud, if `with_normals` dropped some from this one
    """

    points: Array
    order: kernels.Index
    split_axis: kernels.Index
    split_value: Array
    leaf_start: kernels.Index
    normals: Array
    planarity: Array
    neighbours: kernels.Rows = field(default_factory=lambda: np.empty((0, 0), np.int32))
    gaps: kernels.Gaps = field(default_factory=lambda: np.empty((0, 0), np.float32))
    complete: SearchTree | None = None

    @classmethod
    def build(cls, points: NDArray[Any]) -> SearchTree:
        """Build the tree of a cloud.

        Parameters
        ----------
        points : (N, 3) array [m], finite, at least one point

        Raises
        ------
        ValueError
            If the cloud is empty or not finite.
        """
        array = _array(points, "points")
        if array.shape[0] == 0 or not np.isfinite(array).all():
            raise ValueError("points of a search tree must be finite, and at least one")
        return cls(*kernels.build_tree(array), np.empty((0, 3)), np.empty(0))

    @property
    def arrays(self) -> tuple[Array, kernels.Index, kernels.Index, Array, kernels.Index]:
        """The tree as the kernels take it."""
        return self.points, self.order, self.split_axis, self.split_value, self.leaf_start

    def with_normals(self, k: int = 10, max_planarity: float = 0.05) -> SearchTree:
        """Return the tree of the points that lie on a surface, with their normals.

        A point whose neighbourhood is too thick, or has no normal, is dropped: it is never matched, neither
        by point-to-plane nor by point-to-point. The tree keeps its shape and its leaves get emptier, which
        costs less than building another. The tree of all points stays available as `complete`.

        Parameters
        ----------
        k : neighbours that make a normal, the point included
        max_planarity : largest planarity kept; 0.33 and above keep every point with a normal

        Raises
        ------
        ValueError
            If `k` is below 5.
        InputError
            If no point is left.
        """
        if k < 5:
            raise ValueError(f"a normal needs at least 5 neighbours, not {k}")
        vectors, planarity, neighbours, gaps = kernels.normals(*self.arrays, int(k))
        limit = max_planarity if max_planarity < PLANARITY_OFF else 0.5
        keep = planarity <= limit
        kept = int(np.count_nonzero(keep))
        if kept == 0:
            raise InputError(
                "the target",
                "surfaces",
                f"no point whose {k} nearest neighbours lie near a plane",
                "a smaller voxel or a larger planarity limit may help",
            )
        if kept == keep.shape[0]:
            return replace(self, normals=vectors, planarity=planarity, neighbours=neighbours, gaps=gaps)
        before = np.concatenate(([0], np.cumsum(keep)))
        renamed = np.where(keep, before[:-1], -1).astype(np.int32)
        neighbours = np.where(neighbours >= 0, renamed[neighbours], np.int32(-1))
        return SearchTree(
            self.points[keep],
            self.order[keep],
            self.split_axis,
            self.split_value,
            before[self.leaf_start],
            vectors[keep],
            planarity[keep],
            neighbours[keep],
            gaps[keep],
            complete=self.complete or self,
        )

    def nearest(self, queries: NDArray[Any], max_distance: float = np.inf) -> tuple[kernels.Index, Array]:
        """Find the nearest point of the cloud, closer than `max_distance`, for each query.

        Parameters
        ----------
        queries : (Q, 3) array [m]
        max_distance : [m]

        Returns
        -------
        indices : (Q,) rows of the cloud given to `build`, -1 where there is none
        distances : (Q,) array [m], inf where there is none
        """
        return kernels.nearest(*self.arrays, _array(queries, "queries"), float(max_distance))

    def k_nearest(
        self, queries: NDArray[Any], k: int, max_distance: float = np.inf
    ) -> tuple[kernels.Index, Array]:
        """Find the `k` nearest points of the cloud, closer than `max_distance`, for each query.

        Parameters
        ----------
        queries : (Q, 3) array [m]
        k : at least 1
        max_distance : [m]

        Returns
        -------
        indices : (Q, k) rows of the cloud given to `build`, nearest first, -1 where there are fewer
        distances : (Q, k) array [m], inf where there are fewer
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        return kernels.k_nearest(*self.arrays, _array(queries, "queries"), int(k), float(max_distance))


@dataclass(frozen=True, slots=True, eq=False)
class LinearisedSystem:
    """Normal equations H δ = g of one pose.

    Attributes
    ----------
    H : (6, 6) array, symmetric; order ω [rad], v [m]
    g : (6,) array, -Σ w Jᵀ r
    error : ½ Σ w r² [m²] (model A: ½ Σ (w r)²; point-to-point: ½ Σ w d²)
    squared_residuals : Σ r² [m²], unweighted, point-to-plane whatever the factor
    squared_distances : Σ d² [m²], unweighted, to the nearest target point
    correspondences : accepted pairs
    """

    H: Array
    g: Array
    error: float
    squared_residuals: float
    squared_distances: float
    correspondences: int

    @property
    def rmse(self) -> float:
        """Root mean square of the unweighted point-to-plane residuals [m]; NaN without a pair."""
        n = self.correspondences
        return math.sqrt(self.squared_residuals / n) if n else math.nan

    @classmethod
    def from_sums(cls, partial: Array) -> LinearisedSystem:
        """Add the kernels' (CHUNKS, SUMS) partial sums in chunk order."""
        sums = partial.sum(axis=0)
        H = np.empty((6, 6))
        H[_UPPER] = sums[:21]
        H.T[_UPPER] = sums[:21]
        weighted, plane, point, pairs = sums[27:].tolist()
        return cls(H, sums[21:27], 0.5 * weighted, plane, point, int(pairs))


class NearestLinearisation:
    """Model B at successive poses of one run; remembers which matches cannot have changed."""

    def __init__(
        self,
        source: Array,
        target: SearchTree,
        factor: Factor,
        kernel: str,
        scale: float,
        max_distance: float,
    ) -> None:
        self._source, self._target = source, target
        self._factor = 0 if factor == "plane" else 1
        self._kernel, self._robust = kernel, kernels.ROBUST[kernel]
        self._scale, self._max_distance = scale, max_distance
        # distances carry rounding errors of the coordinates' size
        self._margin = 1e-9 * max_distance + 1e-14 * float(np.abs(target.points).max())
        self._slack = 0.0
        self._row = np.full(source.shape[0], -1)
        self._bound = np.full(source.shape[0], -np.inf)
        self._query = np.zeros(source.shape)

    @property
    def rows(self) -> kernels.Index:
        """The row of `target` for each source point, -1 or too far off without a partner; overwritten."""
        return self._row

    def __call__(self, T: NDArray[Any]) -> LinearisedSystem:
        """Match at the (4, 4) pose `T` and return its normal equations."""
        partial = kernels.linearise(
            self._source,
            _pose(T),
            *self._target.arrays,
            self._target.normals,
            self._target.neighbours,
            self._target.gaps,
            self._factor,
            self._robust,
            self._scale,
            self._max_distance,
            self._slack,
            self._margin,
            self._row,
            self._bound,
            self._query,
        )
        # the first step is long, so looking further would not pay before it
        self._slack = SLACK * self._max_distance
        return LinearisedSystem.from_sums(partial)

    def pairs(self, T: NDArray[Any]) -> Pairs:
        """Return the pairs of the last call, which was at the (4, 4) pose `T`."""
        return nearest_pairs(
            _pose(T), self._source, self._row, self._target.points, self._target.normals,
            max_distance=self._max_distance, kernel=self._kernel, scale=self._scale,
        )  # fmt: skip


class LoamLinearisation:
    """Model A at successive poses."""

    def __init__(
        self, source: Array, target: SearchTree, max_distance: float, weight_derivative: bool
    ) -> None:
        self._source, self._target = source, target
        self._max_distance, self._weight_derivative = max_distance, weight_derivative

    def __call__(self, T: NDArray[Any]) -> LinearisedSystem:
        """Fit planes at the (4, 4) pose `T` and return the normal equations."""
        return LinearisedSystem.from_sums(
            kernels.linearise_loam(
                self._source, _pose(T), *self._target.arrays, self._max_distance, self._weight_derivative
            )
        )

    def pairs(self, T: NDArray[Any]) -> Pairs:
        """Return the pairs at the (4, 4) pose `T`, searched anew."""
        pose = _pose(T)
        moved = self._source @ pose[:3, :3].T + pose[:3, 3]
        indices, _ = self._target.k_nearest(moved, 5, self._max_distance)
        cloud = np.empty_like(self._target.points)
        cloud[self._target.order] = self._target.points
        return loam_pairs(pose, self._source, cloud[indices], indices[:, 4] >= 0)


Linearisation = NearestLinearisation | LoamLinearisation


def make_linearisation(
    source: NDArray[Any],
    target: SearchTree,
    *,
    correspondence: Correspondence = "nearest",
    factor: Factor = "plane",
    kernel: str = "l2",
    kernel_scale: float = 1.0,
    max_distance: float = 1.0,
    weight_derivative: bool = True,
) -> Linearisation:
    """Return what gives the normal equations at a pose: ``linearisation(T) -> LinearisedSystem``.

    One object serves one run in one thread, because model B keeps the matches of the last pose. Its results
    depend on the pose alone.

    Parameters
    ----------
    source : (N, 3) array [m], body frame
    target : with normals; ``"loam"`` needs none and takes the `complete` tree
    correspondence : ``"nearest"`` (model B) or ``"loam"`` (model A)
    factor : ``"plane"`` or ``"point"``; model A has the first only
    kernel : a key of `kernels.ROBUST`; model A has a weight of its own and does not use it
    kernel_scale : where the robust weight sets in [m]; all weights are functions of |r| / scale, except L1's
    max_distance : pairs (model A: the fifth neighbour) are closer than this [m]
    weight_derivative : model A: rows contain the derivative of the weight

    Raises
    ------
    ValueError
        If an argument is none of the above, or the target does not fit the model.
    """
    if not max_distance > 0.0 or not math.isfinite(max_distance):
        raise ValueError(f"max_distance must be positive and finite, not {max_distance}")
    if factor not in ("plane", "point"):
        raise ValueError(f"factor must be 'plane' or 'point', not {factor!r}")
    array = _array(source, "source")
    if correspondence == "loam":
        if factor != "plane":
            raise ValueError("correspondence 'loam' fits planes: it has no point-to-point factor")
        return LoamLinearisation(
            array, target.complete or target, float(max_distance), bool(weight_derivative)
        )
    if correspondence != "nearest":
        raise ValueError(f"correspondence must be 'nearest' or 'loam', not {correspondence!r}")
    if kernel not in kernels.ROBUST:
        raise ValueError(f"kernel must be one of {', '.join(kernels.ROBUST)}, not {kernel!r}")
    if not kernel_scale > 0.0:
        raise ValueError(f"kernel_scale must be positive, not {kernel_scale}")
    if target.normals.shape != target.points.shape:
        raise ValueError("the target has no normals: use SearchTree.with_normals")
    return NearestLinearisation(array, target, factor, kernel, float(kernel_scale), float(max_distance))


def residuals(points: NDArray[Any], target: SearchTree, T: NDArray[Any], max_distance: float) -> Array:
    """Signed point-to-plane residual of each point, for colouring.

    Parameters
    ----------
    points : (N, 3) array [m], source frame
    target : with normals; positive residuals lie on the side of the target frame's origin
    T : (4, 4) transform from the source to the target frame
    max_distance : pairs are closer than this [m]

    Returns
    -------
    (N,) array [m], NaN without a match
    """
    if target.normals.shape != target.points.shape:
        raise ValueError("the target has no normals: use SearchTree.with_normals")
    return kernels.plane_residuals(
        _array(points, "points"), _pose(T), *target.arrays, target.normals, float(max_distance)
    )
