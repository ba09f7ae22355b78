"""How far directions are from being conjugate, and the response to a single source."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from core.errors import InputError
from core.iterate import Array
from core.poisson.fingerprint import reference_solution
from core.poisson.system import GridSystem, LinearSystem


def conjugacy(system: LinearSystem, directions: Sequence[Array]) -> Array:
    """Return |p_i·A p_j| / √(p_i·A p_i · p_j·A p_j), (m, m).

    Parameters
    ----------
    directions : as snapshots hold them, in the shape of the problem; a zero one gives a zero row.
    """
    vectors = [system.embed(p) for p in directions]
    images = []
    for p in vectors:
        image = np.zeros(system.size)
        system.apply(p, image)
        images.append(image)
    products = np.array([[float(np.dot(p, Aq)) for Aq in images] for p in vectors]).reshape(
        (len(vectors),) * 2
    )
    lengths = np.sqrt(np.maximum(np.diag(products), 0.0))
    scale = np.outer(lengths, lengths)
    found: Array = np.divide(np.abs(products), scale, out=np.zeros_like(products), where=scale > 0.0)
    return found


def greens_function(system: GridSystem, cell: tuple[int, ...]) -> Array:
    """Return the column of A⁻¹ (of the pseudo-inverse on parts without air) that belongs to a fluid cell.

    Raises
    ------
    InputError
        If the cell is not fluid.
    """
    grid = system.grid
    inside = len(cell) == grid.dim and all(0 <= c < n for c, n in zip(cell, grid.shape, strict=True))
    if not inside or not grid.fluid()[cell]:
        raise InputError("cell", "a fluid cell", str(cell))
    source = np.zeros(grid.shape)
    source[cell] = 1.0
    b = grid.embed(source)
    grid.components.project(b)
    return reference_solution(dataclasses.replace(system, b=b))
