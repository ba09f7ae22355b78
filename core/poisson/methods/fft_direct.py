"""Solve an empty box at once by fast sine and cosine transforms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Iterate, Preparation, Progress, Status
from core.poisson.fast_transform import EmptyBox, empty_box
from core.poisson.monitor import RESIDUALS, Monitor, rtol_param
from core.poisson.preconditioners import on_grid
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "fft_direct",
    lab="poisson",
    title="Fast direct solver",
    source="Hockney 1965, A fast direct solution of Poisson's equation using Fourier analysis, J. ACM 12",
    assumes="a box without obstacles, constant coefficient",
    example="box",
    scalars={"residual_norm": RESIDUALS["residual_norm"]},
    colour=7,
    order=80,
)
@dataclass(frozen=True)
class FftDirect:
    """Transform b, divide by the eigenvalues, transform back: one step.

    Notes
    -----
    The eigenvectors of a box are products of sines or cosines. With walls all round the constant has
    eigenvalue 0 and is left out.

    References
    ----------
    Hockney 1965; see `core.poisson.fast_transform` for the transform that fits each kind of end.
    """

    rtol: float = rtol_param()

    def prepare(self, problem: LinearSystem) -> Preparation[EmptyBox]:
        """Make the transforms."""
        yield Progress("transforms")
        return empty_box(on_grid(problem, "a fast transform"), exact=True)

    def iterate(self, problem: EmptyBox) -> Iterator[Iterate]:
        """Yield x = 0 and the solution."""
        return self._loop(problem)

    def _loop(self, box: EmptyBox) -> Iterator[Iterate]:
        system = box.system
        monitor = Monitor(system, self.rtol, 1)
        x, r = np.zeros(system.size), system.b.copy()
        status = monitor.observe_true(0, x, r)
        yield monitor.item(0, x, {}, {"residual": r}, status)
        if status is Status.RUNNING:
            box.apply(system.b, x)
            monitor.preconditioned(box.units)
            status = monitor.observe_true(1, x, r)
            if status is Status.MAX_ITERATIONS:
                status = Status.STALLED
                monitor.note = f"rounding: the true residual is {monitor.residual:.2e}"
            yield monitor.item(1, x, {}, {"residual": r}, status)
