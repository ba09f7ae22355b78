"""A system given as a matrix: symmetric, positive diagonal, any pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from core.errors import InputError
from core.iterate import Array
from core.poisson.system import Components

#: Largest entry of A − Aᵀ, and largest row sum that counts as zero, in units of A's largest entry.
SYMMETRY, ZERO = 1e-12, 1e-12
#: Unknowns and stored entries that are accepted.
MAX_ROWS, MAX_ENTRIES = 2**21, 2**25


@dataclass(frozen=True, slots=True, eq=False)
class MatrixSystem:
    """A x = b with A in CSR form; vectors are plain (n,) arrays.

    Attributes
    ----------
    A : (n, n) symmetric with a positive diagonal, sorted indices.
    components : parts of A's graph whose rows all add up to zero; each gives one null vector.
    """

    A: sparse.csr_array
    b: Array
    components: Components
    removed: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Length of a vector."""
        return len(self.b)

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""
        return len(self.b)

    @property
    def singular(self) -> int:
        """Dimension of the null space, as far as row sums tell."""
        return self.components.count

    @property
    def row_work(self) -> float:
        """Entries of a row in the mean."""
        return float(self.A.nnz) / self.size

    def zeros(self) -> Array:
        """Return a new vector of zeros."""
        return np.zeros(self.size)

    def apply(self, u: Array, out: Array) -> None:
        """Set out = A u."""
        out[:] = self.A @ u

    def diagonal_values(self) -> Array:
        """Return the diagonal."""
        return np.asarray(self.A.diagonal())

    def project(self, v: Array) -> float:
        """Subtract the mean of each part whose rows add up to zero in place; returns the norm removed."""
        return self.components.project(v)

    def extract(self, v: Array) -> Array:
        """Return a copy."""
        return v.copy()

    def embed(self, values: Array) -> Array:
        """Return a copy."""
        return np.array(values, np.float64)


def make_matrix_system(matrix: Any, b: Array, name: str, notes: Sequence[str] = ()) -> MatrixSystem:
    """Check a matrix and its right-hand side.

    Raises
    ------
    InputError
        If the matrix is not square, finite, symmetric with a positive diagonal, or b does not fit.
    """
    A = sparse.csr_array(matrix)
    n = A.shape[0]
    if A.ndim != 2 or A.shape[1] != n or n == 0:
        raise InputError(name, "a square matrix", " × ".join(str(m) for m in A.shape))
    if np.iscomplexobj(A.data):
        raise InputError(name, "real entries", "complex ones")
    A = A.astype(np.float64)
    A.sum_duplicates()
    if not np.isfinite(A.data).all():
        raise InputError(name, "finite entries", "NaN or infinity")
    largest = float(np.abs(A.data).max(initial=0.0))
    skew = abs(A - A.T)
    worst = float(skew.data.max(initial=0.0))
    if worst > SYMMETRY * largest:
        raise InputError(
            name, "a symmetric matrix", f"|A − Aᵀ| up to {worst:.2e} with entries up to {largest:.2e}",
            "CG and its relatives need A = Aᵀ",
        )  # fmt: skip
    diagonal = A.diagonal()
    if (diagonal <= 0.0).any():
        row = int(np.argmin(diagonal))
        raise InputError(name, "a positive diagonal", f"{diagonal[row]:.3g} in row {row + 1}")
    if b.shape != (n,):
        raise InputError(
            "right-hand side", f"{n:,} numbers, one a row", " × ".join(f"{m:,}" for m in b.shape),
            "give one that fits or none",
        )  # fmt: skip
    if not np.isfinite(b).all():
        raise InputError("right-hand side", "finite numbers", "NaN or infinity")
    A.sort_indices()
    components = _null_space(A, largest)
    b = b.astype(np.float64).copy()
    size = float(np.linalg.norm(b))
    removed = components.project(b) / (size or 1.0)
    remarks = list(notes)
    if components.count:
        remarks.append(
            f"{components.count} part(s) of the matrix have rows that add up to zero: the solution is "
            f"determined up to a constant there; {removed:.2%} of the right-hand side was removed."
        )
    return MatrixSystem(A, b, components, removed, tuple(remarks))


def _null_space(A: sparse.csr_array, largest: float) -> Components:
    """Find the connected parts whose rows all add up to zero."""
    count, labels = connected_components(A, directed=False)
    nonzero = np.abs(A.sum(axis=1)) > ZERO * largest
    closed = np.setdiff1d(np.arange(count), np.unique(labels[nonzero]))
    if not len(closed):
        return Components(np.empty(0, np.int64), np.empty(0, np.int64))
    renumber = np.full(count, len(closed), np.int64)
    renumber[closed] = np.arange(len(closed))
    final = renumber[labels]
    return Components(final, np.bincount(final, minlength=len(closed) + 1)[: len(closed)])
