"""Landscapes in turned coordinates: what only depends on angles and lengths must not feel it.

A method is equivariant if its path on f(Qᵀx) from Qx₀ is Q times its path on f from x₀.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.iterate import Array
from core.optimizers.landscape import Function, Landscape
from core.optimizers.training import Training

#: Which side of each matrix is turned: W → Q W, W → W Qᵀ, both, or that of its shorter edge, where a
#: one-sided basis lies (the columns of a square matrix). A vector is one column; a single row or column has
#: no angle.
SIDES = {
    "both": "rows and columns", "left": "the rows' space", "right": "the columns' space",
    "basis": "that of the shorter edge",
}  # fmt: skip


def rotation(n: int, degrees: float) -> Array:
    """Return (n, n): a turn in the planes of axes 1 and 2, 3 and 4, …; a last axis alone stays."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    Q = np.eye(n)
    for i in range(0, n - 1, 2):
        Q[i : i + 2, i : i + 2] = [[c, -s], [s, c]]
    return Q


class Turn:
    """An orthogonal map of a landscape's unknowns, tensor by tensor.

    Parameters
    ----------
    shapes : of the tensors.
    degrees : by how much is turned.
    side : a key of `SIDES`.
    """

    def __init__(self, shapes: tuple[tuple[int, ...], ...], degrees: float, side: str) -> None:
        self._blocks: list[tuple[int, int, Array, Array]] = []
        for shape in shapes:
            rows, columns = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (shape[0], 1)
            is_left = side in ("both", "left") or (side == "basis" and rows < columns)
            is_right = side in ("both", "right") or (side == "basis" and rows >= columns)
            if len(shape) < 2:
                is_left = True
            left = rotation(rows, degrees) if is_left else np.eye(rows)
            right = rotation(columns, degrees) if is_right else np.eye(columns)
            self._blocks.append((rows, columns, left, right))

    def __call__(self, x: Array) -> Array:
        """Return Q x for points (..., n)."""
        return self._each(x, lambda W, left, right: left @ W @ right.T)

    def back(self, x: Array) -> Array:
        """Return Qᵀx for points (..., n)."""
        return self._each(x, lambda W, left, right: left.T @ W @ right)

    def of_matrix(self, H: Array) -> Array:
        """Return Q H Qᵀ for matrices (..., n, n)."""
        return np.swapaxes(self(np.swapaxes(self(H), -1, -2)), -1, -2)

    def _each(self, x: Array, turn: Callable[[Array, Array, Array], Array]) -> Array:
        parts, at, ahead = [], 0, x.shape[:-1]
        for rows, columns, left, right in self._blocks:
            W = x[..., at : at + rows * columns].reshape(*ahead, rows, columns)
            parts.append(turn(W, left, right).reshape(*ahead, rows * columns))
            at += rows * columns
        return np.concatenate(parts, axis=-1)


@dataclass(frozen=True)
class Turned:
    """x ↦ f(Qᵀx)."""

    function: Function
    turn: Turn

    def value(self, x: Array) -> Any:
        """Return f(Qᵀx) (...)."""
        return self.function.value(self.turn.back(x))

    def gradient(self, x: Array) -> Array:
        """Return Q ∇f(Qᵀx) (..., n)."""
        return self.turn(self.function.gradient(self.turn.back(x)))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return value and gradient at one point."""
        value, gradient = self.function.value_and_gradient(self.turn.back(x))
        return value, self.turn(gradient)

    def hessian(self, x: Array) -> Array:
        """Return Q ∇²f(Qᵀx) Qᵀ (..., n, n)."""
        return self.turn.of_matrix(self.function.hessian(self.turn.back(x)))


def refusal(landscape: Landscape) -> str:
    """Return why a landscape cannot be turned, empty if it can."""
    if isinstance(landscape, Training):
        return "a network's unknowns are no task that can be turned; take a landscape"
    if landscape.noise > 0 or landscape.sources:
        return "with noise or several sources paths differ for other reasons; take one plain function"
    if landscape.n < 2:
        return "a single unknown has no angle; take two or more"
    return ""


def turned(landscape: Landscape, degrees: float, side: str = "both") -> tuple[Landscape, Turn]:
    """Return a landscape in turned coordinates, start and minima with it, and the map.

    Raises
    ------
    ValueError
        Where it cannot be turned, with the `refusal`.
    """
    if reason := refusal(landscape):
        raise ValueError(reason)
    turn = Turn(landscape.tensor_shapes, degrees, side)
    near = landscape.to_minimum
    has_free = bool(np.isnan(landscape.minima).any())

    def approximated(matrix: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda x: turn.of_matrix(matrix(turn.back(x)))

    result = replace(
        landscape, function=Turned(landscape.function, turn), start=turn(landscape.start),
        minima=np.empty((0, landscape.n)) if has_free else turn(landscape.minima), window=(), formula="",
        approximations={name: approximated(H) for name, H in landscape.approximations.items()},
        metric=None if landscape.metric is None else turn.of_matrix(landscape.metric),
        to_minimum=None if near is None else lambda x: near(turn.back(x)),
        rays=turn(landscape.rays) if len(landscape.rays) else landscape.rays,
    )  # fmt: skip
    return result, turn
