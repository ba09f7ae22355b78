"""Adam and its relatives from torch.optim, and Adam at half the rate as the control that diffGrad needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.iterate import Array, Iterate
from core.optimizers.descent import State, descend
from core.optimizers.explanation import Line, Number, Step
from core.optimizers.landscape import Landscape
from core.optimizers.panels import Course, Panel
from core.optimizers.steps import SCALARS, FirstOrder
from core.registry import method, param
from core.trace import Snapshot, TraceView

if TYPE_CHECKING:
    import torch

KINGMA = "Kingma & Ba 2015, Adam: A Method for Stochastic Optimization, ICLR"


@dataclass(frozen=True)
class Moments(FirstOrder):
    """Parameters and arithmetic that all relatives of Adam share."""

    lr: float = param(0.01, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    beta1: float = param(0.9, low=0.0, high=0.9999, label="β₁", doc="memory of the momentum")
    beta2: float = param(0.999, low=0.0, high=0.99999, label="β₂", doc="memory of the squared gradient")
    eps: float = param(1e-8, low=1e-30, high=0.1, advanced=True, label="ε", doc="added to the denominator")

    recorded: ClassVar[Mapping[str, str]] = {"momentum": "exp_avg", "second_moment": "exp_avg_sq"}
    elementwise: ClassVar[bool] = True

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return g/(√v + ε)."""
        return gradient / np.maximum(np.sqrt(state["second_moment"]) + self.eps, 1e-300)


def effective_rate(view: TraceView, rate: Callable[[Snapshot, int], Array]) -> Course:
    """Return a chart of what the momentum is multiplied by, which all relatives of Adam share.

    Parameters
    ----------
    rate : takes a kept iterate and the number of its step, from 1, and returns the rate of each coordinate.
    """
    values = np.full(len(view), np.nan)
    for k in view.kept:
        if "second_moment" in (snapshot := view.snapshots[int(k)]):
            values[np.searchsorted(view.k, k)] = float(rate(snapshot, int(k) + 1).mean())
    return Course(
        "effective_rate",
        "Effective rate, step over momentum",
        values,
        log=True,
        words="What the learning rate becomes by the gradient's scale and by friction, where there is any: "
        "the mean over the coordinates.",
    )


def adam_rate(view: TraceView, settings: Moments, lr: float) -> Iterator[Panel]:
    """Yield the effective rate η/(√v̂ + ε) of Adam; nothing on a network, whose moments are not kept."""
    course = effective_rate(
        view,
        lambda s, t: lr / (np.sqrt(s["second_moment"] / (1 - settings.beta2**t)) + settings.eps),
    )
    if np.isfinite(course.values).any():
        yield course


def explain_adam(step: Step, settings: Moments, lr: float, decay: float = 0.0) -> Iterator[Line]:
    """Yield Adam's formulas: m, v, the corrected rate, the point."""
    x, g, t = step["x"], step["gradient"], step.k + 1
    m, v, beta1, beta2 = step["momentum_before"], step["second_moment_before"], settings.beta1, settings.beta2
    m_, v_ = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    yield Line("m_", "<beta1> <m> + (1-<beta1>) <g>", {"beta1": beta1, "m": m, "g": g}, m_, "momentum")
    yield Line("v_", "<beta2> <v> + (1-<beta2>) <g>^2", {"beta2": beta2, "v": v, "g": g}, v_,
               "squared gradient")  # fmt: skip
    numbers: dict[str, Number] = {
        "m_": m_,
        "v_": v_,
        "beta1": beta1,
        "beta2": beta2,
        "t": float(t),
        "eps": settings.eps,
    }
    u = m_ / (1 - beta1**t) / (np.sqrt(v_ / (1 - beta2**t)) + settings.eps)
    yield Line(
        "u", r"\frac{<m_>/(1-<beta1>^{<t>})}{\sqrt{<v_>/(1-<beta2>^{<t>})} + <eps>}", numbers, u, "direction"
    )
    if decay:
        numbers = {"x": x, "lr": lr, "decay": decay, "u": u}
        yield Line("x_", r"<x> (1 - <lr> \cdot <decay>) - <lr> <u>", numbers, x * (1 - lr * decay) - lr * u)
    else:
        yield Line("x_", "<x> - <lr> <u>", {"x": x, "lr": lr, "u": u}, x - lr * u)


@method(
    "adam", lab="optimizers", title="Adam", source=KINGMA + "; as in torch.optim.Adam", example="rosenbrock",
    scalars=SCALARS, colour=2, order=21,
)  # fmt: skip
@dataclass(frozen=True)
class Adam(Moments):
    """Momentum divided by the root of the mean squared gradient, each coordinate for itself.

    The size of a step hardly depends on the size of the gradient, nor on the units of the loss.
    """

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        return torch.optim.Adam(params, self.lr, (self.beta1, self.beta2), self.eps, foreach=False)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        return explain_adam(step, self, self.lr)

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield the effective rate."""
        return adam_rate(view, self, self.lr)


@method(
    "adam_half", lab="optimizers", title="Adam at half the rate", source=KINGMA + "; control of diffGrad",
    example="rosenbrock", scalars=SCALARS, colour=3, order=11,
)  # fmt: skip
@dataclass(frozen=True)
class AdamHalf(Moments):
    """Adam with half the learning rate that is set: what diffGrad is where gradients change little.

    Whatever this control does as well is no merit of diffGrad's friction.
    """

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer, at half the rate."""
        import torch

        return torch.optim.Adam(params, self.lr / 2, (self.beta1, self.beta2), self.eps, foreach=False)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        return explain_adam(step, self, self.lr / 2)

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield the effective rate."""
        return adam_rate(view, self, self.lr / 2)


@method(
    "adamw", lab="optimizers", title="AdamW", example="rosenbrock", scalars=SCALARS, colour=4, order=22,
    source="Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, ICLR; as in torch.optim.AdamW",
)  # fmt: skip
@dataclass(frozen=True)
class AdamW(Moments):
    """Adam with decay of the weights themselves, not through the gradient.

    The decay pulls towards the origin: on a landscape whose minimum is elsewhere it ends beside it.
    """

    weight_decay: float = param(0.01, low=0.0, high=1.0, doc="share of the weights lost a step, times η")

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        betas = (self.beta1, self.beta2)
        return torch.optim.AdamW(params, self.lr, betas, self.eps, self.weight_decay, foreach=False)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        return explain_adam(step, self, self.lr, self.weight_decay)


@method(
    "nadam", lab="optimizers", title="NAdam", example="rosenbrock", scalars=SCALARS, colour=5, order=23,
    source="Dozat 2016, Incorporating Nesterov Momentum into Adam; as in torch.optim.NAdam",
)  # fmt: skip
@dataclass(frozen=True)
class NAdam(Moments):
    """Adam with Nesterov's look ahead and a schedule of the momentum."""

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        return torch.optim.NAdam(params, self.lr, (self.beta1, self.beta2), self.eps, foreach=False)


@method(
    "radam", lab="optimizers", title="RAdam", example="himmelblau", scalars=SCALARS, colour=6, order=24,
    source="Liu et al. 2020, On the Variance of the Adaptive Learning Rate and Beyond, ICLR; as in "
    "torch.optim.RAdam",
)  # fmt: skip
@dataclass(frozen=True)
class RAdam(Moments):
    """Adam that starts as momentum and scales by the squared gradient once that is known well enough."""

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        return torch.optim.RAdam(params, self.lr, (self.beta1, self.beta2), self.eps, foreach=False)
