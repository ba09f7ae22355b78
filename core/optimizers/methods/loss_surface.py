"""The loss around a trained network: over a plane of random directions, and on the line from its start."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array, Iterate, Status, Work
from core.optimizers.outcomes import coarse_to_fine
from core.optimizers.trained import Trained, TrainedNetwork
from core.optimizers.training import NetworkLoss
from core.registry import Scalar, Scale, method, param

CELLS_AN_ITEM = 16
NORMALIZATIONS = {
    "filter": "each filter or output unit by the length of its weights",
    "layer": "each tensor by its length",
    "weight": "each number by that weight",
    "none": "not at all",
}
SURFACE_SCALARS = {
    "loss": Scalar("loss at the end", scale=Scale.LOG),
    "highest": Scalar("highest loss", scale=Scale.LOG),
}


def normalised_direction(
    x: NDArray[Any], shapes: tuple[tuple[int, ...], ...], rng: np.random.Generator, how: str
) -> Array:
    """Return a random direction (n,) scaled like the parameters x; zero for vectors (biases, norms).

    References
    ----------
    Li, Xu, Taylor, Studer & Goldstein 2018, Visualizing the Loss Landscape of Neural Nets, NeurIPS, Sec. 4.
    """
    parts, at = [], 0
    for shape in shapes:
        size = math.prod(shape)
        w, d = x[at : at + size].astype(np.float64), rng.standard_normal(size)
        at += size
        if len(shape) < 2 and how != "none":
            d[:] = 0.0
        elif how == "weight":
            d *= np.abs(w)
        elif how in ("filter", "layer"):
            rows = shape[0] if how == "filter" else 1
            w, d = w.reshape(rows, -1), d.reshape(rows, -1)
            lengths = np.linalg.norm(w, axis=1) / (np.linalg.norm(d, axis=1) + 1e-10)
            d = (d * lengths[:, None]).reshape(-1)
        parts.append(d)
    return np.concatenate(parts)


def surface_items(
    f: NetworkLoss, at_end: float, plane: tuple[Array, Array, Array], alphas: Array, betas: Array,
    arrays: dict[str, Array],
) -> Iterator[Iterate]:  # fmt: skip
    """Yield the loss over a plane, coarse to fine.

    Parameters
    ----------
    f : the loss on the subset of samples.
    at_end : that of the trained network, or the lowest one of several.
    plane : (n,) each, the origin of the plane and its two directions.
    alphas, betas : coordinates along them.
    arrays : further arrays of every item.

    Yields
    ------
    x : (rows of betas, columns of alphas, 1); NaN = not yet.
    arrays : ``x_axis``, ``y_axis`` and those given.
    """
    table = np.full((len(betas), len(alphas), 1), np.nan)
    centre, u, v = plane
    cells = list(coarse_to_fine(len(betas), len(alphas)))
    k = 0

    def item(status: Status, done: int) -> Iterate:
        known = table[np.isfinite(table)]
        scalars = {"loss": at_end, "highest": float(known.max()) if len(known) else math.nan}
        copies = {name: a.copy() for name, a in {"x_axis": alphas, "y_axis": betas, **arrays}.items()}
        passes = done + 1
        return Iterate(k, table.copy(), scalars, copies, Work(evaluation=passes, units=float(passes)), status)

    yield item(Status.RUNNING, 0)
    for done, (i, j) in enumerate(cells, 1):
        point = (centre + alphas[j] * u + betas[i] * v).astype(np.float32)
        table[i, j, 0] = f.value(point)
        if done % CELLS_AN_ITEM == 0 or done == len(cells):
            k += 1
            yield item(Status.CONVERGED if done == len(cells) else Status.RUNNING, done)


@method(
    "loss_surface", lab="optimizers", title="Loss around a trained network", example="digits_mlp",
    source="Li, Xu, Taylor, Studer & Goldstein 2018, Visualizing the Loss Landscape of Neural Nets, NeurIPS",
    assumes="a network", scalars=SURFACE_SCALARS, colour=43, kind="analysis", order=83,
)  # fmt: skip
@dataclass(frozen=True)
class LossSurface(TrainedNetwork):
    """The loss on 256 fixed training samples over two random directions from the trained parameters.

    Each filter of a direction is as long as the network's own, so that the picture does not depend on the
    lengths of weights that only have a direction.
    """

    resolution: int = param(51, low=5, high=101, doc="points along each side")
    span: float = param(1.0, low=0.01, high=10.0, log=True, doc="half the width, in lengths of the weights")
    normalization: str = param("filter", choices=NORMALIZATIONS, doc="how directions are scaled")

    def iterate(self, problem: Trained) -> Iterator[Iterate]:
        """Yield the surface so far; see `surface_items`. The centre is the trained network."""
        return self._loop(problem)

    def _loop(self, trained: Trained) -> Iterator[Iterate]:
        rng = np.random.default_rng(np.random.SeedSequence(trained.training.seed, spawn_key=(5,)))
        shapes = trained.training.tensor_shapes
        u, v = (normalised_direction(trained.end, shapes, rng, self.normalization) for _ in range(2))
        axis = np.linspace(-self.span, self.span, self.resolution)
        plane = (trained.end.astype(np.float64), u, v)
        yield from surface_items(trained.f, trained.f.value(trained.end), plane, axis, axis, {})


@method(
    "loss_line", lab="optimizers", title="Loss from the start to the end", example="digits_mlp",
    source="Goodfellow, Vinyals & Saxe 2015, Qualitatively characterizing neural network optimization "
    "problems, ICLR", assumes="a network", colour=44, kind="analysis", order=84,
    scalars={"loss": Scalar("loss at the end", scale=Scale.LOG), "barrier": Scalar("barrier above the ends")},
)  # fmt: skip
@dataclass(frozen=True)
class LossLine(TrainedNetwork):
    """The loss on the straight line through the first and the trained parameters, and beyond."""

    resolution: int = param(81, low=5, high=401, doc="points")
    beyond: float = param(0.5, low=0.0, high=3.0, doc="how far beyond either end, in distances between them")

    def iterate(self, problem: Trained) -> Iterator[Iterate]:
        """Yield the line so far.

        Yields
        ------
        x : (resolution, 3) share of the way, loss on the subset, held-out loss; NaN = not yet.
        """
        return self._loop(problem)

    def _loop(self, trained: Trained) -> Iterator[Iterate]:
        table = np.full((self.resolution, 3), np.nan)
        table[:, 0] = np.linspace(-self.beyond, 1 + self.beyond, self.resolution)
        start, end = trained.path[0].astype(np.float64), trained.end.astype(np.float64)
        at_end, at_start = trained.f.value(trained.end), trained.f.value(trained.path[0])
        order = [i for i, _ in coarse_to_fine(self.resolution, 1)]
        for k in range(self.resolution + 1):
            between = table[(table[:, 0] >= 0) & (table[:, 0] <= 1) & np.isfinite(table[:, 1]), 1]
            top = float(between.max()) if len(between) else math.nan
            scalars = {"loss": at_end, "barrier": max(0.0, top - max(at_start, at_end))}
            work = Work(evaluation=2 * (k + 1), units=2.0 * (k + 1))
            status = Status.CONVERGED if k == self.resolution else Status.RUNNING
            yield Iterate(k, table.copy(), scalars, {}, work, status)
            if not status.terminal:
                i = order[k]
                point = (start + table[i, 0] * (end - start)).astype(np.float32)
                table[i, 1:] = trained.f.value(point), trained.training.held_out.value(point)
