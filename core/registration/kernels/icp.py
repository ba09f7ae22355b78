"""Point-to-plane and point-to-point (model B): normal equations, residuals, moments of the closed form."""

from __future__ import annotations

import math

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import GAPS, INDICES, POINTS, ROWS, TREE, VALUES, Gaps, Index, Rows
from core.registration.kernels.compiled import kernel
from core.registration.kernels.matching import walk
from core.registration.kernels.search import nearest_two, room_for_descent
from core.registration.kernels.sums import CHUNKS, SUMS, add_point, add_row, robust_weight


@kernel(
    "normal equations",
    f"{POINTS}({POINTS}, {POINTS}, {TREE}, {POINTS}, {ROWS}, {GAPS}, int64, int64, float64, "
    f"float64, float64, float64, {INDICES}, {VALUES}, {POINTS})",
)
def linearise(
    source: Array,
    pose: Array,
    points: Array,
    order: Index,
    split_axis: Index,
    split_value: Array,
    leaf_start: Index,
    normals: Array,
    neighbours: Rows,
    gaps: Gaps,
    factor: int,
    robust: int,
    scale: float,
    max_distance: float,
    slack: float,
    margin: float,
    cached_row: Index,
    cached_bound: Array,
    cached_query: Array,
) -> Array:
    """Sum the normal equations of model B at `pose`: match, residual, Jacobian row and sums in one pass.

    A match is not searched again while it is certain. The last search of a point, at x₀, found row j and
    proved that every other target point lies at least L from x₀. Now the point is at x, m = |x - x₀| away:
    if |x - q_j| <= L - m, row j is still the nearest. To prove a useful L, a search looks `slack` further
    than it must.

    Parameters
    ----------
    source : (N, 3) array, body frame
    pose : (4, 4) array, body to target frame
    points, ..., normals : tree and (M, 3) unit normals in leaf order
    neighbours, gaps : (M, K) of the points, as `normals` gives them; a row of -1 is skipped
    factor : 0 point-to-plane, 1 point-to-point
    robust, scale : code of `ROBUST` and its scale [m]
    max_distance : pairs are closer than this [m]
    slack : how much further a search looks [m]
    margin : taken off every L for rounding [m]
    cached_row, cached_bound, cached_query : (N,), (N,), (N, 3) arrays of j, L, x₀, rewritten here.
        Before the first call: -1, -inf, anything

    Returns
    -------
    (CHUNKS, SUMS) array of partial sums; H δ = g with g = -Σ w Jᵀ r
    """
    n = source.shape[0]
    r00, r01, r02, tx = pose[0, 0], pose[0, 1], pose[0, 2], pose[0, 3]
    r10, r11, r12, ty = pose[1, 0], pose[1, 1], pose[1, 2], pose[1, 3]
    r20, r21, r22, tz = pose[2, 0], pose[2, 1], pose[2, 2], pose[2, 3]
    partial = np.zeros((CHUNKS, SUMS))
    nodes, bounds = room_for_descent(split_value)
    last = np.int64(-1)
    for chunk in range(CHUNKS):
        sums = np.zeros(SUMS)
        for i in range(np.uint64(chunk * n // CHUNKS), np.uint64((chunk + 1) * n // CHUNKS)):
            px, py, pz = source[i, 0], source[i, 1], source[i, 2]
            x = r00 * px + r01 * py + r02 * pz + tx
            y = r10 * px + r11 * py + r12 * pz + ty
            z = r20 * px + r21 * py + r22 * pz + tz
            dx, dy, dz = x - cached_query[i, 0], y - cached_query[i, 1], z - cached_query[i, 2]
            bound = cached_bound[i] - math.sqrt(dx * dx + dy * dy + dz * dz)
            d = np.inf
            row = np.uint64(cached_row[i])
            if cached_row[i] >= 0:
                dx, dy, dz = x - points[row, 0], y - points[row, 1], z - points[row, 2]
                d = math.sqrt(dx * dx + dy * dy + dz * dz)
            if d > bound and min(d, bound) < max_distance:
                if cached_row[i] < 0 and last >= 0:
                    row = np.uint64(last)
                    dx, dy, dz = x - points[row, 0], y - points[row, 1], z - points[row, 2]
                    d = math.sqrt(dx * dx + dy * dy + dz * dz)
                bound = -np.inf
                if d < np.inf:
                    row, d, bound = walk(points, neighbours, gaps, x, y, z, row, d, slack)
                    bound -= margin
                found = np.int64(row)
                if d > bound:
                    start = min(max_distance, d * (1.0 + 1e-9) + margin)
                    found, d2, second = nearest_two(
                        points, split_axis, split_value, leaf_start, x, y, z, start, slack, nodes, bounds
                    )
                    d = math.sqrt(d2)
                    row = np.uint64(found)
                    bound = min(math.sqrt(second), min(d, start) + slack) - margin
                cached_row[i] = found
                cached_bound[i] = bound
                cached_query[i, 0] = x
                cached_query[i, 1] = y
                cached_query[i, 2] = z
                if found >= 0:
                    dx, dy, dz = x - points[row, 0], y - points[row, 1], z - points[row, 2]
            last = np.int64(row)
            if not d < max_distance:
                continue
            nx, ny, nz = normals[row, 0], normals[row, 1], normals[row, 2]
            r = nx * dx + ny * dy + nz * dz
            d2 = dx * dx + dy * dy + dz * dz
            if factor == 0:
                w = robust_weight(r, robust, scale)
                bx = r00 * nx + r10 * ny + r20 * nz
                by = r01 * nx + r11 * ny + r21 * nz
                bz = r02 * nx + r12 * ny + r22 * nz
                ax, ay, az = py * bz - pz * by, pz * bx - px * bz, px * by - py * bx
                add_row(sums, ax, ay, az, bx, by, bz, w, w * r)
                sums[27] += w * r * r
            else:
                w = robust_weight(math.sqrt(d2), robust, scale)
                ex = -(r00 * dx + r10 * dy + r20 * dz)
                ey = -(r01 * dx + r11 * dy + r21 * dz)
                ez = -(r02 * dx + r12 * dy + r22 * dz)
                add_point(sums, px, py, pz, ex, ey, ez, w)
                sums[27] += w * d2
            sums[28] += r * r
            sums[29] += d2
            sums[30] += 1.0
        partial[chunk] = sums
    return partial


@kernel("residuals", f"{VALUES}({POINTS}, {POINTS}, {TREE}, {POINTS}, float64)")
def plane_residuals(
    source: Array,
    pose: Array,
    points: Array,
    order: Index,
    split_axis: Index,
    split_value: Array,
    leaf_start: Index,
    normals: Array,
    max_distance: float,
) -> Array:
    """Return the signed point-to-plane residual [m] of each source point at `pose`, NaN without a match."""
    n = source.shape[0]
    residuals = np.full(n, np.nan)
    nodes, bounds = room_for_descent(split_value)
    limit = max_distance * max_distance
    for i in range(n):
        px, py, pz = source[i, 0], source[i, 1], source[i, 2]
        x = pose[0, 0] * px + pose[0, 1] * py + pose[0, 2] * pz + pose[0, 3]
        y = pose[1, 0] * px + pose[1, 1] * py + pose[1, 2] * pz + pose[1, 3]
        z = pose[2, 0] * px + pose[2, 1] * py + pose[2, 2] * pz + pose[2, 3]
        row, d2, _ = nearest_two(
            points, split_axis, split_value, leaf_start, x, y, z, max_distance, 0.0, nodes, bounds
        )
        if d2 < limit:
            residuals[i] = (
                normals[row, 0] * (x - points[row, 0])
                + normals[row, 1] * (y - points[row, 1])
                + normals[row, 2] * (z - points[row, 2])
            )
    return residuals


@kernel(
    "moments of pairs",
    f"{VALUES}({POINTS}, {POINTS}, {POINTS}, {INDICES}, int64, float64, float64)",
)
def pair_moments(
    source: Array, pose: Array, points: Array, rows: Index, robust: int, scale: float, max_distance: float
) -> Array:
    """Sum what the closed form of point-to-point needs, over pairs closer than `max_distance` at `pose`.

    Parameters
    ----------
    source : (N, 3) array, body frame
    points : (M, 3) target points
    rows : (N,) array, the target row of each source point, -1 without
    robust, scale : weight of a pair by its distance

    Returns
    -------
    (16,) array: Σw, Σw p (3), Σw q (3), Σw q pᵀ (9, row by row)
    """
    sums = np.zeros(16)
    for i in range(source.shape[0]):
        row = rows[i]
        if row < 0:
            continue
        px, py, pz = source[i, 0], source[i, 1], source[i, 2]
        qx, qy, qz = points[row, 0], points[row, 1], points[row, 2]
        dx = qx - (pose[0, 0] * px + pose[0, 1] * py + pose[0, 2] * pz + pose[0, 3])
        dy = qy - (pose[1, 0] * px + pose[1, 1] * py + pose[1, 2] * pz + pose[1, 3])
        dz = qz - (pose[2, 0] * px + pose[2, 1] * py + pose[2, 2] * pz + pose[2, 3])
        d = math.sqrt(dx * dx + dy * dy + dz * dz)
        if not d < max_distance:
            continue
        w = robust_weight(d, robust, scale)
        sums[0] += w
        sums[1] += w * px
        sums[2] += w * py
        sums[3] += w * pz
        sums[4] += w * qx
        sums[5] += w * qy
        sums[6] += w * qz
        sums[7] += w * qx * px
        sums[8] += w * qx * py
        sums[9] += w * qx * pz
        sums[10] += w * qy * px
        sums[11] += w * qy * py
        sums[12] += w * qy * pz
        sums[13] += w * qz * px
        sums[14] += w * qz * py
        sums[15] += w * qz * pz
    return sums
