"""The stencil network of NPSDO: a V-shaped operator, linear in r, whose kernels follow the obstacles.

On each level a convolution of the picture of the cells gives every cell a 3^d kernel of its own, and a number
for the combination of levels. These fields depend on the grid alone and are made once for it.

The paper trains one set of weights for each level. The scale-shared variant (ours) has one set for the finest
level, one for all levels below and one for the bottom: the stencil of a pressure grid is the same on every
level up to a factor, so the number of levels may follow the grid.

References
----------
Lan et al. 2024, A Neural-Preconditioned Poisson Solver for Mixed Dirichlet and Neumann Boundary Conditions,
ICML, Sec. 4.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

from core.poisson import kernels as compiled
from core.poisson.learned.architectures import StencilArchitecture

_CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
_CONVOLVE = {2: functional.conv2d, 3: functional.conv3d}
_POOLS = {2: functional.avg_pool2d, 3: functional.avg_pool3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """What the network makes of a grid.

    Attributes
    ----------
    before, after : for each level above the bottom its kernels, (3^d, cells along each axis).
    bottom : kernels of the bottom level.
    keep, add : for each level the two numbers c0, c1 of its combination.
    """

    before: tuple[Tensor, ...]
    after: tuple[Tensor, ...]
    bottom: Tensor
    keep: tuple[Tensor, ...]
    add: tuple[Tensor, ...]


def generator(dim: int) -> nn.Module:
    """Return a convolution that makes kernels of a picture: 3 channels to 3^d."""
    return _CONVOLUTIONS[dim](3, 3**dim, 3, padding=1)


class StencilNetwork(nn.Module):
    """The operator; `fields` for a grid, then ``forward(fields, r)``, r (batch, cells along each axis)."""

    def __init__(self, architecture: StencilArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        dim, sets = architecture.dim, architecture.sets
        self.before = nn.ModuleList(generator(dim) for _ in range(sets))
        self.after = nn.ModuleList(generator(dim) for _ in range(sets))
        self.keep = nn.ModuleList(generator(dim) for _ in range(sets))
        self.add = nn.ModuleList(generator(dim) for _ in range(sets))
        self.bottom = generator(dim)

    def fields(self, picture: Tensor) -> Fields:
        """Return kernels and combinations for a picture (3, cells along each axis)."""
        dim = self.architecture.dim
        depth = self.architecture.depth(picture.shape[1:])
        before, after, keep, add = [], [], [], []
        level_picture = picture[None]
        for level in range(depth):
            which = min(level, self.architecture.sets - 1)
            before.append(self.before[which](level_picture)[0])
            after.append(self.after[which](level_picture)[0])
            keep.append(_mean(self.keep[which], level_picture, dim))
            add.append(_mean(self.add[which], level_picture, dim))
            level_picture = _POOLS[dim](level_picture, 2)
        bottom = self.bottom(level_picture)[0]
        return Fields(tuple(before), tuple(after), bottom, tuple(keep), tuple(add))

    def forward(self, fields: Fields, r: Tensor) -> Tensor:
        """Return the direction of each residual; sides are multiples of 2^depth."""
        dim = self.architecture.dim
        down, x = [], r
        for kernels in fields.before:
            x = convolve(kernels, x)
            down.append(x)
            x = _POOLS[dim](x[:, None], 2)[:, 0]
        x = convolve(fields.bottom, x)
        for level in reversed(range(len(down))):
            up = functional.interpolate(x[:, None], scale_factor=2.0, mode=_LINEAR[dim])[:, 0]
            up = convolve(fields.after[level], up)
            x = fields.keep[level] * down[level] + fields.add[level] * up
        return x


def _mean(layer: nn.Module, picture: Tensor, dim: int) -> Tensor:
    """Return the mean of the layer's output over cells and channels, by its mean kernel: one channel."""
    assert isinstance(layer.weight, Tensor)
    assert isinstance(layer.bias, Tensor)
    mean_kernel = layer.weight.mean(0, keepdim=True)
    return _CONVOLVE[dim](picture, mean_kernel, padding=1).mean() + layer.bias.mean()


def convolve(kernels: Tensor, x: Tensor) -> Tensor:
    """Return y(p) = Σ_o kernels[o](p) x(p + o), zeros beyond the edge; offsets o in C order."""
    found: Tensor = _Convolution.apply(kernels, x)  # type: ignore[no-untyped-call]
    return found


def _windows(padded: Tensor) -> Iterator[Tensor]:
    """Yield the views of x(p + o) for all offsets o."""
    sides = [n - 2 for n in padded.shape[1:]]
    for offset in itertools.product(range(3), repeat=len(sides)):
        yield padded[(slice(None), *(slice(o, o + n) for o, n in zip(offset, sides, strict=True)))]


class _Convolution(Function):
    """`convolve` and its derivatives: compiled in single precision on the CPU, by shifted views elsewhere."""

    @staticmethod
    def forward(ctx: Any, kernels: Tensor, x: Tensor) -> Tensor:
        """Sum over the offsets."""
        padded = functional.pad(x, (1, 1) * (x.dim() - 1))
        ctx.save_for_backward(kernels, padded)
        if _is_compiled(kernels, x):
            total = torch.empty_like(x, memory_format=torch.contiguous_format)
            compiled.convolve_batch(_field(kernels), _field(padded), _field(total))
            return total
        total = torch.zeros_like(x)
        for kernel, window in zip(kernels, _windows(padded), strict=True):
            total.addcmul_(kernel, window)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the derivatives with respect to kernels and x."""
        kernels, padded = ctx.saved_tensors
        (g,) = gradients
        inside = (slice(None), *(slice(1, -1),) * (padded.dim() - 1))
        if _is_compiled(kernels, g):
            by_kernel = torch.empty_like(kernels, memory_format=torch.contiguous_format)
            compiled.derivative_by_kernels(_field(g), _field(padded), _field(by_kernel))
            if not ctx.needs_input_grad[1]:
                return by_kernel, None
            spread = torch.empty_like(padded)
            compiled.derivative_by_batch(_field(kernels), _field(g), _field(spread))
            return by_kernel, spread[inside]
        by_kernel, product = torch.empty_like(kernels), torch.empty_like(g)
        for total, window in zip(by_kernel, _windows(padded), strict=True):
            torch.sum(torch.mul(g, window, out=product), 0, out=total)
        if not ctx.needs_input_grad[1]:
            return by_kernel, None
        spread = torch.zeros_like(padded)
        for kernel, window in zip(kernels, _windows(spread), strict=True):
            window.addcmul_(kernel, g)
        return by_kernel, spread[inside]


def _is_compiled(*tensors: Tensor) -> bool:
    return all(t.dtype is torch.float32 and t.device.type == "cpu" for t in tensors)


def _field(tensor: Tensor) -> NDArray[np.float32]:
    """Return a view with three axes of cells."""
    array = tensor.detach().contiguous().numpy()
    return array if array.ndim == 4 else array[:, None]
