"""Deflation: a coarse space W is solved for exactly, CG has only the rest to do.

P = I − A W E⁻¹ Wᵀ with E = Wᵀ A W. The columns of W are indicators of blocks of cells, so Wᵀ v is a sum over
each block and W c copies one number into each.

References
----------
Nicolaides 1987, Deflation of conjugate gradients with applications to boundary value problems, SIAM J. Numer.
Anal. 24; Tang et al. 2009, Comparison of two-level preconditioners, J. Sci. Comput. 39.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from core.errors import InputError
from core.iterate import Array
from core.poisson.matrix import MatrixSystem
from core.poisson.monitor import Monitor
from core.poisson.preconditioners import on_grid
from core.poisson.system import GridSystem, LinearSystem, inner, strides_of

#: E is dense: at most this many columns of W.
MAX_COLUMNS = 2048


@dataclass(frozen=True, slots=True, eq=False)
class BlockDeflation:
    """Block indicators and the inverse of E.

    Attributes
    ----------
    labels : (size,) block of each padded cell; `columns` off the fluid.
    inverse : (columns, columns) inverse of E; pseudo-inverse where the indicators span a null vector of A.
    """

    system: LinearSystem
    labels: NDArray[np.int64]
    columns: int
    inverse: Array

    def sums(self, v: Array) -> Array:
        """Return Wᵀ v."""
        sums = np.bincount(self.labels, weights=v, minlength=self.columns + 1)
        return np.asarray(sums[: self.columns], np.float64)

    def spread(self, c: Array) -> Array:
        """Return W c."""
        return np.append(c, 0.0)[self.labels]

    def solve(self, b: Array) -> Array:
        """Return W E⁻¹ Wᵀ b."""
        return self.spread(self.inverse @ self.sums(b))

    def remove(self, z: Array, monitor: Monitor) -> None:
        """Subtract W E⁻¹ (A W)ᵀ z from z in place: one more application of A."""
        q = np.zeros(z.size)
        self.system.apply(z, q)
        monitor.applied()
        z -= self.solve(q)


def block_deflation(system: LinearSystem, blocks: int, *, split: bool) -> BlockDeflation:
    """Cut the grid into blocks and factorise E.

    Parameters
    ----------
    blocks : number of blocks along each axis; a matrix is cut into blocks² runs of rows.
    split : whether each connected part of a block gets a column of its own.

    Raises
    ------
    InputError
        If there are more than 2048 columns.
    """
    if isinstance(system, MatrixSystem):
        return _index_blocks(system, min(blocks**2, system.size))
    system = on_grid(system, "a partition into blocks")
    grid = system.grid
    block = np.zeros(grid.shape, np.int64)
    for axis, n in enumerate(grid.shape):
        index = np.minimum(np.arange(n) * blocks // n, blocks - 1)
        block = block * blocks + index.reshape([-1 if a == axis else 1 for a in range(grid.dim)])
    fluid = grid.diagonal.reshape(grid.padded)[inner(grid.dim)] != 0
    if split:
        block = _connected_parts(block, fluid)
    used, compact = np.unique(block[fluid], return_inverse=True)
    if len(used) > MAX_COLUMNS:
        raise InputError(
            "-m blocks", f"at most {MAX_COLUMNS} blocks with fluid", str(len(used)), "take fewer"
        )
    labels = np.full(grid.padded, len(used), np.int64)
    labels[inner(grid.dim)][fluid] = compact
    E = _coarse_matrix(system, labels.ravel(), len(used))
    return BlockDeflation(system, labels.ravel(), len(used), _inverse(E, system.singular))


def _index_blocks(system: MatrixSystem, m: int) -> BlockDeflation:
    """Cut the rows of a matrix into m runs of equal length."""
    labels = np.arange(system.size, dtype=np.int64) * m // system.size
    W = sparse.csr_array((np.ones(system.size), (np.arange(system.size), labels)))
    E = np.asarray((W.T @ system.A @ W).toarray(), np.float64)
    return BlockDeflation(system, labels, m, _inverse(E, system.singular))


def _inverse(E: Array, singular: int) -> Array:
    """Return the inverse of E, the pseudo-inverse where the columns of W may span a null vector."""
    inverse = np.linalg.pinv(E, rcond=1e-12, hermitian=True) if singular else np.linalg.inv(E)
    return np.asarray(inverse, np.float64)


def _connected_parts(block: NDArray[np.int64], fluid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return a number for each connected part of each block."""
    parts = np.zeros(block.shape, np.int64)
    found = 0
    boxes = ndimage.find_objects(block + 1)
    for number, box in enumerate(boxes):
        if box is None:
            continue
        labels, count = ndimage.label(fluid[box] & (block[box] == number))
        parts[box] += np.where(labels > 0, labels + found, 0)
        found += count
    return parts


def _coarse_matrix(system: GridSystem, labels: NDArray[np.int64], m: int) -> Array:
    """Return E = Wᵀ A W (m, m) from the diagonal and the faces of the grid."""
    diagonal = np.bincount(labels, weights=system.diagonal_values(), minlength=m + 1)[:m]
    E: Array = np.diag(diagonal)
    s0, s1 = strides_of(system.grid.shape)
    for w, step in zip(system.grid.face_weights(), (s0, s1, 1), strict=True):
        i = np.flatnonzero(w)
        pairs = labels[i] * m + labels[i + step]
        F = np.bincount(pairs, weights=w[i], minlength=m * m).reshape(m, m)
        E -= F + F.T
    return E
