"""The projection of AdamP and SGDP in numpy: which view of a tensor it acts on, and a step explained."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array, Lazy
from core.optimizers.descent import Stepper
from core.optimizers.directions import tensor_names, tensor_parts
from core.optimizers.explanation import Line, Step
from core.optimizers.panels import Strip
from core.trace import TraceView

#: What a tensor can be taken for: weights that count with their length, as a whole without it, row by row.
NONE, LAYER, CHANNEL = range(3)
#: The official default of the torch classes, which is not a parameter here.
EPS = 1e-8


def detected(w: NDArray[Any], g: NDArray[Any], delta: float, eps: float = EPS) -> int:
    """Return as what the test takes weights: `CHANNEL`, `LAYER` or `NONE`.

    Parameters
    ----------
    w, g : weights before the step and their raw gradient, of one shape; with less than two axes always NONE.
    delta : |cos(g, w)| of every row must be below δ/√n, n the row's length.
    """
    if w.ndim < 2:
        return NONE
    for state, shape in ((CHANNEL, (w.shape[0], -1)), (LAYER, (1, -1))):
        W, G = w.reshape(shape), g.reshape(shape)
        lengths = np.maximum(np.linalg.norm(W, axis=1), eps) * np.maximum(np.linalg.norm(G, axis=1), eps)
        if np.max(np.abs((W * G).sum(axis=1)) / lengths) < delta / math.sqrt(W.shape[1]):
            return state
    return NONE


def keep_detected(stepper: Stepper, delta: float) -> dict[str, Lazy]:
    """Return ``detected`` (tensors,) int8 of the step that is about to be made; for `keeps` of a method."""

    def states() -> NDArray[np.int8]:
        pairs = [(p.detach().numpy(), p.grad.numpy()) for p in stepper.params if p.grad is not None]
        return np.array([detected(w, g, delta) for w, g in pairs], dtype=np.int8)

    return {"detected": states}


def detection_panel(problem: Any, view: TraceView, delta: float) -> Iterator[Strip]:
    """Yield which matrices the test took for scale-invariant at every kept step.

    Parameters
    ----------
    view : of AdamP or SGDP; its snapshots hold ``detected``, or all of a step's gradient.
    """
    shapes, parts = problem.tensor_shapes, tensor_parts(problem)
    matrices = [i for i, shape in enumerate(shapes) if len(shape) > 1]
    if not matrices:
        return
    ks, columns = [], []
    for k in view.kept:
        snapshot = view.snapshots[int(k)]
        if "detected" in snapshot:
            columns.append(snapshot["detected"][matrices])
        elif "step" in snapshot:
            x, g = snapshot["x"], snapshot["gradient"]
            pairs = [(x[parts[i]].reshape(shapes[i]), g[parts[i]].reshape(shapes[i])) for i in matrices]
            columns.append(np.array([detected(w, g, delta) for w, g in pairs]))
        else:
            continue
        ks.append(int(k))
    if ks:
        names = tensor_names(problem)
        yield Strip(
            "detected", "Weights taken for scale-invariant", np.array(ks), tuple(names[i] for i in matrices),
            ("none", "layer", "channel"), np.array(columns).T,
            words="Of these the radial part of the update is removed: row by row (channel) or of the whole "
            f"tensor (layer). The test is |cos(∇f, w)| < δ/√n with δ = {delta:g}.",
        )  # fmt: skip


def explain_projection(
    step: Step, u: Array, delta: float, wd_ratio: float, eps: float
) -> tuple[list[Line], Array, Array]:
    """Return the formulas of the projections, the projected update (n,) and the factor on decay (n,).

    One formula for each matrix that is projected; on a plain point there is none.
    """
    lines: list[Line] = []
    out, ratio, at = u.copy(), np.ones_like(u), 0
    for rows, columns in step.arrays.get("shapes", ()):
        part = slice(at, at + rows * columns)
        at += rows * columns
        w, g, v = (a[part].reshape(rows, columns) for a in (step["x"], step["gradient"], u))
        state = detected(w, g, delta, eps)
        if state == NONE:
            continue
        W, V = (w, v) if state == CHANNEL else (w.reshape(1, -1), v.reshape(1, -1))
        unit = W / (np.linalg.norm(W, axis=1, keepdims=True) + eps)
        projected = V - unit * (unit * V).sum(axis=1, keepdims=True)
        out[part], ratio[part] = projected.ravel(), wd_ratio
        lines.append(
            Line("u", r"<u> - <w> \langle <w>, <u> \rangle", {"u": V.ravel(), "w": unit.ravel()},
                 projected.ravel(), "without the radial part")
        )  # fmt: skip
    return lines, out, ratio
