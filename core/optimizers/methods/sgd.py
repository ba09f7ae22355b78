"""Gradient descent with momentum: Polyak's heavy ball and Nesterov's variant, by torch.optim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.errors import InputError
from core.iterate import Array, Iterate
from core.optimizers.descent import State, descend
from core.optimizers.explanation import Line, Number, Step
from core.optimizers.landscape import Landscape
from core.optimizers.steps import SCALARS, FirstOrder
from core.registry import method, param

if TYPE_CHECKING:
    import torch


@method(
    "sgd",
    lab="optimizers",
    title="SGD with momentum",
    source="Polyak 1964, Some methods of speeding up the convergence of iteration methods; Nesterov 1983; as "
    "in torch.optim.SGD",
    example="ravine",
    scalars=SCALARS,
    colour=1,
    order=20,
)
@dataclass(frozen=True)
class Sgd(FirstOrder):
    """b ← μ b + g,  x ← x − η b (or x − η (g + μ b) with Nesterov); with μ = 0 plain gradient descent.

    The buffer starts at the first gradient, as torch has it: with dampening its first step is not damped.
    """

    lr: float = param(0.01, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    momentum: float = param(0.9, low=0.0, high=0.9999, label="momentum μ", doc="share of the last step kept")
    nesterov: bool = param(False, doc="take the gradient's share once more ahead; needs momentum")

    recorded: ClassVar[Mapping[str, str]] = {"momentum": "momentum_buffer"}
    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0.0:
            raise InputError("nesterov", "momentum above 0", "0", "raise the momentum or switch Nesterov off")

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        return torch.optim.SGD(
            params, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov, foreach=False
        )

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return the gradient: nothing is scaled."""
        return gradient.copy()

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, b, mu = step["x"], step["gradient"], step["momentum_before"], self.momentum
        b_ = mu * b + g
        yield Line("b_", "<mu> <b> + <g>", {"mu": mu, "b": b, "g": g}, b_, "momentum")
        if self.nesterov:
            x_ = x - self.lr * (g + mu * b_)
            numbers: dict[str, Number] = {"x": x, "lr": self.lr, "g": g, "mu": mu, "b_": b_}
            yield Line("x_", "<x> - <lr> (<g> + <mu> <b_>)", numbers, x_)
        else:
            yield Line("x_", "<x> - <lr> <b_>", {"x": x, "lr": self.lr, "b_": b_}, x - self.lr * b_)
