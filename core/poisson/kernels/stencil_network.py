"""Passes of a stencil network: a kernel for every cell, averages going down, interpolation going up.

Fields are single precision and padded by one cell on every side; kernels are 0 on the padding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.poisson.kernels.layout import CHUNK, INDICES, SINGLES, Index, Single, kernel

#: Kernels of all cells, 2-D and 3-D fields.
_ROWS, _PLANE, _SPACE = "float32[:, ::1]", "float32[:, ::1]", "float32[:, :, ::1]"
_NEAR, _FAR = np.float32(0.75), np.float32(0.25)


@kernel("varying stencil", f"void({_ROWS}, {SINGLES}, {INDICES}, float32, {SINGLES})")
def convolve_varying(kernels: NDArray[np.float32], x: Single, offsets: Index, keep: Any, out: Single) -> None:
    """Set out = keep out + Σ_o kernels[o] x(· + offsets[o]), a chunk at a time so that out stays in cache."""
    reach = offsets[offsets.size - 1]
    last = x.size - reach
    for low in range(reach, last, CHUNK):
        m = min(CHUNK, last - low)
        y = out[low : low + m]
        for i in range(m):
            y[i] *= keep
        for o in range(offsets.size):
            k = kernels[o, low : low + m]
            w = x[low + offsets[o] : low + offsets[o] + m]
            for i in range(m):
                y[i] += k[i] * w[i]


@kernel("average", f"void({_PLANE}, {_PLANE})")
def average_2d(fine: NDArray[np.float32], coarse: NDArray[np.float32]) -> None:
    """Set each coarse cell to the mean of its four fine ones."""
    for i in range(1, coarse.shape[0] - 1):
        a, b, c = fine[2 * i - 1], fine[2 * i], coarse[i]
        for j in range(1, coarse.shape[1] - 1):
            c[j] = _FAR * ((a[2 * j - 1] + a[2 * j]) + (b[2 * j - 1] + b[2 * j]))


@kernel("average in space", f"void({_SPACE}, {_SPACE})")
def average_3d(fine: NDArray[np.float32], coarse: NDArray[np.float32]) -> None:
    """Set each coarse cell to the mean of its eight fine ones."""
    for h in range(1, coarse.shape[0] - 1):
        for i in range(1, coarse.shape[1] - 1):
            a, b = fine[2 * h - 1, 2 * i - 1], fine[2 * h - 1, 2 * i]
            d, e, c = fine[2 * h, 2 * i - 1], fine[2 * h, 2 * i], coarse[h, i]
            for j in range(1, coarse.shape[2] - 1):
                near, far = 2 * j - 1, 2 * j
                c[j] = np.float32(0.125) * (
                    ((a[near] + a[far]) + (b[near] + b[far])) + ((d[near] + d[far]) + (e[near] + e[far]))
                )


@kernel("interpolation", f"void({_PLANE}, {SINGLES}, {_PLANE})")
def interpolate_2d(coarse: NDArray[np.float32], row: Single, fine: NDArray[np.float32]) -> None:
    """Set fine to the bilinear interpolation between coarse cell centres; the edge is repeated.

    Parameters
    ----------
    row : scratch, as long as a row of coarse.
    """
    last, end = coarse.shape[0] - 2, coarse.shape[1] - 2
    for i in range(1, last + 1):
        for side in range(2):
            other = max(i - 1, 1) if side == 0 else min(i + 1, last)
            a, b = coarse[i], coarse[other]
            for j in range(1, end + 1):
                row[j] = _NEAR * a[j] + _FAR * b[j]
            row[0], row[end + 1] = row[1], row[end]
            out = fine[2 * i - 1 + side]
            for j in range(1, end + 1):
                out[2 * j - 1] = _NEAR * row[j] + _FAR * row[j - 1]
                out[2 * j] = _NEAR * row[j] + _FAR * row[j + 1]


@kernel("interpolation in space", f"void({_SPACE}, {SINGLES}, {_SPACE})")
def interpolate_3d(coarse: NDArray[np.float32], row: Single, fine: NDArray[np.float32]) -> None:
    """Set fine to the trilinear interpolation between coarse cell centres; the edge is repeated."""
    top, last, end = coarse.shape[0] - 2, coarse.shape[1] - 2, coarse.shape[2] - 2
    for fh in range(1, 2 * top + 1):
        h = (fh + 1) // 2
        g = min(max(h - 1 if fh % 2 else h + 1, 1), top)
        for fi in range(1, 2 * last + 1):
            i = (fi + 1) // 2
            k = min(max(i - 1 if fi % 2 else i + 1, 1), last)
            a, b, c, d = coarse[h, i], coarse[h, k], coarse[g, i], coarse[g, k]
            for j in range(1, end + 1):
                row[j] = _NEAR * (_NEAR * a[j] + _FAR * b[j]) + _FAR * (_NEAR * c[j] + _FAR * d[j])
            row[0], row[end + 1] = row[1], row[end]
            out = fine[fh, fi]
            for j in range(1, end + 1):
                out[2 * j - 1] = _NEAR * row[j] + _FAR * row[j - 1]
                out[2 * j] = _NEAR * row[j] + _FAR * row[j + 1]
