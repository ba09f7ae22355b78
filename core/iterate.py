"""The one protocol of the product: a method is a generator of iterates.

A method is a frozen dataclass of its hyper-parameters with ``iterate(problem)``. The reader of the paper
finds its loop there; pausing it is not pulling it, cancelling is closing it. The contract that every
registered method is held to stands in ``tests/contract/test_methods.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: An array, or a callable that returns a fresh copy of it: evaluated only if the trace keeps that iterate.
Lazy = NDArray[Any] | Callable[[], NDArray[Any]]

P_contra = TypeVar("P_contra", contravariant=True)
T = TypeVar("T")


class Status(Enum):
    """Where a method stands; the value is what the page says."""

    RUNNING = "running"
    CONVERGED = "tolerance reached"
    MAX_ITERATIONS = "iteration limit reached before the tolerance"
    STALLED = "no progress over the last window"
    BREAKDOWN = "the method's assumption failed"
    DIVERGED = "iterates became non-finite or grew without bound"

    @property
    def terminal(self) -> bool:
        """Whether no further iterate follows."""
        return self is not Status.RUNNING


@dataclass(frozen=True, slots=True)
class Work:
    """Cumulative cost since k = 0: calls by kind; `units` are multiply-adds in fine operator applications."""

    operator: int = 0
    preconditioner: int = 0
    gradient: int = 0
    hessian_vector: int = 0
    evaluation: int = 0
    units: float = 0.0


@dataclass(frozen=True, slots=True)
class Iterate:
    """State after k steps.

    Attributes
    ----------
    k : 0 is the state before any step; rises by one.
    x : the primary unknown; its shape is the problem's. Array or callable that returns a copy.
    scalars : numbers by the names that the method's registration declares.
    arrays : further snapshots (search direction, Hessian, …), arrays or callables.
    work : cumulative cost.
    status : RUNNING, or the reason why this is the last item.
    note : the reason in numbers, for example "pᵀAp = -3.1e-02 at k = 17: A is not positive definite".
    """

    k: int
    x: Lazy
    scalars: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    arrays: Mapping[str, Lazy] = field(default_factory=lambda: MappingProxyType({}))
    work: Work = Work()
    status: Status = Status.RUNNING
    note: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of preparation: what is being done, how much of it. `total` 0 = not known."""

    stage: str
    done: int = 0
    total: int = 0


#: Preparation yields Progress (each yield is a place to cancel) and returns the prepared object.
Preparation = Generator[Progress, None, T]


class Method(Protocol[P_contra]):
    """What the runner asks of a method.

    ``iterate`` checks its arguments at the call and raises ValueError with the failed assumption; the
    generator that it returns never raises for numerical reasons. A method may also have
    ``prepare(problem) -> Preparation[Q]``; then ``iterate`` receives what it returns.
    """

    def iterate(self, problem: P_contra, /) -> Iterator[Iterate]:
        """Yield k = 0, 1, …; exactly one item, the last, has a terminal status."""
        ...


def drain(preparation: Preparation[T]) -> T:
    """Run a preparation to its end and return its object."""
    while True:
        try:
            next(preparation)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
