"""Several optimizers as one, each with parameters of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class Together(Optimizer):
    """Steps its optimizers one after the other; their groups are its groups.

    Parameters
    ----------
    parts : optimizers of different parameters. They keep their own state.
    """

    def __init__(self, *parts: Optimizer) -> None:
        self._parts = parts
        super().__init__([{"params": group["params"]} for part in parts for group in part.param_groups], {})
        # the groups of the parts themselves, so that a schedule of rates reaches them
        self.param_groups = [group for part in parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do one step of each; returns the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss
