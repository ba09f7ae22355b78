"""The best learning rate of a method, found by a budget of runs that is the same for every method."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate, Preparation, Status, Work
from core.optimizers.landscape import Landscape
from core.optimizers.outcomes import TUNABLE, build_method, outcome, prepare_method
from core.registry import Scalar, Scale, method, param

#: Columns of the log.
COLUMNS = ("lr", "loss", "distance_to_minimum", "gradients")


@method(
    "lr_tuning",
    lab="optimizers",
    title="Tune the learning rate",
    source="grid and local refinement, as in comparisons at equal budget; Schmidt, Schneider & Hennig 2021, "
    "Descending through a Crowded Valley, ICML",
    example="rosenbrock",
    scalars={
        "loss": Scalar("best final loss", scale=Scale.LOG),
        "best_lr": Scalar("best learning rate", scale=Scale.LOG),
    },
    colour=40,
    kind="analysis",
    order=80,
)
@dataclass(frozen=True)
class LrTuning:
    """A logarithmic grid of rates, then runs between the best rate and its neighbours.

    Five eighths of the runs are the grid, the rest refine it, each at the middle of the wider gap beside the
    best rate so far. Every run is logged, so that the budget can be checked.
    """

    method: str = param("adam", choices=TUNABLE, doc="whose rate is sought")
    settings: str = param("", doc="the method's other parameters as name=value, with commas between")
    evaluations: int = param(40, low=5, high=200, doc="runs")
    steps: int = param(100, low=1, high=5000, log=True, doc="steps of each run")
    low: float = param(1e-5, low=1e-7, high=0.01, log=True, doc="smallest rate of the grid")
    high: float = param(1.0, low=0.02, high=10.0, log=True, doc="largest rate of the grid")
    criterion: str = param(
        "loss", choices={"loss": "final loss", "distance_to_minimum": "final distance to the minimum"},
        doc="what the best rate makes smallest",
    )  # fmt: skip

    def __post_init__(self) -> None:
        build_method(self.method, self.settings, {"lr": self.low, "steps": self.steps})

    def prepare(self, problem: Landscape) -> Preparation[Landscape]:
        """Load what the method needs."""
        return prepare_method(
            build_method(self.method, self.settings, {"lr": self.low, "steps": self.steps}), problem
        )

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the log so far, one more row an item.

        Yields
        ------
        x : (evaluations, 4) of `COLUMNS`, in the order of the runs; NaN = not yet, loss inf = diverged.

        Raises
        ------
        ValueError
            If the distance is asked for where no minimum is known, or the method refuses the landscape.
        """
        if self.criterion == "distance_to_minimum" and not problem.knows_minima:
            raise ValueError("no minimum of this landscape is known; tune by the final loss")
        built = build_method(self.method, self.settings, {"lr": self.low, "steps": self.steps})
        built.iterate(problem)  # checks its assumptions, computes nothing
        return self._loop(problem)

    def _loop(self, landscape: Landscape) -> Iterator[Iterate]:
        log = np.full((self.evaluations, len(COLUMNS)), np.nan)
        on_grid = max(3, (5 * self.evaluations) // 8)
        grid = np.geomspace(self.low, self.high, on_grid)
        column, gradients = COLUMNS.index(self.criterion), 0
        for k in range(self.evaluations + 1):
            status = Status.CONVERGED if k == self.evaluations else Status.RUNNING
            best = best_row(log, column)
            scalars = {"loss": math.nan, "best_lr": math.nan}
            if best is not None:
                scalars = {"loss": float(log[best, 1]), "best_lr": float(log[best, 0])}
            note = f"best rate {scalars['best_lr']:.3g} after {k} runs of {self.steps} steps" if k else ""
            work = Work(gradient=gradients, evaluation=gradients, units=2.0 * gradients)
            yield Iterate(k, log.copy(), scalars, {}, work, status, note)
            if status.terminal:
                return
            lr = float(grid[k]) if k < on_grid else between(log[:k], column)
            end = outcome(
                build_method(self.method, self.settings, {"lr": lr, "steps": self.steps}), landscape
            )
            gradients += end.gradients
            log[k] = lr, end.loss, end.distance, end.gradients


def best_row(log: Array, column: int) -> int | None:
    """Return the row whose criterion is smallest; None if no run has ended finite."""
    values = np.where(np.isfinite(log[:, column]), log[:, column], np.inf)
    best = int(np.argmin(values))
    return best if np.isfinite(values[best]) else None


def between(log: Array, column: int) -> float:
    """Return the (geometric) middle of the wider gap beside the best rate."""
    rates = np.sort(log[:, 0])
    best = best_row(log, column)
    i = int(np.searchsorted(rates, log[0 if best is None else best, 0]))
    gaps = [(math.log(rates[j + 1] / rates[j]), j) for j in (i - 1, i) if 0 <= j < len(rates) - 1]
    _, j = max(gaps)
    return math.sqrt(float(rates[j]) * float(rates[j + 1]))
