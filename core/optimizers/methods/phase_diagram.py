"""Where in the plane of two hyper-parameters a method works: the final loss of a run for every cell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.iterate import Array, Iterate, Preparation, Status, Work
from core.optimizers.landscape import Landscape
from core.optimizers.outcomes import (
    ALL,
    build_method,
    coarse_to_fine,
    in_type,
    number_parameter,
    outcome,
    prepare_method,
)
from core.registry import Scalar, Scale, method, param

#: Layers of the diagram.
LAYERS = ("loss", "distance_to_minimum")
CELLS_AN_ITEM = 8


@method(
    "phase_diagram",
    lab="optimizers",
    title="Phase diagram",
    source="Goh 2017, Why Momentum Really Works, Distill",
    example="ravine",
    scalars={
        "loss": Scalar("best final loss", scale=Scale.LOG),
        "share": Scalar("share of cells that did not diverge"),
    },
    colour=42,
    kind="analysis",
    order=82,
)
@dataclass(frozen=True)
class PhaseDiagram:
    """A run for every pair of two hyper-parameters, coarse to fine.

    The edge of stability is a line in this plane, and the best pairs lie close to it.
    """

    method: str = param("sgd", choices=ALL, doc="what descends")
    settings: str = param("", doc="the method's other parameters as name=value, with commas between")
    x_name: str = param("lr", doc="parameter along x")
    x_low: float = param(1e-3, low=-1e6, high=1e6, doc="left edge")
    x_high: float = param(0.2, low=-1e6, high=1e6, doc="right edge")
    x_scale: str = param("log", choices=("log", "linear"), doc="spacing along x")
    y_name: str = param("momentum", doc="parameter along y")
    y_low: float = param(0.0, low=-1e6, high=1e6, doc="lower edge")
    y_high: float = param(0.98, low=-1e6, high=1e6, doc="upper edge")
    y_scale: str = param("linear", choices=("log", "linear"), doc="spacing along y")
    resolution: int = param(20, low=3, high=64, doc="cells along each side")
    steps: int = param(100, low=1, high=5000, log=True, doc="steps of each run")

    def check(self) -> None:
        """Refuse axes that the method does not have or that are empty.

        Raises
        ------
        InputError
            Naming the parameter at fault.
        """
        if self.x_name == self.y_name:
            raise InputError("y_name", f"another parameter than x_name = {self.x_name}", repr(self.y_name))
        for axis in ("x", "y"):
            low, high = getattr(self, f"{axis}_low"), getattr(self, f"{axis}_high")
            if not low < high:
                raise InputError(f"{axis}_high", f"a number above {axis}_low = {low:g}", f"{high:g}")
            if getattr(self, f"{axis}_scale") == "log" and low <= 0:
                raise InputError(f"{axis}_low", "a number above 0 on a logarithmic axis", f"{low:g}")
        for x in (self.x_low, self.x_high):
            for y in (self.y_low, self.y_high):
                self._built(x, y)

    def _built(self, x: float, y: float) -> object:
        values: dict[str, object] = {"steps": self.steps}
        for axis, name, value in (("x", self.x_name, x), ("y", self.y_name, y)):
            values[name] = in_type(number_parameter(self.method, name, f"{axis}_name"), value)
        return build_method(self.method, self.settings, values)

    def axes(self) -> tuple[Array, Array]:
        """Return the values along x and y."""

        def spaced(low: float, high: float, scale: str) -> Array:
            space = np.geomspace if scale == "log" else np.linspace
            return np.asarray(space(low, high, self.resolution))

        return spaced(self.x_low, self.x_high, self.x_scale), spaced(self.y_low, self.y_high, self.y_scale)

    def prepare(self, problem: Landscape) -> Preparation[Landscape]:
        """Load what the method needs; refuses what `check` refuses."""
        self.check()
        return prepare_method(self._built(self.x_low, self.y_low), problem)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the diagram so far.

        Yields
        ------
        x : (resolution, resolution, 2), rows from the lower edge; layers `LAYERS`, NaN = not yet, loss inf =
            diverged.
        arrays : ``x_axis``, ``y_axis`` (resolution,).

        Raises
        ------
        InputError
            See `check`.
        ValueError
            If the method refuses the landscape.
        """
        self.check()
        self._built(self.x_low, self.y_low).iterate(problem)  # type: ignore[attr-defined]
        return self._loop(problem)

    def _loop(self, landscape: Landscape) -> Iterator[Iterate]:
        xs, ys = self.axes()
        table = np.full((self.resolution, self.resolution, len(LAYERS)), np.nan)
        k = gradients = 0
        yield self._item(0, table, 0, Status.RUNNING)
        for done, (i, j) in enumerate(coarse_to_fine(self.resolution, self.resolution), 1):
            end = outcome(self._built(float(xs[j]), float(ys[i])), landscape)
            gradients += end.gradients
            table[i, j] = (end.loss if math.isfinite(end.loss) else math.inf), end.distance
            if done % CELLS_AN_ITEM == 0 and done < self.resolution**2:
                k += 1
                yield self._item(k, table, gradients, Status.RUNNING)
        yield self._item(k + 1, table, gradients, Status.CONVERGED)

    def _item(self, k: int, table: Array, gradients: int, status: Status) -> Iterate:
        xs, ys = self.axes()
        losses = table[..., 0][~np.isnan(table[..., 0])]
        finite = losses[np.isfinite(losses)]
        scalars = {
            "loss": float(finite.min()) if len(finite) else math.nan,
            "share": len(finite) / len(losses) if len(losses) else math.nan,
        }
        work = Work(gradient=gradients, evaluation=gradients, units=2.0 * gradients)
        return Iterate(k, table.copy(), scalars, {"x_axis": xs, "y_axis": ys}, work, status)
