"""The linear system A x = b of a pressure grid, matrix-free, and of an uploaded matrix.

Sum over the faces of a fluid cell that do not touch a solid: w (p_i − p_j), with p_j = 0 in air. So A_ii is
the number of neighbours that are not solid (unit spacing, no 1/h²), A_ij = −1 for each fluid neighbour, and
a wall contributes nothing (Neumann). Only fluid cells are unknowns.

Inside methods a vector is flat and padded by one cell on every side (see `core.poisson.kernels`), zero off
the fluid; `extract` gives it back in the shape of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import InputError
from core.iterate import Array
from core.poisson import kernels

BOUNDARY, SOLID, FLUID, AIR = 0, 1, 2, 3
Flags = NDArray[np.int8]
#: For each axis what lies beyond the array on its low and its high side: SOLID or AIR.
Sides = tuple[tuple[int, int], ...]


class LinearSystem(Protocol):
    """What a method may ask of a system; vectors are flat arrays of `size` numbers."""

    @property
    def size(self) -> int:
        """Length of a vector."""

    @property
    def unknowns(self) -> int:
        """Number of unknowns."""

    @property
    def b(self) -> Array:
        """Right-hand side."""

    @property
    def removed(self) -> float:
        """Share of the right-hand side that lay outside A's range and was removed."""

    @property
    def singular(self) -> int:
        """Dimension of the null space."""

    @property
    def row_work(self) -> float:
        """Multiply-adds of one operator application for each unknown."""

    def zeros(self) -> Array:
        """Return a new vector of zeros."""

    def apply(self, u: Array, out: Array) -> None:
        """Set out = A u."""

    def diagonal_values(self) -> Array:
        """Return the diagonal, 0 where there is no unknown."""

    def project(self, v: Array) -> float:
        """Subtract the null space's part of v in place; returns the norm of what was removed."""

    def extract(self, v: Array) -> Array:
        """Return a copy of v in the user's shape."""

    def embed(self, values: Array) -> Array:
        """Return the vector of what `extract` gave."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Face-connected parts of the fluid that no air touches: each gives A one null vector.

    Attributes
    ----------
    labels : (size,) part of each padded cell, from 0; `count` for every other cell.
    cells : (count,) number of cells of each part.
    """

    labels: NDArray[np.int64]
    cells: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Dimension of the null space."""
        return len(self.cells)

    def project(self, v: Array) -> float:
        """Subtract each part's mean from v in place; returns the norm of what was removed."""
        if not self.count:
            return 0.0
        means = np.bincount(self.labels, weights=v, minlength=self.count + 1)[: self.count] / self.cells
        v -= np.append(means, 0.0)[self.labels]
        return float(np.sqrt((self.cells * means**2).sum()))


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Cells, operator and null space.

    Attributes
    ----------
    flags : int8 in the shape of the grid (2 or 3 axes, C order): 1 solid, 2 fluid, 3 air.
    sides : what lies beyond the array.
    dirichlet : "ghost" = the value sits in the centre of an air cell, "face" = on its face.
    diagonal : (size,) uint8 for unit weights, float64 otherwise; 0 off the fluid.
    weights : None for unit weights, else for each of three axes the weight to the neighbour at +axis.
    components : the null space.
    notes : what was changed, in sentences.
    """

    flags: Flags
    sides: Sides
    dirichlet: str
    diagonal: NDArray[np.uint8] | Array
    weights: tuple[Array, Array, Array] | None
    components: Components
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return self.flags.shape

    @property
    def dim(self) -> int:
        """2 or 3."""
        return self.flags.ndim

    @property
    def strides(self) -> tuple[int, int]:
        """Distance of neighbours along the first two of three axes in a padded vector (0 = no axis)."""
        return strides_of(self.shape)

    @property
    def padded(self) -> tuple[int, ...]:
        """Shape of a padded vector."""
        return tuple(n + 2 for n in self.shape)

    @property
    def size(self) -> int:
        """Length of a padded vector."""
        return int(np.prod(self.padded))

    def fluid(self) -> NDArray[np.bool_]:
        """Return where the unknowns are, in the shape of the grid."""
        return np.asarray(self.flags == FLUID)

    def embed(self, values: NDArray[np.generic]) -> Array:
        """Return a padded vector with `values` (grid shape) on the fluid and 0 elsewhere."""
        v = np.zeros(self.padded)
        v[inner(self.dim)] = np.where(self.fluid(), values, 0.0)
        return v.ravel()

    def extract(self, v: Array) -> Array:
        """Return a copy of a padded vector in the shape of the grid."""
        return v.reshape(self.padded)[inner(self.dim)].copy()

    def apply(self, u: Array, out: Array) -> None:
        """Set out = A u; out must be zero on its padding beforehand."""
        s0, s1 = self.strides
        if self.weights is None:
            kernels.apply_unit(u, self.diagonal, s0, s1, out)  # type: ignore[arg-type]
        else:
            kernels.apply_weighted(u, self.diagonal, *self.weights, s0, s1, out)  # type: ignore[arg-type]

    def face_weights(self) -> tuple[Array, Array, Array]:
        """Return for each of three axes the weight to the neighbour at +axis, 0 unless both are fluid."""
        if self.weights is not None:
            return self.weights
        is_fluid = self.diagonal != 0
        s0, s1 = self.strides
        found = []
        for step in (s0, s1, 1):
            w = np.zeros(self.size)
            if step:
                w[:-step] = is_fluid[:-step] & is_fluid[step:]
            found.append(w)
        return found[0], found[1], found[2]


@dataclass(frozen=True, slots=True, eq=False)
class GridSystem:
    """A grid with a right-hand side.

    Attributes
    ----------
    b : (size,) padded; the null space's part is subtracted.
    removed : norm of what was subtracted from b over the norm of b before.
    x_true : the solution in the shape of the grid where the right-hand side was made from one (up to a
        constant on each part without air), else None.
    mean_kept : whether the null space's part was left in b on purpose.
    notes : sentences for the user.
    """

    grid: Grid
    b: Array
    removed: float = 0.0
    x_true: Array | None = None
    mean_kept: bool = False
    notes: tuple[str, ...] = ()
    size: int = field(init=False)
    unknowns: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.grid.size)
        object.__setattr__(self, "unknowns", int(np.count_nonzero(self.grid.diagonal)))

    @property
    def singular(self) -> int:
        """Dimension of the null space."""
        return self.grid.components.count

    @property
    def row_work(self) -> float:
        """Multiply-adds of one operator application for each unknown."""
        return 2.0 * self.grid.dim + 1.0

    def zeros(self) -> Array:
        """Return a new vector of zeros."""
        return np.zeros(self.size)

    def apply(self, u: Array, out: Array) -> None:
        """Set out = A u."""
        self.grid.apply(u, out)

    def diagonal_values(self) -> Array:
        """Return the diagonal as float64, 0 off the fluid."""
        return self.grid.diagonal.astype(np.float64)

    def project(self, v: Array) -> float:
        """Subtract the mean of each part without air from v in place; returns the norm removed."""
        return 0.0 if self.mean_kept else self.grid.components.project(v)

    def extract(self, v: Array) -> Array:
        """Return a copy in the shape of the grid."""
        return self.grid.extract(v)

    def embed(self, values: Array) -> Array:
        """Return the padded vector of values in the shape of the grid."""
        return self.grid.embed(values)


def inner(dim: int) -> tuple[slice, ...]:
    """Return the slices that cut the padding off."""
    return (slice(1, -1),) * dim


def strides_of(shape: Sequence[int]) -> tuple[int, int]:
    """Return s0 and s1 of a grid (see `core.poisson.kernels`)."""
    width = shape[-1] + 2
    return (0, width) if len(shape) == 2 else ((shape[1] + 2) * width, width)


def pad_flags(flags: Flags, sides: Sides) -> Flags:
    """Return the flags with one layer around: air where every side that it lies beyond is open, else solid.

    An edge of the layer between an open side and a wall is solid: mirrored across the wall, it belongs to
    the wall.
    """
    padded = np.full([n + 2 for n in flags.shape], AIR, np.int8)
    for axis, pair in enumerate(sides):
        for index, kind in zip((0, -1), pair, strict=True):
            if kind == SOLID:
                np.moveaxis(padded, axis, 0)[index] = SOLID
    padded[inner(flags.ndim)] = flags
    return padded


def make_grid(flags: Flags, sides: Sides, dirichlet: str = "ghost", coefficient: Array | None = None) -> Grid:
    """Count neighbours, drop isolated cells and find the null space.

    Parameters
    ----------
    flags : grid of 0 (boundary, taken as solid), 1, 2, 3; it is copied.
    coefficient : positive, in the shape of the grid; a face has the harmonic mean of its two cells.

    Raises
    ------
    InputError
        If there is no fluid cell that touches anything but solids.
    """
    flags = np.where(flags == BOUNDARY, SOLID, flags).astype(np.int8)
    around = pad_flags(flags, sides)
    fluid, air = around == FLUID, around == AIR
    fluid_count, air_count = _count(fluid), _count(air)
    isolated = fluid & (fluid_count + air_count == 0)
    notes = []
    if lonely := int(isolated.sum()):
        notes.append(f"{lonely} fluid cells touch nothing but solids and are treated as solid.")
        fluid &= ~isolated
        around[isolated] = SOLID
        flags = around[inner(flags.ndim)].copy()
    if not fluid.any():
        raise InputError("grid", "a fluid cell that touches fluid or air", "none", "open a wall")
    components = _components(fluid, air)
    if coefficient is None:
        double = 2 if dirichlet == "face" else 1
        diagonal = np.where(fluid, fluid_count + double * air_count, 0).astype(np.uint8)
        return Grid(flags, sides, dirichlet, diagonal.ravel(), None, components, tuple(notes))
    weights, full = _weights(fluid, air, coefficient, 2.0 if dirichlet == "face" else 1.0)
    return Grid(flags, sides, dirichlet, full, weights, components, tuple(notes))


def _count(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return for each cell of a padded grid how many of its face neighbours are in `mask`."""
    count = np.zeros(mask.shape, np.uint8)
    for axis in range(mask.ndim):
        m, c = np.moveaxis(mask, axis, 0), np.moveaxis(count, axis, 0)
        c[1:] += m[:-1]
        c[:-1] += m[1:]
    return count


def _components(fluid: NDArray[np.bool_], air: NDArray[np.bool_]) -> Components:
    """Label the face-connected parts of the fluid that touch no air."""
    labels, count = ndimage.label(fluid)
    touching = fluid & (_count(air) > 0)
    open_parts = np.unique(labels[touching])
    closed = np.setdiff1d(np.arange(1, count + 1), open_parts)
    renumber = np.full(count + 1, len(closed), np.int64)
    renumber[closed] = np.arange(len(closed))
    final = renumber[labels].ravel() if len(closed) else np.empty(0, np.int64)
    cells = np.bincount(final, minlength=len(closed) + 1)[: len(closed)] if len(closed) else final
    return Components(final, cells)


def _weights(
    fluid: NDArray[np.bool_], air: NDArray[np.bool_], coefficient: Array, air_factor: float
) -> tuple[tuple[Array, Array, Array], Array]:
    """Return the face weights along three axes and the diagonal of a variable coefficient."""
    k = np.pad(coefficient, 1, mode="edge")
    diagonal = np.zeros(fluid.shape)
    found = [np.zeros(fluid.size) for _ in range(3 - fluid.ndim)]
    for axis in range(fluid.ndim):
        w = np.zeros(fluid.shape)
        f, a = np.moveaxis(fluid, axis, 0), np.moveaxis(air, axis, 0)
        kk, ww, d = np.moveaxis(k, axis, 0), np.moveaxis(w, axis, 0), np.moveaxis(diagonal, axis, 0)
        ww[:-1] = np.where(f[:-1] & f[1:], 2.0 * kk[:-1] * kk[1:] / (kk[:-1] + kk[1:]), 0.0)
        d[:-1] += ww[:-1]
        d[1:] += ww[:-1]
        d[:-1] += np.where(f[:-1] & a[1:], air_factor * kk[:-1], 0.0)
        d[1:] += np.where(f[1:] & a[:-1], air_factor * kk[1:], 0.0)
        found.append(w.ravel())
    return (found[0], found[1], found[2]), diagonal.ravel()


def make_system(
    grid: Grid,
    source: Array,
    *,
    x_true: Array | None = None,
    keep_mean: bool = False,
    notes: Sequence[str] = (),
) -> GridSystem:
    """Put a right-hand side (grid shape) on a grid; the part outside A's range is removed and reported."""
    b = grid.embed(source)
    if not np.isfinite(b).all():
        raise InputError("right-hand side", "finite numbers", "NaN or infinity")
    norm = float(np.linalg.norm(b))
    removed = 0.0 if keep_mean else grid.components.project(b) / (norm or 1.0)
    remarks = [*grid.notes, *notes]
    if grid.components.count and not keep_mean:
        remarks.append(
            f"{grid.components.count} part(s) of the fluid touch no air: the solution is determined up to a "
            f"constant there. The mean of the right-hand side was removed ({removed:.2%} of its norm)."
        )
    return GridSystem(grid, b, removed, x_true, keep_mean, tuple(remarks))
