"""Muon: momentum whose matrix is made orthogonal; by torch.optim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.iterate import Array, Iterate
from core.optimizers.descent import State, descend
from core.optimizers.landscape import Landscape
from core.optimizers.steps import SCALARS, FirstOrder
from core.optimizers.training import Training
from core.registry import method, param

if TYPE_CHECKING:
    import torch


@method(
    "muon",
    lab="optimizers",
    title="Muon",
    source="Jordan et al. 2024, Muon: An optimizer for hidden layers; as in torch.optim.Muon",
    assumes="parameters that are matrices",
    example="matrix_factorization",
    scalars=SCALARS,
    colour=9,
    order=28,
)
@dataclass(frozen=True)
class Muon(FirstOrder):
    """W ← W − η U Vᵀ for the Nesterov momentum U Σ Vᵀ: every direction of a matrix moves by the same length.

    The orthogonal factor comes from five Newton–Schulz iterations in 16 bits, so that singular values end
    between 0.7 and 1.2. Weight decay is 0 here; torch's own default is 0.1. In a network, what is no
    matrix is left to AdamW at the same rate, and Muon's steps are scaled to the size of AdamW's.
    """

    lr: float = param(0.02, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")
    momentum: float = param(0.95, low=0.0, high=0.9999, label="momentum μ", doc="share of the last step kept")
    weight_decay: float = param(0.0, low=0.0, high=1.0, doc="share of the weights lost a step, times η")

    recorded: ClassVar[Mapping[str, str]] = {"momentum": "momentum_buffer"}
    elementwise: ClassVar[bool] = False

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        from core.optimizers.optim.together import Together

        matrices = [p for p in params if p.ndim == 2]
        muon = torch.optim.Muon(
            matrices, lr=self.lr, weight_decay=self.weight_decay, momentum=self.momentum,
            adjust_lr_fn="match_rms_adamw" if len(matrices) < len(params) else None,
        )  # fmt: skip
        if len(matrices) == len(params):
            return muon
        rest = [p for p in params if p.ndim != 2]
        adamw = torch.optim.AdamW(rest, lr=self.lr, weight_decay=self.weight_decay, foreach=False)
        return Together(muon, adamw)

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`.

        Raises
        ------
        ValueError
            If a parameter of a landscape is not a matrix.
        """
        shapes = problem.tensor_shapes
        is_network = isinstance(problem, Training)
        if not any(len(shape) == 2 for shape in shapes) or (
            not is_network and any(len(shape) != 2 for shape in shapes)
        ):
            raise ValueError(
                "Muon makes the singular values of a matrix equal; this landscape's point is a vector with "
                "none. Take matrix_factorization, where the unknowns are matrices"
            )
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return the gradient: it is scaled only together with its momentum."""
        return gradient.copy()
