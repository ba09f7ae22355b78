"""Nexus: the sum of the sources' gradients along a short walk down each of them, as the gradient of a step.

The walk makes the sum smaller where the sources disagree, so that training ends where their own minima lie
close together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from core.optimizers.optim.checks import check_non_negative

#: Added to a gradient's norm before it is divided by.
SMALLEST = 1e-12


class Nexus:
    """Wraps an optimizer; a step takes K losses instead of one gradient.

    θ ← θ − γ ĝᵢ for i in a random order, ĝᵢ = ∇Lᵢ(θ)/‖∇Lᵢ(θ)‖;  G = Σ ĝᵢ;  θ is set back;  outer step by G

    Parameters
    ----------
    outer : the optimizer that makes the step; its parameters are those that walk.
    gamma : length γ of an inner step; 0 = no walk, the control that tells what the normalisation alone does.
    normalize : whether inner gradients are divided by their norm over all parameters together.
    rescale : whether G is multiplied by the mean norm, so that rates and clipping keep their meaning.

    Attributes
    ----------
    directions : (K, n) inner gradients of the last step in the order of the sources, as they entered G.
    vanished : sources with a zero gradient so far; they are left out, with a warning at the first.

    Raises
    ------
    ValueError
        If gamma is negative or not finite.

    Notes
    -----
    G is summed as it is met instead of being read off as (θ₀ − θ_K)/γ: the same number, without cancellation
    for a small γ, and defined at γ = 0. The authors' inner rates are not published.
    """

    def __init__(self, outer: Optimizer, gamma: float, normalize: bool = True, rescale: bool = False) -> None:
        check_non_negative(gamma=gamma)
        self.outer, self.gamma, self.normalize, self.rescale = outer, gamma, normalize, rescale
        self.directions = torch.empty(0, 0)
        self.vanished = 0

    def gradient(
        self, losses: Sequence[Callable[[], Tensor]], order: Sequence[int] | None = None
    ) -> list[Any]:
        """Put G into the gradients of the parameters; the parameters are as before.

        Parameters
        ----------
        losses : one a source, each a scalar at the parameters as they are.
        order : in which the sources are visited; as given by default.

        Returns
        -------
        The losses as they were met, in the order of the sources.

        Raises
        ------
        ValueError
            If there is no source or a loss is no scalar.
        """
        if not losses:
            raise ValueError("Nexus needs one source or more")
        params = [p for group in self.outer.param_groups for p in group["params"] if p.requires_grad]
        start = [p.detach().clone() for p in params]
        total = [torch.zeros_like(p) for p in params]
        met, norms = [0.0] * len(losses), [0.0] * len(losses)
        directions = torch.zeros(len(losses), sum(p.numel() for p in params), dtype=params[0].dtype)
        try:
            for i in range(len(losses)) if order is None else order:
                met[i], gradients = _gradients(losses[i], params)
                norms[i] = float(torch.cat([g.reshape(-1) for g in gradients]).norm())
                if norms[i] == 0.0:
                    if not self.vanished:
                        warnings.warn(f"the gradient of source {i} is zero; it is left out", stacklevel=2)
                    self.vanished += 1
                    continue
                scale = 1.0 / (norms[i] + SMALLEST) if self.normalize else 1.0
                with torch.no_grad():
                    directions[i] = torch.cat([g.reshape(-1) for g in gradients]) * scale
                    for p, p0, s, g in zip(params, start, total, gradients, strict=True):
                        s.add_(g, alpha=scale)
                        p.copy_(p0).sub_(s, alpha=self.gamma)
        finally:
            with torch.no_grad():
                for p, p0 in zip(params, start, strict=True):
                    p.copy_(p0)
        self.directions = directions
        factor = sum(norms) / len(norms) if self.normalize and self.rescale else 1.0
        for p, s in zip(params, total, strict=True):
            if p.grad is None:
                p.grad = s.mul_(factor)
            else:
                p.grad.copy_(s.mul_(factor))
        return met

    def step(self, losses: Sequence[Callable[[], Tensor]], order: Sequence[int] | None = None) -> list[Any]:
        """Do `gradient`, then a step of the outer optimizer; returns the losses."""
        met = self.gradient(losses, order)
        self.outer.step()
        return met


def _gradients(loss: Callable[[], Tensor], params: list[Tensor]) -> tuple[float, list[Tensor]]:
    with torch.enable_grad():
        value = loss()
        if value.numel() != 1:
            raise ValueError(f"a source's loss must be a scalar, not of shape {tuple(value.shape)}")
        found = torch.autograd.grad(value, params, allow_unused=True)
    gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(params, found, strict=True)]
    return float(value.detach()), gradients
