"""The sweeps of multigrid, in single precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.iterate import Array
from core.poisson.kernels.layout import CHUNK, INDICES, SINGLES, VALUES, Index, Single, kernel


@kernel("Jacobi sweep", f"void({SINGLES}, {SINGLES}, {SINGLES}, {SINGLES}, int64, int64, float32, {SINGLES})")
def sweep_unit(
    x: Single, b: Single, diagonal: Single, inverse: Single, s0: int, s1: int, omega: Any, out: Single
) -> None:
    """Set out to one damped Jacobi sweep from x, or to the residual b − A x if omega is 0 (unit weights)."""
    reach = max(s0, s1)
    m = x.size - 2 * reach
    y, c, bb = out[reach : reach + m], x[reach : reach + m], b[reach : reach + m]
    dd, inv = diagonal[reach : reach + m], inverse[reach : reach + m]
    a, f = x[reach - 1 : reach - 1 + m], x[reach + 1 : reach + 1 + m]
    e, h = x[reach - s1 : reach - s1 + m], x[reach + s1 : reach + s1 + m]
    g, k = x[reach - s0 : reach - s0 + m], x[reach + s0 : reach + s0 + m]
    third = np.float32(0.0 if s0 == 0 else 1.0)
    keep = np.float32(1.0) - omega
    if omega != 0.0:
        for i in range(m):
            s = bb[i] + ((a[i] + f[i]) + (e[i] + h[i]) + third * (g[i] + k[i]))
            y[i] = keep * c[i] + omega * inv[i] * s
    else:
        for i in range(m):
            s = bb[i] + ((a[i] + f[i]) + (e[i] + h[i]) + third * (g[i] + k[i])) - dd[i] * c[i]
            y[i] = s if dd[i] != 0.0 else np.float32(0.0)


@kernel("start of a cycle", f"void({VALUES}, float64, {SINGLES}, float32, {SINGLES}, {SINGLES})")
def begin(r: Array, factor: float, inverse: Single, omega: Any, b: Single, x: Single) -> None:
    """Set b = factor r, rounded, and x to a damped Jacobi sweep from 0."""
    for i in range(r.size):
        t = np.float32(factor * r[i])
        b[i] = t
        x[i] = omega * (inverse[i] * t)


@kernel(
    "end of a cycle",
    f"float64({SINGLES}, {SINGLES}, {SINGLES}, int64, int64, float32, float64, {VALUES}, {VALUES})",
)
def end(
    x: Single, b: Single, inverse: Single, s0: int, s1: int, omega: Any, factor: float, r: Array, z: Array
) -> float:
    """Set z to factor times a Jacobi sweep from x (unit weights) and return r·z; omega 0 means no sweep."""
    reach = max(s0, s1)
    m = x.size - 2 * reach
    y, c, bb, rr = z[reach : reach + m], x[reach : reach + m], b[reach : reach + m], r[reach : reach + m]
    inv = inverse[reach : reach + m]
    a, f = x[reach - 1 : reach - 1 + m], x[reach + 1 : reach + 1 + m]
    e, h = x[reach - s1 : reach - s1 + m], x[reach + s1 : reach + s1 + m]
    g, k = x[reach - s0 : reach - s0 + m], x[reach + s0 : reach + s0 + m]
    third = np.float32(0.0 if s0 == 0 else 1.0)
    keep = np.float32(1.0) - omega
    total = 0.0
    for i in range(m):
        s = bb[i] + ((a[i] + f[i]) + (e[i] + h[i]) + third * (g[i] + k[i]))
        t = factor * np.float64(keep * c[i] + omega * inv[i] * s)
        y[i] = t
        total += t * rr[i]
    return total


@kernel("first Jacobi sweep", f"void({SINGLES}, {SINGLES}, float32, {SINGLES})")
def sweep_from_zero(b: Single, inverse: Single, omega: Any, out: Single) -> None:
    """Set out to a damped Jacobi sweep from x = 0."""
    for i in range(b.size):
        out[i] = omega * (inverse[i] * b[i])


@kernel(
    "stored-stencil sweep",
    f"void({SINGLES}, {SINGLES}, {SINGLES}, {SINGLES}, float32[:,::1], {INDICES}, float32, {SINGLES})",
)
def sweep_stored(
    x: Single, b: Single, diagonal: Single, inverse: Single, weights: Single, offsets: Index, omega: Any,
    out: Single,
) -> None:  # fmt: skip
    """Set out to a damped Jacobi sweep, or to the residual if omega is 0, for a stored symmetric stencil.

    ``weights[m, i]`` is −A_ij for j = i + offsets[m]; the other half of the stencil is its mirror image.
    """
    reach = 0
    for o in offsets:
        reach = max(reach, o)
    n = x.size
    acc = np.empty(CHUNK, np.float32)
    for low in range(0, n, CHUNK):
        m = min(CHUNK, n - low)
        for i in range(m):
            acc[i] = b[low + i]
        for k in range(offsets.size):
            o = offsets[k]
            w = weights[k]
            # cells at the ends have no neighbour there, and no weight either
            first = max(low, o)
            last = min(low + m, n - o)
            here = acc[first - low : m]
            wb, xb = w[first - o : low + m - o], x[first - o : low + m - o]
            for i in range(here.size):
                here[i] += wb[i] * xb[i]
            if last > low:
                wf, xf = w[low:last], x[low + o : last + o]
                for i in range(wf.size):
                    acc[i] += wf[i] * xf[i]
        if omega != 0.0:
            for i in range(m):
                j = low + i
                out[j] = (np.float32(1.0) - omega) * x[j] + omega * inverse[j] * acc[i]
        else:
            for i in range(m):
                j = low + i
                out[j] = acc[i] - diagonal[j] * x[j] if diagonal[j] != 0.0 else np.float32(0.0)


@kernel("red-black sweep", f"void({SINGLES}, {SINGLES}, {SINGLES}, int64, int64, int64, int64)")
def relax_colour(x: Single, b: Single, inverse: Single, s0: int, s1: int, planes: int, colour: int) -> None:
    """Relax the cells whose coordinates add up to an odd (colour 1) or even number, in place."""
    width = s1
    rows = (s0 if s0 != 0 else x.size) // s1
    one, t1, t0 = np.uint64(1), np.uint64(s1), np.uint64(s0)
    for plane in range(planes):
        base = (plane + 1) * s0
        for row in range(1, rows - 1):
            start = base + row * width
            first = 1 + ((plane + row + colour) & 1)
            if s0 == 0:
                for k in range((width - first) // 2):
                    i = np.uint64(start + first + 2 * k)
                    x[i] = inverse[i] * (b[i] + ((x[i - one] + x[i + one]) + (x[i - t1] + x[i + t1])))
            else:
                for k in range((width - first) // 2):
                    i = np.uint64(start + first + 2 * k)
                    x[i] = inverse[i] * (
                        b[i] + ((x[i - one] + x[i + one]) + (x[i - t1] + x[i + t1]) + (x[i - t0] + x[i + t0]))
                    )
