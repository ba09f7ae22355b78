"""Weights of which only the direction counts: how long they get, and how far a step really turns them.

Everything follows from the kept iterates alone, so that it is known of every method.

References
----------
Heo et al. 2021, AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights, ICLR.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from core.iterate import Array
from core.optimizers.landscape import Landscape
from core.optimizers.panels import Course
from core.optimizers.training import Training
from core.trace import TraceView


def tensor_names(landscape: Landscape) -> tuple[str, ...]:
    """Return what the tensors of a landscape are called."""
    if isinstance(landscape, Training):
        return landscape.network.names
    count = len(landscape.tensor_shapes)
    return ("w",) if count == 1 else tuple(f"W{i}" for i in range(1, count + 1))


def tensor_parts(landscape: Landscape) -> list[slice]:
    """Return where the tensors lie in x."""
    parts, at = [], 0
    for shape in landscape.tensor_shapes:
        size = math.prod(shape)
        parts.append(slice(at, at + size))
        at += size
    return parts


def turns(X: Array) -> Array:
    """Return the angles between successive rows of X (n, d) in degrees, (n − 1,)."""
    units = X / np.linalg.norm(X, axis=1, keepdims=True)
    apart = np.linalg.norm(units[1:] - units[:-1], axis=1)
    together = np.linalg.norm(units[1:] + units[:-1], axis=1)
    # the arc cosine of a product near 1 would keep half of the digits
    return np.asarray(np.degrees(2.0 * np.arctan2(apart, together)))


def radial_shares(X: Array) -> Array:
    """Return |⟨x̂ₖ, Δₖ⟩| / ‖Δₖ‖, Δₖ = xₖ₊₁ − xₖ, of successive rows of X (n, d), (n − 1,); NaN for no step."""
    steps = np.diff(X, axis=0)
    lengths = np.linalg.norm(X[:-1], axis=1) * np.linalg.norm(steps, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs((X[:-1] * steps).sum(axis=1)) / lengths)


def direction_panels(landscape: Landscape, view: TraceView) -> Iterator[Course]:
    """Yield length, effective rate, turn and radial share of every tensor whose length does not count.

    Parameters
    ----------
    view : of any method of the lab. Where not every iterate was kept, a turn is the mean over the steps
        between two kept ones, and a radial share is that of their difference.
    """
    kept = view.kept
    if not landscape.scale_invariant or len(kept) < 2:
        return
    names, parts = tensor_names(landscape), tensor_parts(landscape)
    at = np.searchsorted(view.k, kept)
    gaps = np.diff(kept)
    is_one = len(landscape.scale_invariant) == 1
    rates = view.scalars.get("lr")
    thinned = (
        "" if gaps.max() == 1 else " Not every iterate is kept: means over the steps between two of them."
    )

    def course(key: str, title: str, name: str, places: Any, values: Array, **more: Any) -> Course:
        column = np.full(len(view), np.nan)
        column[places] = values
        return Course(key, title, column, name=name, **more)

    for place in landscape.scale_invariant:
        name = "" if is_one else names[place]
        X = np.array([view.snapshots[int(k)]["x"][parts[place]] for k in kept], dtype=np.float64)
        lengths = np.linalg.norm(X, axis=1)
        grown = lengths if is_one else lengths / lengths[0]
        title = "Length of the weights ‖w‖" if is_one else "Length of the weights over the first ‖w‖/‖w₀‖"
        yield course("direction.length", title, name, at, grown)
        if rates is not None and np.isfinite(rates).any():
            yield course(
                "direction.rate", "Effective rate η/‖w‖²", name, at, rates[at] / lengths**2, log=True,
                words="The gradient falls as 1/‖w‖ and a step turns a longer vector by less: η/‖w‖² is what "
                "counts for updates in proportion to the gradient, η/‖w‖ for Adam's, whose size is fixed.",
            )  # fmt: skip
        yield course(
            "direction.turn", "Turn of the weights by a step [°]", name, at[1:], turns(X) / gaps, log=True,
            words="The angle between successive w/‖w‖: all of a step that the loss can feel." + thinned,
        )  # fmt: skip
        yield course(
            "direction.radial", "Radial share of the step |⟨ŵ, Δ⟩|/‖Δ‖", name, at[:-1], radial_shares(X),
            words="What of a step, weight decay included, only changes the length: 0 where it is projected "
            "away, 1 where nothing else happens.",
        )  # fmt: skip
