"""The operator with unit and with variable weights, and the vector passes of Krylov methods."""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.poisson.kernels.layout import BYTES, CHUNK, VALUES, Bytes, kernel


@kernel("stencil", f"void({VALUES}, {BYTES}, int64, int64, {VALUES})")
def apply_unit(u: Array, diagonal: Bytes, s0: int, s1: int, out: Array) -> None:
    """Set out = A u for unit weights: diagonal times u minus the fluid neighbours (u = 0 off the fluid)."""
    reach = max(s0, s1)
    m = u.size - 2 * reach
    d, c, y = diagonal[reach : reach + m], u[reach : reach + m], out[reach : reach + m]
    a, b = u[reach - 1 : reach - 1 + m], u[reach + 1 : reach + 1 + m]
    e, f = u[reach - s1 : reach - s1 + m], u[reach + s1 : reach + s1 + m]
    if s0 == 0:
        for i in range(m):
            s = np.float64(d[i]) * c[i] - ((a[i] + b[i]) + (e[i] + f[i]))
            y[i] = s if d[i] != 0 else 0.0
    else:
        g, h = u[reach - s0 : reach - s0 + m], u[reach + s0 : reach + s0 + m]
        for i in range(m):
            s = np.float64(d[i]) * c[i] - ((a[i] + b[i]) + (e[i] + f[i]) + (g[i] + h[i]))
            y[i] = s if d[i] != 0 else 0.0


@kernel("direction and stencil", f"float64({VALUES}, {VALUES}, float64, {BYTES}, int64, int64, {VALUES})")
def direction_unit(p: Array, z: Array, beta: float, diagonal: Bytes, s0: int, s1: int, q: Array) -> float:
    """Set p = z + beta p and q = A p in one pass and return p·q; the direction runs one reach ahead."""
    reach = max(s0, s1)
    n = p.size
    chunk = max(reach, CHUNK)
    ahead = 0
    total = 0.0
    for low in range(reach, n - reach, chunk):
        m = min(chunk, n - reach - low)
        to = min(low + m + reach, n)
        pp, zz = p[ahead:to], z[ahead:to]
        for i in range(pp.size):
            pp[i] = zz[i] + beta * pp[i]
        ahead = to
        d, c, y = diagonal[low : low + m], p[low : low + m], q[low : low + m]
        a, b = p[low - 1 : low - 1 + m], p[low + 1 : low + 1 + m]
        e, f = p[low - s1 : low - s1 + m], p[low + s1 : low + s1 + m]
        if s0 == 0:
            for i in range(m):
                s = np.float64(d[i]) * c[i] - ((a[i] + b[i]) + (e[i] + f[i]))
                y[i] = s if d[i] != 0 else 0.0
                total += c[i] * s
        else:
            g, h = p[low - s0 : low - s0 + m], p[low + s0 : low + s0 + m]
            for i in range(m):
                s = np.float64(d[i]) * c[i] - ((a[i] + b[i]) + (e[i] + f[i]) + (g[i] + h[i]))
                y[i] = s if d[i] != 0 else 0.0
                total += c[i] * s
    return total


@kernel("weighted stencil", f"void({VALUES}, {VALUES}, {VALUES}, {VALUES}, {VALUES}, int64, int64, {VALUES})")
def apply_weighted(
    u: Array, diagonal: Array, w0: Array, w1: Array, w2: Array, s0: int, s1: int, out: Array
) -> None:
    """Set out = A u where ``wa[i]`` is the weight between cell i and its neighbour at +axis a.

    A weight is zero unless both cells are fluid. `w0` is not read on a 2-D grid.
    """
    reach = max(s0, s1)
    m = u.size - 2 * reach
    for k in range(m):
        i = np.uint64(k + reach)
        t1, one = np.uint64(s1), np.uint64(1)
        s = diagonal[i] * u[i] - w2[i] * u[i + one] - w2[i - one] * u[i - one]
        s -= w1[i] * u[i + t1] + w1[i - t1] * u[i - t1]
        if s0 != 0:
            t0 = np.uint64(s0)
            s -= w0[i] * u[i + t0] + w0[i - t0] * u[i - t0]
        out[i] = s


@kernel("update", f"float64({VALUES}, {VALUES}, {VALUES}, {VALUES}, float64)")
def update(x: Array, r: Array, p: Array, q: Array, alpha: float) -> float:
    """Set x += alpha p, r -= alpha q and return r·r."""
    total = 0.0
    for i in range(x.size):
        x[i] += alpha * p[i]
        t = r[i] - alpha * q[i]
        r[i] = t
        total += t * t
    return total


@kernel("scaling", f"float64({VALUES}, {VALUES}, {VALUES})")
def scale(r: Array, factor: Array, z: Array) -> float:
    """Set z = factor r, cell by cell, and return r·z."""
    total = 0.0
    for i in range(r.size):
        t = factor[i] * r[i]
        z[i] = t
        total += t * r[i]
    return total
