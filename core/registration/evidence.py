"""The pairs behind a system, row by row: what detectors count and what a trial step is judged by.

The kernels sum the normal equations without keeping a row. Where single pairs matter they are made again
here, in numpy, from the partners that the kernel found.

Symbols: p source point (body frame), n normal and d offset of its plane (target frame), r = n·(R p + t) + d,
J = [(p × ñ)ᵀ, ñᵀ] with ñ = Rᵀn, s and e scaled so that H = Σ s² J Jᵀ and g = −Σ s e J.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.registration.kernels import L1_FLOOR, LOAM_MINIMUM_WEIGHT, LOAM_SLOPE, LOAM_THICKNESS

#: Robust weights of |r| at a scale; the same formulas as in the kernel.
WEIGHTS: dict[str, Callable[[Array, float], Array]] = {
    "l2": lambda r, s: np.ones_like(r),
    "l1": lambda r, s: 1.0 / np.maximum(r, L1_FLOOR),
    "huber": lambda r, s: 1.0 / np.maximum(r / s, 1.0),
    "cauchy": lambda r, s: 1.0 / (1.0 + (r / s) ** 2),
    "geman_mcclure": lambda r, s: 1.0 / (1.0 + (r / s) ** 2) ** 2,
    "tukey": lambda r, s: (1.0 - np.minimum(1.0, r / s) ** 2) ** 2,
    "linear": lambda r, s: np.maximum(0.0, 1.0 - LOAM_SLOPE * r / s),
}


@dataclass(frozen=True, eq=False)
class Pairs:
    """Source points with the planes that they are drawn to, at one pose.

    Attributes
    ----------
    T : (4, 4) pose at which the partners were found, internal frames.
    points : (N, 3) source points p [m], source frame.
    normals : (N, 3) unit normals, target frame.
    offsets : (N,) d of the planes n·x + d = 0 [m].
    weights : (N,) frozen robust weights w, or None for LOAM, whose weight belongs to the objective.
    """

    T: Array
    points: Array
    normals: Array
    offsets: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.points)

    def residuals_at(self, T: Array) -> Array:
        """Return r (N,) [m] at the pose `T` (4, 4) with the partners held."""
        # n·(R p + t) = p·(Rᵀn) + n·t
        turned = _dot(self.points, self.normals @ T[:3, :3])
        return np.asarray(turned + self.normals @ T[:3, 3] + self.offsets)

    def error_at(self, T: Array) -> float:
        """Return E = ½ Σ e² [m²] at the pose `T` (4, 4) with partners and robust weights held."""
        r = self.residuals_at(T)
        if self.weights is not None:
            return 0.5 * float((self.weights * r) @ r)
        e = np.maximum(0.0, 1.0 - LOAM_SLOPE * np.abs(r)) * r
        return 0.5 * float(e @ e)

    @cached_property
    def residuals(self) -> Array:
        """Unweighted residuals r (N,) [m] at `T`."""
        return self.residuals_at(self.T)

    @cached_property
    def body_normals(self) -> Array:
        """Normals ñ = Rᵀn (N, 3) in the source frame."""
        return np.asarray(self.normals @ self.T[:3, :3])

    @cached_property
    def rows(self) -> Array:
        """Jacobian rows J (N, 6), rotation first, not scaled by a weight."""
        return np.hstack([cross(self.points, self.body_normals), self.body_normals])

    @cached_property
    def scales(self) -> Array:
        """Factors s (N,) of the rows in H; negative where LOAM's objective falls with distance."""
        if self.weights is not None:
            return np.sqrt(self.weights)
        return np.asarray(1.0 - 2.0 * LOAM_SLOPE * np.abs(self.residuals))

    @property
    def lever(self) -> float:
        """RMS distance of the points from the origin of the source frame [m]."""
        return float(np.sqrt((self.points**2).sum(axis=1).mean()))


def cross(a: Array, b: Array) -> Array:
    """Return the cross products (N, 3) of rows; several times as fast as numpy's."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    out = np.empty_like(a)
    out[:, 0] = ay * bz - az * by
    out[:, 1] = az * bx - ax * bz
    out[:, 2] = ax * by - ay * bx
    return out


def _dot(a: Array, b: Array) -> Array:
    """Return the dot products (N,) of rows."""
    return np.asarray(np.einsum("ij,ij->i", a, b))


def nearest_pairs(
    T: Array,
    source: Array,
    rows: Array,
    targets: Array,
    normals: Array,
    *,
    max_distance: float,
    kernel: str,
    scale: float,
) -> Pairs:
    """Return the pairs of model B.

    Parameters
    ----------
    T : (4, 4) pose.
    source : (N, 3) all source points.
    rows : (N,) row of the nearest target point or −1, as the search left it.
    targets, normals : (M, 3) target points and normals in the same order.
    max_distance : pairs are closer than this [m].
    kernel, scale : robust weight, a key of `WEIGHTS`, and its scale [m].
    """
    row = np.maximum(rows, 0)
    apart = source @ T[:3, :3].T
    apart += T[:3, 3]
    apart -= targets.take(row, axis=0)
    is_near = (rows >= 0) & (_dot(apart, apart) < max_distance * max_distance)
    row = row[is_near]
    n, q = normals.take(row, axis=0), targets.take(row, axis=0)
    r = _dot(n, apart.compress(is_near, axis=0))
    return Pairs(T, source.compress(is_near, axis=0), n, -_dot(n, q), WEIGHTS[kernel](np.abs(r), scale))


def loam_pairs(T: Array, source: Array, fives: Array, is_found: NDArray[np.bool_]) -> Pairs:
    """Return the pairs of model A.

    Parameters
    ----------
    T : (4, 4) pose.
    source : (N, 3) all source points.
    fives : (N, 5, 3) their five nearest target points.
    is_found : (N,) whether there are five.

    Notes
    -----
    The plane is the least squares solution of x·a = −1; it has no solution for a plane through the origin.
    """
    points, fives = source[is_found], fives[is_found]
    a = np.linalg.pinv(fives, rcond=1e-15) @ -np.ones(5)
    length = np.linalg.norm(a, axis=1)
    is_plane = length >= 1e-6
    points, fives, a, length = points[is_plane], fives[is_plane], a[is_plane], length[is_plane]
    n, d = a / length[:, None], 1.0 / length
    off = np.abs(np.einsum("ijk,ik->ij", fives, n) + d[:, None]).max(axis=1)
    moved = points @ T[:3, :3].T + T[:3, 3]
    w = 1.0 - LOAM_SLOPE * np.abs(_dot(n, moved) + d)
    keep = (off < LOAM_THICKNESS) & (w > LOAM_MINIMUM_WEIGHT)
    return Pairs(T, points[keep], n[keep], d[keep], None)
