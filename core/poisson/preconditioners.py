"""Preconditioners that need the matrix alone: diagonal, incomplete Cholesky, SSOR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from core.errors import InputError
from core.iterate import Array
from core.poisson import kernels
from core.poisson.kernels import Index
from core.poisson.matrix import MatrixSystem
from core.poisson.system import GridSystem, LinearSystem


@dataclass(frozen=True, slots=True, eq=False)
class Diagonal:
    """z = r / diag(A)."""

    inverse: Array
    units: float

    def apply(self, r: Array, z: Array) -> float:
        """Set z = M r and return r·z."""
        return kernels.scale(r, self.inverse, z)


@dataclass(frozen=True, slots=True, eq=False)
class Triangles:
    """Two triangular solves on the pattern of A: incomplete Cholesky and SSOR.

    Attributes
    ----------
    c, middle : see `core.poisson.kernels.solve_triangles_unit`.
    """

    system: GridSystem
    c: Array
    middle: float
    units: float = 2.0

    def apply(self, r: Array, z: Array) -> float:
        """Set z = M r and return r·z."""
        grid = self.system.grid
        s0, s1 = grid.strides
        if grid.weights is None:
            return kernels.solve_triangles_unit(r, self.c, self.middle, s0, s1, z)
        return kernels.solve_triangles_weighted(r, self.c, self.middle, *grid.weights, s0, s1, z)


def inverse_diagonal(system: LinearSystem) -> Array:
    """Return 1 / A_ii on the unknowns, 0 elsewhere."""
    d = system.diagonal_values()
    return np.divide(1.0, d, out=np.zeros(system.size), where=d != 0.0)


def jacobi(system: LinearSystem) -> Diagonal:
    """Return the diagonal preconditioner."""
    return Diagonal(inverse_diagonal(system), 1.0 / system.row_work)


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """L Lᵀ of a matrix: incomplete Cholesky or SSOR.

    Attributes
    ----------
    starts, columns, values : L by columns (see `core.poisson.kernels.factorise_matrix`).
    shift : multiple of the diagonal that had to be added before all pivots were positive.
    """

    system: MatrixSystem
    starts: Index
    columns: Index
    values: Array
    shift: float = 0.0
    units: float = 1.0

    def apply(self, r: Array, z: Array) -> float:
        """Set z = M r and return r·z."""
        return kernels.solve_matrix_triangles(self.starts, self.columns, self.values, r, z)


def incomplete_cholesky(system: LinearSystem, tau: float, sigma: float) -> Triangles | Factor:
    """Return IC(0) (tau = 0) or the modified MIC(0).

    Parameters
    ----------
    tau : share of the dropped fill that is taken off the diagonal instead; 1 keeps row sums.
    sigma : a pivot below this share of the diagonal is replaced by the diagonal.

    Notes
    -----
    On a matrix that is no M-matrix a pivot may fail; then A + s diag(A) is factorised with
    s = 1e-3, 2e-3, … (Manteuffel 1980, An incomplete factorization technique, Math. Comp. 34).
    """
    if isinstance(system, MatrixSystem):
        return _factor(system, tau, sigma)
    system = on_grid(system, "an incomplete factor on the stencil's pattern")
    grid = system.grid
    s0, s1 = grid.strides
    c = kernels.incomplete_cholesky(system.diagonal_values(), *grid.face_weights(), s0, s1, tau, sigma)
    return Triangles(system, c, 1.0)


def _upper(system: MatrixSystem) -> tuple[Index, Index, Array]:
    """Return the upper triangle in CSR, the diagonal first in each row."""
    upper = sparse.triu(system.A).tocsr()
    upper.sort_indices()
    return upper.indptr.astype(np.int64), upper.indices.astype(np.int64), upper.data.astype(np.float64)


def _factor(system: MatrixSystem, tau: float, sigma: float) -> Factor:
    starts, columns, values = _upper(system)
    shift = 0.0
    while True:
        factor = values.copy()
        factor[starts[:-1]] *= 1.0 + shift
        if kernels.factorise_matrix(starts, columns, factor, tau, sigma):
            return Factor(system, starts, columns, factor, shift)
        shift = max(1e-3, 2.0 * shift)


def ssor(system: LinearSystem, omega: float) -> Triangles | Factor:
    """Return symmetric successive over-relaxation, 0 < omega < 2."""
    if isinstance(system, MatrixSystem):
        starts, columns, values = _upper(system)
        # L = √(ω/(2 − ω)) (D/ω + L_A) D^{−1/2}, column by column
        diagonal = system.diagonal_values()
        values = values / np.repeat(np.sqrt(diagonal), np.diff(starts))
        values[starts[:-1]] /= omega
        return Factor(system, starts, columns, values * np.sqrt(omega / (2.0 - omega)))
    system = on_grid(system, "a sweep over the grid")
    return Triangles(system, omega * inverse_diagonal(system), 2.0 - omega)


def on_grid(system: LinearSystem, what: str) -> GridSystem:
    """Return the system if it is one on a grid; InputError that names what needs it otherwise."""
    if not isinstance(system, GridSystem):
        raise InputError(
            "problem",
            f"a grid, which {what} needs",
            "a matrix",
            "take a method that works on any matrix, such as ic_pcg",
        )
    return system
