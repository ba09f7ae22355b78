"""Unit normals from the nearest neighbours, and these neighbours with their distances."""

from __future__ import annotations

import math

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import GAPS, POINTS, ROWS, TREE, U0, U1, U2, VALUES, Gaps, Index, Rows
from core.registration.kernels.compiled import kernel, kernel_part
from core.registration.kernels.search import nearest_few, room_for_descent, room_for_leaf, squared_distance

#: Points around a leaf that its points' neighbours are looked for among; more are searched in the tree.
BLOCK = 256
#: How far that looks: this multiple of the usual distance of the k-th neighbour, which follows the points.
USUAL, USUAL_RATE = 1.3, 0.1


@kernel_part
def _smallest_eigenvector(xx, xy, xz, yy, yz, zz):  # type: ignore[no-untyped-def]
    """Find the unit eigenvector of the smallest eigenvalue of a symmetric 3x3 matrix, in closed form.

    Returns
    -------
    three components (zero if the two smaller eigenvalues are equal), eigenvalue
    """
    trace = xx + yy + zz
    # Newton's method on det(C - λI) from 0: it rises to the smallest root without passing it
    s = xx * yy - xy * xy + xx * zz - xz * xz + yy * zz - yz * yz
    if not s > 1e-7 * trace * trace:  # on a line or a point
        return 0.0, 0.0, 0.0, 0.0
    det = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)
    smallest = 0.0
    for _ in range(64):
        value = ((trace - smallest) * smallest - s) * smallest + det
        slope = (3.0 * smallest - 2.0 * trace) * smallest + s
        step = value / slope if slope > 0.0 else 0.0
        smallest += step
        if not step > 1e-12 * trace:
            break
    a, b, c = xx - smallest, yy - smallest, zz - smallest
    # rows of C - λI are perpendicular to the eigenvector; the longest cross product is the best conditioned
    ux, uy, uz = xy * yz - xz * b, xz * xy - a * yz, a * b - xy * xy
    vx, vy, vz = xy * c - xz * yz, xz * xz - a * c, a * yz - xy * xz
    wx, wy, wz = b * c - yz * yz, yz * xz - xy * c, xy * yz - b * xz
    length = ux * ux + uy * uy + uz * uz
    other = vx * vx + vy * vy + vz * vz
    if other > length:
        ux, uy, uz, length = vx, vy, vz, other
    other = wx * wx + wy * wy + wz * wz
    if other > length:
        ux, uy, uz, length = wx, wy, wz, other
    length = math.sqrt(length)
    # λ is off by up to sqrt(rounding) where the two smaller eigenvalues meet, as on a line
    if not length > 1e-7 * trace * trace:
        return 0.0, 0.0, 0.0, smallest
    return ux / length, uy / length, uz / length, smallest


@kernel_part
def _gather(  # type: ignore[no-untyped-def]
    points, split_axis, split_value, leaf_start, leaf, reach, nodes, block, rows
):
    """Copy all points closer than `reach` to the box of a leaf's points, one coordinate a row of `block`.

    Returns
    -------
    how many, or -1 if there is not room for all
    """
    inner = np.uint64(split_value.shape[0])
    first, end = np.uint64(leaf_start[leaf]), np.uint64(leaf_start[leaf + 1])
    lx = hx = points[first, 0]
    ly = hy = points[first, 1]
    lz = hz = points[first, 2]
    for i in range(first + U1, end):
        lx, hx = min(lx, points[i, 0]), max(hx, points[i, 0])
        ly, hy = min(ly, points[i, 1]), max(hy, points[i, 1])
        lz, hz = min(lz, points[i, 2]), max(hz, points[i, 2])
    reach2 = reach * reach
    count = U0
    top = U1
    nodes[0] = U0
    while top > U0:
        top -= U1
        node = nodes[top]
        while node < inner:
            axis = split_axis[node]
            split = split_value[node]
            if axis == 0:
                low, high = lx, hx
            elif axis == 1:
                low, high = ly, hy
            else:
                low, high = lz, hz
            node = U2 * node + U1
            if high + reach < split:
                continue
            if low - reach <= split:
                nodes[top] = node
                top += U1
            node += U1
        node -= inner
        start, stop = np.uint64(leaf_start[node]), np.uint64(leaf_start[node + U1])
        if count + stop - start > np.uint64(BLOCK):
            return np.int64(-1)
        for i in range(start, stop):
            x, y, z = points[i, 0], points[i, 1], points[i, 2]
            dx = max(max(lx - x, x - hx), 0.0)
            dy = max(max(ly - y, y - hy), 0.0)
            dz = max(max(lz - z, z - hz), 0.0)
            block[U0, count] = x
            block[U1, count] = y
            block[U2, count] = z
            rows[count] = np.int64(i)
            count += np.uint64(dx * dx + dy * dy + dz * dz <= reach2)
    return np.int64(count)


@kernel_part
def _within(block, count, x, y, z, reach, seen, seen_distance):  # type: ignore[no-untyped-def]
    """List the columns of `block` nearer to (x, y, z) than √`reach`, and their squared distances.

    Returns
    -------
    how many
    """
    xs, ys, zs, distances = block[0], block[1], block[2], block[3]
    for c in range(np.uint64(count)):
        dx, dy, dz = xs[c] - x, ys[c] - y, zs[c] - z
        distances[c] = dx * dx + dy * dy + dz * dz
    near = U0
    for c in range(np.uint64(count)):
        seen[near] = np.int64(c)
        seen_distance[near] = distances[c]
        near += np.uint64(distances[c] < reach)
    return near


@kernel_part
def _sort_smallest(values, names, count, k, slots, rows, distances):  # type: ignore[no-untyped-def]
    """Sort the `k` smallest of `values` and their `names` by counting for each how many are smaller.

    More comparisons than by insertion, but no branch to mispredict: 1.5 times as fast for 20 values.
    """
    # whole registers: the rest of the last one is filled with what is smaller than no value
    padded = (count + np.uint64(15)) & ~np.uint64(15)
    for a in range(count, padded):
        values[a] = np.inf
    for a in range(count):
        slots[a] = -1
    for a in range(count):
        value = values[a]
        smaller = np.int64(0)
        for b in range(padded):
            smaller += np.int64(values[b] < value)
        rank = np.uint64(smaller)
        while slots[rank] >= 0:  # equal values share a rank
            rank += U1
        slots[rank] = np.int64(a)
    for a in range(k):
        slot = np.uint64(slots[a])
        rows[a] = names[slot]
        distances[a] = values[slot]


@kernel("normals", f"Tuple(({POINTS}, {VALUES}, {ROWS}, {GAPS}))({TREE}, int64)")
def normals(
    points: Array, order: Index, split_axis: Index, split_value: Array, leaf_start: Index, k: int
) -> tuple[Array, Array, Rows, Gaps]:
    """Estimate the unit normal of each tree point from the covariance of its k nearest, itself included.

    Normals look towards the origin of the frame, where a scan's sensor stands.

    Returns
    -------
    normals : (N, 3) array in leaf order; zero for fewer than five neighbours, or on a line or a single point
    planarity : (N,) array, λ₀ / (λ₀ + λ₁ + λ₂) with λ₀ the smallest eigenvalue; 1 where there is no normal
    neighbours : (N, k - 1) rows of the nearest other points, nearest first; -1 where there are fewer
    gaps : (N, k - 1) distances to them, rounded down to float32, inf where there are fewer
    """
    n = points.shape[0]
    vectors = np.zeros((n, 3))
    planarity = np.ones(n)
    neighbours = np.full((n, k - 1), -1, np.int32)
    gaps = np.full((n, k - 1), np.inf, np.float32)
    rows = np.empty(k, np.int64)
    distances = np.empty(k)
    nodes, bounds = room_for_descent(split_value)
    seen, seen_distance = room_for_leaf()
    columns = np.empty(BLOCK, np.int64)
    slots = np.empty(BLOCK, np.int64)
    values = np.empty(BLOCK)
    block = np.empty((4, BLOCK))
    block_rows = np.empty(BLOCK, np.int64)
    found = 0
    leaf = gathered = -1
    reach = usual = 0.0
    for i in range(n):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        if i == leaf_start[leaf + 1]:
            leaf += 1
            while leaf_start[leaf + 1] == i:  # empty
                leaf += 1
            gathered = _gather(
                points, split_axis, split_value, leaf_start, leaf, usual, nodes, block, block_rows
            )
            reach = usual * usual * (1.0 - 1e-9)
        complete = False
        if gathered >= k:
            candidates = _within(block, gathered, x, y, z, reach, columns, values)
            complete = candidates >= np.uint64(k)
            if complete:
                found = k
                _sort_smallest(values, columns, candidates, np.uint64(k), slots, rows, distances)
                for j in range(np.uint64(k)):
                    rows[j] = block_rows[np.uint64(rows[j])]
        if not complete:
            bound = np.inf
            if found == k:
                # the neighbours of the previous point are k points: its k nearest are no farther than those
                bound = 0.0
                for j in range(k):
                    row = rows[j]
                    bound = max(bound, squared_distance(points, row, x, y, z))
                bound = bound * (1.0 + 1e-9) + 1e-300
            found = nearest_few(
                points, split_axis, split_value, leaf_start, x, y, z, bound, rows, distances, nodes, bounds,
                seen, seen_distance,
            )  # fmt: skip
        if found == k:
            usual += USUAL_RATE * (USUAL * math.sqrt(distances[k - 1]) - usual)
        others = 0
        for j in range(found):
            if rows[j] != i and others < k - 1:
                neighbours[i, others] = rows[j]
                gaps[i, others] = math.sqrt(distances[j]) * (1.0 - 2e-7)
                others += 1
        if found < 5:
            continue
        # moments about the nearest neighbour (the point itself): no cancellation far from the origin
        cx = cy = cz = xx = xy = xz = yy = yz = zz = 0.0
        for j in range(1, found):
            row = rows[j]
            dx, dy, dz = points[row, 0] - x, points[row, 1] - y, points[row, 2] - z
            cx += dx
            cy += dy
            cz += dz
            xx += dx * dx
            xy += dx * dy
            xz += dx * dz
            yy += dy * dy
            yz += dy * dz
            zz += dz * dz
        cx /= found
        cy /= found
        cz /= found
        xx -= cx * cx * found
        xy -= cx * cy * found
        xz -= cx * cz * found
        yy -= cy * cy * found
        yz -= cy * cz * found
        zz -= cz * cz * found
        nx, ny, nz, smallest = _smallest_eigenvector(xx, xy, xz, yy, yz, zz)
        if nx == 0.0 and ny == 0.0 and nz == 0.0:
            continue
        if nx * x + ny * y + nz * z > 0.0:
            nx, ny, nz = -nx, -ny, -nz
        vectors[i, 0], vectors[i, 1], vectors[i, 2] = nx, ny, nz
        planarity[i] = max(smallest, 0.0) / (xx + yy + zz)
    return vectors, planarity, neighbours, gaps
