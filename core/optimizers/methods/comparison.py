"""Methods against each other on one training: the same number of rates for each, then several seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import registry
from core.iterate import Array, Iterate, Preparation, Status, Work
from core.optimizers.landscape import Landscape
from core.optimizers.outcomes import build_method, method_entries, prepare_method
from core.optimizers.training import Training
from core.registry import Scalar, Scale, method, param

#: What is told of the end of every run.
LAYERS = ("lr", "train_loss", "validation_loss", "accuracy")
MOST_METHODS = 8


@method(
    "comparison",
    lab="optimizers",
    title="Compare methods over seeds",
    source="comparison at equal budgets; Schmidt, Schneider & Hennig 2021, Descending through a Crowded "
    "Valley, ICML",
    assumes="a network",
    example="digits_mlp",
    scalars={
        "loss": Scalar("lowest mean held-out loss", scale=Scale.LOG),
        "runs": Scalar("trainings so far"),
    },
    colour=48,
    kind="analysis",
    order=88,
)
@dataclass(frozen=True)
class Comparison:
    """Each method is trained once at every rate of one grid, then at its best rate from further seeds.

    A seed draws first weights and batches anew; the data stay. The first seed is the one that was tuned on.
    """

    methods: str = param(
        "adam; sgd", doc="keys with their settings, semicolons between: adam; sgd momentum=0"
    )
    rates: int = param(3, low=1, high=15, doc="learning rates of the grid")
    low: float = param(1e-3, low=1e-7, high=0.1, log=True, doc="smallest rate of the grid")
    high: float = param(0.1, low=0.1, high=10.0, log=True, doc="largest rate of the grid")
    seeds: int = param(3, low=1, high=20, doc="seeds for every method")
    steps: int = param(60, low=1, high=20_000, log=True, doc="steps of a training")
    criterion: str = param(
        "validation_loss", choices={"validation_loss": "held-out loss", "train_loss": "training loss"},
        doc="what the best rate makes smallest",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for key, settings in self.entries():
            self._built(key, settings, self.low)

    def entries(self) -> list[tuple[str, str]]:
        """Return key and settings of every method; see `core.optimizers.outcomes.method_entries`."""
        return method_entries(self.methods, MOST_METHODS)

    def _built(self, key: str, settings: str, lr: float) -> Any:
        return build_method(key, settings, {"lr": lr, "steps": self.steps})

    def prepare(self, problem: Landscape) -> Preparation[Landscape]:
        """Load what the methods need."""
        for key, settings in self.entries():
            yield from prepare_method(self._built(key, settings, self.low), problem)
        return problem

    def grid(self) -> Array:
        """Return the rates that every method is tried at."""
        if self.rates == 1:
            return np.array([math.sqrt(self.low * self.high)])
        return np.asarray(np.geomspace(self.low, self.high, self.rates))

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the results so far, one more training an item.

        Yields
        ------
        x : (methods, rates + seeds − 1, 4) of `LAYERS`: the rates of the grid, then the further seeds at the
            best one; NaN = not yet, losses inf = diverged.
        arrays : ``best`` (methods, seeds, 4) the same at the best rate, seed by seed; ``curve_steps``
            (points,) and ``curves`` (methods, seeds, points, 3) of train loss, held-out loss and accuracy.

        Raises
        ------
        ValueError
            If this is no training, or a method refuses it.
        """
        if not isinstance(problem, Training):
            raise ValueError(
                "methods are compared over seeds on a network; take digits_mlp or another training"
            )
        for key, settings in self.entries():
            self._built(key, settings, self.low).iterate(problem)
        return self._loop(problem)

    def _loop(self, training: Training) -> Iterator[Iterate]:
        entries, grid = self.entries(), self.grid()
        book = _Book(training, len(entries), self)
        yield book.item(Status.RUNNING)
        for m, (key, settings) in enumerate(entries):
            curves = []
            for r, lr in enumerate(grid):
                curves.append(book.run(m, r, self._built(key, settings, float(lr)), training))
                if r == len(grid) - 1:
                    losses = book.table[m, : len(grid), LAYERS.index(self.criterion)]
                    at = int(np.argmin(np.nan_to_num(losses, nan=np.inf)))
                    book.keep(m, 0, book.table[m, at], curves[at])
                yield book.item(self._status(m, r, len(entries)))
            for seed in range(1, self.seeds):
                place, best = len(grid) + seed - 1, self._built(key, settings, float(grid[at]))
                book.keep(m, seed, *book.entry(m, place, best, reseeded(training, seed)))
                yield book.item(self._status(m, place, len(entries)))

    def _status(self, m: int, place: int, methods: int) -> Status:
        is_last = (m, place) == (methods - 1, self.rates + self.seeds - 2)
        return Status.CONVERGED if is_last else Status.RUNNING


def in_one_form(methods: str) -> str:
    """Return methods as `Comparison` takes them, each with what differs from its defaults and no more.

    Two texts that mean the same give the same one.
    """
    found = []
    for key, settings in Comparison(methods=methods).entries():
        values = registry.values(build_method(key, settings, {}))
        changed = [
            f"{p.name}={values[p.name]}"
            for p in registry.method_spec("optimizers", key).parameters
            if p.name not in ("lr", "steps") and values[p.name] != p.default
        ]
        found.append(f"{key} {','.join(changed)}".strip())
    return "; ".join(found)


def reseeded(training: Training, number: int) -> Training:
    """Return the same data with other first weights and batches."""
    sequence = np.random.SeedSequence(training.seed, spawn_key=(7, number))
    seed = int(sequence.generate_state(1, np.uint64)[0] >> 1)
    start = training.network.initial(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,))))
    return replace(training, seed=seed, start=start)


class _Book:
    """What was found so far."""

    def __init__(self, training: Training, methods: int, settings: Comparison) -> None:
        self.table = np.full((methods, settings.rates + settings.seeds - 1, len(LAYERS)), np.nan)
        self.best = np.full((methods, settings.seeds, len(LAYERS)), np.nan)
        self.steps = np.unique([*range(0, settings.steps, training.evaluate_every), settings.steps])
        self.curves = np.full((methods, settings.seeds, len(self.steps), 3), np.nan)
        self._k = self._gradients = 0

    def run(self, m: int, place: int, method: Any, training: Training) -> NDArray[np.float64]:
        """Train once; returns its curve."""
        curve, item = np.full((len(self.steps), 3), np.nan), None
        for item in method.iterate(training):
            if "train_loss" in item.scalars and item.k in self.steps:
                at = int(np.searchsorted(self.steps, item.k))
                curve[at] = [item.scalars[name] for name in LAYERS[1:]]
        assert item is not None
        self._gradients += item.work.gradient
        end = [item.scalars.get(name, math.nan) for name in LAYERS[1:]]
        lost = item.status is Status.DIVERGED or not math.isfinite(end[0])
        self.table[m, place] = method.lr, *((math.inf, math.inf, 0.0) if lost else end)
        return curve

    def entry(self, m: int, place: int, method: Any, training: Training) -> tuple[Array, Array]:
        """Train once; returns the row of the end and the curve."""
        curve = self.run(m, place, method, training)
        return self.table[m, place], curve

    def keep(self, m: int, seed: int, row: Array, curve: Array) -> None:
        """Enter a run at the best rate."""
        self.best[m, seed], self.curves[m, seed] = row, curve

    def item(self, status: Status) -> Iterate:
        """Return the state."""
        means = self.best[..., 2].mean(axis=1)
        known = means[np.isfinite(means)]
        runs = int(np.isfinite(self.table[..., 0]).sum())
        scalars = {"loss": float(known.min()) if len(known) else math.nan, "runs": float(runs)}
        arrays = {"best": self.best.copy(), "curves": self.curves.copy()}
        arrays["curve_steps"] = self.steps.astype(np.float64)
        work = Work(gradient=self._gradients, evaluation=self._gradients, units=2.0 * self._gradients)
        item = Iterate(self._k, self.table.copy(), scalars, arrays, work, status)
        self._k += 1
        return item
