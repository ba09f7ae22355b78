"""What the optimizers descend: a function with derivatives, a start, and what is known of its minima."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from core.errors import InputError
from core.iterate import Array

#: Coordinates of a start that are still sensible.
FARTHEST = 1e6

Matrix = Callable[[Array], Array]


class Function(Protocol):
    """A smooth function of n variables; arrays of points (..., n) are taken at once."""

    def value(self, x: Array, /) -> Any:
        """Return f (...); a float for one point."""
        ...

    def gradient(self, x: Array, /) -> Array:
        """Return ∇f (..., n)."""
        ...

    def value_and_gradient(self, x: Array, /) -> tuple[float, Array]:
        """Return f and ∇f at one point (n,)."""
        ...

    def hessian(self, x: Array, /) -> Array:
        """Return ∇²f (..., n, n)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Landscape:
    """A problem of this lab.

    Attributes
    ----------
    function : f with ∇f and ∇²f.
    start : (n,) where every method starts.
    minima : (m, n) known global and local minimisers; NaN = any value of that coordinate; (0, n) = unknown.
    minimum : the smallest value of f, None where unknown.
    window : (lower, upper) for each of one or two drawn coordinates; empty = nothing to draw.
    log_scale : whether log(1 + f − minimum) shows more than f.
    shapes : shapes of the tensors that x is cut into, in order; by default one vector.
    noise : standard deviation of the noise added to every gradient, per coordinate.
    noisy_from : first coordinate that is noisy.
    seed : of that noise.
    bound : a run ends where a coordinate passes it in absolute value; inf = nowhere.
    approximations : Hessians that are cheaper than the exact one, by name: ``gauss_newton``, ``fisher``.
    metric : (n, n) matrix B of the norm √(hᵀBh) in which steps are measured; None = identity.
    formula : f as text, where it is one.
    sources : functions whose mean is `function`, where it is one of several.
    unseen : loss (...) of a further source, which is not in that mean.
    source_minima : where the sources are smallest along x₀ with all else as it is: (..., n) → (..., sources).
    curves : (m, 2) lines to be drawn into the window, by what they are; broken by NaN.
    to_minimum : distance of points (..., n) to the minimisers, where `minima` cannot hold them.
    scale_invariant : places in `tensor_shapes` of the tensors of which only the direction counts, each for
        itself.
    rays : (m, n) unit vectors of the rays on which f is smallest, where length does not count.
    """

    function: Function
    start: Array
    minima: Array
    minimum: float | None = None
    window: tuple[tuple[float, float], ...] = ()
    log_scale: bool = False
    shapes: tuple[tuple[int, ...], ...] = ()
    noise: float = 0.0
    noisy_from: int = 0
    seed: int = 0
    bound: float = np.inf
    approximations: Mapping[str, Matrix] = field(default_factory=lambda: MappingProxyType({}))
    metric: Array | None = None
    formula: str = ""
    sources: tuple[Function, ...] = ()
    unseen: Callable[[Array], Any] | None = None
    source_minima: Callable[[Array], Array] | None = None
    curves: Mapping[str, Array] = field(default_factory=lambda: MappingProxyType({}))
    to_minimum: Callable[[Array], Any] | None = None
    scale_invariant: tuple[int, ...] = ()
    rays: Array = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def n(self) -> int:
        """Number of unknowns."""
        return len(self.start)

    @property
    def tensor_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the parameters that a network's optimizer would see."""
        return self.shapes or ((self.n,),)

    @property
    def knows_minima(self) -> bool:
        """Whether a distance to a minimum can be told."""
        return self.to_minimum is not None or len(self.minima) > 0

    def distance_to_minimum(self, x: Array) -> Any:
        """Return the distance of points (..., n) to the nearest known minimiser, (...); NaN if none is known.

        Coordinates in which a minimiser is free do not count.
        """
        if self.to_minimum is not None:
            return self.to_minimum(x)
        if not len(self.minima):
            return np.full(x.shape[:-1], np.nan)
        gaps = x[..., None, :] - self.minima
        return np.sqrt(np.nan_to_num(gaps**2, posinf=np.inf).sum(axis=-1)).min(axis=-1)


class Scaled:
    """c·f for a function f."""

    def __init__(self, function: Function, c: float) -> None:
        self._function, self._c = function, c

    def value(self, x: Array) -> Any:
        """Return c·f (...)."""
        return self._c * self._function.value(x)

    def gradient(self, x: Array) -> Array:
        """Return c·∇f (..., n)."""
        return self._c * self._function.gradient(x)

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return c·f and c·∇f at one point."""
        value, gradient = self._function.value_and_gradient(x)
        return self._c * value, self._c * gradient

    def hessian(self, x: Array) -> Array:
        """Return c·∇²f (..., n, n)."""
        return self._c * self._function.hessian(x)


def scaled(landscape: Landscape, c: float) -> Landscape:
    """Return the landscape in other units of its loss: c·f, whose minimisers are those of f.

    Raises
    ------
    ValueError
        For a landscape of several sources or with approximated Hessians, which would have to be scaled too.
    """
    if c == 1.0:
        return landscape
    if landscape.sources or landscape.approximations:
        raise ValueError("only a landscape of one function without approximated Hessians can be scaled")
    minimum = None if landscape.minimum is None else c * landscape.minimum
    formula = f"{c!r}*({landscape.formula})" if landscape.formula else ""
    return replace(
        landscape, function=Scaled(landscape.function, c), minimum=minimum, noise=c * landscape.noise,
        formula=formula,
    )  # fmt: skip


def parse_start(text: str, n: int, what: str = "start") -> Array:
    """Read n numbers separated by commas or blanks; one number stands for all.

    Raises
    ------
    InputError
        If there are not as many, or one is not finite or absurdly large.
    """
    expected = f"{n} numbers with commas between" if n > 1 else "a number"
    words = [word for word in re.split(r"[,;\s]+", text.strip()) if word]
    try:
        point = np.array([float(word) for word in words])
    except ValueError:
        raise InputError(what, expected, repr(text)) from None
    if len(point) == 1:
        point = np.repeat(point, n)
    if len(point) != n:
        raise InputError(what, expected, f"{len(words)} numbers")
    if not (np.abs(point) <= FARTHEST).all():
        raise InputError(what, f"coordinates up to {FARTHEST:g} in absolute value", repr(text))
    return point


def sum_of_squares(residuals: Sequence[Function], factor: float = 2.0) -> Matrix:
    """Return the Gauss–Newton Hessian factor·JᵀJ of Σ rᵢ² for residuals with gradients."""

    def hessian(x: Array) -> Array:
        J = np.stack([r.gradient(x) for r in residuals], axis=-2)
        return factor * np.swapaxes(J, -1, -2) @ J

    return hessian
