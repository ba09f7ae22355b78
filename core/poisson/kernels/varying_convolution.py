"""Convolution of a batch with kernels that vary from cell to cell, and its derivatives, for training.

Arrays have three axes of cells; in 2-D the first has one cell and no padding. The offsets of the kernels are
those of the padded array, in C order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.poisson.kernels.layout import kernel

Field = NDArray[np.float32]
_FIELD = "float32[:, :, :, ::1]"


@kernel("convolution of a batch", f"void({_FIELD}, {_FIELD}, {_FIELD})")
def convolve_batch(kernels: Field, padded: Field, out: Field) -> None:
    """Set out[b](p) = Σ_o kernels[o](p) padded[b](p + o)."""
    batch, n0, n1, n2 = out.shape
    reach = padded.shape[1] - n0 + 1
    for b in range(batch):
        for i in range(n0):
            for j in range(n1):
                row = out[b, i, j]
                row[:] = np.float32(0.0)
                o = 0
                for di in range(reach):
                    for dj in range(3):
                        x = padded[b, i + di, j + dj]
                        first, second, third = kernels[o, i, j], kernels[o + 1, i, j], kernels[o + 2, i, j]
                        for k in range(n2):
                            row[k] += first[k] * x[k] + second[k] * x[k + 1] + third[k] * x[k + 2]
                        o += 3


@kernel("derivative by the kernels", f"void({_FIELD}, {_FIELD}, {_FIELD})")
def derivative_by_kernels(gradient: Field, padded: Field, out: Field) -> None:
    """Set out[o](p) = Σ_b gradient[b](p) padded[b](p + o)."""
    batch, n0, n1, n2 = gradient.shape
    reach = padded.shape[1] - n0 + 1
    out[:] = np.float32(0.0)
    for i in range(n0):
        for j in range(n1):
            for b in range(batch):
                g = gradient[b, i, j]
                o = 0
                for di in range(reach):
                    for dj in range(3):
                        x = padded[b, i + di, j + dj]
                        first, second, third = out[o, i, j], out[o + 1, i, j], out[o + 2, i, j]
                        for k in range(n2):
                            first[k] += g[k] * x[k]
                            second[k] += g[k] * x[k + 1]
                            third[k] += g[k] * x[k + 2]
                        o += 3


@kernel("derivative by the batch", f"void({_FIELD}, {_FIELD}, {_FIELD})")
def derivative_by_batch(kernels: Field, gradient: Field, out: Field) -> None:
    """Set out[b](p + o) = Σ kernels[o](p) gradient[b](p) on the padded array, zero elsewhere."""
    batch, n0, n1, n2 = gradient.shape
    reach = out.shape[1] - n0 + 1
    out[:] = np.float32(0.0)
    for b in range(batch):
        for i in range(n0):
            for j in range(n1):
                g = gradient[b, i, j]
                o = 0
                for di in range(reach):
                    for dj in range(3):
                        row = out[b, i + di, j + dj]
                        for d in range(3):
                            w = kernels[o + d, i, j]
                            moved = row[d : d + n2]
                            for k in range(n2):
                                moved[k] += w[k] * g[k]
                        o += 3
