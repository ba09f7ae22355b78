"""SGDP: momentum without the radial component of its steps on scale-invariant weights.

Heo et al. 2021, ICLR. The torch class `SGDP` stands in `core.optimizers.optim.sgdp`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.errors import InputError
from core.iterate import Array, Iterate, Lazy
from core.optimizers.descent import State, Stepper, descend
from core.optimizers.explanation import Line, Number, Step
from core.optimizers.landscape import Landscape
from core.optimizers.panels import Panel
from core.optimizers.projections import detection_panel, explain_projection, keep_detected
from core.optimizers.steps import SCALARS, FirstOrder
from core.optimizers.training import Training
from core.registry import method, param
from core.trace import TraceView

if TYPE_CHECKING:
    import torch

    from core.optimizers.optim.sgdp import SGDP


def __getattr__(name: str) -> Any:
    if name == "SGDP":
        from core.optimizers.optim.sgdp import SGDP

        return SGDP
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@method(
    "sgdp",
    lab="optimizers",
    title="SGDP",
    source="Heo et al. 2021, AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant "
    "Weights, ICLR, arXiv 2006.08217",
    example="scale_invariant_rosenbrock",
    scalars=SCALARS,
    colour=12,
    order=12,
)
@dataclass(frozen=True)
class SgdpMethod(FirstOrder):
    """Momentum whose update loses its component along the weights, where the loss does not feel their length.

    Weights in front of a normalisation only have a direction. Momentum lengthens them, and a step of given
    size turns a longer vector by less: the effective rate η/‖w‖² falls. The projection holds the length.
    """

    lr: float = param(0.01, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    momentum: float = param(0.9, low=0.0, high=0.9999, label="momentum μ", doc="share of the last step kept")
    nesterov: bool = param(False, doc="take the gradient's share once more ahead; needs momentum")
    delta: float = param(
        0.1, low=0.0, high=1.0, label="δ", doc="how orthogonal the gradient must be; 0 = never"
    )
    weight_decay: float = param(0.0, low=0.0, high=0.1, advanced=True, doc="decay, divided by 1 − μ")
    wd_ratio: float = param(
        0.1, low=0.0, high=1.0, advanced=True, doc="share of the decay on projected weights"
    )
    project_buffer: bool = param(
        False,
        advanced=True,
        doc="also project the momentum itself, as the official code does without Nesterov",
    )

    recorded: ClassVar[Mapping[str, str]] = {"momentum": "momentum"}
    elementwise: ClassVar[bool] = True
    on_a_point: ClassVar[str] = "On a plain point SGDP is SGD with momentum: only matrices are projected."

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0.0:
            raise InputError("nesterov", "momentum above 0", "0", "raise the momentum or switch Nesterov off")

    def build(self, params: list[torch.Tensor]) -> SGDP:
        """Return the torch optimizer."""
        from core.optimizers.optim.sgdp import SGDP

        return SGDP(
            params, self.lr, self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov,
            delta=self.delta, wd_ratio=self.wd_ratio, project_buffer=self.project_buffer,
        )  # fmt: skip

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return the gradient: nothing is scaled."""
        return gradient.copy()

    def keeps(self, stepper: Stepper, training: Training) -> dict[str, Lazy]:
        """Return what the test takes each tensor for."""
        return keep_detected(stepper, self.delta)

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield which weights are taken for scale-invariant."""
        return detection_panel(problem, view, self.delta)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, b, mu = step["x"], step["gradient"], step["momentum_before"], self.momentum
        b_ = mu * b + g
        yield Line("b_", "<mu> <b> + <g>", {"mu": mu, "b": b, "g": g}, b_, "momentum")
        u = b_
        if self.nesterov:
            u = g + mu * b_
            yield Line("u", "<g> + <mu> <b_>", {"g": g, "mu": mu, "b_": b_}, u, "look ahead")
        lines, u, r = explain_projection(step, u, self.delta, self.wd_ratio, 1e-8)
        yield from lines
        decay = self.weight_decay * r / (1 - mu)
        numbers: dict[str, Number] = {"x": x, "lr": self.lr, "u": u, "decay": decay}
        if self.weight_decay:
            x_ = x * (1 - self.lr * decay) - self.lr * u
            yield Line("x_", r"<x> (1 - <lr> \cdot <decay>) - <lr> <u>", numbers, x_)
        else:
            yield Line("x_", "<x> - <lr> <u>", numbers, x - self.lr * u)
