"""Right-hand sides: which errors a method meets depends on them."""

from __future__ import annotations

import math

import numpy as np

from core.iterate import Array
from core.poisson.system import Grid

#: Point sources of each sign.
CHARGES = 3

CHOICES = {
    "white": "white noise",
    "range": "A times white noise",
    "ones": "constant",
    "charges": "point sources",
    "grf": "random field with spectrum |k|^-s",
    "divergence": "divergence of a smoke plume",
}


def white(grid: Grid, rng: np.random.Generator) -> Array:
    """Return one N(0, 1) number for each fluid cell, in C order."""
    values = np.zeros(grid.shape)
    fluid = grid.fluid()
    values[fluid] = rng.standard_normal(int(fluid.sum()))
    return values


def from_solution(grid: Grid, x: Array) -> Array:
    """Return A x in the shape of the grid."""
    out = np.zeros(grid.size)
    grid.apply(grid.embed(x), out)
    return grid.extract(out)


def charges(grid: Grid, rng: np.random.Generator) -> Array:
    """Return a few point sources of both signs on fluid cells."""
    values = np.zeros(grid.shape)
    cells = np.flatnonzero(grid.fluid())
    count = min(2 * CHARGES, len(cells))
    chosen = rng.choice(cells, count, replace=False)
    values.ravel()[chosen] = np.where(np.arange(count) % 2, -1.0, 1.0)
    return values


def random_field(shape: tuple[int, ...], exponent: float, rng: np.random.Generator) -> Array:
    """Return a Gaussian random field with amplitude |k|^−exponent, standard deviation 1 and mean 0."""
    spectrum = np.fft.rfftn(rng.standard_normal(shape))
    frequencies = [np.fft.fftfreq(n) * n for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1]) * shape[-1]]
    k = np.sqrt(sum(f**2 for f in np.meshgrid(*frequencies, indexing="ij", sparse=True)))
    k.flat[0] = 1.0
    spectrum *= k**-exponent
    spectrum.flat[0] = 0.0
    field = np.fft.irfftn(spectrum, shape, axes=range(len(shape)))
    deviation = float(field.std())
    return field / deviation if deviation > 0.0 else field


def manufactured(grid: Grid) -> tuple[Array, Array]:
    """Return right-hand side and continuum solution Π sin(π x) on a box with zero values all round.

    The domain is (n + 1) h wide where the value sits in the ghost cell's centre and n h wide where it sits
    on the face. −Δp = d π² p, times h² for unit spacing (h is that of the first axis; all sides are equal).
    """
    n = grid.shape[0]
    length = n + 1 if grid.dirichlet == "ghost" else n
    x = (np.arange(n) + (1.0 if grid.dirichlet == "ghost" else 0.5)) / length
    line = np.sin(math.pi * x)
    p = line
    for _ in range(grid.dim - 1):
        p = p[..., None] * line
    return grid.dim * (math.pi / length) ** 2 * p, p
