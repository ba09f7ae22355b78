"""PyAMG's hierarchies as preconditioners of the lab's CG loop, so that stopping and counting are the same.

PyAMG draws the start vectors of its eigenvalue estimates from numpy's global generator; it is given a fixed
seed while a hierarchy is built and put back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from core.iterate import Array, Preparation, Progress
from core.poisson.preconditioners import on_grid
from core.poisson.sparse_matrix import matrix_of
from core.poisson.system import LinearSystem


class AlgebraicMultigrid:
    """A PyAMG hierarchy of a system's matrix.

    Attributes
    ----------
    system, hierarchy : the system, and PyAMG's ``MultilevelSolver``.
    units : cost of one cycle in applications of A.
    """

    def __init__(self, system: LinearSystem, hierarchy: Any, cycle: str) -> None:
        self.system = system
        self.hierarchy = hierarchy
        self.units = float(hierarchy.cycle_complexity(cycle=cycle))
        self._operator = hierarchy.aspreconditioner(cycle=cycle)
        self._cells = np.flatnonzero(system.diagonal_values())

    def apply(self, r: Array, z: Array) -> float:
        """Set z to the outcome of one cycle from zero; returns r·z."""
        z[:] = 0.0
        z[self._cells] = self._operator @ r[self._cells]
        return float(np.dot(r, z))

    def table(self) -> list[dict[str, float]]:
        """Return for each level unknowns, entries of a row in the mean, and its share of all entries."""
        entries = [level.A.nnz for level in self.hierarchy.levels]
        return [
            {"unknowns": level.A.shape[0], "row": e / level.A.shape[0], "share": e / sum(entries)}
            for level, e in zip(self.hierarchy.levels, entries, strict=True)
        ]

    def operator_complexity(self) -> float:
        """Return the entries of all levels over those of the finest."""
        return float(self.hierarchy.operator_complexity())

    def groups(self) -> NDArray[np.int64]:
        """Return what the finest level becomes, in the shape of the grid, −1 off the fluid.

        The number of a cell's aggregate, or 1 for coarse and 0 for fine cells of a C/F splitting.
        """
        first = self.hierarchy.levels[0]
        if hasattr(first, "AggOp"):
            numbers = np.asarray(first.AggOp.tocsr().argmax(axis=1)).ravel()
        else:
            numbers = np.asarray(first.splitting).ravel()
        grid = on_grid(self.system, "a drawing of cells").grid
        found = np.full(grid.shape, -1, np.int64)
        found[grid.extract((grid.diagonal != 0).astype(float)) != 0.0] = numbers
        return found


def prepare(
    problem: LinearSystem, make: Callable[[sparse.csr_matrix], Any], cycle: str
) -> Preparation[AlgebraicMultigrid]:
    """Assemble the matrix and let `make` build a hierarchy from it."""
    yield Progress("matrix")
    A = matrix_of(problem)
    yield Progress("hierarchy, by pyamg")
    state = np.random.get_state()  # noqa: NPY002 - PyAMG uses the global generator
    np.random.seed(0)  # noqa: NPY002
    try:
        hierarchy = make(sparse.csr_matrix(A))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return AlgebraicMultigrid(problem, hierarchy, cycle)
