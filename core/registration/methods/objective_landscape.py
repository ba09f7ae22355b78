"""The objective of a registration over two of the six motions, correspondences searched anew at each pose."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from core.iterate import Array, Iterate, Lazy, Preparation, Status, Work
from core.registration.correspondences import residuals
from core.registration.pose_grid import (
    OWN_KERNEL,
    GridProblem,
    GridSettings,
    PoseGrid,
    prepare_grid,
)
from core.registration.problem import ScanPair
from core.registration.robust import robust_cost
from core.registry import Scalar, Scale, inherited, method

#: Layers of `Iterate.x` and names of the arrays.
QUANTITIES = ("objective", "rmse", "fitness")
#: Poses evaluated for one item: the first item with values holds the coarsest pass.
BATCH = 36
#: What the point-to-plane methods minimise by default.
PLANE_KERNEL = "cauchy"


@method(
    "objective_landscape",
    lab="registration",
    title="Objective over two motions",
    source="Hu et al. 2025, DCReg, arXiv 2509.06285, figure 9, for slices of the objective through the "
    "final pose",
    assumes="surfaces that are locally flat",
    example="room",
    scalars={
        "rmse": Scalar("smallest RMS distance on the grid so far", "m", Scale.LOG),
        "done": Scalar("poses done"),
        "lowest": Scalar("smallest objective on the grid so far", "m²", Scale.LOG),
    },
    colour=101,
    kind="analysis",
    order=910,
)
@dataclass(frozen=True)
class ObjectiveLandscape(GridSettings):
    """Evaluate the robust point-to-plane objective on a grid of poses about the pose that a method reaches.

    E(T) = 1/N Σ ρ(n·(R p + t − q)) over all N source points p, with q, n the nearest target point and its
    normal at that very pose, and ρ the robust kernel's cost (ρ' = w r, ½ r² without a kernel). A point
    without a partner within max_distance is charged ρ(max_distance): otherwise poses that lose most of the
    scan would look best.

    Notes
    -----
    Because partners change from pose to pose, the surface is what an alignment really moves on: piecewise
    smooth, with steps where pairs flip. A flat valley is a motion that the geometry does not hold. The
    recorded rmse is over the pairs alone, without kernel, as for every method.

    References
    ----------
    Hu et al., arXiv 2509.06285, figure 9.
    """

    resolution: int = inherited(GridSettings, "resolution", default=41)
    translation_range: float = inherited(GridSettings, "translation_range", default=0.5)
    rotation_range: float = inherited(GridSettings, "rotation_range", default=5.0)
    centre: str = inherited(GridSettings, "centre", default="final")

    def prepare(self, problem: ScanPair) -> Preparation[GridProblem]:
        """Align once to find the centre, unless another centre is asked for."""
        return prepare_grid(self, problem)

    def iterate(self, problem: GridProblem) -> Iterator[Iterate]:
        """Yield the surface after k batches of poses.

        Yields
        ------
        Item k: x (3, rows, columns), the layers `QUANTITIES`, each of which is also an array by its name:
        objective [m²], rmse [m], fitness (share of points with a partner); NaN where not done, and rmse also
        where no point has a partner. Further arrays: see `PoseGrid.arrays`.
        """
        kernel = PLANE_KERNEL if self.kernel == OWN_KERNEL else self.kernel
        if not (self.max_distance > 0.0 and self.kernel_scale > 0.0):
            raise ValueError("max_distance and kernel_scale must be positive")
        return _surfaces(problem, Objective(problem.pair, kernel, self.kernel_scale, self.max_distance))


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """The objective as a function of the pose, on the finest level of a pair."""

    pair: ScanPair
    kernel: str
    kernel_scale: float
    max_distance: float

    def __call__(self, T: Array) -> tuple[float, float, float]:
        """Return mean cost a point [m²], RMS distance of the pairs [m], share of points with a partner.

        Parameters
        ----------
        T : (4, 4) internal frames.
        """
        level = self.pair.levels[-1]
        r = residuals(level.source, level.target, T, self.max_distance)
        is_pair = np.isfinite(r)
        charged = robust_cost(np.where(is_pair, r, self.max_distance), self.kernel, self.kernel_scale)
        pairs = r[is_pair]
        rmse = math.sqrt(float(pairs @ pairs) / len(pairs)) if len(pairs) else math.nan
        return float(charged.mean()), rmse, len(pairs) / len(r)


def _surfaces(problem: GridProblem, objective: Objective) -> Iterator[Iterate]:
    values = np.full((len(QUANTITIES), *problem.grid.shape), np.nan)
    cells = problem.grid.coarse_to_fine()
    k = done = 0
    while True:
        yield _item(problem.grid, problem.pair, values, k, done)
        if done == values[0].size:
            return
        for row, column in islice(cells, BATCH):
            values[:, row, column] = objective(problem.grid.pose(row, column))
            done += 1
        k += 1


def _item(grid: PoseGrid, pair: ScanPair, values: Array, k: int, done: int) -> Iterate:
    is_last = done == values[0].size
    lowest = float(np.fmin.reduce(values[0], axis=None))
    arrays: dict[str, Lazy] = {name: values[i].copy for i, name in enumerate(QUANTITIES)}
    return Iterate(
        k=k,
        x=values.copy,
        scalars={"rmse": float(np.fmin.reduce(values[1], axis=None)), "done": float(done), "lowest": lowest},
        arrays={**arrays, **grid.arrays(pair)},
        work=Work(evaluation=done, units=float(done)),
        status=Status.CONVERGED if is_last else Status.RUNNING,
        note=f"{done} poses, the lowest at {lowest:.3g} m² a point" if is_last else "",
    )
