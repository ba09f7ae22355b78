"""diffGrad: Adam whose step is braked where the gradient has stopped changing.

Dubey et al. 2020, diffGrad: An Optimization Method for Convolutional Neural Networks, IEEE TNNLS 31(11).
m `exp_avg`, v `exp_avg_sq`, ξ the friction, g_{t−1} `previous_grad`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from core.optimizers.optim.checks import check_betas, check_non_negative
from core.optimizers.optim.tensorwise import TensorwiseOptimizer, blocks, flat, pieces


class DiffGrad(TensorwiseOptimizer):
    """Adam times a friction ξ = σ(|g_{t−1} − g_t|), elementwise, between ½ and 1.

    m ← β₁ m + (1−β₁) g,  v ← β₂ v + (1−β₂) g²,  θ ← θ − lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · ξ m / (√v + ε)

    Parameters
    ----------
    lr : learning rate.
    betas : decay rates of m and v, each in [0, 1).
    eps : added to √v *before* the bias correction, as in the official code.
    weight_decay : coupled, added to the gradient (and so also to the remembered one).

    Raises
    ------
    ValueError
        For a hyper-parameter out of range.

    Notes
    -----
    Follows the authors' second version: the first kept a reference to the gradient instead of a copy, so that
    g_{t−1} could be g_t, ξ = ½, and the method Adam at half the rate. The gradient before the first step
    is 0. On the CPU the step is bit-equal to `torch_optimizer.DiffGrad`, but never writes into ``p.grad``.
    ξ is written out because `torch.sigmoid` differs in the last bit; its exponent is never positive.
    """

    _has_kernels = True
    _buffers = ("exp_avg", "exp_avg_sq", "previous_grad")

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        check_non_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _step_tensor(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[p], group["betas"]
        step_size = _step_size(group, state["step"])
        tensors = (p, g, state["exp_avg"], state["exp_avg_sq"], state["previous_grad"])
        for theta, g, m, v, previous in blocks(*tensors):
            if group["weight_decay"] != 0.0:
                g = torch.add(g, theta, alpha=group["weight_decay"], out=self._scratch.like(g, 2))
            m.mul_(beta1).add_(g, alpha=1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            xi = torch.sub(previous, g, out=self._scratch.like(g, 0))
            xi.abs_().neg_().exp_().add_(1.0).reciprocal_()
            previous.copy_(g)
            denominator = torch.sqrt(v, out=self._scratch.like(g, 1)).add_(group["eps"])
            theta.addcdiv_(xi.mul_(m), denominator, value=-step_size)

    def _step_compiled(self, p: Tensor, g: Tensor, group: dict[str, Any], kernels: Any) -> None:
        state, (beta1, beta2), eps, decay = self.state[p], group["betas"], group["eps"], group["weight_decay"]
        step_size = _step_size(group, state["step"])
        w, g, m, v, previous = (flat(t) for t in (p, g, *(state[name] for name in self._buffers)))
        for here, second in pieces(state["exp_avg_sq"]):
            braking, root = self._scratch.like(second, 0), self._scratch.like(second, 1)
            gap = braking.numpy()
            tensors = (w[here], g[here], m[here], v[here], previous[here], gap)
            kernels.diffgrad_momenta(*tensors, beta1, beta2, decay)
            torch.sqrt(second, out=root)
            braking.exp_()
            kernels.brake(w[here], m[here], root.numpy(), gap, eps, step_size)

    def _step_together(self, params: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        states, (beta1, beta2) = [self.state[p] for p in params], group["betas"]
        m, v, previous = ([s[name] for s in states] for name in self._buffers)
        if group["weight_decay"] != 0.0:
            gradients = list(torch._foreach_add(gradients, params, alpha=group["weight_decay"]))
        torch._foreach_lerp_(m, gradients, 1 - beta1)
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, gradients, gradients, value=1 - beta2)
        xi = torch._foreach_sub(previous, gradients)
        torch._foreach_abs_(xi)
        torch._foreach_sigmoid_(xi)
        torch._foreach_copy_(previous, gradients)
        torch._foreach_mul_(xi, m)
        denominators = torch._foreach_sqrt(v)
        torch._foreach_add_(denominators, group["eps"])
        torch._foreach_addcdiv_(params, xi, denominators, value=-_step_size(group, states[0]["step"]))


def _step_size(group: dict[str, Any], step: int) -> float:
    beta1, beta2 = group["betas"]
    size: float = group["lr"] * math.sqrt(1 - beta2**step) / (1 - beta1**step)
    return size
