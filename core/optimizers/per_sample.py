"""Gradients of each sample apart, and their clipped mean."""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.optimizers.training import Training

#: Numbers of a block of gradients, so that a large network fits into the memory.
BLOCK = 2**22


class PerSample:
    """Losses and gradients of all training samples at flat parameters, in double precision.

    Parameters
    ----------
    training : whose network treats every sample for itself.
    """

    def __init__(self, training: Training) -> None:
        import torch

        f = training.function
        self._inputs, self._targets = f.data(torch.float64)
        self._rows = max(1, BLOCK // training.n)

        def loss(flat: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            from core.optimizers.networks import PLAIN

            outputs = f.network.forward(f.network.unflatten(flat), x[None], PLAIN)
            return f.loss(outputs, y[None])

        self._all = torch.func.vmap(torch.func.grad_and_value(loss), in_dims=(None, 0, 0))

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Return the mean loss and the gradients (N, n)."""
        import torch

        flat = torch.from_numpy(x)
        blocks = zip(*(torch.split(t, self._rows) for t in (self._inputs, self._targets)), strict=True)
        parts = [self._all(flat, inputs, targets) for inputs, targets in blocks]
        # joining copies, which a single block can do without
        gradients, losses = parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
        return float(losses.mean()), gradients.numpy()


def clipped_mean(vectors: Array, radius: float) -> tuple[Array, float]:
    """Return the mean over all rows of vectors (N, n) cut to a norm, and the share that was cut.

    A row that is not finite would make the mean's sensitivity unbounded: it counts as zero.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    usable = np.isfinite(norms)
    factors = np.where(usable, np.minimum(1.0, radius / (np.where(usable, norms, 1.0) + 1e-10)), 0.0)
    rows = vectors if usable.all() else np.where(usable[:, None], vectors, 0.0)
    return np.asarray(factors @ rows / len(vectors)), float((factors < 1.0).mean())
