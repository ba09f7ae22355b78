"""Where a linear model of the gradient can be trusted, and how far: a map of γ(x) over a window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate, Status, Work
from core.optimizers.landscape import Landscape
from core.optimizers.outcomes import coarse_to_fine
from core.optimizers.smoothness import HESSIANS, directions, hessian_of, radii_below, trusted_radius
from core.optimizers.trust_views import unit_ball
from core.registry import Scalar, Scale, method, param

#: Points between two items.
POINTS_AN_ITEM = 240


@method(
    "smoothness_map",
    lab="optimizers",
    title="Map of gradient-normalized smoothness",
    source="Semenov et al. 2025, Gradient-Normalized Smoothness for Optimization with Approximate Hessians, "
    "arXiv 2506.13710",
    assumes="a landscape of two variables without noise",
    example="rosenbrock",
    scalars={
        "loss": Scalar("lowest loss on the map", scale=Scale.LOG),
        "radius": Scalar("median γ", scale=Scale.LOG),
        "share": Scalar("share of points where γ is the diagonal of the window"),
    },
    colour=49,
    kind="analysis",
    order=83,
)
@dataclass(frozen=True)
class SmoothnessMap:
    """γ(x): the radius of the ball in which ∇f(x) + H h predicts the gradient to within ‖∇f(x)‖ ‖h‖/γ.

    A quadratic is trusted everywhere, up to the diagonal of the window, which caps the map. γ falls where the
    gradient does, and where H misses curvature. A damped Newton method may step as far as γ.
    """

    hessian: str = param(
        "exact", choices=HESSIANS, doc="what H is; Gauss–Newton and Fisher where there are any"
    )
    resolution: int = param(60, low=4, high=200, doc="points along each side")
    directions: int = param(48, low=4, high=360, advanced=True, doc="in which the prediction is checked")
    radii: int = param(
        12, low=4, high=40, advanced=True, doc="at which it is checked, each twice the one before"
    )

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the map so far.

        Yields
        ------
        x : (resolution, resolution) γ, rows from the lower edge; NaN = not yet. ``x_axis``, ``y_axis``.

        Raises
        ------
        ValueError
            If the landscape has no window of two variables, is noisy or has no such Hessian.
        """
        if problem.n != 2 or len(problem.window) != 2:
            raise ValueError("a map of smoothness needs a landscape of two variables")
        if problem.noise > 0:
            raise ValueError("a map of smoothness needs gradients without noise")
        hessian_of(problem, self.hessian)  # refuses one that there is not
        return self._loop(problem)

    def _loop(self, landscape: Landscape) -> Iterator[Iterate]:
        xs, ys = (np.linspace(low, high, self.resolution) for low, high in landscape.window)
        ball = np.eye(2) if landscape.metric is None else unit_ball(landscape.metric)
        cap = _diagonal(landscape)
        hessian, along = hessian_of(landscape, self.hessian), directions(2, self.directions)
        radii = radii_below(cap, self.radii)
        cells = np.array(list(coarse_to_fine(self.resolution, self.resolution)))
        table, losses = np.full((self.resolution, self.resolution), np.nan), [math.inf]
        chunks = np.array_split(cells, -(-len(cells) // POINTS_AN_ITEM))
        gradients = 0
        for k, chunk in enumerate([np.empty((0, 2), np.int64), *chunks]):
            rows, columns = chunk.T
            points = np.stack([xs[columns], ys[rows]], axis=1)
            if len(points):
                with np.errstate(all="ignore"):
                    losses.append(float(np.nanmin(landscape.function.value(points))))
                    table[rows, columns] = trusted_radius(
                        landscape.function, points, hessian(points), ball, along, radii
                    )
                gradients += len(points) * len(along) * len(radii)
            known = table[~np.isnan(table)]
            scalars = {
                "loss": min(losses) if len(known) else math.nan,
                "radius": float(np.median(known)) if len(known) else math.nan,
                "share": float((known >= cap).mean()) if len(known) else math.nan,
            }
            status = Status.CONVERGED if k == len(chunks) else Status.RUNNING
            arrays = {"x_axis": xs.copy(), "y_axis": ys.copy()}
            work = Work(gradient=gradients, units=float(gradients))
            yield Iterate(k, table.copy(), scalars, arrays, work, status)


def _diagonal(landscape: Landscape) -> float:
    """Return the longer diagonal of the window in the norm of the steps."""
    (x0, x1), (y0, y1) = landscape.window
    diagonals = np.array([[x1 - x0, y1 - y0], [x1 - x0, y0 - y1]])
    B: Array = np.eye(2) if landscape.metric is None else landscape.metric
    return float(np.sqrt(np.einsum("di,ij,dj->d", diagonals, B, diagonals).max()))
