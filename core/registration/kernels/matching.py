"""Matches that are kept while they are certainly the nearest."""

from __future__ import annotations

import math

import numpy as np

from core.registration.kernels.arrays import U0, U1
from core.registration.kernels.compiled import kernel_part
from core.registration.kernels.search import nearest_two, squared_distance


@kernel_part
def walk(points, neighbours, gaps, x, y, z, row, d, slack):  # type: ignore[no-untyped-def]
    """Look for the nearest point to (x, y, z) among the neighbours of `row`, `d` away; go on from a nearer.

    A point farther than g from q_row is farther than g - d from the query: a list that reaches far enough
    proves that the nearest point has been seen, without a descent of the tree.

    Returns
    -------
    row of the nearest seen, its distance, lower bound of the distance to every other point
    """
    last = np.uint64(neighbours.shape[1])
    while True:
        best, second = d * d, np.inf
        nearest = row
        enough = 2.0 * d + slack
        c = U0
        gap = 0.0
        while c < last:
            gap = np.float64(gaps[row, c])
            if gap > enough:
                break
            other = neighbours[row, c]
            if other >= 0:
                i = np.uint64(other)
                d2 = squared_distance(points, i, x, y, z)
                second = min(second, max(best, d2))
                nearest = i if d2 < best else nearest
                best = min(best, d2)
            c += U1
        nearer = math.sqrt(best)
        bound = min(math.sqrt(second), gap - d)
        if nearest == row or nearer <= bound:
            return nearest, nearer, bound
        row, d = nearest, nearer


@kernel_part
def match(  # type: ignore[no-untyped-def]
    i, x, y, z, points, split_axis, split_value, leaf_start, max_distance, slack, margin,
    cached_row, cached_bound, cached_query, nodes, bounds,
):  # fmt: skip
    """Find the partner of source point i, now at (x, y, z), with the certified reuse of `linearise`.

    Returns
    -------
    row in leaf order, distance (inf or not below `max_distance` without a partner)
    """
    dx, dy, dz = x - cached_query[i, 0], y - cached_query[i, 1], z - cached_query[i, 2]
    bound = cached_bound[i] - math.sqrt(dx * dx + dy * dy + dz * dz)
    d = np.inf
    row = np.uint64(cached_row[i])
    if cached_row[i] >= 0:
        dx, dy, dz = x - points[row, 0], y - points[row, 1], z - points[row, 2]
        d = math.sqrt(dx * dx + dy * dy + dz * dz)
    if d > bound and min(d, bound) < max_distance:
        start = min(max_distance, d * (1.0 + 1e-9))
        found, d2, second = nearest_two(
            points, split_axis, split_value, leaf_start, x, y, z, start, slack, nodes, bounds
        )
        d = math.sqrt(d2)
        row = np.uint64(found)
        cached_row[i] = found
        cached_bound[i] = min(math.sqrt(second), min(d, start) + slack) - margin
        cached_query[i, 0] = x
        cached_query[i, 1] = y
        cached_query[i, 2] = z
    return row, d
