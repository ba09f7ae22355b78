"""Two matrices whose product shall be a given one: the smallest task on which matrix optimizers differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.iterate import Array, Preparation, Progress
from core.optimizers.landscape import Landscape
from core.registry import param, problem


class Factorization:
    """f = ½‖W₂W₁ − T‖² over x = (W₁, W₂) flattened row by row.

    Parameters
    ----------
    T : (n, n) target.
    rank : rows of W₁ (rank, n) and columns of W₂ (n, rank).
    """

    def __init__(self, T: Array, rank: int) -> None:
        self.T, self.rank, self.size = T, rank, len(T)

    def _split(self, x: Array) -> tuple[Array, Array]:
        n, r = self.size, self.rank
        return x[..., : r * n].reshape(*x.shape[:-1], r, n), x[..., r * n :].reshape(*x.shape[:-1], n, r)

    def value(self, x: Array) -> Any:
        """Return f (...)."""
        W1, W2 = self._split(x)
        return 0.5 * ((W2 @ W1 - self.T) ** 2).sum(axis=(-1, -2))

    def gradient(self, x: Array) -> Array:
        """Return (W₂ᵀR, R W₁ᵀ) with R = W₂W₁ − T."""
        W1, W2 = self._split(x)
        R = W2 @ W1 - self.T
        return self._joined(np.swapaxes(W2, -1, -2) @ R, R @ np.swapaxes(W1, -1, -2))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return f and ∇f at one point."""
        return float(self.value(x)), self.gradient(x)

    def hessian(self, x: Array) -> Array:
        """Return ∇²f: its products with all unit directions (V₁, V₂)."""
        W1, W2 = (W[..., None, :, :] for W in self._split(x))
        V1, V2 = self._split(np.eye(x.shape[-1]))
        R = W2 @ W1 - self.T
        dR = V2 @ W1 + W2 @ V1
        first = np.swapaxes(V2, -1, -2) @ R + np.swapaxes(W2, -1, -2) @ dR
        second = dR @ np.swapaxes(W1, -1, -2) + R @ np.swapaxes(V1, -1, -2)
        return self._joined(first, second)

    @staticmethod
    def _joined(first: Array, second: Array) -> Array:
        flat = [part.reshape(*part.shape[:-2], -1) for part in (first, second)]
        return np.concatenate(flat, axis=-1)


@problem("matrix_factorization", lab="optimizers", title="Matrix factorization", order=64)
@dataclass(frozen=True)
class FactorizationProblem:
    """A deep linear network with one hidden layer: W₂W₁ shall be T.

    T has singular values from 1 down to 1/condition in random directions. The two factors are matrices, so
    Conda, Muon and the projections of AdamP and SGDP have something to act on.
    """

    size: int = param(8, low=2, high=24, doc="rows and columns of T")
    rank: int = param(8, low=1, high=24, doc="width of the hidden layer")
    condition: float = param(
        100.0, low=1.0, high=1e6, log=True, doc="largest over smallest singular value of T"
    )
    rotation: bool = param(True, doc="whether T's singular vectors are turned away from the axes")

    def build(self, seed: int) -> Preparation[Landscape]:
        """Draw T and the start from the seed."""
        yield Progress("drawing the matrix")
        rng = np.random.default_rng(seed)
        values = np.geomspace(1.0, 1.0 / self.condition, self.size)
        left, right = (np.linalg.qr(rng.standard_normal((self.size, self.size)))[0] for _ in range(2))
        T = left @ np.diag(values) @ right.T if self.rotation else np.diag(values)
        n, r = self.size, self.rank
        start = rng.standard_normal(2 * n * r) * (0.5 / np.sqrt(n))
        lost = values[r:] if r < n else np.zeros(1)
        return Landscape(
            Factorization(T, r), start, np.empty((0, 2 * n * r)), 0.5 * float((lost**2).sum()),
            log_scale=True, shapes=((r, n), (n, r)),
        )  # fmt: skip
