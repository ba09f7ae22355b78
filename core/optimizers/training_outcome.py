"""What recorded trainings tell: when a loss was reached, when held-out data stopped gaining, who is alike."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.trace import TraceView

#: Share by which a held-out loss has risen from its lowest when a network learns its samples by heart.
RISEN = 0.2
#: Largest difference of two curves, as a share of their way down a logarithmic axis, that counts as none.
ALIKE = 0.03


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a training first was at a loss: steps, passes over the data, CPU seconds."""

    step: int
    passes: float
    seconds: float


def measured(view: TraceView, name: str) -> tuple[NDArray[np.int64], Array]:
    """Return steps and values of a number that is recorded now and then."""
    values = view.scalars[name]
    known = np.isfinite(values)
    return view.k[known], values[known]


def reached(view: TraceView, loss: float) -> Reached | None:
    """Return where the measured training loss first was at most `loss`; None if it never was."""
    with np.errstate(invalid="ignore"):
        below = np.flatnonzero(view.scalars["train_loss"] <= loss)
    if not len(below):
        return None
    at = int(below[0])
    return Reached(int(view.k[at]), float(view.work["units"][at]) / 2.0, float(view.seconds[at]))


@dataclass(frozen=True, slots=True)
class Turned:
    """When the held-out loss was lowest.

    Attributes
    ----------
    step : of the lowest held-out loss.
    rise : since, as a share of it.
    by_heart : whether the training loss has fallen meanwhile.
    """

    step: int
    rise: float
    by_heart: bool


def turned(view: TraceView) -> Turned | None:
    """Return where the held-out loss turned; None if it has hardly risen since."""
    steps, values = measured(view, "validation_loss")
    if not len(values):
        return None
    at = int(np.argmin(values))
    rise = float(values[-1] / values[at] - 1.0) if values[at] > 0 else 0.0
    trained = measured(view, "train_loss")[1]
    return Turned(int(steps[at]), rise, bool(trained[-1] < trained[at])) if rise > RISEN else None


def apart(view: TraceView, other: TraceView) -> tuple[float, float]:
    """Return how far two trainings are from one another at most, both measured at the same steps.

    Returns
    -------
    The largest difference of their training losses as a factor less one, and as a share of the way that the
    logarithm of the loss went; infinite where a loss is not positive.
    """
    (ours, first), (theirs, second) = measured(view, "train_loss"), measured(other, "train_loss")
    _, at, there = np.intersect1d(ours, theirs, return_indices=True)
    a, b = first[at], second[there]
    if not len(a) or min(a.min(), b.min()) <= 0:
        return math.inf, math.inf
    logs = np.log(np.stack([a, b]))
    largest = float(np.abs(logs[0] - logs[1]).max())
    return math.expm1(largest), largest / max(float(np.ptp(logs)), 1e-300)


def alike(views: Mapping[str, TraceView]) -> list[tuple[str, str, float]]:
    """Return pairs of trainings that take one way, to `ALIKE` of it, and how far apart their losses are."""
    found = []
    for (name, view), (other, second) in itertools.combinations(views.items(), 2):
        factor, share = apart(view, second)
        if share <= ALIKE:
            found.append((name, other, factor))
    return found
