"""Drives a `torch.optim.Optimizer` over a landscape and records its steps.

The point is one flat float64 tensor; the optimizer sees it as parameters of the landscape's shapes, which are
views of it. The same classes train networks: nothing here is a second implementation of a method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array, Iterate, Status
from core.optimizers.landscape import Landscape
from core.optimizers.steps import FirstOrder, Oracle, Recorder
from core.optimizers.training import Training

if TYPE_CHECKING:
    import torch

State = Mapping[str, Array]


class GradientMethod(Protocol):
    """A registered first-order method.

    Attributes
    ----------
    recorded : our name → torch's name of the state that is recorded, flattened to the shape of x.
    recorded_after : further state that is recorded after the step alone, where the optimizer has it.
    elementwise : whether each coordinate is treated apart from all others, so that many starts may be one
        long vector.
    """

    recorded: ClassVar[Mapping[str, str]]
    elementwise: ClassVar[bool]

    @property
    def lr(self) -> float:
        """Learning rate."""
        ...

    @property
    def steps(self) -> int:
        """Steps to make."""
        ...

    @property
    def rtol(self) -> float:
        """Share of the first gradient's norm that ends the descent."""
        ...

    def build(self, params: list[torch.Tensor]) -> torch.optim.Optimizer:
        """Return the optimizer of these parameters."""
        ...

    def preconditioned(self, gradient: Array, state: State) -> Array:
        """Return the gradient as the method scales it, without momentum; `state` is that after the step."""
        ...


class Stepper:
    """An optimizer on a point: give it gradients, it moves the point.

    Parameters
    ----------
    method : what builds the optimizer.
    start : (n,) first point; copied, in its own precision.
    shapes : of the tensors that the point is cut into.
    with_autograd : whether back-propagation shall add to `g`.

    Attributes
    ----------
    x, g : (n,) the point and its gradient; they share memory with torch's tensors.
    params : those tensors.
    """

    def __init__(
        self,
        method: GradientMethod,
        start: NDArray[Any],
        shapes: tuple[tuple[int, ...], ...],
        with_autograd: bool = False,
    ) -> None:
        import torch

        self._no_grad = torch.no_grad
        flat = torch.from_numpy(start.copy())
        gradient = torch.zeros_like(flat)
        self.x, self.g = flat.numpy(), gradient.numpy()
        self.params: list[torch.Tensor] = []
        at = 0
        for shape in shapes:
            size = int(np.prod(shape))
            p = flat[at : at + size].view(shape).requires_grad_(with_autograd)
            p.grad = gradient[at : at + size].view(shape)
            self.params.append(p)
            at += size
        self._names = method.recorded
        self._after = getattr(method, "recorded_after", {})
        self.optimizer = method.build(self.params)
        self._step = bare_step(self.optimizer)

    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Make one step by the gradient in `g`, or by what `closure` puts there."""
        with self._no_grad():
            self._step(self.optimizer, closure)

    def state(self) -> dict[str, Array]:
        """Return copies of the recorded state, flat; zeros before the first step."""
        return {name: self._flat(key) for name, key in self._names.items()}

    def state_after(self) -> dict[str, Array]:
        """Return `state` and what else there is after a step."""
        known = self.optimizer.state.get(self.params[0], {})
        return self.state() | {name: self._flat(key) for name, key in self._after.items() if key in known}

    def _flat(self, key: str) -> Array:
        parts = []
        for p in self.params:
            value = self.optimizer.state[p].get(key) if p in self.optimizer.state else None
            parts.append(np.zeros(p.numel()) if value is None else value.numpy().reshape(-1))
        return np.concatenate(parts)


def bare_step(optimizer: torch.optim.Optimizer) -> Callable[..., Any]:
    """Return the optimizer's step without the wrappers for profiling and gradient mode.

    On a point of two numbers they cost as much as the step. Must be called under `torch.no_grad`.
    """
    step: Callable[..., Any] = type(optimizer).step
    while hasattr(step, "__wrapped__"):
        step = step.__wrapped__
    return step


def descend(method: Any, landscape: Landscape) -> Iterator[Iterate]:
    """Return the iterates of a first-order method on a landscape.

    Parameters
    ----------
    method : a `GradientMethod` with the parameters of `core.optimizers.steps.FirstOrder`.

    Yields
    ------
    Arrays: ``gradient``, ``preconditioned`` (see `GradientMethod`), ``step`` = x_{k+1} − x_k, and for every
    recorded state its value after the step under its name and before it under ``<name>_before``. Where the
    unknowns are matrices, ``shapes`` (int64, one row a matrix) says how x is cut.
    """
    assert isinstance(method, FirstOrder)
    if isinstance(landscape, Training):
        from core.optimizers.network_descent import train

        return train(method, landscape)
    return _descend(method, landscape)


def _descend(method: Any, landscape: Landscape) -> Iterator[Iterate]:
    oracle = Oracle(landscape)
    recorder = Recorder(oracle, method)
    stepper = Stepper(method, landscape.start, landscape.tensor_shapes)
    before = stepper.state()
    lr = float(stepper.optimizer.param_groups[0]["lr"])

    def closure() -> float:
        loss, stepper.g[:] = oracle.both(stepper.x)
        return loss

    # what is done to matrices can only be explained by who knows where they are
    shapes = None if is_point(landscape) else np.array(landscape.tensor_shapes, dtype=np.int64)
    needs_closure = getattr(method, "needs_closure", False)
    while True:
        x = stepper.x.copy()
        loss, gradient = oracle.both(x)
        status, note = recorder.end(x, loss, gradient)
        work = oracle.work()
        if status is not Status.RUNNING:
            yield recorder.item(x, loss, gradient, lr, {}, work, status, note)
            return
        stepper.g[:] = gradient
        stepper.step(closure if needs_closure else None)
        after = stepper.state_after()
        arrays = before_and_after(before, after)
        arrays["preconditioned"] = method.preconditioned(gradient, after)
        arrays["step"] = stepper.x - x
        if shapes is not None:
            arrays["shapes"] = shapes.copy()
        before = {name: after[name].copy() for name in before}
        yield recorder.item(x, loss, gradient, lr, arrays, work)


def before_and_after(before: State, after: State) -> dict[str, Any]:
    """Return the recorded state after a step, and copies by ``<name>_before`` of that before it."""
    return {f"{name}_before": value for name, value in before.items()} | dict(after)


def is_point(landscape: Landscape) -> bool:
    """Whether the optimizer sees vectors only, so that methods for matrices have nothing to act on."""
    return all(len(shape) < 2 for shape in landscape.tensor_shapes)


def same_as(method: Any, landscape: Landscape) -> str:
    """Return a sentence if the method coincides with a simpler one on this landscape; empty otherwise."""
    answer: str = getattr(type(method), "on_a_point", "")
    return answer if answer and is_point(landscape) else ""
