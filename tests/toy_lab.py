"""A lab for tests alone: a quadratic bowl and methods that behave well, badly, slowly or for ever.

``python -m tests.toy_lab ARGUMENTS`` is the command line with this lab registered.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import registry
from core.errors import InputError
from core.iterate import Array, Iterate, Preparation, Progress, Status, Work
from core.registry import LabSpec, Scalar, Scale, param
from core.trace import TraceView

#: What the methods report about themselves: "closed", "evaluated", "stages".
EVENTS: Counter[str] = Counter()
#: One release lets `Gated` make one item.
GATE = threading.Semaphore(0)

SCALARS = {"gap": Scalar("f − f*", scale=Scale.LOG), "step": Scalar("step size")}


@dataclass(frozen=True, slots=True, eq=False)
class Quadratic:
    """f(x) = ½ Σ a_i x_i², start `x`."""

    a: Array
    x: Array


@dataclass(frozen=True)
class Bowl:
    """A bowl with the minimum at the origin."""

    n: int = param(3, low=1, high=100, doc="unknowns")
    condition: float = param(10.0, low=1.0, high=1e6, log=True)
    stages: int = param(2, low=0, high=1000)
    stage_seconds: float = param(0.0, low=0.0, high=10.0, unit="s")
    start: str = param("ones", choices={"ones": "all ones", "random": "drawn"})
    table: str = param("", form="file", doc="a start to read")
    fail: bool = param(False)

    def build(self, seed: int) -> Preparation[Quadratic]:
        try:
            for i in range(self.stages):
                yield Progress(f"stage {i}", i, self.stages)
                EVENTS["stages"] += 1
                time.sleep(self.stage_seconds)
            if self.fail:
                raise InputError("bowl", "a whole bowl", "a broken one", "do not set fail")
            a = np.geomspace(1.0, self.condition, self.n)
            x = np.ones(self.n)
            if self.start == "random":
                x = np.random.default_rng(seed).standard_normal(self.n)
            if self.table:
                x = np.loadtxt(Path(self.table))
            return Quadratic(a, x)
        finally:
            EVENTS["build closed"] += 1


@dataclass(frozen=True)
class Descent:
    """Gradient descent with a fixed step."""

    step: float = param(1.0, low=0.01, high=1.9, doc="in units of 1/L")
    rtol: float = param(1e-6, low=1e-14, high=1.0, log=True)
    max_iterations: int = param(200, low=0, high=100_000)

    def iterate(self, problem: Quadratic) -> Iterator[Iterate]:
        if problem.a.min() <= 0:
            raise ValueError("the bowl opens downwards")
        return self._loop(problem.a, problem.x.copy())

    def _loop(self, a: Array, x: Array) -> Iterator[Iterate]:
        size = self.step / a.max()
        first = 0.5 * float(a @ x**2)
        for k in range(self.max_iterations + 1):
            gap = 0.5 * float(a @ x**2)
            status = Status.RUNNING
            if gap <= self.rtol * first:
                status = Status.CONVERGED
            elif k == self.max_iterations:
                status = Status.MAX_ITERATIONS
            yield Iterate(k, x.copy(), {"gap": gap, "step": size}, work=Work(gradient=k), status=status)
            if status.terminal:
                return
            x = x - size * a * x


@dataclass(frozen=True)
class Prepared:
    """Descent after a preparation of its own."""

    stages: int = param(3, low=0, high=1000)
    stage_seconds: float = param(0.0, low=0.0, high=10.0)

    def prepare(self, problem: Quadratic) -> Preparation[Quadratic]:
        try:
            for i in range(self.stages):
                yield Progress(f"factor {i}", i, self.stages)
                time.sleep(self.stage_seconds)
            return Quadratic(problem.a / problem.a, problem.x)
        finally:
            EVENTS["prepare closed"] += 1

    def iterate(self, problem: Quadratic) -> Iterator[Iterate]:
        return Descent().iterate(problem)


@dataclass(frozen=True)
class Endless:
    """Counts for ever; the gap falls or swings."""

    seconds: float = param(0.001, low=0.0, high=1.0)
    size: int = param(4, low=1, high=1_000_000, doc="numbers in a snapshot")
    last: int = param(1_000_000_000, low=0, high=1_000_000_000)
    swing: bool = param(False)
    computes: bool = param(False, doc="whether the seconds are spent computing instead of waiting")
    closing: float = param(0.0, low=0.0, high=10.0, unit="s", doc="time that it takes to close")

    def iterate(self, problem: Quadratic) -> Iterator[Iterate]:
        return self._loop()

    def _loop(self) -> Iterator[Iterate]:
        x = np.zeros(self.size)
        try:
            for k in range(self.last + 1):
                if self.computes:
                    end = time.thread_time() + self.seconds
                    while time.thread_time() < end:
                        pass
                else:
                    time.sleep(self.seconds)
                x[:] = k

                def copy() -> Array:
                    EVENTS["evaluated"] += 1
                    return x.copy()

                gap = abs(k - 37.0) + 1.0 if self.swing else 1.0 / (k + 1)
                status = Status.MAX_ITERATIONS if k == self.last else Status.RUNNING
                yield Iterate(k, copy, {"gap": gap}, {"twice": lambda: 2 * copy()}, status=status)
        finally:
            time.sleep(self.closing)
            EVENTS["closed"] += 1


@dataclass(frozen=True)
class Gated:
    """Makes an item whenever the test lets it."""

    name: int = param(0, low=0, high=100)

    def iterate(self, problem: Quadratic) -> Iterator[Iterate]:
        return self._loop()

    def _loop(self) -> Iterator[Iterate]:
        try:
            for k in range(10_000):
                if not GATE.acquire(timeout=20.0):
                    raise TimeoutError("the test never opened the gate")
                yield Iterate(k, np.full(2, float(k)), {"gap": 1.0})
        finally:
            EVENTS["closed"] += 1


@dataclass(frozen=True)
class Faulty:
    """Goes wrong in a chosen way."""

    how: str = param(
        "diverge",
        choices=(
            "diverge",
            "refuse",
            "runtime",
            "value",
            "linalg",
            "stop",
            "skip",
            "undeclared",
            "close",
            "own",
        ),
    )

    def iterate(self, problem: Quadratic) -> Iterator[Iterate]:
        if self.how == "refuse":
            raise ValueError("the matrix is not symmetric: |A - Aᵀ| = 0.3")
        return self._loop()

    def _loop(self) -> Iterator[Iterate]:
        try:
            for k in range(100):
                gap = 10.0 ** (100 * k) if k < 4 or self.how != "diverge" else np.inf
                if k == 3 and self.how == "runtime":
                    raise RuntimeError("a fault of ours")
                if k == 3 and self.how == "value":
                    raise ValueError("operands could not be broadcast together")
                if k == 3 and self.how == "linalg":
                    raise np.linalg.LinAlgError("Singular matrix")
                if k == 3 and self.how in ("stop", "close"):
                    return
                extra = {"surprise": 1.0} if self.how == "undeclared" and k == 3 else {}
                own = Status.DIVERGED if self.how == "own" and k == 3 else Status.RUNNING
                shown = k + 1 if self.how == "skip" and k == 3 else k
                yield Iterate(shown, np.full(2, float(k)), {"gap": min(gap, 1e300) if k < 4 else gap} | extra,
                              status=own)  # fmt: skip
                if own.terminal:
                    return
        finally:
            EVENTS["closed"] += 1
            if self.how == "close":
                raise RuntimeError("the file is gone")


@dataclass(frozen=True)
class Map:
    """An analysis: the whole array so far in each item."""

    rows: int = param(20, low=1, high=1000)

    def iterate(self, problem: Quadratic) -> Iterator[Iterate]:
        return self._loop()

    def _loop(self) -> Iterator[Iterate]:
        table = np.full((self.rows, 3), np.nan)
        for k in range(self.rows + 1):
            status = Status.CONVERGED if k == self.rows else Status.RUNNING
            yield Iterate(k, table.copy(), {"gap": np.nan}, status=status)
            if k < self.rows:
                table[k] = k


def _result(problem: Quadratic, view: TraceView) -> dict[str, Any]:
    return {"x": view.last("x").tolist(), "gap": view.final_scalars()["gap"]}


def install() -> None:
    """Register the lab."""
    registry.register_lab(LabSpec("toy", "Toy", "for tests", "gap", (), _result))
    registry._unavailable["toy"] = []
    registry.problem("bowl", lab="toy", title="Bowl", aliases=("basin",))(Bowl)
    make: Callable[..., Any] = lambda key, cls, **extra: registry.method(  # noqa: E731
        key, lab="toy", title=key.title(), source="made up, 2026", example="bowl", scalars=SCALARS, **extra
    )(cls)
    make("descent", Descent, order=1, aliases=("gradient_descent",), assumes="a convex bowl")
    make("prepared", Prepared)
    make("endless", Endless)
    make("gated", Gated)
    make("faulty", Faulty)
    make("trained", Endless, kind="training")
    make("map", Map, kind="analysis")


def remove() -> None:
    """Forget the lab and what was counted."""
    registry._labs.pop("toy", None)
    registry._unavailable.pop("toy", None)
    for table in (registry._problems, registry._methods, registry._experiments):
        for key in [k for k in table if k[0] == "toy"]:
            del table[key]
    EVENTS.clear()
    while GATE.acquire(blocking=False):
        pass


@pytest.fixture
def toy_lab() -> Iterator[None]:
    """Register the toy lab for one test."""
    remove()
    install()
    yield
    remove()


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another thread is about to bring about."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


if __name__ == "__main__":
    from core.cli import main

    # this file runs under another name than the one that tests import
    install()
    main()
