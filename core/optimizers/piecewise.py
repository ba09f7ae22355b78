"""Functions of one variable with a formula for each interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.iterate import Array
from core.optimizers.expression import Formula


class Piecewise:
    """f(x) = pieces[i](x) for breaks[i−1] < x ≤ breaks[i]: a break belongs to the piece on its left.

    Parameters
    ----------
    breaks : ascending.
    pieces : one formula more than there are breaks.
    slopes : formulas to be used in place of the pieces' derivatives; empty = the derivatives.
    """

    def __init__(self, breaks: Sequence[float], pieces: Sequence[str], slopes: Sequence[str] = ()) -> None:
        self._breaks = np.array(breaks)
        self._pieces = [Formula(text, ("x",)) for text in pieces]
        self._slopes = [Formula(text, ("x",)) for text in slopes]

    def _piece(self, x: Array) -> Any:
        return np.searchsorted(self._breaks, x[..., 0], side="left")

    def value(self, x: Array) -> Any:
        """Return f at points (..., 1) as (...); a float for one point."""
        if x.ndim == 1:
            return self._pieces[int(self._piece(x))].value(x)
        return np.choose(self._piece(x), [piece.value(x) for piece in self._pieces])

    def gradient(self, x: Array) -> Array:
        """Return f' (or the slope given for it) at points (..., 1), same shape."""
        i = self._piece(x)
        if x.ndim == 1:
            return np.array([self._slopes[i].value(x)]) if self._slopes else self._pieces[i].gradient(x)
        if self._slopes:
            return np.asarray(np.choose(i, [slope.value(x) for slope in self._slopes])[..., None])
        return np.asarray(np.choose(i[..., None], [piece.gradient(x) for piece in self._pieces]))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return f and f' at one point (1,)."""
        return self.value(x), self.gradient(x)

    def hessian(self, x: Array) -> Array:
        """Return the derivative of the gradient at points (..., 1), (..., 1, 1)."""
        i = self._piece(x)
        parts = [s.gradient(x)[..., None] for s in self._slopes] or [p.hessian(x) for p in self._pieces]
        return np.asarray(np.choose(i[..., None, None], parts))
