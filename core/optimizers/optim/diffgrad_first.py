"""diffGrad as it was published first, with the slip that its authors corrected in the second version."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from core.optimizers.optim.diffgrad import DiffGrad


class DiffGradFirst(DiffGrad):
    """diffGrad that keeps a reference to the gradient in place of a copy.

    Gradients are overwritten where they lie, so that the remembered one is always the present one: ξ = ½ from
    the second step on, which is Adam at half the rate. In the first step nothing is remembered yet, and ξ is
    σ(|g|) as in `DiffGrad`, whose parameters these are.

    Notes
    -----
    The published class does so only where gradients are cleared by writing zeros into them. Here it does not
    matter how they are cleared.
    """

    def _step_group(self, params: list[Tensor], group: dict[str, Any]) -> None:
        for p in params:
            if (state := self.state.get(p)) and p.grad is not None:
                # the published class adds the decay into the gradient itself, and so into what it remembers
                state["previous_grad"] = torch.add(p.grad, p, alpha=group["weight_decay"])
        super()._step_group(params, group)
