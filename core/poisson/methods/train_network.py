"""Training of a direction network, as a run: every item is a step, the unknown is the vector of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import InputError
from core.iterate import Iterate, Preparation, Progress, Status, Work
from core.poisson.conjugate_directions import conjugate_directions
from core.poisson.devices import device_of, device_param
from core.poisson.learned.fitting import refusal
from core.poisson.learned.presets import PRESETS, Preset, preset
from core.poisson.learned.weights import Weights, find
from core.poisson.preconditioners import on_grid
from core.poisson.system import GridSystem, LinearSystem
from core.registry import Scalar, Scale, method, param

if TYPE_CHECKING:
    import torch

    from core.poisson.learned.training import Trainer, TrainingGrid

#: Streams of the seed: obstacles of the grids, starts of the Lanczos runs.
_GRIDS, _LANCZOS = 0, 1
#: How the probe is solved: tolerance, iteration limit, earlier directions.
PROBE_RTOL, PROBE_LIMIT, PROBE_K = 1e-4, 60, 2
#: Steps between two probes.
PROBE_EVERY = 50

SCALARS: Mapping[str, Scalar] = {
    "residual_norm": Scalar("mean residual of unit vectors after one step", scale=Scale.LOG),
    "loss": Scalar("loss on unseen vectors", scale=Scale.LOG),
    "step": Scalar("training steps"),
    "rate": Scalar("learning rate", scale=Scale.LOG),
    "probe_iterations": Scalar(f"iterations to {PROBE_RTOL:g} on the problem, {PROBE_LIMIT} at most"),
    "probe_residual": Scalar("relative residual where the probe ended", scale=Scale.LOG),
}


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What a training needs.

    Attributes
    ----------
    probe : the system that is solved now and then.
    resumed : the checkpoint to go on from, if any.
    """

    preset: Preset
    steps: int
    seed: int
    grids: tuple[TrainingGrid, ...]
    probe: GridSystem
    resumed: Weights | None
    device: torch.device


@method(
    "train_network",
    lab="poisson",
    title="Train a network",
    source="Kaneda et al. 2023, A Deep Conjugate Direction Method for Iteratively Solving Linear Systems, "
    "ICML; Lan et al. 2024, A Neural-Preconditioned Poisson Solver for Mixed Dirichlet and Neumann Boundary "
    "Conditions, ICML",
    assumes="a grid of the kind that the preset trains on",
    example="disc",
    scalars=SCALARS,
    colour=19,
    kind="training",
    order=200,
)
@dataclass(frozen=True)
class TrainNetwork:
    """Train the network of `dcdm` or `npsdo` on random vectors, without any solution, and probe it.

    The loss is the residual that the network's answer leaves. Batches are random combinations of Ritz vectors
    of the training grids. Every 50 steps the problem at hand is solved with the weights of that moment.

    Notes
    -----
    The unknown of an item is the vector of all weights; its snapshots hold the optimiser's state, so any kept
    item can be made a checkpoint (`core.poisson.learned.checkpoint`) and gone on from. `k` counts the steps
    of this run, the scalar `step` those of the whole training.

    References
    ----------
    Kaneda et al. 2023, Sec. 5; Lan et al. 2024, Sec. 4.3.
    """

    preset: str = param(
        "d", choices={p.key: f"{p.key.upper()}: {p.title}" for p in PRESETS.values()},
        doc="which network is trained, on which grids, with which loss",
    )  # fmt: skip
    steps: int = param(
        0, low=0, high=100_000,
        doc="steps of the whole training, which the learning rate is laid out for; 0 = the preset's",
    )  # fmt: skip
    stop_after: int = param(
        0, low=0, high=100_000, label="stop after", advanced=True,
        doc="end this run after so many steps and leave the rest to a later one; 0 = go on to the end",
    )  # fmt: skip
    seed: int = param(
        0, low=0, high=2**31 - 1, advanced=True, doc="of grids, vectors and the weights at the start"
    )
    device: str = device_param(
        "where the network is trained; auto takes CUDA for large presets only: the others then give the same "
        "weights everywhere",
        advanced=True,
    )
    resume: str = param(
        "", doc="hash of a checkpoint to go on from; it brings its preset, steps and seed with it"
    )

    @property
    def computes_elsewhere(self) -> bool:
        """Whether the work may be done on another device, so that the clock tells its time."""
        return self.device == "cuda" or (self.device == "auto" and preset(self.preset).large)

    def prepare(self, problem: LinearSystem) -> Preparation[Prepared]:
        """Compute the Ritz vectors of every training grid."""
        probe = on_grid(problem, "training")
        resumed = find(self.resume) if self.resume else None
        chosen, steps, seed = preset(self.preset), self.steps, self.seed
        if resumed is not None:
            about = resumed.about
            if not about.get("checkpoint"):
                raise InputError("-m resume", "a checkpoint", f"{self.resume}: finished weights")
            chosen, steps, seed = preset(about["preset"]), about["steps"], about["seed"]
        reason = refusal(
            {"architecture": chosen.architecture, "boundary": chosen.layouts.boundary}, probe.grid
        )
        if reason is not None:
            raise reason
        yield Progress("loading torch")
        device = device_of("cpu" if self.device == "auto" and not chosen.large else self.device)
        from core.poisson.learned.ritz_data import ritz_basis
        from core.poisson.learned.training import TrainingGrid

        grids = chosen.layouts.grids(_generator(seed, _GRIDS))
        bases = []
        for i, grid in enumerate(grids):
            yield Progress("Ritz vectors", i, len(grids))
            basis = ritz_basis(grid, chosen.layouts.vectors, _generator(seed, _LANCZOS, i))
            bases.append(TrainingGrid(grid, basis))
        return Prepared(chosen, steps or chosen.steps, seed, tuple(bases), probe, resumed, device)

    def iterate(self, problem: Prepared) -> Iterator[Iterate]:
        """Yield the weights before the first step and after every step."""
        return self._loop(problem)

    def _loop(self, p: Prepared) -> Iterator[Iterate]:
        trainer = _trainer(p)
        first = trainer.step
        last = p.steps if not self.stop_after else min(p.steps, first + self.stop_after)
        while True:
            k = trainer.step - first
            ends = trainer.step >= last
            measured = trainer.measure()
            scalars = {
                "residual_norm": measured.residual, "loss": measured.loss, "step": float(trainer.step),
                "rate": trainer.rate(),
            }  # fmt: skip
            if ends or trainer.step % PROBE_EVERY == 0:
                scalars |= _probe(p.probe, trainer)
            yield Iterate(
                k, trainer.weights, scalars,
                {name: lambda name=name: trainer.state(name) for name in trainer.state_names},  # type: ignore[misc]
                Work(gradient=k, evaluation=k + 1), Status.MAX_ITERATIONS if ends else Status.RUNNING,
                f"{trainer.step} of {p.steps} steps" if ends else "",
            )  # fmt: skip
            if ends:
                return
            trainer.advance()


def _generator(seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))


def _trainer(p: Prepared) -> Trainer:
    from core.poisson.learned.operator import load_network
    from core.poisson.learned.training import Trainer, new_network

    if p.resumed is None:
        return Trainer(p.preset, p.grids, p.steps, p.seed, new_network(p.preset, p.seed), p.device)
    network = load_network(p.preset.network, p.preset.architecture, p.resumed.tensors)
    trainer = Trainer(p.preset, p.grids, p.steps, p.seed, network, p.device)
    trainer.restore(int(p.resumed.about["step"]), p.resumed.tensors)
    return trainer


def _probe(system: GridSystem, trainer: Trainer) -> dict[str, float]:
    """Solve the probe with the weights of this moment, as far as the limit allows."""
    operator = trainer.operator(system.grid)
    for last in conjugate_directions(
        system, operator, rtol=PROBE_RTOL, max_iterations=PROBE_LIMIT, k=PROBE_K
    ):
        end = last
    share = end.scalars["residual_norm"] / float(np.linalg.norm(system.b))
    return {"probe_iterations": float(end.k), "probe_residual": share}
