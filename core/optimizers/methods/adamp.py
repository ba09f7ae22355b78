"""AdamP: Adam without the radial component of its steps on scale-invariant weights.

Heo et al. 2021, ICLR. The torch class `AdamP` stands in `core.optimizers.optim.adamp`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.iterate import Lazy
from core.optimizers.descent import Stepper
from core.optimizers.explanation import Line, Number, Step
from core.optimizers.landscape import Landscape
from core.optimizers.methods.adam import Moments
from core.optimizers.panels import Panel
from core.optimizers.projections import detection_panel, explain_projection, keep_detected
from core.optimizers.steps import SCALARS
from core.optimizers.training import Training
from core.registry import method, param
from core.trace import TraceView

if TYPE_CHECKING:
    import torch

    from core.optimizers.optim.adamp import AdamP


def __getattr__(name: str) -> Any:
    if name == "AdamP":
        from core.optimizers.optim.adamp import AdamP

        return AdamP
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@method(
    "adamp",
    lab="optimizers",
    title="AdamP",
    source="Heo et al. 2021, AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant "
    "Weights, ICLR, arXiv 2006.08217",
    example="scale_invariant_rosenbrock",
    scalars=SCALARS,
    colour=35,
    order=13,
)
@dataclass(frozen=True)
class AdamPMethod(Moments):
    """Adam whose update loses its component along the weights, where the loss does not feel their length.

    See SGDP; the test and the projection are the same, per row of a matrix or for all of it.
    """

    nesterov: bool = param(False, doc="take the gradient's share once more ahead")
    delta: float = param(
        0.1, low=0.0, high=1.0, label="δ", doc="how orthogonal the gradient must be; 0 = never"
    )
    weight_decay: float = param(0.0, low=0.0, high=0.1, advanced=True, doc="decoupled decay")
    wd_ratio: float = param(
        0.1, low=0.0, high=1.0, advanced=True, doc="share of the decay on projected weights"
    )

    on_a_point: ClassVar[str] = "On a plain point AdamP is Adam: only matrices are projected."

    def build(self, params: list[torch.Tensor]) -> AdamP:
        """Return the torch optimizer."""
        from core.optimizers.optim.adamp import AdamP

        return AdamP(
            params, self.lr, (self.beta1, self.beta2), self.eps, self.weight_decay, self.delta, self.wd_ratio,
            self.nesterov,
        )  # fmt: skip

    def keeps(self, stepper: Stepper, training: Training) -> dict[str, Lazy]:
        """Return what the test takes each tensor for."""
        return keep_detected(stepper, self.delta)

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield which weights are taken for scale-invariant."""
        return detection_panel(problem, view, self.delta)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, t = step["x"], step["gradient"], step.k + 1
        m, v, beta1, beta2 = step["momentum_before"], step["second_moment_before"], self.beta1, self.beta2
        m_, v_ = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        yield Line("m_", "<beta1> <m> + (1-<beta1>) <g>", {"beta1": beta1, "m": m, "g": g}, m_, "momentum")
        yield Line("v_", "<beta2> <v> + (1-<beta2>) <g>^2", {"beta2": beta2, "v": v, "g": g}, v_,
                   "squared gradient")  # fmt: skip
        top = beta1 * m_ + (1 - beta1) * g if self.nesterov else m_
        u = top / (np.sqrt(v_) / math.sqrt(1 - beta2**t) + self.eps)
        numbers: dict[str, Number] = {
            "m_": m_,
            "g": g,
            "v_": v_,
            "beta1": beta1,
            "beta2": beta2,
            "t": float(t),
            "eps": self.eps,
        }
        above = "<beta1> <m_> + (1-<beta1>) <g>" if self.nesterov else "<m_>"
        yield Line(
            "u", rf"\frac{{{above}}}{{\sqrt{{<v_>/(1-<beta2>^{{<t>}})}} + <eps>}}", numbers, u, "update"
        )
        lines, u, r = explain_projection(step, u, self.delta, self.wd_ratio, self.eps)
        yield from lines
        size = self.lr / (1 - beta1**t)
        yield Line("size", r"\frac{<lr>}{1-<beta1>^{<t>}}", {"lr": self.lr, "beta1": beta1, "t": float(t)},
                   size,                   "rate with bias correction")  # fmt: skip
        shrink = 1 - self.lr * self.weight_decay * r
        last: dict[str, Number] = {"x": x, "size": size, "u": u, "r": shrink}
        template = "<r> <x> - <size> <u>" if self.weight_decay else "<x> - <size> <u>"
        yield Line("x_", template, last, x * shrink - size * u)
