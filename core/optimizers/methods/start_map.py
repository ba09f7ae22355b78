"""Which minimum is reached from where, and how soon: a map over all starts of a landscape's window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate, Preparation, Status, Work
from core.optimizers.landscape import Landscape
from core.optimizers.outcomes import (
    ALL,
    at_start,
    build_method,
    coarse_to_fine,
    descend_together,
    is_vectorised,
    prepare_method,
)
from core.registry import Scalar, Scale, method, param

#: Layers of the map: number of the minimum (−1 none), step since which its basin was not left, final loss.
LAYERS = ("minimum", "steps", "loss")
#: Steps between two items, and cells between two items where each start is run for itself.
STEPS_AN_ITEM, CELLS_AN_ITEM = 25, 40


@method(
    "start_map",
    lab="optimizers",
    title="Map of starts",
    source="basins of attraction; for Newton's method Cayley 1879",
    assumes="a landscape of two variables without noise",
    example="himmelblau",
    scalars={
        "loss": Scalar("mean final loss", scale=Scale.LOG),
        "share": Scalar("share of starts that arrived"),
    },
    colour=41,
    kind="analysis",
    order=81,
)
@dataclass(frozen=True)
class StartMap:
    """Every point of the window is a start; its colour says where the method goes.

    Methods that step each coordinate for itself go from all starts at once, as one long vector of torch. The
    others go from one after the other, coarse to fine.
    """

    method: str = param("adam", choices=ALL, doc="what descends")
    settings: str = param("", doc="the method's parameters as name=value, with commas between")
    resolution: int = param(60, low=4, high=200, doc="starts along each side")
    steps: int = param(500, low=1, high=5000, log=True, doc="steps from every start")
    radius: float = param(0.1, low=1e-6, high=10.0, log=True, doc="distance at which a minimum is reached")

    def __post_init__(self) -> None:
        build_method(self.method, self.settings, {"steps": self.steps})

    def prepare(self, problem: Landscape) -> Preparation[Landscape]:
        """Load what the method needs."""
        return prepare_method(build_method(self.method, self.settings, {"steps": self.steps}), problem)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the map so far.

        Yields
        ------
        x : (resolution, resolution, 3), rows from the lower edge; layers `LAYERS`, NaN = not yet. The minima
            are numbered as in the landscape; where none is known, in the order in which end points are met.
        arrays : ``starts`` (resolution, resolution, 2); ``minima`` (m, 2) in the last item.

        Raises
        ------
        ValueError
            If the landscape has no window of two variables or is noisy, or the method refuses it.
        """
        if problem.n != 2 or len(problem.window) != 2:
            raise ValueError("a map of starts needs a landscape of two variables")
        if problem.noise > 0:
            raise ValueError(
                "a map of starts needs gradients without noise: here luck decides, not the start"
            )
        built = build_method(self.method, self.settings, {"steps": self.steps})
        built.iterate(problem)  # checks its assumptions, computes nothing
        return self._together(problem) if is_vectorised(built, problem) else self._apart(problem)

    def _starts(self, landscape: Landscape) -> Array:
        (x0, x1), (y0, y1) = landscape.window
        x, y = np.linspace(x0, x1, self.resolution), np.linspace(y0, y1, self.resolution)
        return np.stack(np.meshgrid(x, y), axis=-1)

    def _item(
        self, k: int, table: Array, starts: Array, gradients: int, minima: Array | None = None
    ) -> Iterate:
        known = table[..., 2][np.isfinite(table[..., 2])]
        scalars = {
            "loss": float(known.mean()) if len(known) else math.nan,
            "share": float((table[..., 0] >= 0).mean()),
        }
        arrays = {"starts": starts.copy()} | ({} if minima is None else {"minima": minima.copy()})
        status = Status.RUNNING if minima is None else Status.CONVERGED
        note = "" if minima is None else f"{100 * scalars['share']:.0f} % of the starts reached a minimum"
        work = Work(gradient=gradients, evaluation=gradients, units=2.0 * gradients)
        return Iterate(k, table.copy(), scalars, arrays, work, status, note)

    def _together(self, landscape: Landscape) -> Iterator[Iterate]:
        starts = self._starts(landscape)
        table = np.full((*starts.shape[:2], len(LAYERS)), np.nan)
        flat = table.reshape(-1, len(LAYERS))
        since = np.full(len(flat), np.nan)
        k, step, points = 0, 0, starts.reshape(-1, 2)
        first = points.copy()
        built = build_method(self.method, self.settings, {"steps": self.steps})
        yield self._item(0, table, starts, 0)
        for step, points in enumerate(descend_together(built, landscape, first)):
            nearest, distance = _nearest(points, landscape.minima)
            is_in = distance < self.radius
            since = np.where(is_in, np.where(np.isnan(since), step, since), np.nan)
            if step and step % STEPS_AN_ITEM == 0 and step < self.steps:
                flat[:, 0], flat[:, 1] = np.where(is_in, nearest, np.nan), since
                k += 1
                yield self._item(k, table, starts, step * len(flat))
        minima = self._close(landscape, flat, points, since)
        yield self._item(k + 1, table, starts, step * len(flat), minima)

    def _apart(self, landscape: Landscape) -> Iterator[Iterate]:
        starts = self._starts(landscape)
        table = np.full((*starts.shape[:2], len(LAYERS)), np.nan)
        ends, since = starts.copy(), np.full(starts.shape[:2], np.nan)
        built = build_method(self.method, self.settings, {"steps": self.steps})
        k = gradients = 0
        yield self._item(0, table, starts, 0)
        for done, (i, j) in enumerate(coarse_to_fine(self.resolution, self.resolution), 1):
            path = [(item.x() if callable(item.x) else item.x, item.scalars["loss"], item.work.gradient)
                    for item in built.iterate(at_start(landscape, starts[i, j]))]  # fmt: skip
            points = np.array([x for x, _, _ in path])
            gradients += path[-1][2]
            ends[i, j] = points[-1]
            nearest, distance = _nearest(points, landscape.minima)
            outside = np.flatnonzero(~(distance < self.radius))
            first = int(outside[-1]) + 1 if len(outside) else 0
            is_in = first < len(points)
            since[i, j] = first if is_in else np.nan
            table[i, j] = nearest[-1] if is_in else -1.0, since[i, j], path[-1][1]
            if done % CELLS_AN_ITEM == 0 and done < table.shape[0] * table.shape[1]:
                k += 1
                yield self._item(k, table, starts, gradients)
        minima = self._close(landscape, table.reshape(-1, 3), ends.reshape(-1, 2), since.ravel())
        yield self._item(k + 1, table, starts, gradients, minima)

    def _close(self, landscape: Landscape, flat: Array, points: Array, since: Array) -> Array:
        """Fill the whole map from the end points; returns the minima that its numbers mean."""
        minima = landscape.minima
        if not len(minima):
            minima = _met(points, landscape, self.radius)
        nearest, distance = _nearest(points, minima)
        flat[:, 0] = np.where(distance < self.radius, nearest, -1.0)
        flat[:, 1] = since
        with np.errstate(all="ignore"):
            flat[:, 2] = landscape.function.value(points)
        return minima


def _nearest(points: Array, minima: Array) -> tuple[Array, Array]:
    """Return number and distance (S,) of the nearest minimum; inf where there is none."""
    if not len(minima):
        return np.full(len(points), -1.0), np.full(len(points), np.inf)
    with np.errstate(all="ignore"):
        squares = ((points[:, None, :] - minima) ** 2).copy()
    # a coordinate in which a minimum is free does not count, one of a point that is lost does
    squares[:, np.isnan(minima)] = 0.0
    distances = np.sqrt(np.nan_to_num(squares.sum(axis=-1), nan=np.inf, posinf=np.inf))
    return distances.argmin(axis=1).astype(np.float64), distances.min(axis=1)


def _met(points: Array, landscape: Landscape, radius: float) -> Array:
    """Return one end point of each group of them at which the gradient has nearly vanished."""
    with np.errstate(all="ignore"):
        slopes = np.linalg.norm(landscape.function.gradient(points), axis=1)
    found: list[Array] = []
    for point in points[np.isfinite(slopes) & (slopes < 1e-2)]:
        if all(np.linalg.norm(point - other) > 2 * radius for other in found):
            found.append(point)
    return np.array(found).reshape(-1, points.shape[1])
