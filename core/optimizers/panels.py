"""What a method shows of itself beside its path and its loss: the views that belong to one method alone.

A method of this lab may have ``panels(problem, view, k)`` that yields `Course`, `Points`, `Arrows`,
`Matrices`, `Bands` and `Strip`; the page draws each kind in one way and knows no method. Panels of one key go
into one chart, so methods that yield the same key are seen against each other. What a method claims has to be
seen beside methods that do without it: ``compares(method, problem, view, k)`` yields panels of any method of
its race.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.trace import Snapshot, TraceView


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A number at every iterate of a run.

    Attributes
    ----------
    key : panels of one key share a chart.
    title : what the number is, with its unit.
    values : (len(view),) in the order of the iterates; NaN where it is not known.
    log : whether its axis is logarithmic.
    level : a number to compare with, drawn as a line; None = there is none.
    name : which one it is, where a method has several of one key.
    words : one sentence on how to read it.
    """

    key: str
    title: str
    values: Array
    log: bool = False
    level: float | None = None
    name: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points of a plane that is not the landscape's, at the iterate of the cursor: a scatter or a curve.

    Attributes
    ----------
    x, y : (n,) coordinates.
    x_title, y_title : what they are, with units.
    joined : draw a line through the points.
    log_x, log_y : whether the axes are logarithmic.
    level : a value of y to compare with, drawn as a line; None = there is none.
    beside : (m, 2) curves that are the same for all methods, by what they are.
    apart : each method has a chart of its own.
    key, title, name, words : see `Course`.
    """

    key: str
    title: str
    x: Array
    y: Array
    x_title: str
    y_title: str
    joined: bool = False
    log_x: bool = False
    log_y: bool = False
    level: float | None = None
    beside: Mapping[str, Array] = field(default_factory=lambda: MappingProxyType({}))
    apart: bool = False
    name: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Arrows:
    """Vectors of a plane at the iterate of the cursor; each method has a chart of its own.

    Attributes
    ----------
    arrows : (2, 2) tail and tip, by what it is.
    key, title, words : see `Course`; x_title, y_title : see `Points`.
    """

    key: str
    title: str
    arrows: Mapping[str, Array]
    x_title: str
    y_title: str
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Matrices:
    """Matrices at the iterate of the cursor, side by side, each with colours of its own.

    Attributes
    ----------
    matrices : (rows, columns) each, by what it is.
    signed : colours lie around zero; otherwise they go from the smallest to the largest entry.
    sides : what the rows and columns of a small matrix are; its entries are then written out.
    key, title, words : see `Course`; those of methods with one each stand side by side.
    """

    key: str
    title: str
    matrices: Mapping[str, Array]
    signed: bool = True
    sides: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Several numbers, or a histogram, at kept iterates: rows of colours over the steps.

    Attributes
    ----------
    ks : (N,) kept iterates, ascending.
    values : (rows, N).
    names : of the rows; empty where they are the bins of a histogram.
    edges : (rows + 1,) of those bins.
    y_title : what the bins are of, with its unit.
    log : whether colours go by the logarithm; what is 0 stays empty.
    key, title, words : see `Course`; each method has a chart of its own.
    """

    key: str
    title: str
    ks: NDArray[np.int64]
    values: Array
    names: tuple[str, ...] = ()
    edges: Array | None = None
    y_title: str = ""
    log: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Which of a few states several parts are in, over the run.

    Attributes
    ----------
    k : (n,) iterates at which the states are known, ascending.
    rows : what the parts are called.
    states : what the states are called, the plain one first.
    values : (rows, n) places in `states`.
    key, title, words : see `Course`; strips of several methods stand below each other.
    """

    key: str
    title: str
    k: NDArray[np.int64]
    rows: tuple[str, ...]
    states: tuple[str, ...]
    values: NDArray[np.integer[Any]]
    words: str = ""


Panel = Course | Points | Arrows | Matrices | Bands | Strip


@runtime_checkable
class Shows(Protocol):
    """A method with views of its own."""

    def panels(self, problem: Any, view: TraceView, k: int) -> Iterable[Panel]:
        """Yield what the method shows of its run on `problem` with the cursor at iterate k."""
        ...


@runtime_checkable
class Compares(Protocol):
    """A method whose views are of every method that it is raced against, itself among them."""

    def compares(self, method: Any, problem: Any, view: TraceView, k: int) -> Iterable[Panel]:
        """Yield what is seen of a method's run on `problem` with the cursor at iterate k."""
        ...


def comparing(methods: Iterable[Any]) -> list[Compares]:
    """Return those methods of a race that look at all others, one of each kind."""
    return list({type(m).compares: m for m in methods if isinstance(m, Compares)}.values())


def panels_of(
    method: Any, problem: Any, view: TraceView, k: int, others: Iterable[Compares] = ()
) -> list[Panel]:
    """Return the panels of a method's run; none if no method has views of it.

    Parameters
    ----------
    problem : what the run was on.
    view : the trace, with an iterate at least.
    k : where the cursor rests.
    others : methods of the race that look at all of it (`comparing`).
    """
    own = list(method.panels(problem, view, k)) if isinstance(method, Shows) else []
    return own + [panel for other in others for panel in other.compares(method, problem, view, k)]


def along_kept(view: TraceView, read: Callable[[Snapshot], float | None]) -> Array:
    """Return (len(view),) numbers read from the kept iterates; NaN elsewhere.

    Parameters
    ----------
    read : takes a snapshot (name → array) and returns a number, or None where it holds none.
    """
    values = np.full(len(view), np.nan)
    kept = view.kept
    for place, k in zip(np.searchsorted(view.k, kept), kept, strict=True):
        number = read(view.snapshots[int(k)])
        if number is not None:
            values[place] = number
    return values
