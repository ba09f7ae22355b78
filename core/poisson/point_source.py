"""What a source in one cell does everywhere: a column of the inverse, and what a preconditioner gives."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import InputError
from core.iterate import Array, drain
from core.poisson.fingerprint import reference_solution
from core.poisson.krylov import Preconditioner
from core.poisson.system import GridSystem


def source(system: GridSystem, cell: tuple[int, ...]) -> Array:
    """Return the unit source of a fluid cell as a vector, its mean removed on a part without air.

    Raises
    ------
    InputError
        If the cell is not fluid.
    """
    grid = system.grid
    inside = len(cell) == grid.dim and all(0 <= c < n for c, n in zip(cell, grid.shape, strict=True))
    if not inside or not grid.fluid()[cell]:
        raise InputError("cell", "a fluid cell", str(cell))
    values = np.zeros(grid.shape)
    values[cell] = 1.0
    b = grid.embed(values)
    grid.components.project(b)
    return b


def greens_function(system: GridSystem, cell: tuple[int, ...]) -> Array:
    """Return the column of A⁻¹ (of the pseudo-inverse on parts without air) that belongs to a fluid cell.

    Raises
    ------
    InputError
        If the cell is not fluid.
    """
    return reference_solution(dataclasses.replace(system, b=source(system, cell)))


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What a preconditioner makes of a point source r, beside the true e = A⁻¹ r.

    Attributes
    ----------
    values : α f in the shape of the grid, f = M r with the step α = f·r / f·A f that comes closest to e in
        the energy norm; zero where M gives nothing.
    cosine : of the angle between f and e in the energy inner product: f·r / √(f·A f · e·r). One step along f
        leaves √(1 − cosine²) of the error.
    """

    values: Array
    cosine: float


def response(system: GridSystem, M: Preconditioner, cell: tuple[int, ...], column: Array) -> Response:
    """Apply a preconditioner to the source of a fluid cell.

    Parameters
    ----------
    column : e = A⁻¹ r as `greens_function` gives it.
    """
    r = source(system, cell)
    f, image = np.zeros(system.size), np.zeros(system.size)
    M.apply(r, f)
    system.project(f)
    system.apply(f, image)
    along, energy = float(np.dot(f, r)), float(np.dot(f, image))
    if not energy > 0.0:
        return Response(np.zeros_like(column), 0.0)
    whole = float(np.dot(system.embed(column), r))
    return Response(system.extract(f) * (along / energy), along / float(np.sqrt(energy * whole)))


def preconditioner(method: Any, system: GridSystem) -> Preconditioner | None:
    """Return the M that a method prepares for a system; None if it prepares none."""
    if not hasattr(method, "prepare"):
        return None
    prepared = drain(method.prepare(system))
    M = getattr(prepared, "operator", prepared)
    return M if hasattr(M, "apply") and hasattr(M, "units") else None
