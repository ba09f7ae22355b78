"""Networks made and loaded; a direction network as an operator on vectors of a grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from core.errors import InputError
from core.iterate import Array
from core.poisson.learned.architectures import DirectionArchitecture, StencilArchitecture
from core.poisson.learned.direction_network import DirectionNetwork
from core.poisson.learned.stencil_network import StencilNetwork
from core.poisson.monitor import norm
from core.poisson.system import Grid, inner

Network = DirectionNetwork | StencilNetwork


def make_network(kind: str, architecture: Mapping[str, Any], seed: int = 0) -> Network:
    """Return a network with random weights; torch's own generator is left as it was."""
    arguments: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in architecture.items()
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "direction":
            return DirectionNetwork(DirectionArchitecture(**arguments))
        return StencilNetwork(StencilArchitecture(**arguments))


def load_network(
    kind: str, architecture: Mapping[str, Any], tensors: Mapping[str, NDArray[np.float32]]
) -> Network:
    """Return the network with given weights; InputError if names or shapes do not fit."""
    network = make_network(kind, architecture)
    wanted = {name: tuple(p.shape) for name, p in network.named_parameters()}
    for name, shape in wanted.items():
        if name not in tensors or tensors[name].shape != shape:
            got = "none" if name not in tensors else str(tensors[name].shape)
            raise InputError("weights", f"{name} of shape {shape}", got, "train them again")
    network.load_state_dict({name: torch.from_numpy(tensors[name].copy()) for name in wanted})
    return network


class DirectionOperator:
    """A direction network at work on one grid, on the network's device: M(r) = ‖r‖ f(r/‖r‖).

    Attributes
    ----------
    units : cost of one application in applications of A.
    """

    def __init__(self, grid: Grid, network: DirectionNetwork) -> None:
        torch.set_num_threads(1)
        self._grid, self._network = grid, network
        self._device = next(network.parameters()).device
        self._fluid = grid.fluid()
        architecture = network.architecture
        self._rest = [(-n) % architecture.multiple for n in grid.shape]
        cells = float(np.prod([n + rest for n, rest in zip(grid.shape, self._rest, strict=True)]))
        row_work = int(np.count_nonzero(grid.diagonal)) * (2.0 * grid.dim + 1.0)
        self.units = architecture.multiply_adds() * cells / row_work

    def apply(self, r: Array, z: Array) -> float:
        """Set z = ‖r‖ f(r/‖r‖) on the fluid and return r·z."""
        length = norm(r)
        if not length > 0.0:
            z[:] = 0.0
            return 0.0
        cut = inner(self._grid.dim)
        with torch.no_grad():
            unit = torch.from_numpy((r.reshape(self._grid.padded)[cut] / length).astype(np.float32))
            # zeros beyond the edge are what convolutions read there anyway
            filled = functional.pad(
                unit.to(self._device), [p for rest in reversed(self._rest) for p in (0, rest)]
            )
            found = self._network(filled[None, None])[0, 0]
        values = found[tuple(slice(n) for n in self._grid.shape)].cpu().numpy()
        z.reshape(self._grid.padded)[cut] = np.where(self._fluid, values, 0.0)
        z *= length
        return float(np.dot(r, z))


def parameters_vector(network: nn.Module) -> NDArray[np.float32]:
    """Return a copy of all weights, one after the other."""
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()]).cpu().numpy().copy()
