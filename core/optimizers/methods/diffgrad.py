"""diffGrad: Adam whose step is braked, by up to one half, where the gradient has stopped changing.

Dubey et al. 2020, IEEE TNNLS 31(11). The torch class `DiffGrad` stands in `core.optimizers.optim.diffgrad`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.iterate import Array, Iterate
from core.optimizers.descent import State, descend
from core.optimizers.explanation import Line, Step
from core.optimizers.landscape import Landscape
from core.optimizers.steps import SCALARS, FirstOrder
from core.registry import method, param

if TYPE_CHECKING:
    import torch

    from core.optimizers.optim.diffgrad import DiffGrad


def __getattr__(name: str) -> Any:
    if name == "DiffGrad":
        from core.optimizers.optim.diffgrad import DiffGrad

        return DiffGrad
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@method(
    "diffgrad",
    lab="optimizers",
    title="diffGrad",
    source="Dubey, Chakraborty, Roy, Mukherjee, Singh & Chaudhuri 2020, diffGrad: An Optimization Method for "
    "Convolutional Neural Networks, IEEE TNNLS 31(11), arXiv 1909.11015",
    example="rosenbrock",
    scalars=SCALARS,
    colour=0,
    order=10,
)
@dataclass(frozen=True)
class DiffGradMethod(FirstOrder):
    """Adam times a friction ξ = σ(|g_{k−1} − g_k|), elementwise, between ½ and 1.

    Where the gradient changes by much less than 1 from step to step, ξ is ½ and this is Adam at half the
    learning rate; where it changes by much more, it is Adam. So, unlike Adam, it feels the loss's units.
    """

    lr: float = param(0.01, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    beta1: float = param(0.9, low=0.0, high=0.9999, label="β₁", doc="memory of the momentum")
    beta2: float = param(0.999, low=0.0, high=0.99999, label="β₂", doc="memory of the squared gradient")
    eps: float = param(1e-8, low=1e-30, high=0.1, advanced=True, label="ε", doc="added to √v")
    weight_decay: float = param(0.0, low=0.0, high=1.0, advanced=True, doc="added to the gradient, times x")

    recorded: ClassVar[Mapping[str, str]] = {
        "momentum": "exp_avg", "second_moment": "exp_avg_sq", "previous_gradient": "previous_grad"
    }  # fmt: skip
    elementwise: ClassVar[bool] = True

    def build(self, params: list[torch.Tensor]) -> DiffGrad:
        """Return the torch optimizer."""
        from core.optimizers.optim.diffgrad import DiffGrad

        return DiffGrad(params, self.lr, (self.beta1, self.beta2), self.eps, self.weight_decay)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return g/(√v + ε)."""
        return gradient / np.maximum(np.sqrt(state["second_moment"]) + self.eps, 1e-300)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, t = step["x"], step["gradient"], step.k + 1
        if self.weight_decay:
            raw, g = g, g + self.weight_decay * x
            yield Line("g", r"<g> + <decay> <x>", {"g": raw, "decay": self.weight_decay, "x": x}, g)
        m, v, g_old = (step[f"{name}_before"] for name in self.recorded)
        m_ = self.beta1 * m + (1 - self.beta1) * g
        yield Line(
            "m_", r"<beta1> <m> + (1-<beta1>) <g>", {"beta1": self.beta1, "m": m, "g": g}, m_, "momentum"
        )
        v_ = self.beta2 * v + (1 - self.beta2) * g**2
        yield Line("v_", r"<beta2> <v> + (1-<beta2>) <g>^2", {"beta2": self.beta2, "v": v, "g": g}, v_,
                   "squared gradient")  # fmt: skip
        xi = 1 / (1 + np.exp(-np.abs(g_old - g)))
        yield Line("xi", r"\frac{1}{1+\exp(-|<g_old> - <g>|)}", {"g_old": g_old, "g": g}, xi, "friction")
        size = self.lr * math.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
        yield Line("size", r"<lr> \frac{\sqrt{1-<beta2>^{<t>}}}{1-<beta1>^{<t>}}",
                   {"lr": self.lr, "beta1": self.beta1, "beta2": self.beta2, "t": float(t)}, size,
                   "rate with bias correction")  # fmt: skip
        x_ = x - size * (xi * m_) / (np.sqrt(v_) + self.eps)
        yield Line("x_", r"<x> - <size> \frac{<xi> <m_>}{\sqrt{<v_>} + <eps>}",
                   {"x": x, "size": size, "xi": xi, "m_": m_, "v_": v_, "eps": self.eps}, x_)  # fmt: skip
