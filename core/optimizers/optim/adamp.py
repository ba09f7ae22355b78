"""AdamP: Adam without the radial component of its steps on scale-invariant weights.

Heo et al. 2021, AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights, ICLR.
m `exp_avg`, v `exp_avg_sq`, u the update before the learning rate.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from core.optimizers.optim.checks import check_betas, check_non_negative, check_share
from core.optimizers.optim.projection import how_to_project, project_, remove_radial_, step_together_
from core.optimizers.optim.tensorwise import TensorwiseOptimizer, blocks, flat, pieces


class AdamP(TensorwiseOptimizer):
    """Adam with `core.optimizers.optim.projection.project_` and decoupled weight decay.

    u = m / (√v/√(1−β₂ᵗ) + ε);  u, r ← project(w, g, u);  w ← w(1 − lr·λ·r) − lr/(1−β₁ᵗ)·u

    Parameters
    ----------
    lr, betas, eps : as in Adam.
    weight_decay : λ, decoupled.
    delta : threshold of the test for scale invariance; 0 = never project.
    wd_ratio : r for projected tensors, 1 for all others.
    nesterov : use β₁ m + (1−β₁) g in place of m.

    Raises
    ------
    ValueError
        For a hyper-parameter out of range.

    Notes
    -----
    Bit-equal to the official package `adamp` 0.3.0. Tensors with fewer than two axes are never projected.
    """

    _has_kernels = True
    _buffers = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        delta: float = 0.1,
        wd_ratio: float = 0.1,
        nesterov: bool = False,
    ) -> None:
        check_non_negative(lr=lr, eps=eps, weight_decay=weight_decay, delta=delta)
        check_betas(betas)
        check_share(wd_ratio=wd_ratio)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "delta": delta, "wd_ratio": wd_ratio, "nesterov": nesterov,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _step_tensor(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2), lr = self.state[p], group["betas"], group["lr"]
        correction = math.sqrt(1 - beta2 ** state["step"])
        step_size = lr / (1 - beta1 ** state["step"])
        decay = group["weight_decay"]
        update = self._scratch.like(p, 0)
        is_matrix = p.ndim > 1
        for w, dw, m, v, u in blocks(p, g, state["exp_avg"], state["exp_avg_sq"], update):
            m.mul_(beta1).add_(dw, alpha=1 - beta1)
            v.mul_(beta2).addcmul_(dw, dw, value=1 - beta2)
            denominator = torch.sqrt(v, out=self._scratch.like(u, 1)).div_(correction).add_(group["eps"])
            if group["nesterov"]:
                ahead = torch.mul(dw, 1 - beta1, out=self._scratch.like(u, 2))
                torch.mul(m, beta1, out=u).add_(ahead).div_(denominator)
            else:
                torch.div(m, denominator, out=u)
            if not is_matrix:
                if decay > 0:
                    w.mul_(1 - lr * decay)
                w.add_(u, alpha=-step_size)
        if is_matrix:
            ratio = project_(p, g, update, group["delta"], group["wd_ratio"], group["eps"])
            if decay > 0:
                p.mul_(1 - lr * decay * ratio)
            p.add_(update, alpha=-step_size)

    def _step_compiled(self, p: Tensor, g: Tensor, group: dict[str, Any], kernels: Any) -> None:
        state, (beta1, beta2), lr = self.state[p], group["betas"], group["lr"]
        update = self._scratch.like(p, 0)
        weights, gradient, u = flat(p), flat(g), flat(update)
        m, v = (flat(state[name]) for name in self._buffers)
        correction = math.sqrt(1 - beta2 ** state["step"])
        for here, second in pieces(state["exp_avg_sq"]):
            kernels.adam_momenta(gradient[here], m[here], v[here], beta1, beta2)
            torch.sqrt(second, out=update.view(-1)[here])
            kernels.adam_update(
                gradient[here], m[here], u[here], beta1, correction, group["eps"], group["nesterov"]
            )
        how, ratio = how_to_project(p, weights, gradient, group, kernels)
        remove_radial_(p, update, how, group["eps"])
        factor = 1 - lr * group["weight_decay"] * ratio
        kernels.apply(weights, u, factor, lr / (1 - beta1 ** state["step"]))

    def _step_together(self, params: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        states, (beta1, beta2) = [self.state[p] for p in params], group["betas"]
        m, v = ([s[name] for s in states] for name in self._buffers)
        step = states[0]["step"]
        torch._foreach_lerp_(m, gradients, 1 - beta1)
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, gradients, gradients, value=1 - beta2)
        # in place: the host needs longer to make as many tensors than the device to fill them
        updates = self._scratch.all_like(v)
        torch._foreach_copy_(updates, v)
        torch._foreach_sqrt_(updates)
        torch._foreach_div_(updates, math.sqrt(1 - beta2**step))
        torch._foreach_add_(updates, group["eps"])
        ahead = list(torch._foreach_lerp(m, gradients, 1 - beta1) if group["nesterov"] else m)
        torch._foreach_reciprocal_(updates)
        torch._foreach_mul_(updates, ahead)
        step_size, decay = group["lr"] / (1 - beta1**step), group["lr"] * group["weight_decay"]
        step_together_(params, gradients, updates, step_size, decay, group)
