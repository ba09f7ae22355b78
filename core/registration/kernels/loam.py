"""LOAM's planes through five neighbours (model A): normal equations."""

from __future__ import annotations

import math

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import POINTS, TREE, Index
from core.registration.kernels.compiled import kernel, kernel_part
from core.registration.kernels.search import nearest_few, room_for_descent, room_for_leaf
from core.registration.kernels.sums import CHUNKS, LOAM_MINIMUM_WEIGHT, LOAM_SLOPE, SUMS, add_row

#: Model A: largest distance [m] of one of the five points from the plane fitted to them.
LOAM_THICKNESS = 0.2


@kernel_part
def _fit_plane(a, b):  # type: ignore[no-untyped-def]
    """Least squares of the (5, 3) system a·n = b by Householder QR with column pivoting; overwrites both.

    Columns that vanish against the largest are left out, as the paper's solver does: for five points on a
    plane through the origin this returns a normal that lies wrong, and that is a property of the model.
    """
    columns = np.arange(3)
    solution = np.zeros(3)
    largest = 0.0
    rank = 3
    for j in range(3):
        pivot, norm2 = j, -1.0
        for c in range(j, 3):
            s = 0.0
            for i in range(j, 5):
                s += a[i, c] * a[i, c]
            if s > norm2:
                pivot, norm2 = c, s
        if j == 0:
            largest = norm2
        if norm2 <= largest * 1e-30 or norm2 == 0.0:
            rank = j
            break
        if pivot != j:
            for i in range(5):
                swap = a[i, j]
                a[i, j] = a[i, pivot]
                a[i, pivot] = swap
            moved = columns[j]
            columns[j] = columns[pivot]
            columns[pivot] = moved
        alpha = -math.copysign(math.sqrt(norm2), a[j, j])
        head = a[j, j] - alpha
        # H = I - v vᵀ / beta with v = (head, a[j+1:, j])
        beta = -alpha * head
        for c in range(j + 1, 3):
            s = head * a[j, c]
            for i in range(j + 1, 5):
                s += a[i, j] * a[i, c]
            s /= beta
            a[j, c] -= s * head
            for i in range(j + 1, 5):
                a[i, c] -= s * a[i, j]
        s = head * b[j]
        for i in range(j + 1, 5):
            s += a[i, j] * b[i]
        s /= beta
        b[j] -= s * head
        for i in range(j + 1, 5):
            b[i] -= s * a[i, j]
        a[j, j] = alpha
    for j in range(rank - 1, -1, -1):
        s = b[j]
        for c in range(j + 1, rank):
            s -= a[j, c] * solution[columns[c]]
        solution[columns[j]] = s / a[j, j]
    return solution[0], solution[1], solution[2]


@kernel("normal equations, LOAM", f"{POINTS}({POINTS}, {POINTS}, {TREE}, float64, boolean)")
def linearise_loam(
    source: Array,
    pose: Array,
    points: Array,
    order: Index,
    split_axis: Index,
    split_value: Array,
    leaf_start: Index,
    max_distance: float,
    weight_derivative: bool,
) -> Array:
    """Sum the normal equations of model A: a plane n·x + d = 0 through the five nearest target points.

    The plane comes from the least squares solution of x·a = -1, so a plane through the origin of the target
    frame cannot be represented. Rows are scaled by the weight w = 1 - 0.9 |r| itself, so that it enters the
    normal equations squared; with `weight_derivative` the row is that of the product w r.

    Parameters
    ----------
    source : (N, 3) array, body frame
    pose : (4, 4) array, body to target frame
    points, ... : tree of all target points
    max_distance : the fifth point is closer than this [m]
    weight_derivative : whether the row contains the derivative of the weight

    Returns
    -------
    (CHUNKS, SUMS) array of partial sums, as `linearise`; Σ w r² stands for Σ (w r)²
    """
    n = source.shape[0]
    r00, r01, r02, tx = pose[0, 0], pose[0, 1], pose[0, 2], pose[0, 3]
    r10, r11, r12, ty = pose[1, 0], pose[1, 1], pose[1, 2], pose[1, 3]
    r20, r21, r22, tz = pose[2, 0], pose[2, 1], pose[2, 2], pose[2, 3]
    partial = np.zeros((CHUNKS, SUMS))
    nodes, bounds = room_for_descent(split_value)
    seen, seen_distance = room_for_leaf()
    rows = np.empty(5, np.int64)
    distances = np.empty(5)
    a = np.empty((5, 3))
    b = np.empty(5)
    for chunk in range(CHUNKS):
        sums = partial[chunk]
        for i in range(chunk * n // CHUNKS, (chunk + 1) * n // CHUNKS):
            px, py, pz = source[i, 0], source[i, 1], source[i, 2]
            x = r00 * px + r01 * py + r02 * pz + tx
            y = r10 * px + r11 * py + r12 * pz + ty
            z = r20 * px + r21 * py + r22 * pz + tz
            found = nearest_few(
                points, split_axis, split_value, leaf_start, x, y, z, max_distance * max_distance,
                rows, distances, nodes, bounds, seen, seen_distance,
            )  # fmt: skip
            if found < 5:
                continue
            for j in range(5):
                a[j, 0], a[j, 1], a[j, 2] = points[rows[j], 0], points[rows[j], 1], points[rows[j], 2]
                b[j] = -1.0
            nx, ny, nz = _fit_plane(a, b)
            length = math.sqrt(nx * nx + ny * ny + nz * nz)
            if not length >= 1e-6:
                continue
            offset = 1.0 / length
            nx, ny, nz = nx / length, ny / length, nz / length
            thickness = 0.0
            for j in range(5):
                row = rows[j]
                off = nx * points[row, 0] + ny * points[row, 1] + nz * points[row, 2] + offset
                thickness = max(thickness, abs(off))
            if not thickness < LOAM_THICKNESS:
                continue
            r = nx * x + ny * y + nz * z + offset
            w = 1.0 - LOAM_SLOPE * abs(r)
            if not w > LOAM_MINIMUM_WEIGHT:
                continue
            row_scale = 1.0 - 2.0 * LOAM_SLOPE * abs(r) if weight_derivative else w
            bx = r00 * nx + r10 * ny + r20 * nz
            by = r01 * nx + r11 * ny + r21 * nz
            bz = r02 * nx + r12 * ny + r22 * nz
            ax, ay, az = py * bz - pz * by, pz * bx - px * bz, px * by - py * bx
            add_row(sums, ax, ay, az, bx, by, bz, row_scale * row_scale, row_scale * w * r)
            sums[27] += w * r * w * r
            sums[28] += r * r
            sums[29] += distances[0]
            sums[30] += 1.0
    return partial
