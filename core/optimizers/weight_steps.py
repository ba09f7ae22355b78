"""Steps of a training explained on some of its weights: the first row of its first matrix.

An optimizer that treats each number apart does to them what it does to all. What the formulas need of them is
kept with the parameters; all of it would not fit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from core.iterate import Lazy
from core.optimizers.descent import Stepper
from core.optimizers.explanation import Explanation, Step, explain, lines_of
from core.optimizers.training import Training
from core.optimizers.wrapped import Wrapper
from core.trace import TraceView

#: Weights that are kept at most.
MOST = 64
_PREFIX = "unit."


def is_explained(method: Any) -> bool:
    """Whether a method's formulas hold for each number of a network apart."""
    return bool(
        hasattr(method, "explain")
        and getattr(method, "elementwise", False)
        and not getattr(method, "on_a_point", "")
    )


def unit(training: Training) -> slice:
    """Return where the first row of the first tensor stands among the parameters, `MOST` of it."""
    rows, *rest = training.tensor_shapes[0]
    return slice(0, min(MOST, int(np.prod(rest)) if rest else rows))


def unit_state(method: Any, stepper: Stepper, training: Training) -> dict[str, Lazy]:
    """Return what the formulas of the coming step need of these weights; callables for the trace."""
    if not is_explained(method):
        return {}
    part = unit(training)

    def gradient() -> Any:
        g = stepper.g[part].astype(np.float64)
        norm = float(np.linalg.norm(stepper.g))
        return g * (training.clip / norm) if 0 < training.clip < norm else g

    def state(key: str) -> Any:
        first = stepper.params[0]
        value = stepper.optimizer.state[first].get(key) if first in stepper.optimizer.state else None
        size = part.stop
        return np.zeros(size) if value is None else value.numpy().reshape(-1)[part].astype(np.float64)

    found: dict[str, Lazy] = {f"{_PREFIX}gradient": gradient}
    found |= {f"{_PREFIX}{name}_before": lambda key=key: state(key) for name, key in method.recorded.items()}  # type: ignore[misc]
    return found


def explain_weights(method: Any, training: Training, view: TraceView, k: int) -> Explanation:
    """Return formulas and numbers of the step of a training that leaves x_k.

    Parameters
    ----------
    method : the instance whose trace this is; of one around another optimizer, the other one's step by its
        gradient.
    k : a kept k that a step leaves; the nearest such one is taken.

    Raises
    ------
    ValueError
        If the method has no formulas for single weights, or the trace holds no step.
    """
    if any("step" in snapshot for snapshot in view.snapshots.values()):
        return explain(method, view, k)
    inner = method.inner() if isinstance(method, Wrapper) else method
    if not is_explained(inner):
        raise ValueError("its step is that of whole matrices; the Updates and Inside tabs show it")
    last = int(view.k[-1])
    kept = [j for j, snapshot in view.snapshots.items() if f"{_PREFIX}gradient" in snapshot and j < last]
    if not kept:
        raise ValueError("the trace holds no step")
    k = min(kept, key=lambda j: (abs(j - k), j))
    snapshot = view.snapshots[k]
    arrays = {name.removeprefix(_PREFIX): a for name, a in snapshot.items() if name.startswith(_PREFIX)}
    arrays["x"] = snapshot["x"][unit(training)].astype(np.float64)
    scheduled = replace(inner, lr=inner.lr * training.rate_factor(k, inner.steps))
    lines = list(lines_of(scheduled, Step(k, arrays)))
    if hasattr(method, "explain_gradient"):
        lines = [*method.explain_gradient(training, snapshot["x"], k), *lines]
    return Explanation(k, tuple(lines))
