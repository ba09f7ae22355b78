"""The same task in turned coordinates: whether a result depends on where the axes happen to lie."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.iterate import Array, Iterate, Preparation, Status, Work
from core.optimizers.landscape import Landscape
from core.optimizers.outcomes import ALL, build_method, method_entries, prepare_method
from core.optimizers.turning import SIDES, turned
from core.registry import Scalar, Scale, method, param

#: What is told of every run: its end, and how far from Q times the unturned end, over what that moved.
LAYERS = ("loss", "path_error")
MOST_METHODS = 8


@method(
    "turned_task",
    lab="optimizers",
    title="Turn the task",
    source="Wang et al. 2025, Conda, arXiv 2509.24218; on rotations and Adam: Xie et al. 2025, Adam Exploits "
    "ℓ∞-geometry of Loss Landscape via Coordinate-wise Adaptivity, ICLR",
    example="ravine",
    scalars={
        "loss": Scalar("lowest final loss", scale=Scale.LOG),
        "runs": Scalar("runs so far"),
    },
    colour=51,
    kind="analysis",
    order=89,
)
@dataclass(frozen=True)
class TurnedTask:
    """Every method runs on f(Qᵀx) from Qx₀ for turns Q from 0° to 90°.

    Gradient descent, momentum and Newton's method know angles and lengths only: they end at Q times the same
    point. Methods that scale each coordinate for itself do not. Q turns pairs of neighbouring axes, so that
    at 90° axes are merely exchanged and even those methods are back where they were. Of matrices the rows'
    space, the columns' space or both are turned.
    """

    methods: str = param(
        "adam; sgd", doc="keys with their settings, semicolons between: adam lr=0.1; sgd momentum=0"
    )
    side: str = param("both", choices=SIDES, doc="which spaces of a matrix are turned")
    angles: int = param(13, low=2, high=46, doc="angles from 0° to 90°")
    steps: int = param(200, low=1, high=5000, log=True, doc="steps of each run")

    def __post_init__(self) -> None:
        for key, settings in self.entries():
            self._built(key, settings)

    def entries(self) -> list[tuple[str, str]]:
        """Return key and settings of every method; see `core.optimizers.outcomes.method_entries`."""
        return method_entries(self.methods, MOST_METHODS, ALL)

    def _built(self, key: str, settings: str) -> Any:
        return build_method(key, settings, {"steps": self.steps})

    def prepare(self, problem: Landscape) -> Preparation[Landscape]:
        """Load what the methods need."""
        for key, settings in self.entries():
            yield from prepare_method(self._built(key, settings), problem)
        return problem

    def degrees(self) -> Array:
        """Return the angles [°]."""
        return np.linspace(0.0, 90.0, self.angles)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the results so far, all methods at one more angle an item.

        Yields
        ------
        x : (methods, angles, 2) of `LAYERS`; NaN = not yet, loss inf = diverged.
        arrays : ``degrees`` (angles,).

        Raises
        ------
        ValueError
            If the landscape cannot be turned, or a method refuses it.
        """
        turned(problem, 0.0, self.side)
        for key, settings in self.entries():
            self._built(key, settings).iterate(problem)
        return self._loop(problem)

    def _loop(self, landscape: Landscape) -> Iterator[Iterate]:
        entries, degrees = self.entries(), self.degrees()
        table = np.full((len(entries), len(degrees), len(LAYERS)), np.nan)
        ends: list[Array] = []
        gradients = 0
        yield self._item(0, table, gradients, Status.RUNNING)
        for a, angle in enumerate(degrees):
            there, turn = turned(landscape, float(angle), self.side)
            for m, (key, settings) in enumerate(entries):
                *_, last = self._built(key, settings).iterate(there)
                gradients += last.work.gradient
                x = last.x() if callable(last.x) else last.x
                is_lost = last.status is Status.DIVERGED or not math.isfinite(last.scalars["loss"])
                if a == 0:
                    ends.append(np.full_like(x, np.nan) if is_lost else x)
                moved = float(np.linalg.norm(ends[m] - landscape.start))
                error = float(np.linalg.norm(turn.back(x) - ends[m])) / moved if moved > 0 else math.nan
                table[m, a] = (math.inf, math.nan) if is_lost else (last.scalars["loss"], error)
            status = Status.CONVERGED if a == len(degrees) - 1 else Status.RUNNING
            yield self._item(a + 1, table, gradients, status)

    def _item(self, k: int, table: Array, gradients: int, status: Status) -> Iterate:
        known = table[..., 0][np.isfinite(table[..., 0])]
        scalars = {
            "loss": float(known.min()) if len(known) else math.nan,
            "runs": float((~np.isnan(table[..., 0])).sum()),
        }
        work = Work(gradient=gradients, evaluation=gradients, units=2.0 * gradients)
        return Iterate(k, table.copy(), scalars, {"degrees": self.degrees()}, work, status)
