"""What is seen of a method where a loss is the mean over several sources: how alike they are, and a new one.

On a landscape the sources' minima are known; on a network they are looked for from where the method is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.landscape import Function, Landscape
from core.optimizers.panels import Arrows, Course, Matrices, Panel, Points, along_kept
from core.optimizers.training import Training
from core.trace import TraceView

#: Points of a slice, and kept iterates of a training at which all its data are looked at.
SLICE, LOOKED_AT = 161, 30
#: Steps of gradient descent on one source alone, and their rate.
TUNING_STEPS, TUNING_RATE = 30, 0.1

#: Added to a gradient's norm before it is divided by.
GUARD = 1e-12

COSINES = "Cosines of the sources' gradients at the cursor"
COSINES_WORDS = (
    "Rows and columns are sources: 1 where two want the same step, −1 where they want opposite ones."
)


def of_sources(problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
    """Yield the panels of a method's run with the cursor at iterate k; none if there is one source only."""
    if isinstance(problem, Training):
        if problem.domains is not None:
            yield from _of_training(problem, view, k)
    elif problem.sources:
        yield from _of_landscape(problem, view, k)


def cosines(gradients: Array) -> Array:
    """Return the cosines (K, K) of gradients (K, n); NaN where one of them vanishes."""
    norms = np.linalg.norm(gradients, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        units = gradients / norms[:, None]
    return np.asarray(units @ units.T)


def mean_cosine(directions: NDArray[Any]) -> float:
    """Return the mean cosine of all pairs of rows that do not vanish; NaN if there is no pair."""
    norms = np.linalg.norm(directions, axis=1)
    units = directions[norms > 0] / norms[norms > 0, None]
    count = len(units)
    if count < 2:
        return math.nan
    total = units.sum(axis=0)
    return float((total @ total - count) / (count * (count - 1)))


# A landscape: everything is known.


def _of_landscape(landscape: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
    unseen, minima = landscape.unseen, landscape.source_minima
    at = view.nearest(k)
    x = view.snapshots[at]["x"]
    if unseen is not None:
        yield Course(
            "unseen", "Loss of a source that is not trained on, L_T",
            along_kept(view, lambda snapshot: float(unseen(snapshot["x"]))), log=True,
            words="The training loss can be the same for all methods while this one differs.",
        )  # fmt: skip
    if minima is not None:
        yield Course(
            "source_distance", "Distance between the sources' own minima",
            along_kept(view, lambda snapshot: float(np.ptp(minima(snapshot["x"])))), log=True,
            words="Along the first coordinate, with all others as they are at the iterate.",
        )  # fmt: skip
    if landscape.n > 2:
        kept = view.kept[view.kept <= at]
        way = np.array([view.snapshots[int(j)]["x"][:2] for j in kept])
        yield Points(
            "way", "The way up to the cursor in the first two coordinates", way[:, 0], way[:, 1], "x", "y",
            joined=True, beside=landscape.curves,
            words=f"The {landscape.n - 2} other coordinates are left out.",
        )  # fmt: skip
    yield from _slices(landscape, x)
    yield Matrices(
        "cosines", COSINES, {"": cosines(np.array([s.gradient(x) for s in landscape.sources]))},
        sides=tuple(f"L{_SUBSCRIPTS[i]}" for i in range(1, len(landscape.sources) + 1)), words=COSINES_WORDS,
    )  # fmt: skip


def _slices(landscape: Landscape, x: Array) -> Iterator[Points]:
    """Yield every source's loss, that of the unseen one and their mean along the first coordinate."""
    half = 1.5 * max([float(np.nanmax(np.abs(c[:, 0]))) for c in landscape.curves.values()], default=1.0)
    half = max(half, 1.1 * abs(float(x[0])))
    grid = np.linspace(-half, half, SLICE)
    line = np.tile(x, (SLICE, 1))
    line[:, 0] = grid
    curves = {"mean": landscape.function.value(line)}
    curves |= {f"L{_SUBSCRIPTS[i]}": s.value(line) for i, s in enumerate(landscape.sources, 1)}
    if landscape.unseen is not None:
        curves["L_T, not trained on"] = landscape.unseen(line)
    words = "Losses along x with all else as at the cursor: close minima make one point good for all sources."
    for name, values in curves.items():
        yield Points(
            "slices", "losses along x", grid, np.asarray(values), "x", "loss",
            joined=True, apart=True, name=name, words=words,
        )  # fmt: skip


_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"


def walk_vectors(landscape: Landscape, x: Array, walk: float, normalize: bool) -> Arrows:
    """Return what a step of Nexus is made of, in the plane of the first two coordinates.

    Parameters
    ----------
    landscape : of two sources.
    walk : length γ of an inner step.
    normalize : whether gradients are divided by their lengths.
    """
    first, second = landscape.sources
    noise = landscape.noise**2 * (landscape.n - landscape.noisy_from)

    def direction(source: Function, point: Array) -> Array:
        g = source.gradient(point)
        # of the noise only its mean square is known here
        return g / (np.sqrt(g @ g + noise) + GUARD) if normalize else g

    g1, g2 = direction(first, x), direction(second, x)
    g2_walked = direction(second, x - walk * g1)
    tips = {
        "−g₁ at θ₀": (np.zeros_like(x), -g1),
        "−g₂ at θ₀": (np.zeros_like(x), -g2),
        "−g₂ at θ₁": (np.zeros_like(x), -g2_walked),
        "what the walk changes": (-g2, -g2_walked),
    }
    change = np.linalg.norm((g2_walked - g2)[:2])
    length = ", gradients divided by their lengths" if normalize else ""
    return Arrows(
        "vectors", "two gradients, before and after the walk",
        {name: np.array([tail[:2], tip[:2]]) for name, (tail, tip) in tips.items()}, "x", "y",
        words=f"θ₁ = θ₀ − γ g₁ with γ = {walk:g}{length}. The usual step adds g₁ and g₂ at θ₀; Nexus takes "
        f"g₂ at θ₁ instead, a change of length {change:.3g}.",
    )  # fmt: skip


# A network: sources are parts of its data.


def _of_training(training: Training, view: TraceView, k: int) -> Iterator[Panel]:
    names, kept = training.domain_names, view.kept
    looked = kept[np.unique(np.rint(np.linspace(0, len(kept) - 1, min(LOOKED_AT, len(kept)))).astype(int))]
    found = [_at(training, _bytes(view, int(j))) for j in looked]
    places = np.searchsorted(view.k, looked)
    for name, extreme in (("worst source", np.max), ("best source", np.min)):
        losses = np.full(len(view), np.nan)
        losses[places] = [extreme(one[0]) for one in found]
        yield Course(
            "source_loss", "Loss on the training data of a source", losses, log=True, name=name,
            words=f"Of the sources {', '.join(names)}; the held-out loss stands beside the samples above.",
        )  # fmt: skip
    alike = np.full(len(view), np.nan)
    alike[places] = [mean_cosine(one[1]) for one in found]
    yield Course(
        "cosine_of_all", "Mean cosine of the sources' gradients on all their data", alike, level=0.0,
        words="Over all pairs of sources, at the iterate itself.",
    )  # fmt: skip
    distance = _spread_after_tuning(training, view.snapshot("x", k).astype(np.float32))
    yield Points(
        "closeness", "How far apart the sources' minima are",
        np.arange(len(distance), dtype=float), distance, f"steps on one source alone, rate {TUNING_RATE:g}",
        "mean distance of the ends", joined=True,
        words="Looked for from the cursor: each source is descended alone, with all its data; the ends stay "
        "together where one point is good for all sources.",
    )  # fmt: skip
    gradients = _at(training, _bytes(view, view.nearest(k)))[1]
    yield Matrices("cosines", COSINES, {"": cosines(gradients)}, sides=names, words=COSINES_WORDS)


def _bytes(view: TraceView, k: int) -> bytes:
    return view.snapshots[k]["x"].astype(np.float32).tobytes()


def _rows(training: Training) -> list[NDArray[np.int64]]:
    assert training.domains is not None
    return [np.flatnonzero(training.domains == d) for d in np.unique(training.domains)]


@lru_cache(maxsize=1024)
def _at(training: Training, x: bytes) -> tuple[Array, Array]:
    """Return the sources' losses (K,) and gradients (K, n) on all their data."""
    import torch

    losses, gradients = [], []
    flat = torch.from_numpy(np.frombuffer(x, dtype=np.float32).copy()).requires_grad_()
    for rows in _rows(training):
        with torch.enable_grad():
            loss = training.function.at(flat, rows)
            (gradient,) = torch.autograd.grad(loss, flat)
        losses.append(float(loss.detach()))
        gradients.append(gradient.numpy().astype(np.float64))
    return np.array(losses), np.array(gradients)


def _spread_after_tuning(training: Training, x: NDArray[np.float32]) -> Array:
    """Return the mean distance of all pairs of points, one a source, after 0, 1, … steps on it alone."""
    import torch

    ways = []
    for rows in _rows(training):
        flat, way = torch.from_numpy(x.copy()), [x.astype(np.float64)]
        for _ in range(TUNING_STEPS):
            with torch.enable_grad():
                flat.requires_grad_()
                (gradient,) = torch.autograd.grad(training.function.at(flat, rows), flat)
            flat = flat.detach() - TUNING_RATE * gradient
            way.append(flat.numpy().astype(np.float64))
        ways.append(way)
    points = np.array(ways)  # (K, steps + 1, n)
    first, second = np.triu_indices(len(points), 1)
    return np.asarray(np.linalg.norm(points[first] - points[second], axis=-1).mean(axis=0))
