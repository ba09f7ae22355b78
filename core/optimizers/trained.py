"""A network after training, with points of its way: what surfaces, planes and spectra are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array, Iterate, Preparation, Progress, Status
from core.optimizers.landscape import Landscape
from core.optimizers.outcomes import TUNABLE, build_method, prepare_method
from core.optimizers.training import NetworkLoss, Training
from core.registry import param

if TYPE_CHECKING:
    import torch

#: What can train a network for an analysis.
TRAINERS = (*TUNABLE, "tract")


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network.

    Attributes
    ----------
    training : what was trained; `f` is its loss on the fixed subset of samples.
    path : (points, n) float32 saved parameters, the first and the last of the training among them.
    steps : (points,) their step numbers.
    gradients : of batches that the training took.
    divisors : (points, n) what the steps divide the momentum by, where that is looked at.
    """

    training: Training
    f: NetworkLoss
    path: NDArray[np.float32]
    steps: NDArray[np.int64]
    gradients: int
    divisors: Array | None = None

    @property
    def end(self) -> NDArray[np.float32]:
        """The trained parameters (n,)."""
        return self.path[-1]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class TrainedNetwork:
    """Parameters of every analysis of a trained network: how it is trained."""

    method: str = param("adam", choices=TRAINERS, doc="what trains the network")
    settings: str = param("", doc="its other parameters as name=value, with commas between")
    lr: float = param(0.01, low=1e-7, high=10.0, log=True, label="learning rate", doc="its learning rate")
    steps: int = param(200, low=1, high=20_000, log=True, doc="steps of the training")

    def __post_init__(self) -> None:
        self.trainer()

    def trainer(self) -> Any:
        """Return the method that trains."""
        return build_method(self.method, self.settings, {"lr": self.lr, "steps": self.steps})

    def points(self) -> int:
        """Return how many points of the way are saved, both ends included."""
        return 2

    def prepare(self, problem: Landscape) -> Preparation[Trained]:
        """Train the network.

        Raises
        ------
        InputError
            If there is no network, or its training diverges.
        ValueError
            If the method refuses it.
        """
        training = network_of(problem)
        way = yield from saved_way(self.trainer(), training, self.steps, self.points(), "training")
        return Trained(training, training.subset(), *way)


def network_of(problem: Landscape) -> Training:
    """Return the training that a problem is; InputError if it is none."""
    if not isinstance(problem, Training):
        raise InputError("problem", "a network that can be trained", "a landscape", "take digits_mlp")
    return problem


def saved_way(
    method: Any,
    training: Training,
    steps: int,
    points: int,
    stage: str,
    watch: Callable[[Iterate], None] | None = None,
) -> Preparation[tuple[NDArray[np.float32], NDArray[np.int64], int]]:
    """Train a network and return points of its way (points, n), their steps and how many gradients it took.

    Parameters
    ----------
    points : how many are saved, both ends included; fewer if there are fewer steps.
    stage : what the progress says.
    watch : is given every iterate that is saved.

    Raises
    ------
    InputError
        If the training diverges.
    ValueError
        If the method refuses the network.
    """
    yield from prepare_method(method, training)
    wanted = np.unique(np.linspace(0, steps, min(points, steps + 1)).round().astype(int))
    saved = np.empty((len(wanted), training.n), dtype=np.float32)
    at, item = 0, None
    for item in method.iterate(replace(training, evaluate_every=steps + 1)):
        if at < len(wanted) and item.k == wanted[at]:
            saved[at] = item.x() if callable(item.x) else item.x
            at += 1
            if watch is not None:
                watch(item)
        if item.k % 10 == 0:
            yield Progress(stage, item.k, steps)
    assert item is not None
    if item.status is Status.DIVERGED or at < len(wanted):
        raise InputError("lr", "a training that arrives", item.note, "lower the rate")
    return saved, wanted.astype(np.int64), item.work.gradient


def hessian_products(f: NetworkLoss, x: NDArray[Any]) -> Callable[[Array], Array]:
    """Return V → H V for rows of V (probes, n), by back-propagation twice in the precision of x.

    One graph serves all products; it lives as long as the returned function.
    """
    import torch

    with torch.enable_grad():
        flat = torch.from_numpy(x.copy()).requires_grad_()
        (gradient,) = torch.autograd.grad(f.at(flat), flat, create_graph=True)

    def product(v: torch.Tensor) -> torch.Tensor:
        (found,) = torch.autograd.grad(gradient, flat, v, retain_graph=True)
        return found

    def products(V: Array) -> Array:
        found = [product(torch.from_numpy(v)).numpy() for v in np.ascontiguousarray(V, dtype=x.dtype)]
        return np.array(found, dtype=np.float64)

    return products
