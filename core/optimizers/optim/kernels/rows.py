"""What decides whether weights look scale-invariant."""

from __future__ import annotations

import math

from core.optimizers.optim.kernels.layout import SINGLES, Single, kernel


@kernel(
    "test for scale invariance",
    f"int64({SINGLES}, {SINGLES}, int64, float64, float64)",
    {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}},
)
def alignment(w: Single, g: Single, rows: int, delta: float, eps: float) -> int:
    """Return 1 if |cos(g, w)| < δ/√n in every row, 2 if it is so for all numbers as one, 0 otherwise."""
    n = w.size // rows
    limit = delta / math.sqrt(n)
    is_small = True
    whole, whole_ww, whole_gg = 0.0, 0.0, 0.0
    for row in range(rows):
        dot, ww, gg = w[0] - w[0], w[0] - w[0], w[0] - w[0]
        for i in range(row * n, (row + 1) * n):
            dot += w[i] * g[i]
            ww += w[i] * w[i]
            gg += g[i] * g[i]
        is_small &= abs(dot) / (max(math.sqrt(ww), eps) * max(math.sqrt(gg), eps)) < limit
        whole, whole_ww, whole_gg = whole + dot, whole_ww + ww, whole_gg + gg
    if is_small:
        return 1
    cosine = abs(whole) / (max(math.sqrt(whole_ww), eps) * max(math.sqrt(whole_gg), eps))
    return 2 if cosine < delta / math.sqrt(w.size) else 0
