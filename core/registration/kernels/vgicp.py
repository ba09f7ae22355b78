"""Voxelised generalised ICP: normal equations."""

from __future__ import annotations

import math

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import POINTS, Index
from core.registration.kernels.compiled import kernel
from core.registration.kernels.sums import CHUNKS, SUMS, add_weighted_pair, robust_weight
from core.registration.kernels.voxels import cell_number, find_cell


@kernel(
    "normal equations, VGICP",
    f"{POINTS}({POINTS}, {POINTS}, {POINTS}, int64[:,::1], {POINTS}, {POINTS}, float64, float64, "
    "int64, float64, float64)",
)
def linearise_vgicp(
    source: Array,
    source_normals: Array,
    pose: Array,
    table: Index,
    means: Array,
    outer: Array,
    voxel: float,
    epsilon: float,
    robust: int,
    scale: float,
    max_distance: float,
) -> Array:
    """Sum the normal equations of voxelised GICP: the partner of a point is the voxel that it falls into.

    Parameters
    ----------
    source, source_normals, pose, epsilon, robust, scale : as in `linearise_gicp`
    table, means, outer : from `gaussian_voxels`
    voxel : the cells' edge [m]
    max_distance : a voxel's mean is closer than this [m]

    Returns
    -------
    (CHUNKS, SUMS) array of partial sums; Σ w ρᵀMρ stands for Σ w r², and Σ r² is left at zero
    """
    n = source.shape[0]
    r00, r01, r02, tx = pose[0, 0], pose[0, 1], pose[0, 2], pose[0, 3]
    r10, r11, r12, ty = pose[1, 0], pose[1, 1], pose[1, 2], pose[1, 3]
    r20, r21, r22, tz = pose[2, 0], pose[2, 1], pose[2, 2], pose[2, 3]
    limit = max_distance * max_distance
    s = 1.0 - epsilon
    partial = np.zeros((CHUNKS, SUMS))
    for chunk in range(CHUNKS):
        sums = np.zeros(SUMS)
        for i in range(np.uint64(chunk * n // CHUNKS), np.uint64((chunk + 1) * n // CHUNKS)):
            px, py, pz = source[i, 0], source[i, 1], source[i, 2]
            x = r00 * px + r01 * py + r02 * pz + tx
            y = r10 * px + r11 * py + r12 * pz + ty
            z = r20 * px + r21 * py + r22 * pz + tz
            key = cell_number(x, y, z, voxel)
            if key < 0:
                continue
            row = table[find_cell(table, key), 1]
            if row < 0:
                continue
            dx, dy, dz = means[row, 0] - x, means[row, 1] - y, means[row, 2] - z
            d2 = dx * dx + dy * dy + dz * dz
            if not d2 < limit:
                continue
            ex = r00 * dx + r10 * dy + r20 * dz
            ey = r01 * dx + r11 * dy + r21 * dz
            ez = r02 * dx + r12 * dy + r22 * dz
            # Rᵀ N R, column by column
            nxx, nxy, nxz, nyy, nyz, nzz = (
                outer[row, 0], outer[row, 1], outer[row, 2], outer[row, 3], outer[row, 4], outer[row, 5]
            )  # fmt: skip
            ax, ay, az = (
                nxx * r00 + nxy * r10 + nxz * r20, nxy * r00 + nyy * r10 + nyz * r20,
                nxz * r00 + nyz * r10 + nzz * r20,
            )  # fmt: skip
            bx, by, bz = (
                nxx * r01 + nxy * r11 + nxz * r21, nxy * r01 + nyy * r11 + nyz * r21,
                nxz * r01 + nyz * r11 + nzz * r21,
            )  # fmt: skip
            cx, cy, cz = (
                nxx * r02 + nxy * r12 + nxz * r22, nxy * r02 + nyy * r12 + nyz * r22,
                nxz * r02 + nyz * r12 + nzz * r22,
            )  # fmt: skip
            mx, my, mz = source_normals[i, 0], source_normals[i, 1], source_normals[i, 2]
            cxx = 2.0 - s * (r00 * ax + r10 * ay + r20 * az + mx * mx)
            cxy = -s * (r00 * bx + r10 * by + r20 * bz + mx * my)
            cxz = -s * (r00 * cx + r10 * cy + r20 * cz + mx * mz)
            cyy = 2.0 - s * (r01 * bx + r11 * by + r21 * bz + my * my)
            cyz = -s * (r01 * cx + r11 * cy + r21 * cz + my * mz)
            czz = 2.0 - s * (r02 * cx + r12 * cy + r22 * cz + mz * mz)
            # inverse by cofactors; the eigenvalues lie between 2ε and 2
            xx, xy, xz = cyy * czz - cyz * cyz, cxz * cyz - cxy * czz, cxy * cyz - cxz * cyy
            yy, yz, zz = cxx * czz - cxz * cxz, cxy * cxz - cxx * cyz, cxx * cyy - cxy * cxy
            w = 1.0 / (cxx * xx + cxy * xy + cxz * xz)
            if robust != 0:
                error = w * (
                    xx * ex * ex + yy * ey * ey + zz * ez * ez
                    + 2.0 * (xy * ex * ey + xz * ex * ez + yz * ey * ez)
                )  # fmt: skip
                w *= robust_weight(math.sqrt(2.0 * epsilon * error), robust, scale)
            sums[27] += add_weighted_pair(
                sums, px, py, pz, ex, ey, ez, w * xx, w * xy, w * xz, w * yy, w * yz, w * zz
            )
            sums[29] += d2
            sums[30] += 1.0
        partial[chunk] = sums
    return partial
