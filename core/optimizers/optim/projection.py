"""The projection of AdamP and SGDP: no radial component where the loss does not feel the weights' length.

Heo et al. 2021, AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights, ICLR.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def project_(w: Tensor, g: Tensor, u: Tensor, delta: float, wd_ratio: float, eps: float) -> float:
    """Remove from `u`, in place, its component along `w` if the weights look scale-invariant.

    A loss that does not depend on ‖w‖ has a gradient orthogonal to w. So if |cos(g, w)| < δ/√n for every row
    (an output channel; n its length), or for the tensor as a whole, u loses ŵ⟨ŵ, u⟩, row by row or whole.

    Parameters
    ----------
    w, g, u : weights before the step, their raw gradient and the proposed update, of one shape, two axes or
        more.
    delta : threshold δ of the test; 0 = never.
    wd_ratio : factor on weight decay for projected tensors.
    eps : lower bound of the norms.

    Returns
    -------
    `wd_ratio` if u was projected, 1 otherwise.
    """
    rows, gradient_rows = w.reshape(w.shape[0], -1), g.reshape(g.shape[0], -1)
    norms = rows.norm(dim=1)
    dots, gradient_norms = torch.linalg.vecdot(gradient_rows, rows), gradient_rows.norm(dim=1)
    cosines = dots.abs() / (norms.clamp(min=eps) * gradient_norms.clamp(min=eps))
    if cosines.max() < delta / math.sqrt(rows.shape[1]):
        _remove_radial(w, u, norms.add_(eps))
        return wd_ratio
    # the whole tensor's dot and norms follow from those of its rows
    whole = dots.sum().abs() / (norms.norm().clamp(min=eps) * gradient_norms.norm().clamp(min=eps))
    if whole < delta / math.sqrt(rows.numel()):
        _remove_radial(w, u, w.reshape(1, -1).norm(dim=1).add_(eps))
        return wd_ratio
    return 1.0


def _remove_radial(w: Tensor, u: Tensor, norms: Tensor) -> None:
    """U ← u − ŵ⟨ŵ, u⟩ over as many rows as there are norms."""
    size = [-1] + [1] * (w.ndim - 1)
    direction = w / norms.view(size)
    along = (direction * u).reshape(len(norms), -1).sum(dim=1)
    u.sub_(direction.mul_(along.view(size)))
