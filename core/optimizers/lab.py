"""The optimizer lab: a start on a landscape, and what each method makes of the same gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.optimizers.landscape import Landscape
from core.registry import LabSpec, register_lab
from core.trace import TraceView


def result(problem: Landscape, view: TraceView) -> dict[str, Any]:
    """Return where a method ended and what it cost.

    Parameters
    ----------
    problem : the landscape.
    view : trace of a method; the newest finite item is judged.

    Returns
    -------
    JSON-ready: ``x``, ``loss``, ``best_loss`` (of all steps), ``grad_norm``, ``distance_to_minimum``,
    ``steps``, ``evaluations`` (of the function and its gradient, counted once where both were computed at a
    point). An analysis has ``x`` as a table and what its scalars say. A training has, instead of ``x``,
    the newest measured ``train_loss``, ``validation_loss`` and ``accuracy``, and
    ``epsilon_spent`` where privacy is kept. None stands for what is unknown.
    """
    if "train_loss" in view.scalars:
        return _of_training(view)
    finite = [int(k) for k in view.kept if np.isfinite(view.snapshots[int(k)]["x"]).all()]
    k = max(finite, default=int(view.kept[-1]))
    at = int(np.flatnonzero(view.k == k)[0])
    answer: dict[str, Any] = {"x": _finite(view.snapshots[k]["x"]), "steps": len(view) - 1}
    for name in ("loss", "grad_norm", "distance_to_minimum"):
        column = view.scalars.get(name)
        answer[name] = None if column is None else _number(float(column[at]))
    losses = view.scalars["loss"]
    losses = losses[np.isfinite(losses)]
    answer["best_loss"] = float(losses.min()) if len(losses) else None
    answer["evaluations"] = int(max(view.work["evaluation"][-1], view.work["gradient"][-1]))
    return answer


def _of_training(view: TraceView) -> dict[str, Any]:
    answer: dict[str, Any] = {"steps": len(view) - 1, "distance_to_minimum": None}
    for name in ("loss", "grad_norm", "train_loss", "validation_loss", "accuracy", "epsilon_spent"):
        if name in view.scalars:
            measured = view.scalars[name][np.isfinite(view.scalars[name])]
            answer[name] = float(measured[-1]) if len(measured) else None
    losses = view.scalars["loss"][np.isfinite(view.scalars["loss"])]
    answer["best_loss"] = float(losses.min()) if len(losses) else None
    answer["evaluations"] = int(max(view.work["evaluation"][-1], view.work["gradient"][-1]))
    return answer


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _finite(array: Any) -> Any:
    if array.ndim > 1:
        return [_finite(row) for row in array]
    return [_number(float(value)) for value in array]


register_lab(
    LabSpec(
        key="optimizers",
        title="Optimizers",
        tagline="Drop a start on a landscape, race optimizers, and read the numbers of every step",
        yardstick="loss",
        declares=(
            "landscapes",
            "composites",
            "factorization",
            "valley",
            "tasks",
            "table_task",
            "experiments",
            "training_experiments",
        ),
        result=result,
    )
)
