"""Nexus: a walk down each source's gradient in turn, whose sum is the gradient of the step.

The torch wrapper `Nexus` stands in `core.optimizers.optim.nexus`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array, Iterate, Status
from core.optimizers.descent import Stepper, before_and_after
from core.optimizers.explanation import Line, Number, Step, lines_of
from core.optimizers.landscape import Function, Landscape
from core.optimizers.network_descent import Rows, train
from core.optimizers.panels import Panel
from core.optimizers.source_views import GUARD, mean_cosine, of_sources, walk_vectors
from core.optimizers.steps import SCALARS, Oracle, Recorder
from core.optimizers.training import Training
from core.optimizers.wrapped import Wrapper
from core.registry import Scalar, method, param
from core.trace import TraceView

if TYPE_CHECKING:
    from torch import Tensor

    from core.optimizers.optim.nexus import Nexus

SOURCE = "H. Chen et al., Nexus (code not published); its inner loop is that of the common-weakness "
NEXUS_SCALARS = SCALARS | {
    "source_cosine": Scalar("mean cosine of the sources' gradients as the step meets them")
}


def __getattr__(name: str) -> Any:
    if name == "Nexus":
        from core.optimizers.optim.nexus import Nexus

        return Nexus
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class Sources(Wrapper):
    """Parameters of Nexus and of its control."""

    normalize: bool = param(True, doc="divide each source's gradient by its norm over all parameters")
    rescale: bool = param(
        True, doc="multiply the sum by the mean norm, so that learning rates keep their meaning"
    )
    sources: int = param(4, low=1, high=32, doc="parts of a batch, where the data name no sources")
    order: str = param("random", choices=("random", "fixed"), doc="in which the sources are visited")

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield the points of the descent.

        Raises
        ------
        ValueError
            On a landscape that is not made of several sources.
        """
        if isinstance(problem, Training):
            return train(self.inner(), problem, _BatchSources(self, problem))
        if not problem.sources:
            raise ValueError(
                "Nexus walks down several sources in turn, and this landscape has one; take nexus_valley, "
                "noisy_valley, rotated_digits or another training"
            )
        return _descend(self, problem)

    def walk(self) -> float:
        """Return the length γ of an inner step."""
        raise NotImplementedError

    def compares(self, method: Any, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield how alike the sources are where a method is, and how it does on a source that is new."""
        return of_sources(problem, view, k)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers: the walk, then the optimizer inside."""
        met = step["source_gradients"]
        norms = np.linalg.norm(met, axis=1)
        directions = met / (norms[:, None] + GUARD) if self.normalize else met
        factor = float(norms.mean()) if self.normalize and self.rescale else 1.0
        numbers: dict[str, Number] = {"mean": factor}
        for i, (g, norm, direction) in enumerate(zip(met, norms, directions, strict=True), 1):
            numbers[f"s{i}"] = direction
            template = rf"\frac{{<g{i}>}}{{<n{i}> + <eps>}}" if self.normalize else f"<g{i}>"
            own: dict[str, Number] = {f"g{i}": g, f"n{i}": float(norm), "eps": GUARD}
            yield Line(f"s{i}", template, own, direction, f"source {i}, where the walk meets it")
        total = " + ".join(f"<s{i}>" for i in range(1, len(met) + 1))
        template = rf"<mean> \left({total}\right)" if self.normalize and self.rescale else total
        yield Line("g", template, numbers, step["gradient"], "sum of the walk")
        yield from lines_of(self.inner(), step)

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield the gradients of two sources before and after the walk down the first one."""
        if len(problem.sources) == 2 and problem.n >= 2:
            yield walk_vectors(problem, view.snapshot("x", k), self.walk(), self.normalize)


@method(
    "nexus", lab="optimizers", title="Nexus", example="nexus_valley", scalars=NEXUS_SCALARS, colour=27,
    order=16,
    source=SOURCE + "attack, H. Chen et al. 2024, Rethinking Model Ensemble in Transfer-based Attacks",
    assumes="several sources of data",
)  # fmt: skip
@dataclass(frozen=True)
class NexusMethod(Sources):
    """θ ← θ − γ ĝᵢ down each source in turn; the sum of the ĝᵢ is given to an optimizer as the gradient.

    Beside the ordinary gradient the sum holds a term that makes the sources' gradients more alike. Where the
    sources conflict and there is little noise, the normalised version stalls: gradients of length one cancel.
    """

    gamma: float = param(0.1, low=1e-6, high=3.0, log=True, label="γ", doc="length of an inner step")

    def walk(self) -> float:
        """Return γ."""
        return self.gamma


@method(
    "nexus_still", lab="optimizers", title="Nexus without the walk", example="nexus_valley", colour=37,
    order=17,
    scalars=NEXUS_SCALARS, source=SOURCE + "attack; control of Nexus", assumes="several sources of data",
)  # fmt: skip
@dataclass(frozen=True)
class NexusStill(Sources):
    """Nexus at γ = 0: gradients of length one, summed at one point.

    What it does as well as Nexus is no merit of the walk.
    """

    def walk(self) -> float:
        """Return 0."""
        return 0.0


def _order(settings: Sources, rng: np.random.Generator, count: int) -> list[int]:
    return [int(i) for i in rng.permutation(count)] if settings.order == "random" else list(range(count))


def _generator(problem: Landscape) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(problem.seed, spawn_key=(3,)))


class _BatchSources:
    """The wrapper's gradient on a batch: its rows by source, or in equal parts."""

    def __init__(self, settings: Sources, training: Training) -> None:
        self._settings, self._training = settings, training
        self._rng = _generator(training)
        self._nexus: Nexus | None = None
        self.extra: dict[str, float] = {}
        self.passes = self.samples = 0

    def __call__(self, stepper: Stepper, rows: Rows) -> float:
        """Put G into the stepper's `g`; return the batch's loss at the point itself."""
        from core.optimizers.optim.nexus import Nexus

        if self._nexus is None:
            walk, settings = self._settings.walk(), self._settings
            self._nexus = Nexus(stepper.optimizer, walk, settings.normalize, settings.rescale)
        f = self._training.function
        parts = self._parts(np.arange(len(f)) if rows is None else rows)
        losses = [_loss(f.of, stepper.params, part) for part in parts]
        met = self._nexus.gradient(losses, _order(self._settings, self._rng, len(parts)))
        self.passes += len(parts)
        self.samples += sum(len(part) for part in parts)
        if self._settings.walk() > 0:
            met = [self._at_rest(loss) for loss in losses]
        self.extra = {"source_cosine": mean_cosine(self._nexus.directions.numpy())}
        return float(np.average(met, weights=[len(part) for part in parts]))

    def _parts(self, rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        domains = self._training.domains
        if domains is None:
            return [part for part in np.array_split(rows, self._settings.sources) if len(part)]
        return [rows[domains[rows] == d] for d in np.unique(domains[rows])]

    @staticmethod
    def _at_rest(loss: Callable[[], Tensor]) -> float:
        import torch

        with torch.no_grad():
            return float(loss())


def _loss(of: Callable[..., Tensor], params: list[Tensor], rows: NDArray[np.int64]) -> Callable[[], Tensor]:
    return lambda: of(params, rows)


def _descend(settings: Sources, landscape: Landscape) -> Iterator[Iterate]:
    """Yield points of a landscape of several sources.

    Yields
    ------
    Arrays: ``gradient`` (G), ``step``, ``source_gradients`` (K, n) as the walk meets them, and the recorded
    state of the optimizer inside, as `core.optimizers.descent.descend` has it.
    """
    oracle = Oracle(landscape)
    recorder = Recorder(oracle, settings)
    rng = _generator(landscape)
    stepper = Stepper(settings.inner(), landscape.start, landscape.tensor_shapes)
    before = stepper.state()
    while True:
        x = stepper.x.copy()
        loss = float(landscape.function.value(x))
        met, directions, norms = _walked(settings, landscape, x, rng)
        oracle.gradients += len(directions)
        oracle.evaluations += 1
        factor = float(norms.mean()) if settings.normalize and settings.rescale else 1.0
        gradient = factor * directions.sum(axis=0)
        extra = {"source_cosine": mean_cosine(directions)}
        status, note = recorder.end(x, loss, gradient)
        if status is not Status.RUNNING:
            yield recorder.item(x, loss, gradient, settings.lr, {}, oracle.work(), status, note, extra)
            return
        stepper.g[:] = gradient
        stepper.step()
        after = stepper.state_after()
        arrays = before_and_after(before, after)
        arrays |= {"step": stepper.x - x, "preconditioned": gradient.copy(), "source_gradients": met}
        before = {name: after[name].copy() for name in before}
        yield recorder.item(x, loss, gradient, settings.lr, arrays, oracle.work(), extra=extra)


def _walked(
    settings: Sources, landscape: Landscape, x: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Return the gradients (K, n) met on the walk from x, what is walked of them, and their norms (K,)."""
    sources: tuple[Function, ...] = landscape.sources
    met, directions = np.zeros((2, len(sources), len(x)))
    norms = np.zeros(len(sources))
    for i in _order(settings, rng, len(sources)):
        met[i] = sources[i].gradient(x - settings.walk() * directions.sum(axis=0))
        if landscape.noise > 0:
            noisy = met[i, landscape.noisy_from :]
            noisy += rng.normal(0.0, landscape.noise, noisy.shape)
        norms[i] = np.linalg.norm(met[i])
        if norms[i] > 0:
            directions[i] = met[i] / (norms[i] + GUARD) if settings.normalize else met[i]
    return met, directions, norms
