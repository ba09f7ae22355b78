"""Conda: Adam's second moment taken in the singular basis of the momentum, on one side of each matrix.

Wang et al. 2025, Conda: Column-Normalized Adam for Training Large Language Models Faster.
M `exp_avg`, v `exp_avg_sq` (in the basis), Q `basis`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from core.optimizers.optim.checks import check_betas, check_non_negative
from core.optimizers.optim.tensorwise import TensorwiseOptimizer

#: What switches the projection on for a parameter group, with the authors' values.
PROJECTION = {"update_proj_gap": 2000, "scale": 0.25, "proj_type": "std"}


class Conda(TensorwiseOptimizer):
    """Adam with its second moment in the momentum's basis.

    For an m×n matrix, call k = 0, 1, …: M ← β₁ M + (1−β₁) G; every T calls Q from the thin SVD of M (the
    right factor if m ≥ n, else the left one); G' = G Q, M' = M Q (or QᵀG, QᵀM); v ← β₂ v + (1−β₂) G'²;
    W ← W − lr·√(1−β₂ᵏ⁺¹)/(1−β₁ᵏ⁺¹) · s·(M'/(√v+ε)) Qᵀ (or s·Q(…)); then W ← W − lr·λ·W.

    Parameters
    ----------
    lr, betas, eps : as in Adam.
    weight_decay : λ, decoupled, applied after the step.
    correct_bias : whether the step is corrected for the moments' start at zero.

    A parameter group that names any of `PROJECTION` (``update_proj_gap`` T, ``scale`` s, ``proj_type``
    "std") is projected; tensors with more than two axes are read as (first axis, all others). Groups without
    them, and tensors with fewer axes, follow Adam with the same arithmetic.

    Raises
    ------
    ValueError
        For a hyper-parameter out of range; in `step`, if a momentum that a basis is taken of is not finite.

    Notes
    -----
    v is not rotated when the basis changes, as in the official code. The SVD keeps the parameter's own dtype,
    where that has 32 bits or more; the official code takes it in float32. Its other projection types are
    refused: 'reverse_std' cannot work for wide matrices.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        correct_bias: bool = True,
    ) -> None:
        check_non_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "correct_bias": correct_bias
        }  # fmt: skip
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; one that names a key of `PROJECTION` gets the others' defaults."""
        if PROJECTION.keys() & param_group.keys():
            param_group = {**PROJECTION, **param_group}
            gap, scale = param_group["update_proj_gap"], param_group["scale"]
            if isinstance(gap, bool) or not isinstance(gap, int) or gap < 1:
                raise ValueError(f"update_proj_gap must be a whole number from 1, not {gap!r}")
            if not (math.isfinite(scale) and scale > 0):
                raise ValueError(f"scale must be a finite number above 0, not {scale!r}")
            if param_group["proj_type"] != "std":
                raise ValueError(f"proj_type must be 'std', not {param_group['proj_type']!r}")
        super().add_param_group(param_group)

    def _begin(self, p: Tensor) -> None:
        if not (state := self.state[p]):
            state["step"] = 0
            # a projected matrix has a square basis, so its second moment keeps the shape; contiguous, to be
            # read as a matrix however the parameter is laid out
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.zeros_like(p, memory_format=torch.contiguous_format)

    def _step_tensor(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        if "update_proj_gap" in group and p.ndim > 1:
            self._step_matrix(p, g, group)
        else:
            self._step_plain(p, g, group)
        if group["weight_decay"] > 0.0:
            p.add_(p, alpha=-group["lr"] * group["weight_decay"])

    def _step_plain(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[p], group["betas"]
        state["step"] += 1
        state["exp_avg"].mul_(beta1).add_(g, alpha=1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        denominator = torch.sqrt(state["exp_avg_sq"], out=self._scratch.like(p, 0)).add_(group["eps"])
        p.addcdiv_(state["exp_avg"], denominator, value=-_step_size(group, state["step"]))

    def _step_matrix(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[p], group["betas"]
        M, G = state["exp_avg"].view(p.shape[0], -1), g.reshape(p.shape[0], -1)
        M.mul_(beta1).add_(G, alpha=1 - beta1)
        is_tall = M.shape[0] >= M.shape[1]
        if state["step"] % group["update_proj_gap"] == 0:
            state["basis"] = _basis(M, is_tall)
        state["step"] += 1
        Q, v = state["basis"], state["exp_avg_sq"].view_as(M)
        rotated, update = self._scratch.like(M, 0), self._scratch.like(M, 1)
        torch.matmul(*((G, Q) if is_tall else (Q.T, G)), out=rotated)  # G'
        v.mul_(beta2).addcmul_(rotated, rotated, value=1 - beta2)
        torch.matmul(*((M, Q) if is_tall else (Q.T, M)), out=rotated)  # M'
        rotated.div_(torch.sqrt(v, out=update).add_(group["eps"]))  # N'
        torch.matmul(*((rotated, Q.T) if is_tall else (Q, rotated)), out=update)
        step_size = group["scale"] * _step_size(group, state["step"])
        p.add_(update.view(p.shape), alpha=-step_size)


def _basis(M: Tensor, is_tall: bool) -> Tensor:
    """Return the square orthogonal factor of M's thin SVD; its columns are singular vectors."""
    if not torch.isfinite(M).all():
        raise ValueError(f"the momentum of a parameter of shape {tuple(M.shape)} is not finite")
    # there is no SVD in 16 bits
    U, _, Vh = torch.linalg.svd(M if M.element_size() > 2 else M.float(), full_matrices=False)
    basis: Tensor = Vh.T.contiguous() if is_tall else U
    return basis.to(M.dtype)


def _step_size(group: dict[str, Any], step: int) -> float:
    if not group["correct_bias"]:
        return float(group["lr"])
    beta1, beta2 = group["betas"]
    return float(group["lr"] * math.sqrt(1 - beta2**step) / (1 - beta1**step))
