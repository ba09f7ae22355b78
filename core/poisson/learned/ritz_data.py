"""Training vectors: random combinations of Ritz vectors, so that every part of the spectrum is met.

Lanczos with full re-orthogonalisation from v = A z, z white; the Ritz vectors of the tridiagonal matrix;
combinations whose lower part of the spectrum is amplified, of unit length.

References
----------
Kaneda et al. 2023, A Deep Conjugate Direction Method for Iteratively Solving Linear Systems, ICML, Sec. 5;
Saad 2011, Numerical Methods for Large Eigenvalue Problems, Alg. 6.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.poisson.system import Grid

#: Ritz values below this belong to the null space.
NULL = 1e-8
#: An off-diagonal entry below this share of the largest one: the Krylov space is exhausted.
EXHAUSTED = 1e-10
#: A vector that re-orthogonalisation leaves shorter than this share of it is orthogonalised once more.
SHORT = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class RitzBasis:
    """Ritz pairs of one grid.

    Attributes
    ----------
    values : (m,) ascending.
    vectors : (m, cells) float32, rows of unit length over all cells of the grid, 0 off the fluid.
    """

    values: Array
    vectors: NDArray[np.float32]


def lanczos(grid: Grid, steps: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return Q (m, unknowns) with orthonormal rows and diagonal (m,) and off-diagonal (m − 1,) of T = Q A Qᵀ.

    Parameters
    ----------
    steps : at most this many rows; fewer if the Krylov space is exhausted before.
    """
    fluid = grid.fluid()
    n = int(fluid.sum())
    m = min(steps, n)
    u, out = np.zeros(grid.size), np.zeros(grid.size)
    Q, diagonal, off = np.zeros((m, n)), np.zeros(m), np.zeros(m)
    full = np.zeros(grid.shape)
    full[fluid] = rng.standard_normal(n)

    def apply(values: Array) -> Array:
        full[fluid] = values
        u[:] = grid.embed(full)
        grid.apply(u, out)
        return grid.extract(out)[fluid]

    def project(values: Array) -> Array:
        """Remove what rounding leaves in the null space: Lanczos would make a Ritz vector of it."""
        if not grid.components.count:
            return values
        full[fluid] = values
        v = grid.embed(full)
        grid.components.project(v)
        return grid.extract(v)[fluid]

    w = project(apply(full[fluid].copy()))
    Q[0] = w / np.linalg.norm(w)
    for j in range(m):
        w = apply(Q[j])
        diagonal[j] = w @ Q[j]
        w -= diagonal[j] * Q[j]
        if j:
            w -= off[j - 1] * Q[j - 1]
        before = np.linalg.norm(w)
        w -= Q[: j + 1].T @ (Q[: j + 1] @ w)
        if np.linalg.norm(w) < SHORT * before:  # what is left may be rounding of what was taken away
            w -= Q[: j + 1].T @ (Q[: j + 1] @ w)
        w = project(w)
        off[j] = np.linalg.norm(w)
        if j + 1 < m:
            if off[j] <= EXHAUSTED * max(off.max(), diagonal.max()):
                return Q[: j + 1], diagonal[: j + 1], off[:j]
            Q[j + 1] = w / off[j]
    return Q, diagonal, off[: m - 1]


def ritz_basis(grid: Grid, steps: int, rng: np.random.Generator) -> RitzBasis:
    """Return the Ritz pairs of `steps` Lanczos steps without those of the null space."""
    Q, diagonal, off = lanczos(grid, steps, rng)
    T = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    values, S = np.linalg.eigh(T)
    kept = values >= NULL
    vectors = np.zeros((int(kept.sum()), int(np.prod(grid.shape))), np.float32)
    vectors[:, grid.fluid().ravel()] = S[:, kept].T @ Q
    return RitzBasis(values[kept], vectors)


def coefficients(
    count: int, batch: int, low_share: float, low_gain: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (batch, count) random coefficients: N(0, 1), the first `low_share` of them times `low_gain`."""
    c = rng.standard_normal((batch, count), dtype=np.float32)
    c[:, : round(low_share * count)] *= np.float32(low_gain)
    return c


def combinations(
    basis: RitzBasis, batch: int, low_share: float, low_gain: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return (batch, cells) vectors of unit length."""
    found = coefficients(len(basis.values), batch, low_share, low_gain, rng) @ basis.vectors
    return unit(found)


def white(grid: Grid, batch: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (batch, cells) vectors of unit length, white on the fluid."""
    found = rng.standard_normal((batch, int(np.prod(grid.shape))), dtype=np.float32)
    found *= grid.fluid().ravel()
    return unit(found)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows scaled to unit length."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny))
