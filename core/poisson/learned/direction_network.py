"""The convolutional network of DCDM: a residual, scaled to unit length, goes in, a direction comes out.

It sees no obstacles and no boundary but the edge of the array, where convolutions read zeros.

References
----------
Kaneda et al. 2023, A Deep Conjugate Direction Method for Iteratively Solving Linear Systems, ICML, Fig. 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.poisson.learned.architectures import DirectionArchitecture

_CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
_POOLS = {2: functional.avg_pool2d, 3: functional.avg_pool3d}


class ResidualBlock(nn.Module):
    """x ↦ relu(conv(relu(conv(x)))) + x: nothing after the addition."""

    def __init__(self, a: DirectionArchitecture) -> None:
        super().__init__()
        self.first, self.second = _convolution(a, a.channels), _convolution(a, a.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it."""
        return torch.relu_(self.second(torch.relu_(self.first(x)))) + x


def _convolution(a: DirectionArchitecture, inputs: int) -> nn.Module:
    """Return a 3^d convolution with zeros beyond the edge; Glorot weights, no bias at the start."""
    made = _CONVOLUTIONS[a.dim](inputs, a.channels, 3, padding=1, bias=a.bias)
    _glorot(made)
    return made


def _glorot(layer: nn.Module) -> None:
    assert isinstance(layer.weight, Tensor)
    nn.init.xavier_uniform_(layer.weight)
    if isinstance(layer.bias, Tensor):
        nn.init.zeros_(layer.bias)


class DirectionNetwork(nn.Module):
    """f of the paper; input and output (batch, 1, cells along each axis)."""

    def __init__(self, architecture: DirectionArchitecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        down, bottom, up = a.blocks
        self.entry, self.second = _convolution(a, 1), _convolution(a, a.channels)
        self.down = nn.ModuleList(_chain(a, down) for _ in range(a.pools))
        self.closing = nn.ModuleList(_convolution(a, a.channels) for _ in range(a.pools * a.closing))
        self.bottom = _chain(a, bottom)
        self.up = nn.ModuleList(_chain(a, up) for _ in range(a.pools))
        self.exit = _CONVOLUTIONS[a.dim](a.channels, 1, 1, bias=a.bias)
        _glorot(self.exit)
        if a.dim == 2:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, r: Tensor) -> Tensor:
        """Return the direction; the sides must be multiples of ``architecture.multiple``."""
        a = torch.relu_(self.second(self.entry(r)))
        skips = []
        for level, blocks in enumerate(self.down):
            a = blocks(a)
            if self.architecture.closing:
                a = torch.relu_(self.closing[level](a))
            skips.append(a)
            a = _POOLS[self.architecture.dim](a, 2)
        a = self.bottom(a)
        for skip, blocks in zip(reversed(skips), self.up, strict=True):
            a = blocks(functional.interpolate(a, scale_factor=2.0, mode="nearest") + skip)
        found: Tensor = self.exit(a)
        return found


def _chain(a: DirectionArchitecture, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(a) for _ in range(blocks)))
