"""RMSprop and Adagrad: the gradient over the root of its mean, or summed, square; by torch.optim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.iterate import Array, Iterate
from core.optimizers.descent import State, descend
from core.optimizers.explanation import Line, Step
from core.optimizers.landscape import Landscape
from core.optimizers.steps import SCALARS, FirstOrder
from core.registry import method, param

if TYPE_CHECKING:
    import torch


@method(
    "rmsprop", lab="optimizers", title="RMSprop", example="rosenbrock", scalars=SCALARS, colour=7, order=25,
    source="Tieleman & Hinton 2012, Lecture 6.5, Neural Networks for Machine Learning; as in "
    "torch.optim.RMSprop",
)  # fmt: skip
@dataclass(frozen=True)
class RmsProp(FirstOrder):
    """v ← α v + (1−α) g²,  x ← x − η g/(√v + ε)."""

    lr: float = param(0.01, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    alpha: float = param(0.99, low=0.0, high=0.9999, label="α", doc="memory of the squared gradient")
    eps: float = param(1e-8, low=1e-30, high=0.1, advanced=True, label="ε", doc="added to the denominator")

    recorded: ClassVar[Mapping[str, str]] = {"second_moment": "square_avg"}
    elementwise: ClassVar[bool] = True

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        return torch.optim.RMSprop(params, self.lr, self.alpha, self.eps, foreach=False)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return g/(√v + ε)."""
        return gradient / (np.sqrt(state["second_moment"]) + self.eps)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, v, a = step["x"], step["gradient"], step["second_moment_before"], self.alpha
        v_ = a * v + (1 - a) * g**2
        yield Line(
            "v_", "<beta2> <v> + (1-<beta2>) <g>^2", {"beta2": a, "v": v, "g": g}, v_, "squared gradient"
        )
        x_ = x - self.lr * g / (np.sqrt(v_) + self.eps)
        yield Line("x_", r"<x> - <lr> \frac{<g>}{\sqrt{<v_>} + <eps>}",
                   {"x": x, "lr": self.lr, "g": g, "v_": v_, "eps": self.eps}, x_)  # fmt: skip


@method(
    "adagrad", lab="optimizers", title="Adagrad", example="rosenbrock", scalars=SCALARS, colour=8, order=26,
    source="Duchi, Hazan & Singer 2011, Adaptive Subgradient Methods, JMLR 12; as in torch.optim.Adagrad",
)  # fmt: skip
@dataclass(frozen=True)
class Adagrad(FirstOrder):
    """v ← v + g²,  x ← x − η g/(√v + ε): steps that only ever get shorter."""

    lr: float = param(0.3, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    eps: float = param(1e-10, low=1e-30, high=0.1, advanced=True, label="ε", doc="added to the denominator")

    recorded: ClassVar[Mapping[str, str]] = {"second_moment": "sum"}
    elementwise: ClassVar[bool] = True

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        return torch.optim.Adagrad(params, self.lr, eps=self.eps, foreach=False)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return g/(√v + ε)."""
        return gradient / (np.sqrt(state["second_moment"]) + self.eps)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, v = step["x"], step["gradient"], step["second_moment_before"]
        v_ = v + g**2
        yield Line("v_", "<v> + <g>^2", {"v": v, "g": g}, v_, "summed squares")
        x_ = x - self.lr * g / (np.sqrt(v_) + self.eps)
        yield Line("x_", r"<x> - <lr> \frac{<g>}{\sqrt{<v_>} + <eps>}",
                   {"x": x, "lr": self.lr, "g": g, "v_": v_, "eps": self.eps}, x_)  # fmt: skip
