"""Incomplete Cholesky factors of grids and of matrices, and their triangular solves."""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.poisson.kernels.layout import INDICES, VALUES, Index, kernel


@kernel(
    "incomplete Cholesky", f"{VALUES}({VALUES}, {VALUES}, {VALUES}, {VALUES}, int64, int64, float64, float64)"
)
def incomplete_cholesky(
    diagonal: Array, w0: Array, w1: Array, w2: Array, s0: int, s1: int, tau: float, sigma: float
) -> Array:
    """Return the squared inverse pivots c of IC(0) (tau = 0) or MIC(0), 0 off the fluid.

    e_i = A_ii − Σ_a w_a² c − tau Σ_a Σ_{b≠a} w_a w_b c, all at the neighbour −a; e_i = A_ii where that is
    below sigma A_ii; c_i = 1 / e_i.
    """
    c = np.zeros(diagonal.size)
    reach = max(s0, s1)
    for i in range(reach, diagonal.size - reach):
        d = diagonal[i]
        if d == 0.0:
            continue
        e = d
        j = i - 1
        w = w2[j]
        if w != 0.0:
            e -= w * c[j] * (w + tau * (w1[j] + (w0[j] if s0 != 0 else 0.0)))
        j = i - s1
        w = w1[j]
        if w != 0.0:
            e -= w * c[j] * (w + tau * (w2[j] + (w0[j] if s0 != 0 else 0.0)))
        if s0 != 0:
            j = i - s0
            w = w0[j]
            if w != 0.0:
                e -= w * c[j] * (w + tau * (w1[j] + w2[j]))
        c[i] = 1.0 / (d if e < sigma * d or e <= 0.0 else e)
    return c


@kernel("triangular solves", f"float64({VALUES}, {VALUES}, float64, int64, int64, {VALUES})")
def solve_triangles_unit(r: Array, c: Array, middle: float, s0: int, s1: int, z: Array) -> float:
    """Solve with the lower, then the upper triangle for unit weights; returns r·z.

    w_i = c_i (r_i + Σ w_{i−a}), then z_i = middle w_i + c_i Σ z_{i+a}. Incomplete Cholesky has c = 1/pivot²
    and middle = 1; SSOR has c = ω/A_ii and middle = 2 − ω.
    """
    reach = max(s0, s1)
    n = r.size
    previous = 0.0
    for low in range(reach, n - reach):
        i = np.uint64(low)
        t = r[i] + z[i - np.uint64(s1)]
        if s0 != 0:
            t += z[i - np.uint64(s0)]
        # one multiply-add in the chain from cell to cell
        previous = c[i] * t + c[i] * previous
        z[i] = previous
    total = 0.0
    following = 0.0
    for k in range(n - 2 * reach):
        i = np.uint64(n - reach - 1 - k)
        t = z[i + np.uint64(s1)]
        if s0 != 0:
            t += z[i + np.uint64(s0)]
        following = (middle * z[i] + c[i] * t) + c[i] * following
        z[i] = following
        total += following * r[i]
    return total


@kernel(
    "weighted triangular solves",
    f"float64({VALUES}, {VALUES}, float64, {VALUES}, {VALUES}, {VALUES}, int64, int64, {VALUES})",
)
def solve_triangles_weighted(
    r: Array, c: Array, middle: float, w0: Array, w1: Array, w2: Array, s0: int, s1: int, z: Array
) -> float:
    """Solve with both triangles as `solve_triangles_unit`, each neighbour times its weight; returns r·z."""
    reach = max(s0, s1)
    n = r.size
    for i in range(reach, n - reach):
        t = r[i] + w2[i - 1] * z[i - 1] + w1[i - s1] * z[i - s1]
        if s0 != 0:
            t += w0[i - s0] * z[i - s0]
        z[i] = c[i] * t
    total = 0.0
    for i in range(n - reach - 1, reach - 1, -1):
        t = w2[i] * z[i + 1] + w1[i] * z[i + s1]
        if s0 != 0:
            t += w0[i] * z[i + s0]
        z[i] = middle * z[i] + c[i] * t
        total += z[i] * r[i]
    return total


@kernel("incomplete factor of a matrix", f"boolean({INDICES}, {INDICES}, {VALUES}, float64, float64)")
def factorise_matrix(starts: Index, columns: Index, values: Array, tau: float, sigma: float) -> bool:
    """Factorise the upper triangle of a CSR matrix in place into Lᵀ, IC(0) or MIC(0).

    Row k of the result is column k of L. Fill off the pattern is dropped and, times tau, subtracted from the
    diagonals of both its row and its column. A pivot below sigma A_kk is replaced by A_kk.

    Parameters
    ----------
    starts, columns, values : CSR of the upper triangle, columns sorted, the diagonal first in each row.

    Returns
    -------
    False if a pivot is not positive.
    """
    n = starts.size - 1
    original = np.empty(n)
    for k in range(n):
        original[k] = values[starts[k]]
    for k in range(n):
        first, last = starts[k], starts[k + 1]
        pivot = values[first]
        if sigma > 0.0 and pivot < sigma * original[k]:
            pivot = original[k]
        if not pivot > 0.0:
            return False
        root = np.sqrt(pivot)
        values[first] = root
        for p in range(first + 1, last):
            values[p] /= root
        for p in range(first + 1, last):
            j = columns[p]
            values[starts[j]] -= values[p] * values[p]
            q = starts[j] + 1
            for s in range(p + 1, last):
                i = columns[s]
                fill = values[p] * values[s]
                while q < starts[j + 1] and columns[q] < i:
                    q += 1
                if q < starts[j + 1] and columns[q] == i:
                    values[q] -= fill
                elif tau != 0.0:
                    values[starts[i]] -= tau * fill
                    values[starts[j]] -= tau * fill
    return True


@kernel("triangular solves of a matrix", f"float64({INDICES}, {INDICES}, {VALUES}, {VALUES}, {VALUES})")
def solve_matrix_triangles(starts: Index, columns: Index, values: Array, r: Array, z: Array) -> float:
    """Set z = (L Lᵀ)⁻¹ r for L stored by columns as `factorise_matrix` leaves it; returns r·z."""
    n = starts.size - 1
    z[:] = r
    for k in range(n):
        y = z[k] / values[starts[k]]
        z[k] = y
        for p in range(starts[k] + 1, starts[k + 1]):
            z[columns[p]] -= values[p] * y
    total = 0.0
    for back in range(n):
        k = n - 1 - back
        y = z[k]
        for p in range(starts[k] + 1, starts[k + 1]):
            y -= values[p] * z[columns[p]]
        y /= values[starts[k]]
        z[k] = y
        total += y * r[k]
    return total
