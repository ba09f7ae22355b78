"""Which source points hold a direction of motion: the share of each in the information along it.

H = Σ w_i J_iᵀ J_i. For a twist z the information zᵀHz = Σ w_i (J_i z)² is a sum over points with no negative
term. For an eigenvector of H itself z is that eigenvector. A direction u of one block, an eigenvector of a
Schur complement, is not a twist: the other three motions are free to follow. With u a rotation,

    uᵀ S_R u = min_v [u; v]ᵀ H [u; v],  reached at  v = −H_tt⁺ H_tR u,

so with the *whole motion* z = [u; −H_tt⁺ H_tR u] (and likewise z = [−H_RR⁺ H_Rt u; u] for a translation)
uᵀ S u = zᵀ H z, and a point's contribution is w_i (J_i z)². The sum over all points is uᵀ S u, the
eigenvalue, also where H_tt is singular, since H_tt⁺ H_tt H_tt⁺ = H_tt⁺. Leaving the other motions at zero
instead would add up to uᵀ H_RR u, which counts information that the translation can undo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.registration.correspondences import SearchTree
from core.registration.kernels.schur import PSEUDO_INVERSE_CUTOFF
from core.registration.robust import robust_weight


@dataclass(frozen=True, slots=True, eq=False)
class PlaneRows:
    """The point-to-plane system of a pose before it is summed.

    Attributes
    ----------
    J : (N, 6) rows [(p × ñ)ᵀ, ñᵀ], ñ = Rᵀn; NaN without a partner.
    residuals : (N,) n·(R p + t − q) [m]; NaN without a partner.
    """

    J: Array
    residuals: Array


def plane_rows(points: Array, target: SearchTree, T: Array, max_distance: float) -> PlaneRows:
    """Match points as model B does and return their rows.

    Parameters
    ----------
    points : (N, 3) source frame [m].
    target : with normals.
    T : (4, 4) source to target.
    max_distance : pairs are closer than this [m].

    Raises
    ------
    ValueError
        If the target has no normals.
    """
    if target.normals.shape != target.points.shape:
        raise ValueError("the target has no normals: use SearchTree.with_normals")
    R, moved = T[:3, :3], points @ T[:3, :3].T + T[:3, 3]
    found, _ = target.nearest(moved, max_distance)
    # `nearest` answers in rows of the cloud, the normals stand in leaf order
    leaf_row = np.zeros(int(target.order.max()) + 1, dtype=np.int64)
    leaf_row[target.order] = np.arange(len(target.order))
    row, alone = leaf_row[found], found < 0
    normals = target.normals[row]
    residuals = np.einsum("ij,ij->i", normals, moved - target.points[row])
    turned = normals @ R
    J = np.hstack([np.cross(points, turned), turned])
    J[alone], residuals[alone] = np.nan, np.nan
    return PlaneRows(J, residuals)


def whole_motion(H: Array, block: int, direction: Array) -> Array:
    """Complete a direction of one block by the motion of the other that hides it best.

    Parameters
    ----------
    H : (6, 6) Hessian, rotation first.
    block : 0 rotation, 1 translation.
    direction : (3,) in the source frame.

    Returns
    -------
    (6,) twist z = [ω, v] whose `block` part is `direction`; zᵀ H z = uᵀ S u (see the module).

    Raises
    ------
    ValueError
        If `block` is neither 0 nor 1.
    """
    if block not in (0, 1):
        raise ValueError(f"block must be 0 (rotation) or 1 (translation), not {block}")
    keep, drop = slice(3 * block, 3 * block + 3), slice(3 - 3 * block, 6 - 3 * block)
    values, vectors = np.linalg.eigh(H[drop, drop])
    # the same cutoff as in the Schur complements, so that both speak of the same motion
    kept = values > PSEUDO_INVERSE_CUTOFF * max(float(values[-1]), 1.0)
    components = vectors.T @ (H[drop, keep] @ direction)
    follow = vectors[:, kept] @ (components[kept] / values[kept])
    z = np.empty(6)
    z[keep], z[drop] = direction, -follow
    return z


def point_contributions(
    rows: PlaneRows, motion: Array, kernel: str = "l2", kernel_scale: float = 1.0
) -> NDArray[np.float64]:
    """Return what each point adds to the information zᵀ H z along a motion.

    Parameters
    ----------
    rows : of any points; of those that H is made of, the contributions add up to zᵀ H z.
    motion : (6,) twist z = [ω, v]: an eigenvector of H, or a `whole_motion`.
    kernel, kernel_scale : the robust kernel that H was weighed with; by default none, as in the lab's result.

    Returns
    -------
    (N,) w (J z)², in the units of the eigenvalue (m²/rad² for a rotation of unit length, m²/m² for a
    translation); NaN without a partner.
    """
    return np.asarray(robust_weight(rows.residuals, kernel, kernel_scale) * (rows.J @ motion) ** 2)
