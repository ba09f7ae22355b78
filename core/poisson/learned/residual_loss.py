"""The operator on tensors, and how far a network's output is from solving A x = r.

References
----------
Kaneda et al. 2023, ICML, Eq. 9 (scaled); Lan et al. 2024, ICML, Sec. 4.3 (norm).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from core.poisson.system import AIR, FLUID, Grid, inner

#: Added to f·Af, which may vanish before the first step.
TINY = 1e-12


class Stencil:
    """A on tensors (batch, cells along each axis) of a grid with constant coefficient.

    Attributes
    ----------
    fluid : 1 where there are unknowns, else 0.
    """

    def __init__(self, grid: Grid, device: torch.device | None = None) -> None:
        diagonal = grid.diagonal.reshape(grid.padded)[inner(grid.dim)]
        self.diagonal = torch.from_numpy(diagonal.astype(np.float32)).to(device)
        self.fluid = torch.from_numpy(grid.fluid().astype(np.float32)).to(device)

    def __call__(self, u: Tensor) -> Tensor:
        """Return A u; u must be 0 off the fluid."""
        total = self.diagonal * u
        for axis in range(1, u.dim()):
            n = u.shape[axis]
            zero = torch.zeros_like(u.narrow(axis, 0, 1))
            total = total - torch.cat([u.narrow(axis, 1, n - 1), zero], axis)
            total = total - torch.cat([zero, u.narrow(axis, 0, n - 1)], axis)
        return total * self.fluid


def picture(grid: Grid) -> Tensor:
    """Return (3, cells along each axis): 1 where there is air, fluid, anything but a solid."""
    air, fluid = grid.flags == AIR, grid.flags == FLUID
    return torch.from_numpy(np.stack([air, fluid, air | fluid]).astype(np.float32))


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of each pair, (batch, 1, …) ready to broadcast."""
    return (a * b).sum(tuple(range(1, a.dim())), keepdim=True)


def best_step(r: Tensor, f: Tensor, Af: Tensor) -> Tensor:
    """Return r − α A f with α = f·r / f·A f, the step that leaves the least error in energy."""
    return r - dot(f, r) / (dot(f, Af) + TINY) * Af


def scaled(A: Callable[[Tensor], Tensor], r: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of ‖r − α A f‖² and the residuals; the length and the sign of f do not matter."""
    left = best_step(r, f, A(f))
    return dot(left, left).mean(), left.detach()


def norm(A: Callable[[Tensor], Tensor], r: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of ‖r − A f‖ and the residuals after the best step along f."""
    Af = A(f)
    left = r - Af
    with torch.no_grad():
        after = best_step(r, f, Af)
    return dot(left, left).sqrt().mean(), after


LOSSES: Mapping[str, Callable[..., tuple[Tensor, Tensor]]] = MappingProxyType(
    {"scaled": scaled, "norm": norm}
)
