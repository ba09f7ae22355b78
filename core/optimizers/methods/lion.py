"""Lion: the sign of an interpolated momentum; by the package pytorch_optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from core.iterate import Array, Iterate
from core.optimizers.descent import State, descend
from core.optimizers.landscape import Landscape
from core.optimizers.steps import SCALARS, FirstOrder
from core.registry import method, param

if TYPE_CHECKING:
    import torch

if find_spec("pytorch_optimizer") is None:
    raise ImportError("needs the package pytorch_optimizer: pip install 'iterscope[peers]'")


@method(
    "lion",
    lab="optimizers",
    title="Lion",
    source="Chen et al. 2023, Symbolic Discovery of Optimization Algorithms, NeurIPS; by pytorch_optimizer",
    example="rosenbrock",
    scalars=SCALARS,
    colour=10,
    order=27,
)
@dataclass(frozen=True)
class Lion(FirstOrder):
    """x ← x − η sign(β₁ m + (1−β₁) g),  then m ← β₂ m + (1−β₂) g: every coordinate moves by η.

    A fixed step length cannot settle: near a minimum it jumps from side to side.
    """

    lr: float = param(0.003, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    beta1: float = param(0.9, low=0.0, high=0.9999, label="β₁", doc="share of the momentum in a step")
    beta2: float = param(0.99, low=0.0, high=0.9999, label="β₂", doc="memory of the momentum")

    recorded: ClassVar[Mapping[str, str]] = {"momentum": "exp_avg"}
    elementwise: ClassVar[bool] = True
    is_peer: ClassVar[bool] = True

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return pytorch_optimizer's optimizer."""
        from pytorch_optimizer import Lion as Peer

        peer: torch.optim.Optimizer = Peer(params, self.lr, (self.beta1, self.beta2), weight_decay=0.0)
        return peer

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return sign(g)."""
        return np.sign(gradient)
