"""Restriction, prolongation and Galerkin products of multigrid, in single precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.poisson.kernels.layout import INDICES, SINGLES, Index, Single, kernel


@kernel("restriction", f"void({SINGLES}, {SINGLES}, {INDICES}, {SINGLES}, float32)")
def restrict(r: Single, factor: Single, shape: Index, out: Single, weight: Any) -> None:
    """Set out = weight Tᵀ (factor r): the transpose of `prolong`.

    Parameters
    ----------
    shape : (3,) cells of the fine grid without padding; the first is 1 on a 2-D grid.
    out : coarse vector, halved along each axis (axis 0 only if it has more than one cell).
    """
    n0, n1, n2 = shape[0], shape[1], shape[2]
    flat = n0 == 1
    m1, m2 = n1 // 2, n2 // 2
    fine_row, coarse_row = n2 + 2, m2 + 2
    fine_plane, coarse_plane = (n1 + 2) * fine_row, (m1 + 2) * coarse_row
    near, far = np.float32(0.75), np.float32(0.25)
    out[:] = 0.0
    line = np.empty(m2 + 2, np.float32)
    scaled = np.empty(n2 + 2, np.float32)
    plane = np.empty(coarse_plane, np.float32)
    for z in range(n0):
        plane[:] = 0.0
        base = 0 if flat else (z + 1) * fine_plane
        for y in range(n1):
            start = base + (y + 1) * fine_row
            rr, ff = r[start : start + fine_row], factor[start : start + fine_row]
            for x in range(n2 + 2):
                scaled[x] = rr[x] * ff[x]
            # coarse cell X (padded) has the fine cells 2X − 2 .. 2X + 1 (padded) below it
            for X in range(1, m2 + 1):
                line[X] = far * (scaled[2 * X - 2] + scaled[2 * X + 1]) + near * (
                    scaled[2 * X - 1] + scaled[2 * X]
                )
            Y = y // 2 + 1
            other = Y - 1 if y % 2 == 0 else Y + 1
            to, to_other = plane[Y * coarse_row :], plane[other * coarse_row :]
            for X in range(1, m2 + 1):
                to[X] += near * line[X]
                to_other[X] += far * line[X]
        if flat:
            for i in range(coarse_plane):
                out[i] = weight * plane[i]
        else:
            Z = z // 2 + 1
            other = Z - 1 if z % 2 == 0 else Z + 1
            a, b = weight * near, weight * far
            to, to_other = out[Z * coarse_plane :], out[other * coarse_plane :]
            for i in range(coarse_plane):
                to[i] += a * plane[i]
                to_other[i] += b * plane[i]


@kernel("masking", f"void({SINGLES}, {SINGLES})")
def clear_outside(v: Single, inverse: Single) -> None:
    """Set v to zero where `inverse` is, that is off the fluid."""
    for i in range(v.size):
        v[i] = v[i] if inverse[i] != 0.0 else np.float32(0.0)


@kernel("prolongation", f"void({SINGLES}, {SINGLES}, {INDICES}, {SINGLES})")
def prolong(e: Single, factor: Single, shape: Index, x: Single) -> None:
    """Add factor T e to x, where T is cell-centred multilinear interpolation (weights 3/4 and 1/4).

    Parameters
    ----------
    e : coarse vector; its padding is read.
    shape : as in `restrict`.
    """
    n0, n1, n2 = shape[0], shape[1], shape[2]
    flat = n0 == 1
    m1, m2 = n1 // 2, n2 // 2
    fine_row, coarse_row = n2 + 2, m2 + 2
    fine_plane, coarse_plane = (n1 + 2) * fine_row, (m1 + 2) * coarse_row
    near, far = np.float32(0.75), np.float32(0.25)
    plane = np.empty(coarse_plane, np.float32)
    line = np.empty(coarse_row, np.float32)
    for z in range(n0):
        if flat:
            for i in range(coarse_plane):
                plane[i] = e[i]
        else:
            Z = z // 2 + 1
            other = Z - 1 if z % 2 == 0 else Z + 1
            a, b = e[Z * coarse_plane :], e[other * coarse_plane :]
            for i in range(coarse_plane):
                plane[i] = near * a[i] + far * b[i]
        base = 0 if flat else (z + 1) * fine_plane
        for y in range(n1):
            Y = y // 2 + 1
            other = Y - 1 if y % 2 == 0 else Y + 1
            a, b = plane[Y * coarse_row :], plane[other * coarse_row :]
            for X in range(coarse_row):
                line[X] = near * a[X] + far * b[X]
            start = base + (y + 1) * fine_row + 1
            xx, ff = x[start : start + n2], factor[start : start + n2]
            for X in range(m2):
                middle = near * line[X + 1]
                xx[2 * X] += ff[2 * X] * (middle + far * line[X])
                xx[2 * X + 1] += ff[2 * X + 1] * (middle + far * line[X + 2])


@kernel(
    "Galerkin product",
    f"void({SINGLES}, float32[:,::1], int64[:,::1], {SINGLES}, {INDICES}, {SINGLES}, {SINGLES}, "
    "float32[:,::1], int64[:,::1])",
)
def galerkin(
    diagonal: Single, weights: Single, steps: Index, factor: Single, shape: Index, inside: Single,
    coarse_diagonal: Single, coarse_weights: Single, coarse_steps: Index,
) -> None:  # fmt: skip
    """Add Pᵀ A P to the coarse stencil, P = factor T with columns for fluid coarse cells only.

    Parameters
    ----------
    diagonal, weights, steps : the fine stencil; ``steps[m]`` (3,) is the neighbour that weights[m] leads to.
    inside : 1 on the fluid cells of the coarse grid, 0 elsewhere.
    coarse_steps : the half of the coarse stencil that is stored, at most 2 cells along each axis.
    """
    n0, n1, n2 = shape[0], shape[1], shape[2]
    flat = n0 == 1
    fine_row, coarse_row = n2 + 2, n2 // 2 + 2
    fine_plane = 0 if flat else (n1 + 2) * fine_row
    coarse_plane = 0 if flat else (n1 // 2 + 2) * coarse_row
    row = np.zeros((7, 7, 7))
    for z in range(n0):
        for y in range(n1):
            for x in range(n2):
                i = (0 if flat else (z + 1) * fine_plane) + (y + 1) * fine_row + x + 1
                if diagonal[i] == 0.0:
                    continue
                row[:] = 0.0
                for m in range(-1, 2 * steps.shape[0]):
                    if m < 0:
                        a, dz, dy, dx = np.float64(diagonal[i]), 0, 0, 0
                    else:
                        k = m >> 1
                        dz, dy, dx = steps[k, 0], steps[k, 1], steps[k, 2]
                        off = dz * fine_plane + dy * fine_row + dx
                        if m & 1:
                            if i - off < 0:
                                continue
                            a = -np.float64(weights[k, i - off])
                            dz, dy, dx = -dz, -dy, -dx
                        else:
                            a = -np.float64(weights[k, i])
                    if a == 0.0:
                        continue
                    j = i + dz * fine_plane + dy * fine_row + dx
                    a *= factor[j]
                    pz, py, px = (z & 1) + dz, (y & 1) + dy, (x & 1) + dx
                    for cz in range(1 if flat else 2):
                        Z = 0 if flat else (pz >> 1) + (0 if cz == 0 else (1 if pz & 1 else -1))
                        vz = 1.0 if flat else (0.75 if cz == 0 else 0.25)
                        for cy in range(2):
                            Y = (py >> 1) + (0 if cy == 0 else (1 if py & 1 else -1))
                            vy = vz * (0.75 if cy == 0 else 0.25)
                            for cx in range(2):
                                X = (px >> 1) + (0 if cx == 0 else (1 if px & 1 else -1))
                                row[Z + 3, Y + 3, X + 3] += a * vy * (0.75 if cx == 0 else 0.25)
                f = np.float64(factor[i])
                for cz in range(1 if flat else 2):
                    Z = 0 if flat or cz == 0 else (1 if z & 1 else -1)
                    vz = f if flat else f * (0.75 if cz == 0 else 0.25)
                    for cy in range(2):
                        Y = 0 if cy == 0 else (1 if y & 1 else -1)
                        vy = vz * (0.75 if cy == 0 else 0.25)
                        for cx in range(2):
                            X = 0 if cx == 0 else (1 if x & 1 else -1)
                            v = vy * (0.75 if cx == 0 else 0.25)
                            to = (y // 2 + 1 + Y) * coarse_row + x // 2 + 1 + X
                            if not flat:
                                to += (z // 2 + 1 + Z) * coarse_plane
                            if inside[to] == 0.0:
                                continue
                            coarse_diagonal[to] += np.float32(v * row[Z + 3, Y + 3, X + 3])
                            for m in range(coarse_steps.shape[0]):
                                ez, ey, ex = coarse_steps[m, 0], coarse_steps[m, 1], coarse_steps[m, 2]
                                value = row[Z + ez + 3, Y + ey + 3, X + ex + 3]
                                if value != 0.0:
                                    at = to + ez * coarse_plane + ey * coarse_row + ex
                                    if inside[at] != 0.0:
                                        coarse_weights[m, to] -= np.float32(v * value)
