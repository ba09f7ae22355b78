"""What every method of this lab records of a step, and when a descent ends.

Item k holds x_k, the gradient there and the terms of the step that *leaves* x_k, so that one item is enough
to explain a step and to draw its arrows. The last item has no step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from core.iterate import Array, Iterate, Lazy, Preparation, Progress, Status, Work
from core.optimizers.landscape import Landscape
from core.optimizers.training import Training
from core.registry import Scalar, Scale, inherited, param

if TYPE_CHECKING:
    import torch

#: A descent has diverged when its loss is this many times larger than at the start (or than 1).
GROWTH = 1e12

SCALARS: dict[str, Scalar] = {
    "loss": Scalar("loss", scale=Scale.LOG),
    "grad_norm": Scalar("‖gradient‖", scale=Scale.LOG),
    "step_norm": Scalar("‖last step‖", scale=Scale.LOG),
    "distance_to_minimum": Scalar("distance to the minimum", scale=Scale.LOG),
    "lr": Scalar("step size", scale=Scale.LOG),
}


@dataclass(frozen=True)
class Budget:
    """How long a descent may take."""

    steps: int = param(500, low=1, high=100_000, log=True, doc="steps after which the descent ends")
    rtol: float = param(
        0.0, low=0.0, high=0.1, advanced=True,
        doc="end when the gradient's norm is below this share of its first value; 0 = use all steps",
    )  # fmt: skip


#: Differences of f below this share of it, some units in its last place, are rounding.
ROUNDING = 10 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class MinimumBudget(Budget):
    """How long a descent may take that goes all the way to a known minimum."""

    steps: int = inherited(Budget, "steps", default=1000)
    gap: float = param(
        1e-8, low=0.0, high=1.0, label="f − f*",
        doc="end when the loss is this close to the minimum, where that is known",
    )  # fmt: skip


@dataclass(frozen=True)
class FirstOrder(Budget):
    """Parameters that every method with a learning rate has."""

    lr: float = param(0.01, low=1e-7, high=10.0, log=True, label="learning rate", doc="learning rate")

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the torch optimizer of these parameters."""
        raise NotImplementedError

    def prepare(self, problem: Landscape) -> Preparation[Landscape]:
        """Load torch and what its optimizers load when the first is made; seconds, once a process."""
        yield Progress("loading torch")
        import torch

        self.build([torch.zeros(2, 2, dtype=torch.float64)])
        return problem


@dataclass(slots=True)
class Oracle:
    """A landscape that counts what it is asked, and adds the landscape's noise to gradients.

    A point that is asked for twice in a row is computed, and counted, once.
    """

    landscape: Landscape
    evaluations: int = 0
    gradients: int = 0
    hessian_products: int = 0
    _rng: np.random.Generator | None = None
    _last: tuple[bytes, float, Array] | None = None

    def __post_init__(self) -> None:
        if self.landscape.noise > 0:
            self._rng = np.random.default_rng(np.random.SeedSequence(self.landscape.seed))

    def both(self, x: Array) -> tuple[float, Array]:
        """Return f and its (noisy) gradient at x, a fresh array."""
        key = x.tobytes()
        if self._last is None or self._last[0] != key or self._rng is not None:
            self.evaluations += 1
            self.gradients += 1
            value, gradient = self.landscape.function.value_and_gradient(x)
            if self._rng is not None:
                noisy = gradient[self.landscape.noisy_from :]
                gradient = gradient.copy()
                gradient[self.landscape.noisy_from :] += self._rng.normal(
                    0.0, self.landscape.noise, noisy.shape
                )
            self._last = (key, value, gradient)
        return self._last[1], self._last[2].copy()

    def hessian(self, x: Array) -> Array:
        """Return ∇²f at x; counts as one product a column."""
        self.hessian_products += len(x)
        return self.landscape.function.hessian(x)

    def approximation(self, name: str, x: Array) -> Array:
        """Return a cheaper Hessian by its name; counts like the exact one."""
        self.hessian_products += len(x)
        return self.landscape.approximations[name](x)

    def work(self) -> Work:
        """Return what was asked so far; a unit is one value, gradient or Hessian–vector product."""
        return Work(
            gradient=self.gradients, hessian_vector=self.hessian_products, evaluation=self.evaluations,
            units=float(self.evaluations + self.gradients + self.hessian_products),
        )  # fmt: skip


def distance_at(landscape: Landscape) -> Callable[[Array], float]:
    """Return `Landscape.distance_to_minimum` for one point, without numpy's overhead where that is easy."""
    if landscape.to_minimum is None and len(landscape.minima) and not np.isnan(landscape.minima).any():
        minima = landscape.minima.tolist()
        return lambda x: min(math.dist(x, m) for m in minima)
    return lambda x: float(landscape.distance_to_minimum(x))


@dataclass(slots=True)
class Recorder:
    """Turns points into items: numbers, ends and notes are the same for every method of the lab.

    Parameters
    ----------
    oracle : whose counters are the work.
    budget : when to end.
    """

    oracle: Oracle
    budget: Budget
    k: int = 0
    _first_norm: float = math.nan
    _limit: float = math.inf
    _step_norm: float = math.nan
    _distance: Callable[[Array], float] = field(default=lambda x: math.nan)

    def __post_init__(self) -> None:
        self._distance = distance_at(self.oracle.landscape)

    def share_of_first_norm(self, gradient: Array) -> float:
        """Return the gradient's norm over its first value."""
        return math.sqrt(float(gradient @ gradient)) / max(self._first_norm, 1e-300)

    def end(self, x: Array, loss: float, gradient: Array) -> tuple[Status, str]:
        """Judge a new point: RUNNING, or why the descent ends at it."""
        norm = math.sqrt(float(gradient @ gradient))
        if self.k == 0:
            self._first_norm, self._limit = norm, GROWTH * max(1.0, abs(loss))
        if not math.isfinite(loss) or abs(loss) > self._limit:
            return Status.DIVERGED, f"the loss is {loss:.3g} at k = {self.k}"
        if not math.isfinite(norm):
            i = int(np.flatnonzero(~np.isfinite(gradient)).tolist()[:1][0])
            return Status.DIVERGED, f"component {i} of the gradient is {gradient[i]} at k = {self.k}"
        bound = self.oracle.landscape.bound
        if math.isfinite(bound) and (far := float(np.abs(x).max())) > bound:
            return (
                Status.DIVERGED,
                f"a coordinate is {far:.3g} at k = {self.k}: nothing holds it within {bound:g}",
            )
        if self.budget.rtol > 0 and norm <= self.budget.rtol * self._first_norm:
            return Status.CONVERGED, f"‖gradient‖ = {norm:.3g} at k = {self.k}"
        if self.k == self.budget.steps:
            return Status.MAX_ITERATIONS, f"{self.k} steps were made"
        return Status.RUNNING, ""

    def item(
        self,
        x: Array,
        loss: float,
        gradient: Array,
        lr: float,
        arrays: Mapping[str, Lazy],
        work: Work,
        status: Status = Status.RUNNING,
        note: str = "",
        extra: Mapping[str, float] = MappingProxyType({}),
    ) -> Iterate:
        """Return the item of the point x (copied here, as is the gradient) and move on to the next k."""
        scalars = {
            "loss": loss,
            "grad_norm": math.sqrt(float(gradient @ gradient)),
            "step_norm": self._step_norm,
            "distance_to_minimum": self._distance(x),
            "lr": lr,
            **extra,
        }
        landscape = self.oracle.landscape
        if isinstance(landscape, Training):
            scalars |= landscape.measured_at(self.k, status.terminal, x)
        item = Iterate(self.k, x.copy(), scalars, {"gradient": gradient.copy(), **arrays}, work, status, note)
        step = arrays.get("step")
        self._step_norm = math.nan if step is None else math.sqrt(float(step @ step))  # type: ignore[operator]
        self.k += 1
        return item
