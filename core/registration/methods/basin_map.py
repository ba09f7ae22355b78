"""Basin of attraction: the starts from which a registration method reaches the pose that it should."""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from core.iterate import Array, Iterate, Lazy, Preparation, Status, Work
from core.registration.metrics import pose_error
from core.registration.pose_grid import GridProblem, GridSettings, prepare_grid, with_start
from core.registration.problem import ScanPair
from core.registration.settings import AlignmentSettings
from core.registry import Scalar, Scale, inherited, method, param

#: Layers of `Iterate.x` and names of the arrays.
QUANTITIES = ("success", "translation_error", "rotation_error", "iterations")
#: Starts that are aligned at the same time. The compiled kernels let go of the GIL; the numbers are the same
#: with any count, because no start knows of another.
WORKERS = min(2, os.cpu_count() or 1)


@method(
    "basin_map",
    lab="registration",
    title="Basin of attraction",
    source="Pomerleau et al. 2013, Comparing ICP variants on real-world data sets, Autonomous Robots 34(3), "
    "for judging a registration by the starts it recovers from",
    assumes="a true pose, or a start from which the method reaches the pose that counts as right",
    example="room",
    scalars={
        "rmse": Scalar("smallest RMS distance that a start reached", "m", Scale.LOG),
        "done": Scalar("starts done"),
        "success_share": Scalar("share of successful starts"),
    },
    colour=100,
    kind="analysis",
    order=900,
)
@dataclass(frozen=True)
class BasinMap(GridSettings):
    """Align from every start of a grid over two motions and map where that ends.

    The start of a cell is C·P(a, b): the centre displaced in the source frame by the two motions. Each start
    is a whole alignment by the chosen method, with its own stop rule. A start succeeds if its last pose is
    within both thresholds of the reference, whatever reason it stopped for.

    Notes
    -----
    The reference is the true pose where it is known, else the pose that the method reaches from the pair's
    own start: the map then shows which starts agree with it, not which are right. Errors are those of the
    reference point of the source (see the origin parameter) and of the rotation.

    Cells come coarse to fine; one that has not been done is NaN. Along a motion that nothing holds, such as
    the axis of a corridor, no start succeeds with a tight threshold: that is a finding about the scene and
    not about the method.

    References
    ----------
    Pomerleau et al. 2013.
    """

    success_translation: float = param(
        0.1, low=1e-6, high=100.0, log=True, unit="m", label="success: translation",
        doc="largest error of the position of a start that counts as a success",
    )  # fmt: skip
    success_rotation: float = param(
        1.0, low=1e-4, high=180.0, log=True, unit="°", label="success: rotation",
        doc="largest error of the rotation of a start that counts as a success",
    )  # fmt: skip
    start_stride: int = inherited(
        AlignmentSettings, "start_stride",
        doc="align with every n-th point until steps are small, then with all; faster, another basin",
    )  # fmt: skip

    def prepare(self, problem: ScanPair) -> Preparation[GridProblem]:
        """Find centre and reference; aligns once if the true pose is not known."""
        return prepare_grid(self, problem)

    def iterate(self, problem: GridProblem) -> Iterator[Iterate]:
        """Yield the map after k starts.

        Yields
        ------
        Item k: x (4, rows, columns), the layers `QUANTITIES`, each of which is also an array by its name:
        success 0 or 1, translation_error [m], rotation_error [rad], iterations; NaN where not done; errors
        are inf where the pose became non-finite. Further arrays: see `PoseGrid.arrays`.
        """
        if not (self.success_translation > 0.0 and self.success_rotation > 0.0):
            raise ValueError("the thresholds of success must be positive")
        return _maps(self, problem, self.aligner(start_stride=self.start_stride))


@dataclass(slots=True)
class _Map:
    """The map so far; written by the generator alone."""

    settings: BasinMap
    problem: GridProblem
    values: Array = field(init=False)
    k: int = 0
    rmse: float = math.nan
    evaluations: int = 0
    units: float = 0.0

    def __post_init__(self) -> None:
        self.values = np.full((len(QUANTITIES), *self.problem.grid.shape), np.nan)

    def enter(self, cell: tuple[int, int], last: Iterate) -> None:
        """Judge the last item of an alignment and write its cell."""
        pair, limits = self.problem.pair, self.settings
        T = pair.to_internal(last.x() if callable(last.x) else last.x)
        translation, rotation = math.inf, math.inf
        if np.isfinite(T).all():
            translation, rotation = pose_error(T, self.problem.T_reference)
        is_near = translation <= limits.success_translation
        success = is_near and rotation <= math.radians(limits.success_rotation)
        self.values[:, cell[0], cell[1]] = float(success), translation, rotation, last.k
        self.rmse = float(np.fmin(self.rmse, last.scalars["rmse"]))
        self.evaluations += last.work.evaluation
        self.units += last.work.units
        self.k += 1

    def item(self) -> Iterate:
        """Return the map so far."""
        done, total = self.k, self.values[0].size
        arrays: dict[str, Lazy] = {n: self.values[i].copy for i, n in enumerate(QUANTITIES)}
        successes = int(np.nansum(self.values[0]))
        is_last = done == total
        return Iterate(
            k=done,
            x=self.values.copy,
            scalars={
                "rmse": self.rmse,
                "done": float(done),
                "success_share": successes / done if done else math.nan,
            },
            arrays={**arrays, **self.problem.grid.arrays(self.problem.pair)},
            work=Work(evaluation=self.evaluations, units=self.units),
            status=Status.CONVERGED if is_last else Status.RUNNING,
            note=f"{successes} of {total} starts succeed" if is_last else "",
        )


def _maps(settings: BasinMap, problem: GridProblem, aligner: Any) -> Iterator[Iterate]:
    """Keep a few starts in the air and enter their results in the order of the grid."""
    result, stop = _Map(settings, problem), threading.Event()
    yield result.item()
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="basin")
    in_the_air: deque[tuple[tuple[int, int], Future[Iterate]]] = deque()
    try:
        cells = problem.grid.coarse_to_fine()
        # few, so that a paused run soon stands still
        for cell in islice(cells, 2 * WORKERS):
            in_the_air.append((cell, pool.submit(_align, aligner, problem, cell, stop)))
        while in_the_air:
            cell, future = in_the_air.popleft()
            result.enter(cell, future.result())
            for following in islice(cells, 1):
                in_the_air.append((following, pool.submit(_align, aligner, problem, following, stop)))
            yield result.item()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _align(aligner: Any, problem: GridProblem, cell: tuple[int, int], stop: threading.Event) -> Iterate:
    """Return the last item of the alignment from a cell; breaks off when `stop` is set."""
    start = with_start(problem.pair, problem.grid.pose(*cell))
    items: Iterator[Iterate] = aligner.iterate(start)
    last = next(items)
    while not (last.status.terminal or stop.is_set()):
        last = next(items)
    return last
