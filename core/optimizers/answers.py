"""What a network answers for single samples: seen beside the curves, sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.training import NetworkLoss, Training


def example_rows(training: Training, count: int) -> NDArray[np.int64]:
    """Return held-out samples that are shown: of each class as many, in the order of the classes.

    Where a sample has many targets (a text) or a number for one, the first ones are taken.
    """
    targets = training.held_out.targets.numpy()
    if targets.ndim > 1 or not training.classes:
        return np.arange(min(count, len(targets)))
    places = [np.flatnonzero(targets == label) for label in range(training.classes)]
    each = max(1, count // training.classes)
    found = np.stack([np.pad(p[:each], (0, each - len(p[:each])), constant_values=-1) for p in places])
    chosen = found.T.ravel()
    return np.asarray(chosen[chosen >= 0][:count])


def examples(training: Training, rows: NDArray[np.int64]) -> NetworkLoss:
    """Return the held-out samples of these rows, with the loss on them."""
    held_out = training.held_out
    return NetworkLoss(training.network, held_out.loss, held_out.inputs[rows], held_out.targets[rows])


def classes_of(training: Training, x: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class that a network takes each sample for.

    Parameters
    ----------
    x : (n,) parameters.
    rows : (S,) held-out samples.

    Returns
    -------
    (S,), or (S, T) where a sample has T targets. A network that normalises by its batch sees all held-out
    samples, as when it is measured.
    """
    return np.asarray(_outputs(training, x, rows).argmax(axis=-1))


def numbers_of(training: Training, x: NDArray[Any], rows: NDArray[np.int64]) -> Array:
    """Return the number (S,) that a network tells for each sample, in the user's unit; see `classes_of`."""
    return told(training, _outputs(training, x, rows)[..., 0])


def told(training: Training, values: NDArray[Any]) -> Array:
    """Return numbers of the network's own scale in the user's unit."""
    return np.asarray(training.target.mean + training.target.scale * values, dtype=np.float64)


def _outputs(training: Training, x: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    import torch

    from core.optimizers.networks import PLAIN

    network = training.network
    with torch.no_grad():
        flat = torch.from_numpy(np.array(x))
        inputs, _ = training.held_out.data(flat.dtype)
        if network.mixes_samples:
            return network.forward(network.unflatten(flat), inputs, PLAIN)[torch.from_numpy(rows)].numpy()
        return network.forward(network.unflatten(flat), inputs[torch.from_numpy(rows)], PLAIN).numpy()
