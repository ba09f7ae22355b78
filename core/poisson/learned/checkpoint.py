"""A training's trace as a file of weights: to keep, to use, or to go on from."""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.errors import InputError
from core.poisson.learned.presets import preset
from core.poisson.learned.weights import Weights, find
from core.recipe import Recipe, versions
from core.trace import TraceView

#: Points of the training curve that a file keeps.
CURVE = 400
_STATE = ("adam_mean", "adam_square", "pool")


def checkpoint(recipe: Recipe, view: TraceView, *, state: bool = True) -> Weights:
    """Return the newest kept weights of a `train_network` run.

    Parameters
    ----------
    state : whether the optimiser's state is in it, so that the training can go on; without it the file has a
        third of the size.

    Raises
    ------
    InputError
        If nothing was kept yet.
    """
    if not len(view.kept):
        raise InputError("training", "at least one step", "none")
    from core.poisson.learned.operator import make_network

    values = dict(recipe.method_params)
    resumed: Mapping[str, Any] = find(str(values["resume"])).about if values["resume"] else {}
    chosen = preset(str(resumed.get("preset", values["preset"])))
    k = int(view.kept[-1])
    row = int(np.searchsorted(view.k, k))
    tensors, at = {}, 0
    flat = view.snapshots[k]["x"]
    for name, p in make_network(chosen.network, chosen.architecture).named_parameters():
        tensors[name] = flat[at : at + p.numel()].reshape(tuple(p.shape))
        at += p.numel()
    if state:
        tensors |= {name: view.snapshots[k][name] for name in _STATE if name in view.snapshots[k]}
    step = int(view.scalars["step"][row])
    about = {
        "preset": chosen.key, "title": chosen.title, "network": chosen.network,
        "architecture": dict(chosen.architecture), "boundary": chosen.layouts.boundary,
        "training": chosen.document(), "step": step,
        "steps": int(resumed.get("steps", values["steps"] or chosen.steps)),
        "seed": int(resumed.get("seed", values["seed"])), "checkpoint": state,
        "curve": _curve(resumed.get("curve", []), view, row, "loss"),
        "probe": _curve(resumed.get("probe", []), view, row, "probe_iterations"),
        "probed_on": [recipe.problem, dict(recipe.problem_params), recipe.seed],
        "seconds": float(resumed.get("seconds", 0.0)) + float(view.seconds[row]),
        "versions": versions() | {"torch": importlib.metadata.version("torch")},
    }  # fmt: skip
    return Weights(tensors, about)


def _curve(before: list[list[float]], view: TraceView, row: int, name: str) -> list[list[float]]:
    """Return [step, value] pairs of the whole training, thinned."""
    steps, values = view.scalars["step"][: row + 1], view.scalars[name][: row + 1]
    pairs = [p for p in before if p[0] < steps[0]]
    pairs += [[float(s), float(v)] for s, v in zip(steps, values, strict=True) if math.isfinite(v)]
    stride = -(-len(pairs) // CURVE)
    return pairs[::stride] if stride > 1 else pairs
