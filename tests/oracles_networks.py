"""A small network with every kind of tensor that optimizers treat apart, trained by any of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

Make = Callable[[Iterable[Tensor]], torch.optim.Optimizer]


def peer(name: str) -> ModuleType:
    """Import another package's optimizers; skip where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


def network(dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Module:
    """Convolution without bias, batch normalisation, two linear layers."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(16, 10), nn.Tanh(), nn.Linear(10, 12),
    ).to(dtype)  # fmt: skip


class Training:
    """The network on a fixed random batch."""

    def __init__(self, make: Make, dtype: torch.dtype = torch.float64, seed: int = 0) -> None:
        self.net = network(dtype, seed)
        self.x = torch.randn(64, 1, 4, 4, dtype=dtype)
        self.y = torch.randn(64, 12, dtype=dtype)
        self.optimizer = make(self.net.parameters())

    def step(self, n: int = 1) -> Training:
        for _ in range(n):
            self.optimizer.zero_grad()
            ((self.net(self.x) - self.y) ** 2).mean().backward()
            self.optimizer.step()
        return self

    def weights(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.net.parameters()])


def difference(a: Make, b: Make, steps: int = 40, **settings: Any) -> float:
    """Return the largest difference of weights after training by two optimizers."""
    ends = [Training(make, **settings).step(steps).weights() for make in (a, b)]
    return float((ends[0] - ends[1]).abs().max())
