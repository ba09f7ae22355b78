"""Lanczos' tridiagonal matrices of a symmetric operator, for several starting vectors at once.

Their eigenvalues and the squared first components of their eigenvectors are nodes and weights of a quadrature
of the operator's spectral density (Golub & Meurant; Ghorbani, Krishnan & Xiao 2019 for networks).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import eigh_tridiagonal

from core.iterate import Array

#: The Krylov space is exhausted when a residual is this small beside the largest diagonal entry.
EXHAUSTED = 1e-8


class Lanczos:
    """Extends the tridiagonal matrices by one row a step.

    Parameters
    ----------
    products : V → A V by rows (probes, n).
    starts : (probes, n); normalised here.

    Attributes
    ----------
    alphas, betas : for each probe its diagonal and off-diagonal so far.
    steps : taken so far.
    """

    def __init__(self, products: Callable[[Array], Array], starts: Array) -> None:
        self._products = products
        first = starts / np.linalg.norm(starts, axis=1, keepdims=True)
        self._bases = [v[None].copy() for v in first]
        self.alphas: list[list[float]] = [[] for _ in first]
        self.betas: list[list[float]] = [[] for _ in first]
        self._open = list(range(len(first)))
        self.steps = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether every probe's Krylov space is complete."""
        return not self._open

    def step(self) -> None:
        """Add a row to the matrix of every probe whose space is not exhausted; full re-orthogonalisation."""
        images = self._products(np.array([self._bases[p][self.steps] for p in self._open]))
        still = []
        for p, w in zip(self._open, images, strict=True):
            basis = self._bases[p][: self.steps + 1]
            alpha = float(w @ basis[-1])
            for _ in range(2):  # twice is enough (Kahan, Parlett)
                w = w - basis.T @ (basis @ w)
            beta = float(np.linalg.norm(w))
            self.alphas[p].append(alpha)
            scale = max(abs(a) for a in self.alphas[p]) or 1.0
            if beta > EXHAUSTED * scale and len(basis) < basis.shape[1]:
                self.betas[p].append(beta)
                if len(basis) == len(self._bases[p]):  # room for as many again
                    self._bases[p] = np.concatenate([basis, np.empty_like(basis)])
                self._bases[p][len(basis)] = w / beta
                still.append(p)
        self._open = still
        self.steps += 1

    def quadrature(self, probe: int) -> tuple[Array, Array]:
        """Return nodes (ascending) and weights (≥ 0, sum 1) of a probe's matrix so far."""
        alphas = np.array(self.alphas[probe])
        betas = np.array(self.betas[probe][: len(alphas) - 1])
        nodes, vectors = eigh_tridiagonal(alphas, betas)
        return np.asarray(nodes, dtype=np.float64), np.asarray(vectors[0] ** 2, dtype=np.float64)


def density(nodes: Array, weights: Array, points: int = 1000, margin: float = 0.05) -> tuple[Array, Array]:
    """Return λ and the spectral density, each node a Gaussian.

    Parameters
    ----------
    nodes, weights : (probes, m); NaN where a probe has fewer.

    Returns
    -------
    λ (points,) and φ (points,) of unit area; the Gaussians' variance is 1e-5·max(1, λ_max − λ_min).
    """
    known = ~np.isnan(nodes)
    low, high = float(nodes[known].min()), float(nodes[known].max())
    variance = 1e-5 * max(1.0, high - low)
    room = margin * (high - low) + 5 * variance**0.5
    grid = np.linspace(low - room, high + room, points)
    squares = (grid[:, None] - nodes[known]) ** 2
    phi: Array = np.exp(-squares / (2 * variance)) @ weights[known]
    return grid, np.asarray(phi / (phi.sum() * (grid[1] - grid[0])))


def count_above(nodes: Array, weights: Array, n: int, level: float) -> float:
    """Return an estimate of how many of n eigenvalues are larger than `level`, from the same quadrature.

    Parameters
    ----------
    nodes, weights : (probes, m); NaN where a probe has fewer.
    """
    known = ~np.isnan(nodes)
    return n * float(weights[known & (np.nan_to_num(nodes) > level)].sum()) / len(nodes)
