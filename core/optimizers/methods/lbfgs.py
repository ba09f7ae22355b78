"""L-BFGS of torch.optim, one iteration a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.iterate import Array, Iterate
from core.optimizers.descent import State, descend
from core.optimizers.landscape import Landscape
from core.optimizers.steps import SCALARS, FirstOrder
from core.registry import method, param

if TYPE_CHECKING:
    import torch


@method(
    "lbfgs",
    lab="optimizers",
    title="L-BFGS (torch)",
    source="Liu & Nocedal 1989, On the limited memory BFGS method, Mathematical Programming 45; as in "
    "torch.optim.LBFGS",
    assumes="gradients without noise",
    example="rosenbrock",
    scalars=SCALARS,
    colour=11,
    order=40,
)
@dataclass(frozen=True)
class Lbfgs(FirstOrder):
    """A quasi-Newton direction from the last steps and gradient changes, with a line search.

    What the strong Wolfe search evaluates is counted; torch's own ``step`` would be twenty of these steps.
    """

    lr: float = param(1.0, low=1e-7, high=10.0, log=True, label="first step", doc="step that is tried first")
    history: int = param(10, low=1, high=100, doc="steps that the direction is made of")
    rtol: float = param(
        1e-8, low=0.0, high=0.1, advanced=True,
        doc="end when the gradient's norm is below this share of its first value; 0 = use all steps",
    )  # fmt: skip

    recorded: ClassVar[Mapping[str, str]] = {}
    elementwise: ClassVar[bool] = False
    needs_closure: ClassVar[bool] = True

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer."""
        import torch

        return torch.optim.LBFGS(
            params, lr=self.lr, max_iter=1, max_eval=25, history_size=self.history, tolerance_grad=0.0,
            tolerance_change=0.0, line_search_fn="strong_wolfe",
        )  # fmt: skip

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent; see `core.optimizers.descent.descend`."""
        return descend(self, problem)

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return the gradient; the quasi-Newton direction is the step itself."""
        return gradient.copy()
