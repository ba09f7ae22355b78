"""Averages over the cells of a grid: centroids, and the Gaussian voxels of VGICP."""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import POINTS, U0, U1, Index
from core.registration.kernels.compiled import kernel, kernel_part


@kernel("voxel centroids", f"{POINTS}({POINTS}, float64)")
def voxel_centroids(points: Array, voxel: float) -> Array:
    """Average the points in each cubic cell of side `voxel`; cells are anchored at the origin.

    One pass over an open-addressing table; cells appear in the order of their first point.

    Parameters
    ----------
    points : (N, 3) array
    voxel : side of a cell, in the points' unit

    Returns
    -------
    (M, 3) array

    Raises
    ------
    ValueError
        If a coordinate is not finite or lies 2²⁰ cells or more from the origin.
    """
    n = points.shape[0]
    bits = 4
    while (1 << bits) < n + n // 2:
        bits += 1
    mask = np.uint64((1 << bits) - 1)
    shift = np.uint64(64 - bits)
    table = np.full((1 << bits, 2), -1, np.int64)  # key, row of its sums
    sums = np.empty((n, 4))  # x, y, z, count
    used = 0
    last_key = np.int64(-1)
    row = U0
    limit = 1048576.0
    for i in range(n):
        x, y, z = (
            np.floor(points[i, 0] / voxel),
            np.floor(points[i, 1] / voxel),
            np.floor(points[i, 2] / voxel),
        )
        if not (abs(x) < limit and abs(y) < limit and abs(z) < limit):
            raise ValueError("a coordinate is not finite or lies 2^20 voxels or more from the origin")
        key = (np.int64(x) + 1048576) << 42 | (np.int64(y) + 1048576) << 21 | (np.int64(z) + 1048576)
        if key != last_key:  # neighbours in a LiDAR scan often share a cell
            last_key = key
            slot = (np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> shift
            while table[slot, 0] != key and table[slot, 0] != -1:
                slot = (slot + U1) & mask
            if table[slot, 0] == -1:
                table[slot, 0] = key
                table[slot, 1] = used
                sums[used] = 0.0
                used += 1
            row = np.uint64(table[slot, 1])
        sums[row, 0] += points[i, 0]
        sums[row, 1] += points[i, 1]
        sums[row, 2] += points[i, 2]
        sums[row, 3] += 1.0
    centroids = np.empty((used, 3))
    for i in range(used):
        for a in range(3):
            centroids[i, a] = sums[i, a] / sums[i, 3]
    return centroids


@kernel_part
def cell_number(x, y, z, voxel):  # type: ignore[no-untyped-def]
    """Return the number of the cell of (x, y, z), or -1 where there is none."""
    i, j, k = np.floor(x / voxel), np.floor(y / voxel), np.floor(z / voxel)
    limit = 1048576.0
    if not (abs(i) < limit and abs(j) < limit and abs(k) < limit):
        return np.int64(-1)
    return (np.int64(i) + 1048576) << 42 | (np.int64(j) + 1048576) << 21 | (np.int64(k) + 1048576)


@kernel_part
def find_cell(table, key):  # type: ignore[no-untyped-def]
    """Find the place of `key` in an open-addressing table of 2^b rows, or the free one where it belongs."""
    mask = np.uint64(table.shape[0] - 1)
    slot = ((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & mask
    while table[slot, 0] != key and table[slot, 0] != -1:
        slot = (slot + U1) & mask
    return slot


@kernel("voxels of VGICP", f"Tuple((int64[:,::1], {POINTS}, {POINTS}))({POINTS}, {POINTS}, float64)")
def gaussian_voxels(points: Array, normals: Array, voxel: float) -> tuple[Index, Array, Array]:
    """Average the points of each cubic cell and the outer products of their normals.

    Returns
    -------
    table : (2^b, 2) array, key of a cell and its row below, -1 where empty
    means : (V, 3) array
    outer : (V, 6) array, upper triangle of the mean of n nᵀ; the mean covariance is I - (1 - ε) times it
    """
    n = points.shape[0]
    bits = 4
    while (1 << bits) < n + n // 2:
        bits += 1
    table = np.full((1 << bits, 2), -1, np.int64)
    means = np.zeros((n, 3))
    outer = np.zeros((n, 6))
    counts = np.zeros(n)
    used = 0
    for i in range(n):
        key = cell_number(points[i, 0], points[i, 1], points[i, 2], voxel)
        if key < 0:
            raise ValueError("a coordinate is not finite or lies 2^20 voxels or more from the origin")
        slot = find_cell(table, key)
        if table[slot, 0] == -1:
            table[slot, 0] = key
            table[slot, 1] = used
            used += 1
        row = table[slot, 1]
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        for a in range(3):
            means[row, a] += points[i, a]
        outer[row, 0] += nx * nx
        outer[row, 1] += nx * ny
        outer[row, 2] += nx * nz
        outer[row, 3] += ny * ny
        outer[row, 4] += ny * nz
        outer[row, 5] += nz * nz
        counts[row] += 1.0
    for row in range(used):
        for a in range(3):
            means[row, a] /= counts[row]
        for a in range(6):
            outer[row, a] /= counts[row]
    return table, means[:used].copy(), outer[:used].copy()
