"""What one gradient step on a network's first weights does to the outputs for each sample.

A plain step adds −∇W x to a sample's pre-activations, the more the longer its input x; TrAct's brings them
nearer to what their own gradient asks for (Petersen et al. 2024, TrAct).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.panels import Matrices, Panel, Points
from core.optimizers.training import Training
from core.trace import TraceView

if TYPE_CHECKING:
    from torch import Tensor

    from core.optimizers.networks import FirstLayer

#: Samples of a scatter, filters that are drawn, width of a bin of angles [degrees].
DRAWN, FILTERS, BIN = 256, 16, 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One step W ← W − ∇W of the first layer, at rate one, on a batch of b samples.

    Attributes
    ----------
    inputs : (b, inputs).
    wanted : (b, outputs) the loss's gradient in every sample's own pre-activations, ∇_z L.
    moved : (b, outputs) by how much the step moves them, Δz = −∇W x.
    """

    inputs: Array
    wanted: Array
    moved: Array

    @property
    def sizes(self) -> Array:
        """‖Δz‖ of every sample (b,)."""
        return np.asarray(np.linalg.norm(self.moved, axis=1))

    @property
    def contrasts(self) -> Array:
        """Standard deviation of every sample's inputs (b,)."""
        return np.asarray(self.inputs.std(axis=1))

    @property
    def lengths(self) -> Array:
        """Root mean square of every sample's inputs (b,)."""
        return np.asarray(np.sqrt((self.inputs**2).mean(axis=1)))

    @property
    def angles(self) -> Array:
        """Angle of Δz and −∇_z L of every sample [degrees]; NaN where one of them vanishes."""
        products = -(self.moved * self.wanted).sum(axis=1)
        lengths = self.sizes * np.linalg.norm(self.wanted, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.degrees(np.arccos(np.clip(products / lengths, -1.0, 1.0))))


class _Watched:
    """A first layer that remembers what went in and came out."""

    def __init__(self, layer: FirstLayer) -> None:
        self._layer = layer
        self.x: Tensor
        self.z: Tensor

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b."""
        return self._keep(x, self._layer.linear(x, weight, bias))

    def conv2d(self, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Return the convolution with stride 1."""
        return self._keep(x, self._layer.conv2d(x, weight, padding))

    def _keep(self, x: Tensor, z: Tensor) -> Tensor:
        self.x, self.z = x, z
        return z


class _Moved:
    """A first layer whose outputs are those of other weights, without bias."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight
        self.z: Tensor

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Vᵀ for the other weights V."""
        from core.optimizers.networks import PLAIN

        self.z = PLAIN.linear(x, self._weight, None)
        return self.z

    def conv2d(self, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Return the convolution with the other weights."""
        from core.optimizers.networks import PLAIN

        self.z = PLAIN.conv2d(x, self._weight, padding)
        return self.z


def batch_rows(training: Training) -> NDArray[np.int64]:
    """Return the samples that are looked at: as many as a step takes, from the first."""
    count = len(training.function)
    return np.arange(min(training.batch or count, count))


def change(training: Training, x: NDArray[Any], layer: FirstLayer | None = None) -> Change:
    """Return what one step on the first layer's weights does.

    Parameters
    ----------
    x : (n,) parameters.
    layer : how the layer's gradient is made; as torch does by default.
    """
    import torch

    from core.optimizers.networks import PLAIN

    network, rows = training.network, batch_rows(training)
    flat = torch.from_numpy(x.astype(np.float64)).requires_grad_()
    watched = _Watched(layer or PLAIN)
    with torch.enable_grad():
        params = network.unflatten(flat)
        loss = training.function.of(params, rows, watched)
        to_weight, wanted = torch.autograd.grad(loss, [params[0], watched.z])
    moved = _Moved(-to_weight)
    with torch.no_grad():
        training.function.of([p.detach() for p in params], rows, moved)
    b = len(rows)
    return Change(*(t.detach().reshape(b, -1).numpy() for t in (watched.x, wanted, moved.z)))


def rows_of_step(training: Training, k: int) -> NDArray[np.int64]:
    """Return the samples of step k."""
    rows = next(islice(training.batches(), k, None))
    return np.arange(len(training.function)) if rows is None else rows


def inputs_and_gradient(training: Training, x: NDArray[Any], rows: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return what a linear first layer sees (b, n) and its weights' plain gradient (m, n).

    Parameters
    ----------
    x : flat parameters.
    rows : the b samples.
    """
    import torch

    from core.optimizers.networks import PLAIN

    flat = torch.from_numpy(x.astype(np.float64)).requires_grad_()
    watched = _Watched(PLAIN)
    with torch.enable_grad():
        params = training.network.unflatten(flat)
        (gradient,) = torch.autograd.grad(training.function.of(params, rows, watched), [params[0]])
    return watched.x.detach().reshape(len(rows), -1).numpy(), gradient.numpy()


def second_moment(training: Training) -> Array:
    """Return the eigenvalues of xᵀx/b of what the first layer sees in a batch, largest first.

    For a convolution the rows of x are the patches of the images (`torch.nn.functional.unfold`).
    """
    import torch

    inputs, _ = training.function.data(torch.float64)
    x = inputs[: len(batch_rows(training))]
    shape = training.network.shapes[0]
    if len(shape) == 4:
        patches = torch.nn.functional.unfold(x, shape[2:], padding=1)
        x = patches.transpose(1, 2).reshape(-1, patches.shape[1])
    values = torch.linalg.svdvals(x).numpy() ** 2 / len(x)
    return np.pad(values, (0, x.shape[1] - len(values)))


def filters(training: Training, x: NDArray[Any]) -> dict[str, Array]:
    """Return the first layer's longest weights as images, by unit; none where inputs are no images."""
    shape = training.network.shapes[0]
    image = shape[2:] if len(shape) == 4 else training.image
    if not image:
        return {}
    weights = np.asarray(x[: int(np.prod(shape))], dtype=np.float64).reshape(-1, *image)
    longest = np.argsort(-np.linalg.norm(weights, axis=(1, 2)), kind="stable")[:FILTERS]
    return {f"unit {i + 1}": weights[i] for i in sorted(longest)}


def slope(x: Array, y: Array) -> float:
    """Return the slope of log y over log x by least squares, of the positive ones."""
    known = (x > 0) & (y > 0)
    if np.unique(x[known]).size < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[known]), np.log(y[known]), 1)[0])


def _over_inputs(one: Change, name: str) -> Iterator[Points]:
    """Yield by how much samples are moved, over their contrast and over their length."""
    sizes, b = one.sizes / one.sizes.mean(), len(one.sizes)
    axes = (
        ("contrast", "contrast", "contrast: standard deviation of a sample's inputs", one.contrasts),
        ("input_size", "size of the input", "root mean square of a sample's inputs", one.lengths),
    )
    for key, what, title, values in axes:
        yield Points(
            key, f"How far a step moves z: ‖Δz‖ over {what}, {b} samples", values[:DRAWN], sizes[:DRAWN],
            title, "‖Δz‖ over its mean", log_x=True, log_y=True, level=1.0,
            name=f"{name}, slope {slope(values, sizes):.2f}",
            words="Δz is what a step on the first layer's weights adds to a sample's outputs there. Slope 0: "
            "all are moved alike; 1: in proportion. It shows best at k = 0: later, samples that are told "
            "right ask for less.",
        )  # fmt: skip


def of_first_layer(
    training: Training, view: TraceView, k: int, layers: Mapping[str, FirstLayer | None]
) -> Iterator[Panel]:
    """Yield what steps on the first layer do at the iterate of the cursor.

    Parameters
    ----------
    layers : how gradients are made, by what to call them; the method's own first.
    """
    x = view.snapshot("x", k)
    b = len(batch_rows(training))
    found = {name: change(training, x, layer) for name, layer in layers.items()}
    for name, one in found.items():
        yield from _over_inputs(one, name)
    edges = np.arange(0.0, 180.0 + BIN, BIN)
    for name, one in found.items():
        counts = np.histogram(one.angles[np.isfinite(one.angles)], edges)[0]
        yield Points(
            "angle", "Angle between Δz and −∂L/∂z", 0.5 * (edges[1:] + edges[:-1]),
            counts / max(1, counts.sum()), "angle [°]", f"share of {b} samples in {BIN:g}°", joined=True,
            name=name,
            words="Below 90° a sample's own loss falls. One step serves all samples, so that none gets just "
            "what it asks for.",
        )  # fmt: skip
    if images := filters(training, x):
        yield Matrices(
            "filters", "First-layer weights as images", images,
            words=f"The {len(images)} longest of {training.network.shapes[0][0]} units at the cursor, each "
            "in colours of its own around zero.",
        )  # fmt: skip
