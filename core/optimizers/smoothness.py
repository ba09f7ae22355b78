"""How far a linear model of the gradient can be trusted: the radius γ(x) of gradient-normalized smoothness.

Semenov et al. 2025, Gradient-Normalized Smoothness for Optimization with Approximate Hessians, arXiv
2506.13710: γ(x) is the largest γ with ‖∇f(x+h) − ∇f(x) − H(x)h‖_* ≤ ‖∇f(x)‖_* ‖h‖/γ for all ‖h‖ ≤ γ. The
local ellipsoid to which the paper restricts h is left out, which only makes γ smaller.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.landscape import Function, Landscape

#: What may stand for the Hessian.
HESSIANS = {
    "exact": "exact", "gauss_newton": "Gauss–Newton", "fisher": "Fisher", "diagonal": "its diagonal",
    "zero": "zero: normalized gradient",
}  # fmt: skip
#: Halvings of the bracket between two radii, in the logarithm: 8 leave 0.3 %.
HALVINGS = 8
#: Halvings of the smallest radius where it fails.
DEEPER = 40
#: Differences below this share of what is subtracted are rounding.
ROUNDING = 64 * np.finfo(np.float64).eps


def check_hessian(landscape: Landscape, kind: str) -> None:
    """Refuse a Hessian that the landscape does not have.

    Raises
    ------
    ValueError
        Naming those that it has.
    """
    if kind in ("gauss_newton", "fisher") and kind not in landscape.approximations:
        known = ", ".join(("exact", *landscape.approximations, "diagonal", "zero"))
        raise ValueError(f"this landscape has no {kind.replace('_', '–')} matrix; it has {known}")


def hessian_of(landscape: Landscape, kind: str) -> Callable[[Array], Array]:
    """Return the function of points (..., n) that gives the Hessians (..., n, n) of a kind of `HESSIANS`."""
    check_hessian(landscape, kind)
    exact = landscape.function.hessian
    if kind == "zero":
        return lambda x: np.zeros((*x.shape, x.shape[-1]))
    if kind == "diagonal":
        return lambda x: exact(x) * np.eye(x.shape[-1])
    return exact if kind == "exact" else landscape.approximations[kind]


def directions(n: int, count: int) -> Array:
    """Return unit vectors (m, n): both of a line, or `count` evenly spaced ones of a plane.

    Raises
    ------
    ValueError
        For more than two dimensions.
    """
    if n > 2:
        raise ValueError(f"directions are sampled in one or two dimensions, not in {n}")
    if n == 1:
        return np.array([[1.0], [-1.0]])
    angles = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def trusted_radius(
    function: Function, points: Array, hessians: Array, ball: Array, along: Array, radii: Array
) -> Array:
    """Return γ(x) at points (P,), measured along some directions.

    The radii are tried from the smallest, smaller ones where that fails, and the bracket in which the
    inequality first fails is halved. A failure between radii that pass is not seen, so that γ may come out
    too large; it is too small by no more than the last bracket.

    Parameters
    ----------
    function : f.
    points, hessians : (P, n) and the matrices H (P, n, n) there.
    ball : (n, n) matrix A with A Aᵀ = B⁻¹, which gives the norms ‖h‖² = hᵀBh and ‖s‖_*² = sᵀB⁻¹s.
    along : (m, n) unit vectors u; h = r A u.
    radii : ascending; the last one is what is returned where none fails. Where there is no radius at all, as
        at a stationary point, γ is 0.
    """
    gradients = function.gradient(points)
    size, steps = np.linalg.norm(gradients @ ball, axis=-1), along @ ball.T

    def worst(at: NDArray[np.intp], r: Array) -> Array:
        """Return the largest error over the directions at radii r of the points `at`, over r."""
        h = r[:, None, None] * steps
        with np.errstate(all="ignore"):
            there, linear = function.gradient(points[at][:, None] + h), h @ hessians[at]
            error = np.linalg.norm((there - gradients[at][:, None] - linear) @ ball, axis=-1)
            scale = sum(np.linalg.norm(part @ ball, axis=-1) for part in (there, linear)) + size[at][:, None]
            error = np.where(error <= ROUNDING * scale, 0.0, error)
        # where f has no gradient nothing is trusted
        return np.asarray(np.nan_to_num(error, nan=np.inf, posinf=np.inf).max(axis=1) / r)

    low, high = np.zeros(len(points)), np.full(len(points), np.inf)
    # the largest error over r so far: the inequality has to hold at every smaller radius too
    slope = np.zeros(len(points))

    def test(at: NDArray[np.intp], r: Array) -> NDArray[np.bool_]:
        """Narrow the brackets of the points `at` by radii r between their ends; returns which pass."""
        found = np.maximum(slope[at], worst(at, r))
        holds = r * found <= size[at]
        low[at[holds]], slope[at[holds]] = r[holds], found[holds]
        high[at[~holds]] = r[~holds]
        return np.asarray(holds)

    at = np.arange(len(points))
    for r in radii:
        at = at[test(at, np.full(len(at), r))]
    at, r = np.flatnonzero(low == 0), float(radii[0])
    for _ in range(DEEPER):
        r /= 2
        at = at[~test(at, np.full(len(at), r))]
    at = np.flatnonzero(np.isfinite(high) & (low > 0))
    for _ in range(HALVINGS):
        test(at, np.sqrt(low[at] * high[at]))
    return low


def radii_below(cap: float, count: int) -> Array:
    """Return radii up to the cap, each twice the one before."""
    return np.asarray(cap * 2.0 ** np.arange(1 - count, 1))
