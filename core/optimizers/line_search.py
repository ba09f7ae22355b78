"""A step along a direction that fulfils the strong Wolfe conditions.

Nocedal & Wright 2006, Numerical Optimization, algorithms 3.5 and 3.6, with safeguarded cubic interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from core.iterate import Array

#: Steps are lengthened by at most this factor, as often as that, and an interval is cut as often as this.
LONGER, EXPANSIONS, CUTS = 4.0, 12, 30


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A step length with loss, slope along the direction, and gradient there."""

    alpha: float
    f: float
    slope: float
    gradient: Array


def strong_wolfe(
    both: Callable[[Array], tuple[float, Array]],
    x: Array,
    d: Array,
    f: float,
    g: Array,
    alpha: float,
    c1: float = 1e-4,
    c2: float = 0.1,
) -> Point | None:
    """Return a step with f(α) ≤ f + c₁ α f' and |f'(α)| ≤ c₂ |f'|; None if none was found.

    Parameters
    ----------
    both : returns loss and gradient at a point.
    d : direction with gᵀd < 0.
    alpha : step that is tried first.
    """
    start = Point(0.0, f, float(g @ d), g)

    def at(alpha: float) -> Point:
        value, gradient = both(x + alpha * d)
        return Point(alpha, value, float(gradient @ d), gradient)

    def is_high(p: Point, than: Point) -> bool:
        return not p.f <= f + c1 * p.alpha * start.slope or (p.f >= than.f and than.alpha > 0)

    before = start
    for _ in range(EXPANSIONS):
        now = at(alpha)
        if is_high(now, before):
            return _zoom(at, before, now, start, c1, c2)
        if abs(now.slope) <= -c2 * start.slope:
            return now
        if now.slope >= 0:
            return _zoom(at, now, before, start, c1, c2)
        longest = alpha + LONGER * (alpha - before.alpha)
        ahead = _cubic(before, now)
        before, alpha = now, min(max(ahead, 1.1 * alpha), longest) if math.isfinite(ahead) else longest
    return None


def _zoom(
    at: Callable[[float], Point], low: Point, high: Point, start: Point, c1: float, c2: float
) -> Point | None:
    """Return a point of the interval from `low`, the best so far, to `high` that fulfils both conditions."""
    for _ in range(CUTS):
        width = high.alpha - low.alpha
        alpha = _cubic(low, high)
        # an interpolation at the very edge would not shrink the interval
        edges = sorted((low.alpha + 0.05 * width, high.alpha - 0.05 * width))
        if not math.isfinite(alpha) or not edges[0] <= alpha <= edges[1]:
            alpha = low.alpha + 0.5 * width
        now = at(alpha)
        if not now.f <= start.f + c1 * alpha * start.slope or now.f >= low.f:
            high = now
        else:
            if abs(now.slope) <= -c2 * start.slope:
                return now
            if now.slope * width >= 0:
                high = low
            low = now
        if abs(high.alpha - low.alpha) <= 1e-14 * max(abs(low.alpha), 1e-300):
            break
    return low if low.alpha > 0 and low.f < start.f else None


def _cubic(a: Point, b: Point) -> float:
    """Return the minimiser of the cubic with the values and slopes of two points; NaN if it has none."""
    if not (math.isfinite(a.f) and math.isfinite(b.f) and math.isfinite(b.slope)) or a.alpha == b.alpha:
        return math.nan
    width = b.alpha - a.alpha
    # both may be huge; only their ratios matter
    d1 = a.slope + b.slope - 3 * (b.f - a.f) / width
    inside = d1 * d1 - a.slope * b.slope
    if not inside >= 0 or not math.isfinite(inside):
        return math.nan
    d2 = math.copysign(math.sqrt(inside), width)
    bottom = b.slope - a.slope + 2 * d2
    return b.alpha - width * (b.slope + d2 - d1) / bottom if bottom != 0 else math.nan
