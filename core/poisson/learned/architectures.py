"""Shapes of the two networks and what one application costs; known without loading torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DirectionArchitecture:
    """Shape of a direction network.

    Attributes
    ----------
    channels : of every hidden layer. pools : how many times the resolution is halved.
    blocks : residual blocks on each level going down, at the bottom, on each level going up.
    closing : whether a level going down ends with one more convolution, as in the paper.
    bias : whether convolutions have one; without, f(c r) = c f(r) for c > 0.
    """

    dim: int = 2
    channels: int = 16
    pools: int = 1
    blocks: tuple[int, int, int] = (1, 3, 2)
    closing: bool = True
    bias: bool = True

    @property
    def multiple(self) -> int:
        """What the sides of the input must be multiples of."""
        return int(2**self.pools)

    def multiply_adds(self) -> float:
        """Return the multiply-adds of one application for each cell."""
        c, taps = float(self.channels), 3.0**self.dim
        down, bottom, up = self.blocks
        inner = taps * c * c
        total = taps * c + inner + c
        for level in range(self.pools):
            total += inner * (2 * down + self.closing + 2 * up) / 2.0 ** (self.dim * level)
        return total + inner * 2 * bottom / 2.0 ** (self.dim * self.pools)


@dataclass(frozen=True, slots=True)
class StencilArchitecture:
    """Shape of a stencil network.

    Attributes
    ----------
    levels : coarse levels; 0 = scale-shared weights and as many levels as the grid allows.
    """

    dim: int = 2
    levels: int = 0

    @property
    def shared(self) -> bool:
        """Whether all coarse levels have the same weights."""
        return self.levels == 0

    @property
    def sets(self) -> int:
        """Sets of weights for the levels above the bottom."""
        return 2 if self.shared else self.levels

    def depth(self, shape: Sequence[int]) -> int:
        """Return how many times a grid is halved: down to 4 cells a side where weights are shared."""
        return self.levels or max(1, math.floor(math.log2(max(min(shape), 2))) - 2)

    def multiply_adds(self, shape: Sequence[int]) -> float:
        """Return the multiply-adds of one application for each cell, kernels given."""
        taps, factor = 3.0**self.dim, 2.0**self.dim
        depth = self.depth(shape)
        smoothing = 2.0 * taps * sum(factor**-level for level in range(depth)) + taps * factor**-depth
        # averaging, interpolation and the combination of two levels
        return smoothing + (1.0 + 2.0 * self.dim + 2.0) * sum(factor**-level for level in range(depth))
