"""The projection of AdamP and SGDP in numpy, for the explanation of a step."""

from __future__ import annotations

import math

import numpy as np

from core.iterate import Array
from core.optimizers.explanation import Line, Step


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
        for W, G, V in ((w, g, v), (w.reshape(1, -1), g.reshape(1, -1), v.reshape(1, -1))):
            norms = np.linalg.norm(W, axis=1, keepdims=True)
            lengths = np.maximum(norms, eps) * np.maximum(np.linalg.norm(G, axis=1, keepdims=True), eps)
            if np.max(np.abs((W * G).sum(axis=1, keepdims=True)) / lengths) < delta / math.sqrt(W.shape[1]):
                unit = W / (norms + eps)
                projected = V - unit * (unit * V).sum(axis=1, keepdims=True)
                out[part], ratio[part] = projected.ravel(), wd_ratio
                lines.append(
                    Line("u", r"<u> - <w> \langle <w>, <u> \rangle", {"u": V.ravel(), "w": unit.ravel()},
                         projected.ravel(), "without the radial part")
                )  # fmt: skip
                break
    return lines, out, ratio
