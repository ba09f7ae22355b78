"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner; by the package pytorch_optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

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
    "soap",
    lab="optimizers",
    title="SOAP",
    source="Vyas et al. 2024, SOAP: Improving and Stabilizing Shampoo using Adam, arXiv 2409.11321; by "
    "pytorch_optimizer",
    assumes="parameters that are matrices, to differ from Adam",
    example="matrix_factorization",
    scalars=SCALARS,
    colour=33,
    order=29,
)
@dataclass(frozen=True)
class Soap(FirstOrder):
    """Adam's second moment in the eigenvectors of the mean GGᵀ and GᵀG, both sides of a matrix.

    Conda's nearest relative, which takes one side, from the momentum. The first step only sets up the bases.
    """

    lr: float = param(0.003, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    beta1: float = param(0.95, low=0.0, high=0.9999, label="β₁", doc="memory of the momentum")
    beta2: float = param(0.95, low=0.0, high=0.99999, label="β₂", doc="memory of the squared gradient")
    frequency: int = param(10, low=1, high=1000, log=True, doc="steps between two refreshes of the bases")

    recorded: ClassVar[Mapping[str, str]] = {"momentum": "exp_avg"}
    elementwise: ClassVar[bool] = False
    is_peer: ClassVar[bool] = True
    on_a_point: ClassVar[str] = "On a plain point SOAP is Adam, one step late: only matrices have bases."

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return pytorch_optimizer's optimizer."""
        from pytorch_optimizer import SOAP

        peer: torch.optim.Optimizer = SOAP(
            params, self.lr, (self.beta1, self.beta2), weight_decay=0.0,
            precondition_frequency=self.frequency,
        )  # fmt: skip
        return peer

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return the gradient: it is scaled in two bases, only together with its momentum."""
        return gradient.copy()
