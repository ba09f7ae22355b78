"""The kd-tree: how the nearest points to a query are found."""

from __future__ import annotations

import math

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import INDICES, POINTS, TREE, U0, U1, U2, VALUES, Index
from core.registration.kernels.compiled import kernel, kernel_part
from core.registration.kernels.tree import LEAF_SIZE


@kernel_part
def room_for_descent(split_value):  # type: ignore[no-untyped-def]
    """Room for one descent: waiting nodes, and for each its squared bound and offsets along the axes."""
    depth = 2
    while (1 << depth) <= split_value.shape[0] + 1:
        depth += 1
    return np.empty(depth, np.uint64), np.empty((depth, 4))


@kernel_part
def room_for_leaf():  # type: ignore[no-untyped-def]
    """Room for the candidates of one leaf: rows, squared distances."""
    return np.empty(LEAF_SIZE, np.uint64), np.empty(LEAF_SIZE)


@kernel_part
def _descend(  # type: ignore[no-untyped-def]
    split_axis, split_value, node, x, y, z, bound, ox, oy, oz, reach, nodes, bounds, top
):
    """Go from `node` down to the leaf on the query's side; stack the other sides closer than √`reach`.

    (ox, oy, oz) is the offset of the query from the node's cell along each axis, `bound` its square.

    Returns
    -------
    leaf, height of the stack
    """
    inner = np.uint64(split_value.shape[0])
    while node < inner:
        axis = np.uint64(split_axis[node])
        if axis == U0:
            offset, old = x - split_value[node], ox
        elif axis == U1:
            offset, old = y - split_value[node], oy
        else:
            offset, old = z - split_value[node], oz
        beyond = bound - old * old + offset * offset
        node = U2 * node + U1
        far = node + U1
        if offset > 0.0:
            far = node
            node += U1
        if beyond < reach:
            nodes[top] = far
            bounds[top, 0] = beyond
            bounds[top, 1] = ox
            bounds[top, 2] = oy
            bounds[top, 3] = oz
            bounds[top, U1 + axis] = offset
            top += U1
    return node - inner, top


@kernel_part
def squared_distance(points, i, x, y, z):  # type: ignore[no-untyped-def]
    """Return the squared distance of row i from (x, y, z)."""
    dx, dy, dz = points[i, 0] - x, points[i, 1] - y, points[i, 2] - z
    return dx * dx + dy * dy + dz * dz


@kernel_part
def nearest_two(  # type: ignore[no-untyped-def]
    points, split_axis, split_value, leaf_start, x, y, z, start, slack, nodes, bounds
):
    """Find the nearest point to (x, y, z), and the squared distance of the next one seen.

    Every point nearer than min(nearest, start) + slack is seen.

    Returns
    -------
    row in leaf order or -1, its squared distance, the squared distance of the second nearest seen
    """
    best = second = np.inf
    row = U0
    start2 = start * start
    reach = (start + slack) * (start + slack)
    top = node = U0
    bound = ox = oy = oz = 0.0
    while True:
        leaf, top = _descend(
            split_axis, split_value, node, x, y, z, bound, ox, oy, oz, reach, nodes, bounds, top
        )
        before = best
        for i in range(np.uint64(leaf_start[leaf]), np.uint64(leaf_start[leaf + U1])):
            d2 = squared_distance(points, i, x, y, z)
            # selections in place of branches, which no processor would predict here: 1.6 times as fast
            second = min(second, max(best, d2))
            row = np.uint64(i) if d2 < best else row
            best = min(best, d2)
        if best < before and best < start2:
            reach = (math.sqrt(best) + slack) ** 2
        while top > U0 and not bounds[top - U1, 0] < reach:
            top -= U1
        if top == U0:
            return np.int64(row) if best < np.inf else np.int64(-1), best, second
        top -= U1
        node = nodes[top]
        bound, ox, oy, oz = bounds[top, 0], bounds[top, 1], bounds[top, 2], bounds[top, 3]


@kernel_part
def nearest_few(  # type: ignore[no-untyped-def]
    points,
    split_axis,
    split_value,
    leaf_start,
    x,
    y,
    z,
    reach,
    rows,
    distances,
    nodes,
    bounds,
    seen,
    seen_distance,
):
    """Fill `rows` and squared `distances` (ascending) with the nearest points below squared `reach`.

    Returns
    -------
    how many were found
    """
    k = np.uint64(rows.shape[0])
    found = U0
    top = node = U0
    bound = ox = oy = oz = 0.0
    while True:
        leaf, top = _descend(
            split_axis, split_value, node, x, y, z, bound, ox, oy, oz, reach, nodes, bounds, top
        )
        candidates = U0
        for i in range(np.uint64(leaf_start[leaf]), np.uint64(leaf_start[leaf + U1])):
            d2 = squared_distance(points, i, x, y, z)
            # written always, counted if near: a branch here would be mispredicted too often
            seen[candidates] = i
            seen_distance[candidates] = d2
            candidates += np.uint64(d2 < reach)
        for c in range(candidates):
            d2 = seen_distance[c]
            if d2 < reach:
                slot = min(found, k - U1)
                found = min(found + U1, k)
                while slot > U0 and distances[slot - U1] > d2:
                    distances[slot] = distances[slot - U1]
                    rows[slot] = rows[slot - U1]
                    slot -= U1
                distances[slot] = d2
                rows[slot] = np.int64(seen[c])
                if found == k:
                    reach = distances[k - U1]
        while top > U0 and not bounds[top - U1, 0] < reach:
            top -= U1
        if top == U0:
            return np.int64(found)
        top -= U1
        node = nodes[top]
        bound, ox, oy, oz = bounds[top, 0], bounds[top, 1], bounds[top, 2], bounds[top, 3]


@kernel("nearest neighbour", f"Tuple(({INDICES}, {VALUES}))({TREE}, {POINTS}, float64)")
def nearest(
    points: Array,
    order: Index,
    split_axis: Index,
    split_value: Array,
    leaf_start: Index,
    queries: Array,
    max_distance: float,
) -> tuple[Index, Array]:
    """Find the nearest tree point closer than `max_distance` to each query.

    Returns
    -------
    indices : (Q,) rows of the array that the tree was built from, -1 where there is none
    distances : (Q,) array, inf where there is none
    """
    indices = np.full(queries.shape[0], -1, np.int64)
    distances = np.full(queries.shape[0], np.inf)
    nodes, bounds = room_for_descent(split_value)
    limit = max_distance * max_distance
    for i in range(queries.shape[0]):
        row, d2, _ = nearest_two(
            points, split_axis, split_value, leaf_start,
            queries[i, 0], queries[i, 1], queries[i, 2], max_distance, 0.0, nodes, bounds,
        )  # fmt: skip
        if d2 < limit:
            indices[i] = order[row]
            distances[i] = math.sqrt(d2)
    return indices, distances


@kernel(
    "k nearest neighbours",
    f"Tuple((int64[:,::1], {POINTS}))({TREE}, {POINTS}, int64, float64)",
)
def k_nearest(
    points: Array,
    order: Index,
    split_axis: Index,
    split_value: Array,
    leaf_start: Index,
    queries: Array,
    k: int,
    max_distance: float,
) -> tuple[Index, Array]:
    """Find the k nearest tree points closer than `max_distance` to each query, nearest first.

    Returns
    -------
    indices : (Q, k) rows of the array that the tree was built from, -1 where there are fewer
    distances : (Q, k) array, inf where there are fewer
    """
    indices = np.full((queries.shape[0], k), -1, np.int64)
    distances = np.full((queries.shape[0], k), np.inf)
    nodes, bounds = room_for_descent(split_value)
    seen, seen_distance = room_for_leaf()
    for i in range(queries.shape[0]):
        found = nearest_few(
            points, split_axis, split_value, leaf_start,
            queries[i, 0], queries[i, 1], queries[i, 2], max_distance * max_distance,
            indices[i], distances[i], nodes, bounds, seen, seen_distance,
        )  # fmt: skip
        for j in range(found):
            indices[i, j] = order[indices[i, j]]
            distances[i, j] = math.sqrt(distances[i, j])
    return indices, distances
