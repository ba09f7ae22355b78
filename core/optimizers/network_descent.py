"""Drives a torch optimizer over the batches of a training and records its steps.

The parameters are single-precision views of one vector, as on a landscape (`core.optimizers.descent`); what
differs is where gradients come from and that a snapshot is the parameters alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.iterate import Iterate, Lazy, Status, Work
from core.optimizers.descent import Stepper
from core.optimizers.steps import GROWTH, FirstOrder
from core.optimizers.training import Training
from core.optimizers.weight_steps import unit_state

if TYPE_CHECKING:
    from core.optimizers.networks import FirstLayer

Rows = NDArray[np.int64] | None


class Gradients(Protocol):
    """Where a step's gradient comes from.

    Attributes
    ----------
    extra : what the method records of its last gradient, by scalar.
    passes : gradients of a network on a batch so far.
    samples : samples in them.
    """

    extra: dict[str, float]
    passes: int
    samples: int

    def __call__(self, stepper: Stepper, rows: Rows) -> float:
        """Put the gradient at the stepper's point into its `g` and return the loss there."""
        ...


class BatchGradients:
    """The gradient of the mean loss on a batch by back-propagation."""

    def __init__(self, training: Training, first: FirstLayer | None = None) -> None:
        self.training, self._first = training, first
        self.extra: dict[str, float] = {}
        self.passes = self.samples = 0

    def __call__(self, stepper: Stepper, rows: Rows) -> float:
        """Put the batch's gradient into the stepper's `g` and return the batch's loss."""
        import torch

        stepper.g[:] = 0.0
        with torch.enable_grad():
            loss = self.training.function.of(stepper.params, rows, self._first)
            loss.backward()  # type: ignore[no-untyped-call]
        self.passes += 1
        self.samples += len(self.training.function) if rows is None else len(rows)
        return float(loss.detach())


Keeps = Callable[[Stepper, Training], dict[str, Lazy]]


def train(
    method: Any, training: Training, gradients: Gradients | None = None, keeps: Keeps | None = None
) -> Iterator[Iterate]:
    """Return the iterates of a first-order method on a network.

    Parameters
    ----------
    method : a `core.optimizers.descent.GradientMethod` with the parameters of `FirstOrder`. It may have
        ``keeps(stepper, training)``, which returns arrays for the iterate before a step: callables, of which
        only those of a kept iterate are called, and small ones, since all snapshots share a budget.
    gradients : where they come from; from back-propagation by default.
    keeps : in place of the method's own.

    Yields
    ------
    x : (n,) float32 parameters before step k; ``loss`` and ``grad_norm`` are those of the batch of step k.
    Arrays : what the method keeps, and `core.optimizers.weight_steps.unit_state`.
    """
    assert isinstance(method, FirstOrder)
    own: Keeps = getattr(method, "keeps", lambda *_: {})
    return _train(method, training, gradients or BatchGradients(training), keeps or own)


def _train(method: Any, training: Training, gradients: Gradients, keeps: Keeps) -> Iterator[Iterate]:
    stepper = Stepper(method, training.start.astype(np.float32), training.tensor_shapes, with_autograd=True)
    groups = stepper.optimizer.param_groups
    rates = [float(group["lr"]) for group in groups]
    end = End(method, training)
    needs_closure = getattr(method, "needs_closure", False)
    batches = training.batches()
    step_norm, before = math.nan, stepper.x.copy()
    for k in range(method.steps + 1):
        rows = next(batches)
        loss = gradients(stepper, rows)
        norm = math.sqrt(float(np.dot(stepper.g, stepper.g)))
        status, note = end.judge(k, loss, norm, stepper.g)
        factor = training.rate_factor(k, method.steps)
        scalars: dict[str, float] = {
            "loss": loss, "grad_norm": norm, "step_norm": step_norm, "distance_to_minimum": math.nan,
            "lr": rates[0] * factor, **gradients.extra,
            **training.measured_at(k, status.terminal, stepper.x),
        }  # fmt: skip
        arrays = keeps(stepper, training) | unit_state(method, stepper, training)
        yield Iterate(k, stepper.x.copy, scalars, arrays, _work(gradients, training), status, note)
        if status.terminal:
            return
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate * factor
        if 0 < training.clip < norm:
            stepper.g *= training.clip / norm
        before[:] = stepper.x
        stepper.step(_closure(stepper, gradients, rows) if needs_closure else None)
        before -= stepper.x
        step_norm = math.sqrt(float(np.dot(before, before)))


def _closure(stepper: Stepper, gradients: Gradients, rows: Rows) -> Callable[[], float]:
    """Return what a line search asks: the loss of the same batch, its gradient in `g`."""
    return lambda: gradients(stepper, rows)


def _work(gradients: Gradients, training: Training) -> Work:
    """Return what was asked for; a unit is a loss or a gradient on all training data."""
    units = 2.0 * gradients.samples / len(training.function)
    return Work(gradient=gradients.passes, evaluation=gradients.passes, units=units)


class End:
    """Judges when a training ends."""

    def __init__(self, method: FirstOrder, training: Training) -> None:
        self._method, self._training = method, training
        self._first_norm, self._limit = math.nan, math.inf

    def judge(self, k: int, loss: float, norm: float, gradient: NDArray[Any]) -> tuple[Status, str]:
        """Return RUNNING, or why the training ends at step k."""
        if k == 0:
            self._first_norm, self._limit = norm, GROWTH * max(1.0, abs(loss))
        if not math.isfinite(loss) or abs(loss) > self._limit:
            return Status.DIVERGED, f"the loss is {loss:.3g} at k = {k}"
        if not math.isfinite(norm):
            return Status.DIVERGED, f"the gradient of {self._name(gradient)} is not finite at k = {k}"
        if self._method.rtol > 0 and norm <= self._method.rtol * self._first_norm:
            return Status.CONVERGED, f"‖gradient‖ = {norm:.3g} at k = {k}"
        if k == self._method.steps:
            return Status.MAX_ITERATIONS, f"{k} steps were made"
        return Status.RUNNING, ""

    def _name(self, gradient: NDArray[Any]) -> str:
        """Return the name of the first parameter whose gradient is not finite."""
        network, at = self._training.network, 0
        for name, shape in zip(network.names, network.shapes, strict=True):
            size = math.prod(shape)
            if not np.isfinite(gradient[at : at + size]).all():
                return name
            at += size
        return "all parameters together"


def last_of(iterates: Iterator[Iterate]) -> tuple[NDArray[Any], Mapping[str, float], Iterate]:
    """Return x, scalars and item of the end of a training."""
    *_, item = iterates
    x = item.x() if callable(item.x) else item.x
    return x, item.scalars, item
