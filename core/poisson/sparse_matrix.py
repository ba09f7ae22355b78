"""The matrix of a grid in CSR form, for what reads matrices: peers from other packages, NeuralIF."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from core.iterate import Array
from core.poisson.matrix import MatrixSystem
from core.poisson.preconditioners import on_grid
from core.poisson.system import GridSystem, LinearSystem, strides_of


def matrix_of(system: LinearSystem) -> sparse.csr_array:
    """Return the matrix of a system on its unknowns: the given one, or that of a grid."""
    if isinstance(system, MatrixSystem):
        return system.A
    return csr(on_grid(system, "the assembly of a matrix"))[0]


def csr(system: GridSystem) -> tuple[sparse.csr_array, Array]:
    """Return matrix and right-hand side on the fluid cells, numbered in C order."""
    grid = system.grid
    cells = np.flatnonzero(grid.diagonal)
    index = np.zeros(grid.size, np.int32)
    index[cells] = np.arange(len(cells), dtype=np.int32)
    rows, columns, values = [index[cells]], [index[cells]], [grid.diagonal[cells].astype(float)]
    s0, s1 = strides_of(grid.shape)
    for w, step in zip(grid.face_weights(), (s0, s1, 1), strict=True):
        i = np.flatnonzero(w)
        rows += [index[i], index[i + step]]
        columns += [index[i + step], index[i]]
        values += [-w[i], -w[i]]
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_array(entries, (len(cells),) * 2).tocsr(), system.b[cells]
