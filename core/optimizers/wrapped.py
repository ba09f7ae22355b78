"""Methods that wrap another one: which optimizer is inside, and what both need of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.optimizers.outcomes import build_method
from core.optimizers.steps import FirstOrder
from core.registry import param

if TYPE_CHECKING:
    import torch

#: Optimizers that can be inside.
BASES = ("adamw", "adam", "sgd", "diffgrad", "sgdp", "adamp", "conda", "rmsprop", "lion", "muon")


@dataclass(frozen=True)
class Wrapper(FirstOrder):
    """Parameters of a method around another optimizer."""

    base: str = param("adamw", choices=BASES, doc="optimizer that makes the step")
    settings: str = param("", doc="its other parameters as name=value, with commas between")

    def __post_init__(self) -> None:
        self.inner()

    def inner(self) -> Any:
        """Return the optimizer's method at this rate, with this number of steps."""
        return build_method(self.base, self.settings, {"lr": self.lr, "steps": self.steps, "rtol": self.rtol})

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the optimizer inside."""
        optimizer: torch.optim.Optimizer = self.inner().build(params)
        return optimizer
