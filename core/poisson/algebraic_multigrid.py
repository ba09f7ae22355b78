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

    @property
    def is_splitting(self) -> bool:
        """Whether coarse unknowns are some of the fine ones (C/F splitting), not aggregates of them."""
        return not hasattr(self.hierarchy.levels[0], "AggOp")

    def groups(self, level: int = 1) -> NDArray[np.int64]:
        """Return what a coarser level is made of, in the shape of the grid, −1 off the fluid.

        The number of the level's aggregate that a cell ended in; 1 for the cells that are still unknowns of
        that level and 0 for the others where coarse unknowns are split off.

        Raises
        ------
        ValueError
            If there is no such level.
        """
        if not 1 <= level < len(self.hierarchy.levels):
            raise ValueError(f"levels from 1 to {len(self.hierarchy.levels) - 1}, not {level}")
        n = self.system.unknowns
        numbers = np.arange(n)
        for finer in self.hierarchy.levels[:level]:
            if self.is_splitting:
                numbers = numbers[np.asarray(finer.splitting).ravel() == 1]
            else:
                numbers = np.asarray(finer.AggOp.tocsr().argmax(axis=1)).ravel()[numbers]
        if self.is_splitting:
            numbers = np.isin(np.arange(n), numbers).astype(np.int64)
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
