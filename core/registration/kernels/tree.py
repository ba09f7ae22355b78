"""The kd-tree: how it is built.

It is a complete binary tree in heap order (children of v: 2v+1, 2v+2). Its points are stored leaf after leaf,
at most 16 each; node v splits them at ``split_value[v]`` along ``split_axis[v]``; leaf b holds the rows
``leaf_start[b]:leaf_start[b+1]``.
"""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import POINTS, TREE, Index
from core.registration.kernels.compiled import kernel, kernel_part

#: Leaves hold at most this many points.
LEAF_SIZE = 16


@kernel_part
def _select(points, order, first, last, rank, axis):  # type: ignore[no-untyped-def]
    """Quickselect in place: afterwards row `rank` is where sorting rows first..last by `axis` puts it."""
    left, right = first, last
    while left < right:
        x = points[left, axis]
        y = points[(left + right) >> 1, axis]
        z = points[right, axis]
        pivot = max(min(x, y), min(max(x, y), z))
        i, j = left, right
        while i <= j:
            while points[i, axis] < pivot:
                i += 1
            while points[j, axis] > pivot:
                j -= 1
            if i <= j:
                for a in range(3):
                    swap = points[i, a]
                    points[i, a] = points[j, a]
                    points[j, a] = swap
                moved = order[i]
                order[i] = order[j]
                order[j] = moved
                i += 1
                j -= 1
        if rank <= j:
            right = j
        elif rank >= i:
            left = i
        else:
            return


@kernel("kd-tree", f"Tuple(({TREE}))({POINTS})")
def build_tree(points: Array) -> tuple[Array, Index, Index, Array, Index]:
    """Build the static kd-tree, each node halved at the median along the longest side of its points' box.

    Parameters
    ----------
    points : (N, 3) array, N >= 1

    Returns
    -------
    points : (N, 3) array in leaf order
    order : (N,) array, row of the input for each row in leaf order
    split_axis, split_value : (2^depth - 1,) arrays
    leaf_start : (2^depth + 1,) array
    """
    n = points.shape[0]
    depth = 0
    while ((n - 1) >> depth) + 1 > LEAF_SIZE:
        depth += 1
    inner = (1 << depth) - 1
    sorted_points = points.copy()
    order = np.arange(n)
    split_axis = np.zeros(inner, np.int64)
    split_value = np.zeros(inner)
    leaf_start = np.zeros(inner + 2, np.int64)
    leaf_start[inner + 1] = n
    stack = np.empty((depth + 2, 3), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, 0, n
    top = 1
    while top > 0:
        top -= 1
        node, first, end = stack[top, 0], stack[top, 1], stack[top, 2]
        if node >= inner:
            leaf_start[node - inner] = first
            continue
        axis, longest = 0, -1.0
        for a in range(3):
            low = high = sorted_points[first, a]
            for i in range(first + 1, end):
                low = min(low, sorted_points[i, a])
                high = max(high, sorted_points[i, a])
            if high - low > longest:
                axis, longest = a, high - low
        middle = (first + end) >> 1
        _select(sorted_points, order, first, end - 1, middle, axis)
        split_axis[node] = axis
        split_value[node] = sorted_points[middle, axis]
        stack[top, 0], stack[top, 1], stack[top, 2] = 2 * node + 2, middle, end
        stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2] = 2 * node + 1, first, middle
        top += 2
    return sorted_points, order, split_axis, split_value, leaf_start
