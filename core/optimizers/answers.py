"""What a network answers for single samples: seen beside the curves, sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.training import NetworkLoss, Target


def example_rows(data: NetworkLoss, classes: int, count: int) -> NDArray[np.int64]:
    """Return samples that are shown: of each class as many, in the order of the classes.

    Where a sample has many targets (a text) or a number for one, the first ones are taken.

    Parameters
    ----------
    classes : of a classification; 0 = regression.
    """
    targets = data.targets.numpy()
    if targets.ndim > 1 or not classes:
        return np.arange(min(count, len(targets)))
    places = [np.flatnonzero(targets == label) for label in range(classes)]
    each = max(1, count // classes)
    found = np.stack([np.pad(p[:each], (0, each - len(p[:each])), constant_values=-1) for p in places])
    chosen = found.T.ravel()
    return np.asarray(chosen[chosen >= 0][:count])


def classes_of(data: NetworkLoss, x: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class that a network takes each sample for.

    Parameters
    ----------
    data : the samples, with the network.
    x : (n,) parameters.
    rows : (S,) samples that are asked for.

    Returns
    -------
    (S,), or (S, T) where a sample has T targets. A network that normalises by its batch sees all samples, as
    when it is measured.
    """
    return np.asarray(_outputs(data, x, rows).argmax(axis=-1))


def numbers_of(data: NetworkLoss, target: Target, x: NDArray[Any], rows: NDArray[np.int64]) -> Array:
    """Return the number (S,) that a network tells for each sample, in the user's unit; see `classes_of`."""
    return told(target, _outputs(data, x, rows)[..., 0])


def told(target: Target, values: NDArray[Any]) -> Array:
    """Return numbers of the network's own scale in the user's unit."""
    return np.asarray(target.mean + target.scale * values, dtype=np.float64)


def _outputs(data: NetworkLoss, x: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    import torch

    from core.optimizers.networks import PLAIN

    network = data.network
    with torch.no_grad():
        flat = torch.from_numpy(np.array(x))
        inputs, _ = data.data(flat.dtype)
        if network.mixes_samples:
            return network.forward(network.unflatten(flat), inputs, PLAIN)[torch.from_numpy(rows)].numpy()
        return network.forward(network.unflatten(flat), inputs[torch.from_numpy(rows)], PLAIN).numpy()
