"""Slow, obvious forms of what the Poisson lab does with compiled passes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from core import registry
from core.iterate import Iterate, drain
from core.poisson.system import AIR, FLUID, SOLID, Grid, GridSystem
from core.recipe import make

Array = NDArray[np.float64]


def matrix(grid: Grid, coefficient: Array | None = None) -> sparse.csr_array:
    """The operator on the fluid cells in C order, cell by cell and face by face."""
    cells = [tuple(int(i) for i in c) for c in np.argwhere(grid.flags == FLUID)]
    index = {cell: i for i, cell in enumerate(cells)}
    rows, columns, values = [], [], []
    for cell, axis, step in itertools.product(cells, range(grid.dim), (-1, 1)):
        other = tuple(c + step * (a == axis) for a, c in enumerate(cell))
        inside = 0 <= other[axis] < grid.shape[axis]
        kind = grid.flags[other] if inside else grid.sides[axis][step > 0]
        if kind in (SOLID, 0):
            continue
        k = 1.0 if coefficient is None else coefficient[cell]
        if kind == AIR:
            w = 2.0 * k if grid.dirichlet == "face" else k
        else:
            k_other = 1.0 if coefficient is None else coefficient[other]
            w = 2.0 * k * k_other / (k + k_other)
            rows.append(index[cell])
            columns.append(index[other])
            values.append(-w)
        rows.append(index[cell])
        columns.append(index[cell])
        values.append(w)
    return sparse.coo_array((values, (rows, columns)), (len(cells),) * 2).tocsr()


def compact(grid: Grid, v: Array) -> Array:
    """The fluid cells of a padded vector."""
    return grid.extract(v)[grid.flags == FLUID]


def padded(grid: Grid, values: Array) -> Array:
    """The padded vector of numbers on the fluid cells."""
    full = np.zeros(grid.shape)
    full[grid.flags == FLUID] = values
    return grid.embed(full)


def system(problem: str, seed: int = 0, **params: Any) -> GridSystem:
    """A registered problem, built."""
    spec = registry.problem_spec("poisson", problem)
    built: GridSystem = drain(registry.instantiate(spec, params, "-p ").build(seed))
    return built


def iterates(given: GridSystem, method: str, **params: Any) -> Iterator[Iterate]:
    """A registered method at work on a system."""
    if method == "neural_ic":
        params = {"training_steps": 20, **params}
    instance = make("poisson", "box", method, {}, params).build_method()
    prepared = drain(instance.prepare(given)) if hasattr(instance, "prepare") else given
    items: Iterator[Iterate] = instance.iterate(prepared)
    return items


def value(lazy: Any) -> Array:
    """The array behind an iterate's entry."""
    return np.asarray(lazy() if callable(lazy) else lazy)


def solve(given: GridSystem, method: str, **params: Any) -> Iterate:
    """The last iterate."""
    *_, last = iterates(given, method, **params)
    return last
