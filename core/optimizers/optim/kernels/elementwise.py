"""Momenta, updates and steps, number by number."""

from __future__ import annotations

import numpy as np

from core.optimizers.optim.kernels.layout import ONE, SINGLES, Single, fma, kernel


@kernel(
    "diffGrad's momenta",
    f"void({SINGLES}, {SINGLES}, {SINGLES}, {SINGLES}, {SINGLES}, {SINGLES}, float64, float64, float64)",
)
def diffgrad_momenta(
    w: Single, g: Single, m: Single, v: Single, previous: Single, out: Single, beta1: float, beta2: float,
    decay: float,
) -> None:  # fmt: skip
    """Set `out` to −|g_{t−1} − g_t|, advance the momenta and remember the gradient; decay is added to it."""
    b1, rest1, b2, rest2 = np.float32(beta1), np.float32(1 - beta1), np.float32(beta2), np.float32(1 - beta2)
    share = np.float32(decay)
    for i in range(g.size):
        x = g[i] if decay == 0.0 else fma(w[i], share, g[i])
        m[i] = fma(x, rest1, m[i] * b1)
        v[i] = fma(rest2 * x, x, v[i] * b2)
        out[i] = -abs(previous[i] - x)
        previous[i] = x


@kernel("diffGrad's step", f"void({SINGLES}, {SINGLES}, {SINGLES}, {SINGLES}, float64, float64)")
def brake(w: Single, m: Single, root: Single, braking: Single, eps: float, step_size: float) -> None:
    """W ← w − step_size·ξ m / (root + ε) with ξ = 1/(1 + braking)."""
    least, size = np.float32(eps), np.float32(-step_size)
    for i in range(w.size):
        xi = ONE / (braking[i] + ONE)
        w[i] = w[i] + size * (xi * m[i]) / (root[i] + least)


@kernel("Adam's momenta", f"void({SINGLES}, {SINGLES}, {SINGLES}, float64, float64)")
def adam_momenta(g: Single, m: Single, v: Single, beta1: float, beta2: float) -> None:
    """Advance the momenta."""
    b1, rest1, b2, rest2 = np.float32(beta1), np.float32(1 - beta1), np.float32(beta2), np.float32(1 - beta2)
    for i in range(g.size):
        x = g[i]
        m[i] = fma(x, rest1, m[i] * b1)
        v[i] = fma(rest2 * x, x, v[i] * b2)


@kernel("Adam's update", f"void({SINGLES}, {SINGLES}, {SINGLES}, float64, float64, float64, boolean)")
def adam_update(
    g: Single, m: Single, root: Single, beta1: float, correction: float, eps: float, nesterov: bool
) -> None:
    """Turn √v into m / (√v/correction + ε), or into what Nesterov has for m."""
    b1, rest1 = np.float32(beta1), np.float32(1 - beta1)
    divisor, least = np.float32(correction), np.float32(eps)
    for i in range(g.size):
        ahead = m[i] * b1 + g[i] * rest1 if nesterov else m[i]
        root[i] = ahead / (root[i] / divisor + least)


@kernel("momentum", f"void({SINGLES}, {SINGLES}, {SINGLES}, float64, float64, boolean)")
def momentum_update(g: Single, b: Single, u: Single, mu: float, dampening: float, nesterov: bool) -> None:
    """Advance the momentum b and set u to it, or to g + μ b (Nesterov); u may be b itself."""
    keep, rest = np.float32(mu), np.float32(1 - dampening)
    for i in range(g.size):
        x = fma(g[i], rest, b[i] * keep)
        b[i] = x
        u[i] = x * keep + g[i] if nesterov else x


@kernel("weight decay and step", f"void({SINGLES}, {SINGLES}, float64, float64)")
def apply(w: Single, u: Single, factor: float, step_size: float) -> None:
    """W ← factor·w − step_size·u."""
    share, size = np.float32(factor), np.float32(-step_size)
    for i in range(w.size):
        w[i] = fma(u[i], size, w[i] * share)
