"""What a method draws on a landscape of two variables: shapes of the cursor's step, colours of its path.

A method of this lab may have ``overlays(snapshot)`` that yields `Outline`, `Marks` and `Arrow` of the step
that leaves a kept iterate, and ``tint(view)`` that returns a `Tint`. The map draws each kind in one way and
knows no method. Shapes of one name belong together over the steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from numpy.typing import NDArray

from core.iterate import Array
from core.trace import Snapshot, TraceView

#: What a shape stands for: the method itself, what it refused, what it believes, what it could have done.
Meaning = Literal["own", "refused", "model", "other"]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Ellipses around one centre.

    Attributes
    ----------
    name : what a legend says.
    center : (2,) in the landscape's coordinates.
    axes : (2, 2) matrix A; the outline is center + A u for all |u| = 1.
    meaning : what it stands for.
    rings : factors of A, an ellipse each.
    """

    name: str
    center: Array
    axes: Array
    meaning: Meaning = "own"
    rings: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Points.

    Attributes
    ----------
    points : (m, 2) in the landscape's coordinates; m may differ from step to step, and be 0.
    hollow : rings in place of dots.
    name, meaning : see `Outline`.
    """

    name: str
    points: Array
    meaning: Meaning = "own"
    hollow: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Arrow:
    """A direction at the iterate; its length is not drawn.

    Attributes
    ----------
    vector : (2,) where it points.
    name, meaning : see `Outline`.
    """

    name: str
    vector: Array
    meaning: Meaning = "other"


Overlay = Outline | Marks | Arrow


@dataclass(frozen=True, slots=True, eq=False)
class Tint:
    """A number along a path that gives it its colour.

    Attributes
    ----------
    title : what the number is.
    ks, values : (N,) kept iterates, ascending, and the number of the step that leaves each; NaN = not known.
    low, high : ends of its colours.
    """

    title: str
    ks: NDArray[Any]
    values: Array
    low: float
    high: float


@runtime_checkable
class Draws(Protocol):
    """A method with shapes at the cursor."""

    def overlays(self, snapshot: Snapshot) -> Iterable[Overlay]:
        """Yield the shapes of the step that leaves a kept iterate."""
        ...


@runtime_checkable
class Tinted(Protocol):
    """A method that colours its path."""

    def tint(self, view: TraceView) -> Tint:
        """Return the number that colours the path."""
        ...


def overlays_of(method: Any, snapshot: Snapshot) -> list[Overlay]:
    """Return a method's shapes at a kept iterate of two variables; none where no step leaves it."""
    is_plane = "step" in snapshot and len(snapshot["x"]) == 2
    return list(method.overlays(snapshot)) if is_plane and isinstance(method, Draws) else []


def tint_of(method: Any, view: TraceView) -> Tint | None:
    """Return the number that colours a method's path; None if there is none."""
    return method.tint(view) if isinstance(method, Tinted) else None
