"""SGDP: momentum without the radial component of its steps on scale-invariant weights.

Heo et al. 2021, AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights, ICLR.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from core.optimizers.optim.checks import check_non_negative, check_share
from core.optimizers.optim.projection import NOT, how_to_project, project_, remove_radial_, step_together_
from core.optimizers.optim.tensorwise import TensorwiseOptimizer, blocks, flat


class SGDP(TensorwiseOptimizer):
    """SGD with momentum, `core.optimizers.optim.projection.project_` and decoupled weight decay.

    b ← μ b + (1−τ) g from b = 0;  u = b, or g + μ b (Nesterov);  u, r ← project(w, g, u);
    w ← w(1 − lr·λ·r/(1−μ)) − lr·u

    Parameters
    ----------
    lr : learning rate.
    momentum : μ in [0, 1).
    dampening : τ in [0, 1].
    weight_decay : λ, decoupled and divided by 1−μ.
    nesterov : use g + μ b; needs momentum.
    eps, delta, wd_ratio : of the projection; delta = 0 never projects.
    project_buffer : let the projection also change the momentum buffer. The official package does so without
        Nesterov, because its update *is* the buffer; the paper projects a copy.

    Raises
    ------
    ValueError
        For a hyper-parameter out of range.

    Notes
    -----
    Bit-equal to the official package `adamp` 0.3.0 with ``project_buffer=True`` or with Nesterov. The buffer
    starts at 0, in `torch.optim.SGD` at the first gradient: with dampening they differ.
    """

    _has_kernels = True
    _buffers = ("momentum",)

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        eps: float = 1e-8,
        delta: float = 0.1,
        wd_ratio: float = 0.1,
        *,
        project_buffer: bool = False,
    ) -> None:
        check_non_negative(lr=lr, eps=eps, weight_decay=weight_decay, delta=delta)
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"momentum must be in [0, 1), not {momentum!r}")
        check_share(wd_ratio=wd_ratio, dampening=dampening)
        if nesterov and momentum == 0.0:
            raise ValueError("nesterov needs momentum above 0")
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "eps": eps, "delta": delta, "wd_ratio": wd_ratio,
            "project_buffer": project_buffer,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _step_tensor(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        momentum, lr, decay = group["momentum"], group["lr"], group["weight_decay"]
        is_matrix = p.ndim > 1
        buffer = self.state[p]["momentum"]
        # without Nesterov the update is the buffer itself, unless a copy is to be projected
        needs_own = group["nesterov"] or (is_matrix and not group["project_buffer"])
        update = self._scratch.like(p, 0) if needs_own else buffer
        for w, dw, b, u in blocks(p, g, buffer, update):
            b.mul_(momentum).add_(dw, alpha=1 - group["dampening"])
            if group["nesterov"]:
                torch.mul(b, momentum, out=u).add_(dw)
            elif needs_own:
                u.copy_(b)
            if not is_matrix:
                if decay > 0:
                    w.mul_(1 - lr * decay / (1 - momentum))
                w.add_(u, alpha=-lr)
        if is_matrix:
            ratio = project_(p, g, update, group["delta"], group["wd_ratio"], group["eps"])
            if decay > 0:
                p.mul_(1 - lr * decay * ratio / (1 - momentum))
            p.add_(update, alpha=-lr)

    def _step_compiled(self, p: Tensor, g: Tensor, group: dict[str, Any], kernels: Any) -> None:
        momentum, lr, nesterov = group["momentum"], group["lr"], group["nesterov"]
        weights, gradient, buffer = flat(p), flat(g), self.state[p]["momentum"]
        how, ratio = how_to_project(p, weights, gradient, group, kernels)
        needs_own = nesterov or (how != NOT and not group["project_buffer"])
        update = self._scratch.like(p, 0) if needs_own else buffer
        u = flat(update)
        kernels.momentum_update(gradient, flat(buffer), u, momentum, group["dampening"], nesterov)
        remove_radial_(p, update, how, group["eps"])
        kernels.apply(weights, u, 1 - lr * group["weight_decay"] * ratio / (1 - momentum), lr)

    def _step_together(self, params: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        momentum, lr = group["momentum"], group["lr"]
        updates = buffers = [self.state[p]["momentum"] for p in params]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients, alpha=1 - group["dampening"])
        if group["nesterov"]:
            updates = list(torch._foreach_mul(buffers, momentum))
            torch._foreach_add_(updates, gradients)
        keep = not group["nesterov"] and group["project_buffer"]
        decay = lr * group["weight_decay"] / (1 - momentum)
        step_together_(params, gradients, updates, lr, decay, group, keep=keep)
