"""What a step is as a matrix: its singular values, and how many directions it really has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.directions import tensor_names, tensor_parts
from core.optimizers.landscape import Landscape
from core.trace import TraceView


@dataclass(frozen=True, slots=True)
class Weight:
    """A parameter that is a matrix; a convolution is one with a row for each output channel.

    Attributes
    ----------
    part : its place in the flat parameters.
    rows, columns : of the matrix.
    """

    name: str
    part: slice
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """The difference of two saved parameters as a matrix.

    Attributes
    ----------
    k : step before it.
    steps : between the two; 1 where every step was saved.
    values : (min(rows, columns),) singular values, largest first.
    rms : root mean square of its entries.
    """

    k: int
    steps: int
    values: Array
    rms: float

    @property
    def stable_rank(self) -> float:
        """‖U‖_F² / σ₁²; 0 for no update."""
        top = float(self.values[0])
        return float((self.values**2).sum()) / top**2 if top > 0 else 0.0

    @property
    def condition(self) -> float:
        """σ₁ over the smallest singular value; inf where one is 0."""
        smallest = float(self.values[-1])
        return float(self.values[0]) / smallest if smallest > 0 else math.inf

    @property
    def effective_rank(self) -> float:
        """exp(−Σ p log p) with p = σ/Σσ; 0 for no update.

        References
        ----------
        Roy & Vetterli 2007, The effective rank: a measure of effective dimensionality, EUSIPCO.
        """
        total = float(self.values.sum())
        if not total > 0:
            return 0.0
        p = self.values[self.values > 0] / total
        return float(np.exp(-(p * np.log(p)).sum()))


def weights(landscape: Landscape) -> list[Weight]:
    """Return the parameters of a network, or the unknowns of a landscape, that are matrices, in order."""
    parts = zip(tensor_names(landscape), landscape.tensor_shapes, tensor_parts(landscape), strict=True)
    return [
        Weight(name, part, shape[0], math.prod(shape[1:])) for name, shape, part in parts if len(shape) > 1
    ]


def fullest(known: Sequence[Weight]) -> int:
    """Return the place of the matrix that can move in most directions, the last of several."""
    return max(range(len(known)), key=lambda i: (min(known[i].rows, known[i].columns), i))


def update(view: TraceView, weight: Weight, k: int) -> Update | None:
    """Return the update from the saved parameters nearest to step k to those saved next.

    At the end it is the last one; None if fewer than two points are saved.
    """
    kept = view.kept
    if len(kept) < 2:
        return None
    at = min(int(np.searchsorted(kept, view.nearest(k))), len(kept) - 2)
    first, second = int(kept[at]), int(kept[at + 1])
    change = _part(view, weight, second) - _part(view, weight, first)
    values = np.linalg.svd(change.reshape(weight.rows, weight.columns), compute_uv=False)
    return Update(first, second - first, np.asarray(values), float(np.sqrt(np.mean(change**2))))


def _part(view: TraceView, weight: Weight, k: int) -> Array:
    return np.asarray(view.snapshots[k]["x"][weight.part], dtype=np.float64)


def spread_over(kept: NDArray[np.int64], count: int) -> Sequence[Any]:
    """Return at most `count` of the saved steps but the last, evenly spaced."""
    before = kept[:-1]
    if len(before) <= count:
        return list(before)
    return list(before[np.unique(np.linspace(0, len(before) - 1, count).round().astype(int))])
