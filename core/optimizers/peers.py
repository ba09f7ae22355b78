"""Drives `scipy.optimize.minimize` as a generator: one iterate a callback, in a thread that waits its turn.

SciPy calls back, a method yields. The thread runs only while its consumer waits, so that pausing stops it and
its time counts where it is spent; closing the generator ends it.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from core.iterate import Array, Iterate, Status, Work
from core.optimizers.landscape import Landscape
from core.optimizers.steps import Budget, Oracle, Recorder
from core.optimizers.training import check_hessian_size


@dataclass(frozen=True, slots=True, eq=False)
class _Reached:
    x: Array
    loss: float
    gradient: Array
    work: Work


class _ClosedError(Exception):
    """The consumer wants no more iterates."""


class _Thread:
    """SciPy's loop on the other side of two queues of length one."""

    def __init__(self, name: str, oracle: Oracle, budget: Budget, options: dict[str, Any]) -> None:
        self._name, self._oracle, self._budget, self._options = name, oracle, budget, options
        self._go: queue.Queue[bool] = queue.Queue(1)
        self._out: queue.Queue[_Reached | str | Exception] = queue.Queue(1)
        self._thread: threading.Thread | None = None

    def next(self) -> _Reached | str | Exception:
        """Let SciPy make one iteration; a text is its reason to stop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="scipy", daemon=True)
            self._thread.start()
        else:
            self._go.put(True)
        return self._out.get()

    def close(self) -> None:
        """End the thread, wherever it stands."""
        if self._thread is not None and self._thread.is_alive():
            self._go.put(False)
            self._thread.join()

    def _work(self) -> None:
        oracle = self._oracle
        needs_hessian = self._name in ("Newton-CG", "trust-ncg", "trust-krylov", "trust-exact", "dogleg")

        # SciPy's stubs list every name of a method and every option apart
        solve: Any = minimize

        def callback(x: Array) -> None:
            x = np.array(x)
            loss, gradient = oracle.both(x)
            self._out.put(_Reached(x, loss, gradient, oracle.work()))
            if not self._go.get():
                raise _ClosedError

        try:
            with np.errstate(all="ignore"):
                end = solve(
                    lambda x: oracle.both(x)[0],
                    oracle.landscape.start,
                    jac=lambda x: oracle.both(x)[1],
                    hess=oracle.hessian if needs_hessian else None,
                    method=self._name,
                    callback=callback,
                    options=self._options,
                )
        except _ClosedError:
            return
        except Exception as error:  # handed to the consumer, where it belongs
            self._out.put(error)
        else:
            self._out.put(str(end.message))


def iterate_minimize(name: str, budget: Budget, landscape: Landscape, **options: Any) -> Iterator[Iterate]:
    """Return the iterates of one of SciPy's methods.

    Parameters
    ----------
    name : SciPy's name of the method.
    budget : when to end; SciPy's own tolerances apply as well.
    options : SciPy's options for the method.

    Yields
    ------
    Arrays: ``gradient``, and ``step`` once the next point is known, that is with every item but the last.

    Raises
    ------
    ValueError
        If the method keeps a matrix that would be too large.
    """
    if name not in ("L-BFGS-B", "CG"):
        check_hessian_size(landscape.n)
    return _iterates(name, budget, landscape, options)


def _iterates(name: str, budget: Budget, landscape: Landscape, options: dict[str, Any]) -> Iterator[Iterate]:
    oracle = Oracle(landscape)
    recorder = Recorder(oracle, budget)
    thread = _Thread(name, oracle, budget, {"maxiter": budget.steps + 1, **options})
    start = landscape.start.copy()
    here = _Reached(start, *oracle.both(start), oracle.work())
    try:
        while True:
            status, note = recorder.end(here.x, here.loss, here.gradient)
            ahead: _Reached | str | Exception | None = None
            if status is Status.RUNNING:
                ahead = thread.next()
                if isinstance(ahead, np.linalg.LinAlgError):
                    ahead = f"SciPy: {ahead}"
                if isinstance(ahead, Exception):
                    raise ahead
                if isinstance(ahead, str):
                    status, note = _reason(here, recorder), f"SciPy: {ahead}"
            arrays = {"step": ahead.x - here.x} if isinstance(ahead, _Reached) else {}
            yield recorder.item(here.x, here.loss, here.gradient, math.nan, arrays, here.work, status, note)
            if not isinstance(ahead, _Reached):
                return
            here = ahead
    finally:
        thread.close()


def _reason(here: _Reached, recorder: Recorder) -> Status:
    """Return CONVERGED if SciPy stopped where the gradient has nearly vanished."""
    small = recorder.share_of_first_norm(here.gradient) < 1e-3
    return Status.CONVERGED if small else Status.BREAKDOWN
