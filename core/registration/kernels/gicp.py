"""Generalised ICP: normal equations."""

from __future__ import annotations

import math

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import INDICES, POINTS, TREE, VALUES, Index
from core.registration.kernels.compiled import kernel, kernel_part
from core.registration.kernels.matching import match
from core.registration.kernels.search import room_for_descent
from core.registration.kernels.sums import CHUNKS, SUMS, add_weighted_pair, robust_weight


@kernel_part
def _pair_information(ax, ay, az, bx, by, bz, epsilon):  # type: ignore[no-untyped-def]
    """Invert the sum of two covariances I - (1 - ε) a aᵀ and I - (1 - ε) b bᵀ, given their unit normals.

    With c = a·b, h = (1 - ε)/2 and D = (1 - h)² - h²c² the inverse is
    ½ I + (h/2D) [(1 - h)(a aᵀ + b bᵀ) + h c (a bᵀ + b aᵀ)]. A normal of zero stands for the covariance I.

    Returns
    -------
    upper triangle of the inverse, row by row
    """
    c = ax * bx + ay * by + az * bz
    h = 0.5 * (1.0 - epsilon)
    g = 1.0 - h
    k = 0.5 * h / (g * g - h * h * c * c)
    # a aᵀ g + b bᵀ g + (a bᵀ + b aᵀ) h c = a uᵀ + b vᵀ
    own, cross = k * g, k * h * c
    ux, uy, uz = own * ax + cross * bx, own * ay + cross * by, own * az + cross * bz
    vx, vy, vz = own * bx + cross * ax, own * by + cross * ay, own * bz + cross * az
    return (
        0.5 + ax * ux + bx * vx,
        ax * uy + bx * vy,
        ax * uz + bx * vz,
        0.5 + ay * uy + by * vy,
        ay * uz + by * vz,
        0.5 + az * uz + bz * vz,
    )


@kernel(
    "normal equations, GICP",
    f"{POINTS}({POINTS}, {POINTS}, {POINTS}, {TREE}, {POINTS}, float64, int64, float64, float64, "
    f"float64, float64, {INDICES}, {VALUES}, {POINTS})",
)
def linearise_gicp(
    source: Array,
    source_normals: Array,
    pose: Array,
    points: Array,
    order: Index,
    split_axis: Index,
    split_value: Array,
    leaf_start: Index,
    normals: Array,
    epsilon: float,
    robust: int,
    scale: float,
    max_distance: float,
    slack: float,
    margin: float,
    cached_row: Index,
    cached_bound: Array,
    cached_query: Array,
) -> Array:
    """Sum the normal equations of generalised ICP at `pose`, with the matches of `linearise`.

    ρ = q - (R p + t), J = [R [p]x, -R], M = (C_q + R C_p Rᵀ)⁻¹, all turned into the body frame. The robust
    weight takes √(2ε ρᵀMρ), which for parallel normals is the distance across the surface [m].

    Parameters
    ----------
    source, source_normals : (N, 3) arrays, body frame; unit normals, zero for the covariance I
    epsilon : variance along a normal; 1 in the surface
    others : as in `linearise`

    Returns
    -------
    (CHUNKS, SUMS) array of partial sums; Σ w ρᵀMρ stands for Σ w r²
    """
    n = source.shape[0]
    r00, r01, r02, tx = pose[0, 0], pose[0, 1], pose[0, 2], pose[0, 3]
    r10, r11, r12, ty = pose[1, 0], pose[1, 1], pose[1, 2], pose[1, 3]
    r20, r21, r22, tz = pose[2, 0], pose[2, 1], pose[2, 2], pose[2, 3]
    partial = np.zeros((CHUNKS, SUMS))
    nodes, bounds = room_for_descent(split_value)
    for chunk in range(CHUNKS):
        sums = np.zeros(SUMS)
        for i in range(np.uint64(chunk * n // CHUNKS), np.uint64((chunk + 1) * n // CHUNKS)):
            px, py, pz = source[i, 0], source[i, 1], source[i, 2]
            x = r00 * px + r01 * py + r02 * pz + tx
            y = r10 * px + r11 * py + r12 * pz + ty
            z = r20 * px + r21 * py + r22 * pz + tz
            row, d = match(
                i, x, y, z, points, split_axis, split_value, leaf_start, max_distance, slack, margin,
                cached_row, cached_bound, cached_query, nodes, bounds,
            )  # fmt: skip
            if not d < max_distance:
                continue
            dx, dy, dz = points[row, 0] - x, points[row, 1] - y, points[row, 2] - z
            nx, ny, nz = normals[row, 0], normals[row, 1], normals[row, 2]
            bx, by, bz = source_normals[i, 0], source_normals[i, 1], source_normals[i, 2]
            ax = r00 * nx + r10 * ny + r20 * nz
            ay = r01 * nx + r11 * ny + r21 * nz
            az = r02 * nx + r12 * ny + r22 * nz
            xx, xy, xz, yy, yz, zz = _pair_information(ax, ay, az, bx, by, bz, epsilon)
            ex = r00 * dx + r10 * dy + r20 * dz
            ey = r01 * dx + r11 * dy + r21 * dz
            ez = r02 * dx + r12 * dy + r22 * dz
            if robust != 0:
                error = (
                    xx * ex * ex + yy * ey * ey + zz * ez * ez
                    + 2.0 * (xy * ex * ey + xz * ex * ez + yz * ey * ez)
                )  # fmt: skip
                w = robust_weight(math.sqrt(2.0 * epsilon * error), robust, scale)
                xx, xy, xz, yy, yz, zz = w * xx, w * xy, w * xz, w * yy, w * yz, w * zz
            sums[27] += add_weighted_pair(sums, px, py, pz, ex, ey, ez, xx, xy, xz, yy, yz, zz)
            r = nx * dx + ny * dy + nz * dz
            sums[28] += r * r
            sums[29] += d * d
            sums[30] += 1.0
        partial[chunk] = sums
    return partial
