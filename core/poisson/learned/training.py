"""Training of a direction network, one step at a time; stopped anywhere, it goes on as if it had not been.

Every batch is made afresh from the seed and the number of its step, so no vector is seen twice and the loss
of a step is that on unseen vectors. All samples of a batch belong to one grid, another one each time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.poisson.krylov import Preconditioner
from core.poisson.learned.direction_network import DirectionNetwork
from core.poisson.learned.operator import DirectionOperator, Network, make_network, parameters_vector
from core.poisson.learned.presets import Preset
from core.poisson.learned.residual_loss import LOSSES, Stencil, picture
from core.poisson.learned.ritz_data import RitzBasis, combinations, unit, white
from core.poisson.learned.stencil_operator import StencilOperator
from core.poisson.system import Grid

#: Steps of warm-up; what is left of the learning rate at the end; largest norm of a gradient.
WARM_UP, LAST_RATE, CLIP = 20, 0.02, 1.0
#: Share of the network's own residuals that is replaced by fresh vectors at every step.
AGED = 0.1
#: Streams of randomness of a seed; streams 0 and 1 belong to grids and Lanczos starts.
_BATCH, _POOL = 2, 3
#: Names of the optimiser's state in a checkpoint; the pool of own residuals.
MEAN, SQUARE, POOL = "adam_mean", "adam_square", "pool"

Single = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingGrid:
    """A grid with the vectors that its batches are made of."""

    grid: Grid
    basis: RitzBasis


@dataclass(frozen=True, slots=True)
class Measured:
    """A batch before the step that it leads to: its loss, and the mean residual after the best step."""

    loss: float
    residual: float


def learning_rate(preset: Preset, step: int, steps: int) -> float:
    """Return the rate of step 1, 2, …: a linear warm-up times half a cosine down to 2 %."""
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(step / steps, 1.0)))
    return preset.rate * min(step / WARM_UP, 1.0) * (LAST_RATE + (1.0 - LAST_RATE) * cosine)


class Trainer:
    """Network, optimiser and pool of residuals.

    Parameters
    ----------
    grids : what batches are made on.
    network : is moved to the device.
    steps : of the whole training, which the learning rate is laid out for.

    Attributes
    ----------
    step : steps made so far.
    """

    def __init__(
        self,
        preset: Preset,
        grids: Sequence[TrainingGrid],
        steps: int,
        seed: int,
        network: Network,
        device: torch.device | None = None,
    ) -> None:
        torch.set_num_threads(1)
        self._device = device or torch.device("cpu")
        network.to(self._device)
        self.preset, self.steps, self.seed, self.step = preset, steps, seed, 0
        self.network = network
        self._grids = grids
        self._stencils = [Stencil(g.grid, self._device) for g in grids]
        self._pictures = [picture(g.grid).to(self._device) for g in grids]
        self._optimizer = torch.optim.Adam(network.parameters(), lr=preset.rate, foreach=False)
        self._loss: Tensor | None = None
        self._left: tuple[int, Single, np.random.Generator]
        self._own = round(preset.own * preset.batch)
        self._pool = [self._fresh(g, self._own, self._rng(_POOL, i)) for i, g in enumerate(grids)]

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=stream))

    def _fresh(self, where: TrainingGrid, count: int, rng: np.random.Generator) -> Single:
        return combinations(where.basis, count, self.preset.low_share, self.preset.low_gain, rng)

    def measure(self) -> Measured:
        """Evaluate the network on the batch of the next step."""
        rng = self._rng(_BATCH, self.step + 1)
        which = int(rng.integers(len(self._grids)))
        where, A = self._grids[which], self._stencils[which]
        count_white = round(self.preset.white * self.preset.batch)
        ritz = self._fresh(where, self.preset.batch - self._own - count_white, rng)
        rows = np.concatenate([self._pool[which], ritz, white(where.grid, count_white, rng)])
        r = torch.from_numpy(rows).to(self._device).reshape(-1, *where.grid.shape)
        if isinstance(self.network, DirectionNetwork):
            f = self.network(r[:, None])[:, 0] * A.fluid
        else:
            f = self.network(self.network.fields(self._pictures[which]), r) * A.fluid
        self._loss, left = LOSSES[self.preset.loss](A, r, f)
        left = left.reshape(len(rows), -1)
        self._left = which, left.cpu().numpy(), rng
        return Measured(float(self._loss.detach()), float(left.norm(dim=1).mean()))

    def _refill(self, which: int, left: Single, rng: np.random.Generator) -> None:
        """Keep what the network left of its own residuals, some of them replaced by fresh vectors."""
        pool = unit(left[: self._own])
        old = rng.random(self._own) < AGED
        pool[old] = self._fresh(self._grids[which], int(old.sum()), rng)
        self._pool[which] = pool

    def advance(self) -> None:
        """Make the step that `measure` evaluated."""
        if self._loss is None:
            raise ValueError("advance() needs the batch that measure() evaluates")
        self.step += 1
        if self._own:
            self._refill(*self._left)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.preset, self.step, self.steps)
        self._optimizer.zero_grad(set_to_none=True)
        self._loss.backward()  # type: ignore[no-untyped-call]
        for p in self.network.parameters():
            if p.grad is None:  # a level that this grid does not have; Adam would count its steps apart
                p.grad = torch.zeros_like(p)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self._optimizer.step()
        self._loss = None

    def operator(self, grid: Grid) -> Preconditioner:
        """Return the network as it is now, at work on a grid."""
        if isinstance(self.network, DirectionNetwork):
            return DirectionOperator(grid, self.network)
        tensors = {name: p.detach().cpu().numpy() for name, p in self.network.named_parameters()}
        return StencilOperator(grid, self.network.architecture, tensors)

    def rate(self) -> float:
        """Return the learning rate of the newest step, 0 before the first."""
        return learning_rate(self.preset, self.step, self.steps)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of what `state` returns."""
        return (MEAN, SQUARE, POOL) if self._own else (MEAN, SQUARE)

    def weights(self) -> Single:
        """Return a copy of all weights in one vector."""
        return parameters_vector(self.network)

    def state(self, name: str) -> Single:
        """Return one of `state_names`: what is needed beside the weights to go on."""
        if name == POOL:
            return np.concatenate([p.ravel() for p in self._pool])
        key = {MEAN: "exp_avg", SQUARE: "exp_avg_sq"}[name]
        states = self._optimizer.state
        parts = [states[p][key] if p in states else torch.zeros_like(p) for p in self.network.parameters()]
        return torch.cat([part.detach().reshape(-1) for part in parts]).cpu().numpy()

    def restore(self, step: int, state: Mapping[str, Single]) -> None:
        """Go back to the state after `step` steps; the network has its weights already."""
        self.step = step
        at = 0
        for p in self.network.parameters():
            mean, square = (
                torch.from_numpy(state[key][at : at + p.numel()].copy()).reshape(p.shape).to(p.device)
                for key in (MEAN, SQUARE)
            )
            at += p.numel()
            if step:
                self._optimizer.state[p] = {
                    "step": torch.tensor(float(step)), "exp_avg": mean, "exp_avg_sq": square,
                }  # fmt: skip
        at = 0
        for i, pool in enumerate(self._pool if self._own else []):
            self._pool[i] = state[POOL][at : at + pool.size].reshape(pool.shape).copy()
            at += pool.size


def new_network(preset: Preset, seed: int) -> Network:
    """Return the preset's network with the random weights of a seed."""
    return make_network(preset.network, preset.architecture, seed)
