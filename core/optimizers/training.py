"""What is trained: a network, data in two parts, and the order in which batches are drawn.

A `Training` is a `Landscape` whose unknowns are all parameters of a network in one vector. Methods that ask
for values and gradients see the loss on all training data; those that step a torch optimizer are driven by
`core.optimizers.network_descent`, batch by batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.landscape import Landscape
from core.registry import Scalar, Scale

if TYPE_CHECKING:
    from torch import Tensor

    from core.optimizers.networks import FirstLayer, Network

#: What is recorded of a training beside what every method of the lab records; NaN where not measured.
TRAINING_SCALARS: dict[str, Scalar] = {
    "train_loss": Scalar("loss on the training data", scale=Scale.LOG),
    "validation_loss": Scalar("held-out loss", scale=Scale.LOG),
    "accuracy": Scalar("held-out accuracy"),
}
#: Unknowns up to which a dense Hessian, or an approximation of it, is made.
LARGEST_HESSIAN = 400
#: Samples of the training data on which surfaces and spectra are computed.
SUBSET = 256

Loss = Callable[["Tensor", "Tensor"], "Tensor"]


class NetworkLoss:
    """The loss of a network on fixed data, as a function of its flat parameters.

    Parameters
    ----------
    inputs, targets : of the samples, along axis 0.
    """

    def __init__(self, network: Network, loss: Loss, inputs: Tensor, targets: Tensor) -> None:
        self.network, self.loss, self.inputs, self.targets = network, loss, inputs, targets
        self._cast: dict[Any, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.targets)

    def data(self, dtype: Any) -> tuple[Tensor, Tensor]:
        """Return inputs and targets in a floating-point type; whole numbers stay."""
        if dtype not in self._cast:
            self._cast[dtype] = tuple(  # type: ignore[assignment]
                t.to(dtype) if t.is_floating_point() else t for t in (self.inputs, self.targets)
            )
        return self._cast[dtype]

    def at(
        self, flat: Tensor, rows: NDArray[np.int64] | None = None, first: FirstLayer | None = None
    ) -> Tensor:
        """Return the loss (a scalar tensor) at a flat vector of parameters.

        Parameters
        ----------
        rows : samples that count; all by default.
        first : how the first layer is applied; as torch does by default.
        """
        return self.of(self.network.unflatten(flat), rows, first)

    def of(
        self, params: list[Tensor], rows: NDArray[np.int64] | None = None, first: FirstLayer | None = None
    ) -> Tensor:
        """Return the loss at a list of parameters; see `at`."""
        import torch

        from core.optimizers.networks import PLAIN

        inputs, targets = self.data(params[0].dtype)
        if rows is not None:
            places = torch.from_numpy(rows)
            inputs, targets = inputs[places], targets[places]
        return self.loss(self.network.forward(params, inputs, first or PLAIN), targets)

    def value(self, x: NDArray[Any]) -> Any:
        """Return the loss at points (..., n), one after the other, in their precision."""
        import torch

        with torch.no_grad():
            flat = torch.from_numpy(np.ascontiguousarray(x)).reshape(-1, x.shape[-1])
            values = np.array([float(self.at(point)) for point in flat]).reshape(x.shape[:-1])
        return values if values.ndim else float(values)

    def gradient(self, x: Array) -> Array:
        """Return the gradient at points (..., n)."""
        rows = [self.value_and_gradient(point)[1] for point in x.reshape(-1, x.shape[-1])]
        return np.array(rows).reshape(x.shape)

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return loss and gradient at one point, in its own precision."""
        import torch

        with torch.enable_grad():
            flat = torch.from_numpy(x.copy()).requires_grad_()
            loss = self.at(flat)
            (gradient,) = torch.autograd.grad(loss, flat)
        return float(loss.detach()), gradient.numpy()

    def hessian(self, x: Array) -> Array:
        """Return the Hessian (n, n) at one point by differentiating twice.

        Raises
        ------
        ValueError
            If there are more than `LARGEST_HESSIAN` unknowns.
        """
        import torch

        check_hessian_size(x.shape[-1])
        with torch.enable_grad():
            H = torch.func.jacrev(torch.func.grad(self.at))(torch.from_numpy(x.copy()))
        return np.asarray(0.5 * (H + H.T).numpy())


def check_hessian_size(n: int) -> None:
    """Refuse a dense Hessian of many unknowns with the reason.

    Raises
    ------
    ValueError
        If n is above `LARGEST_HESSIAN`.
    """
    if n > LARGEST_HESSIAN:
        raise ValueError(
            f"it keeps a whole Hessian or an approximation of it, {n * n:.2g} numbers for {n:,} parameters; "
            f"this lab does so for up to {LARGEST_HESSIAN}. Take a first-order method, L-BFGS or nonlinear "
            "conjugate gradients"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What a network is to tell, in the user's words and units.

    Attributes
    ----------
    name : of the class or number.
    classes : what each class is called; empty for a number.
    mean, scale : of a number; the network's own target is (number − mean) / scale.
    """

    name: str = "target"
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Training(Landscape):
    """A network to train.

    Attributes
    ----------
    function : loss on all training data.
    held_out : loss on data that is not trained on.
    batch : samples of a step; 0 = all of them.
    schedule : ``constant``, ``cosine`` to 0, or ``warmup``: a tenth of the steps up, then cosine.
    clip : the gradient's norm is cut to this; 0 = never.
    evaluate_every : steps between measurements on the training and the held-out data.
    measured : training samples that a measurement looks at, from the first.
    classes : of a classification; 0 = regression.
    domains : (N,) source of each training sample, 0, 1, …, where there are several.
    domain_names : what each source is.
    target : what the classes or numbers are.
    image : height and width of the images that the inputs are; empty where they are none.
    notes : sentences on what was assumed or left out.
    """

    function: NetworkLoss
    held_out: NetworkLoss
    batch: int = 64
    schedule: str = "constant"
    clip: float = 0.0
    evaluate_every: int = 10
    measured: int = 100_000
    classes: int = 0
    domains: NDArray[np.int64] | None = None
    domain_names: tuple[str, ...] = ()
    target: Target = Target()
    image: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def network(self) -> Network:
        """The function of the parameters."""
        return self.function.network

    def batches(self) -> Iterator[NDArray[np.int64] | None]:
        """Return the samples of each step: shuffled anew in every pass, the same for every method.

        A rest that is smaller than a batch waits for no one: it is left out of that pass.
        """
        count = len(self.function)
        if self.batch == 0 or self.batch >= count:
            while True:
                yield None
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(2,)))
        while True:
            order = rng.permutation(count)
            for at in range(0, count - self.batch + 1, self.batch):
                yield order[at : at + self.batch]

    def rate_factor(self, k: int, steps: int) -> float:
        """Return what the learning rate is multiplied by in step k of so many."""
        if self.schedule == "constant":
            return 1.0
        warm = max(1, steps // 10) if self.schedule == "warmup" else 0
        if k < warm:
            return (k + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (k - warm) / max(1, steps - warm)))

    def measure(self, x: NDArray[Any]) -> dict[str, float]:
        """Return `TRAINING_SCALARS` at flat parameters; the accuracy of a regression is NaN."""
        import torch

        rows = np.arange(min(self.measured, len(self.function)))
        with torch.no_grad():
            flat = torch.from_numpy(x)
            train = float(self.function.at(flat, None if len(rows) == len(self.function) else rows))
            inputs, targets = self.held_out.data(flat.dtype)
            from core.optimizers.networks import PLAIN

            outputs = self.network.forward(self.network.unflatten(flat), inputs, PLAIN)
            held_out = float(self.held_out.loss(outputs, targets))
            right = float((outputs.argmax(dim=-1) == targets).double().mean()) if self.classes else math.nan
        return {"train_loss": train, "validation_loss": held_out, "accuracy": right}

    def measured_at(self, k: int, is_last: bool, x: NDArray[Any]) -> Mapping[str, float]:
        """Return `measure` where it is due, nothing between."""
        return self.measure(x) if is_last or k % self.evaluate_every == 0 else {}

    def subset(self) -> NetworkLoss:
        """Return the loss on the first `SUBSET` training samples: what surfaces and spectra are of."""
        inputs, targets = self.function.inputs[:SUBSET], self.function.targets[:SUBSET]
        return NetworkLoss(self.network, self.function.loss, inputs, targets)


def network_training(
    network: Network,
    loss: Loss,
    train: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    seed: int,
    **settings: Any,
) -> Training:
    """Return a training that starts at the network's first parameters.

    Parameters
    ----------
    seed : of first parameters (spawn key 1) and batches (2).
    settings : further attributes of `Training`.
    """
    start = network.initial(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,))))
    return Training(
        function=NetworkLoss(network, loss, *train), held_out=NetworkLoss(network, loss, *held_out),
        start=start, minima=np.empty((0, network.n)), shapes=network.shapes, seed=seed,
        scale_invariant=network.scale_invariant, **settings,
    )  # fmt: skip
