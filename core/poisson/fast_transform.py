"""Direct solve on an empty box by fast sine and cosine transforms.

Along each axis the second difference has known eigenvectors: those of a discrete sine or cosine transform
where both ends are of a kind, a dense basis of n vectors where a ghost value meets a wall.

References
----------
Swarztrauber 1977, The methods of cyclic reduction, Fourier analysis and the FACR algorithm for the discrete
solution of Poisson's equation on a rectangle, SIAM Review 19; Strang 1999, The discrete cosine transform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import fft
from scipy.linalg import eigh_tridiagonal

from core.errors import InputError
from core.iterate import Array
from core.poisson.system import AIR, FLUID, GridSystem

#: What an end of an axis is: solid wall, value in the ghost cell, value on the face.
WALL, GHOST, FACE = "wall", "ghost", "face"


def eigenvalues(n: int, low: str, high: str) -> Array:
    """Return the eigenvalues of the 1-D operator with unit spacing, ascending.

    Parameters
    ----------
    n : cells. low, high : "wall", "ghost" or "face".
    """
    k = np.arange(n)
    match sorted((low, high)):
        case ["wall", "wall"]:
            angle = math.pi * k / n
        case ["ghost", "ghost"]:
            angle = math.pi * (k + 1) / (n + 1)
        case ["face", "face"]:
            angle = math.pi * (k + 1) / n
        case ["ghost", "wall"]:
            angle = math.pi * (2 * k + 1) / (2 * n + 1)
        case ["face", "wall"]:
            angle = math.pi * (2 * k + 1) / (2 * n)
        case _:
            raise ValueError(f"an axis from {low} to {high} has no closed form")
    return np.asarray(2.0 - 2.0 * np.cos(angle))


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Eigenbasis of one axis: a SciPy transform ("dst", "dct" and its type) or a dense matrix."""

    values: Array
    kind: str
    type: int
    basis: Array | None

    def transform(self, v: Array, axis: int, back: bool) -> Array:
        """Return v in the eigenbasis along an axis, or back from it; both are orthonormal."""
        if self.basis is not None:
            Q = self.basis if back else self.basis.T
            return np.ascontiguousarray(np.moveaxis(np.tensordot(Q, v, (1, axis)), 0, axis))
        pair: tuple[Any, Any] = (fft.dst, fft.idst) if self.kind == "dst" else (fft.dct, fft.idct)
        return np.asarray(pair[back](v, type=self.type, axis=axis, norm="ortho"))


def make_axis(n: int, low: str, high: str) -> Axis:
    """Return the eigenbasis of an axis."""
    match (low, high):
        case ("ghost", "ghost"):
            return Axis(eigenvalues(n, low, high), "dst", 1, None)
        case ("face", "face"):
            return Axis(eigenvalues(n, low, high), "dst", 2, None)
        case ("wall", "wall"):
            return Axis(eigenvalues(n, low, high), "dct", 2, None)
        case ("face", "wall"):
            return Axis(eigenvalues(n, low, high), "dst", 4, None)
        case ("wall", "face"):
            return Axis(eigenvalues(n, low, high), "dct", 4, None)
    ends = {"wall": 1.0, "ghost": 2.0, "face": 3.0}
    d = np.full(n, 2.0)
    d[0] += ends[low] - 2.0
    d[-1] += ends[high] - 2.0
    values, vectors = eigh_tridiagonal(d, -np.ones(n - 1)) if n > 1 else (d, np.ones((1, 1)))
    return Axis(np.asarray(values, np.float64), "", 0, np.asarray(vectors, np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class EmptyBox:
    """The operator of a box without obstacles, inverted; as a preconditioner it takes any obstacles.

    Attributes
    ----------
    box : part of the padded grid that the box covers.
    inverse : one over the sum of the axes' eigenvalues, 0 for the constant of a box with walls all round.
    units : cost of a solve in applications of A, taken as 2.5 log2 of the box's cells an axis pass.
    """

    system: GridSystem
    box: tuple[slice, ...]
    axes: tuple[Axis, ...]
    inverse: Array
    units: float

    def apply(self, r: Array, z: Array) -> float:
        """Set z to the solution on the box, restricted to the fluid; returns r·z."""
        grid = self.system.grid
        v = self.coefficients(r) * self.inverse
        for axis, basis in enumerate(self.axes):
            v = basis.transform(v, axis, True)
        z[:] = 0.0
        z.reshape(grid.padded)[self.box] = v
        z *= grid.diagonal != 0
        return float(np.dot(r, z))

    def coefficients(self, v: Array) -> Array:
        """Return a padded vector in the orthonormal eigenbasis of the box, in the box's shape."""
        c = v.reshape(self.system.grid.padded)[self.box]
        for axis, basis in enumerate(self.axes):
            c = basis.transform(c, axis, False)
        return c

    def eigenvalues(self) -> Array:
        """Return the eigenvalue of each coefficient."""
        total = np.zeros([len(axis.values) for axis in self.axes])
        for axis, basis in enumerate(self.axes):
            total += basis.values.reshape([-1 if a == axis else 1 for a in range(total.ndim)])
        return total


def empty_box(system: GridSystem, *, exact: bool) -> EmptyBox:
    """Return the direct solver of the box that the fluid lies in.

    Parameters
    ----------
    exact : whether nothing else than fluid may be in the box.

    Raises
    ------
    InputError
        If the coefficient varies, or if `exact` and there is an obstacle.
    """
    if system.grid.weights is not None:
        raise InputError("problem", "a constant coefficient, which a fast transform needs", "a variable one")
    solver = box_modes(system)
    cut = tuple(slice(s.start - 1, s.stop - 1) for s in solver.box)
    content = system.grid.flags[cut]
    if exact and not (content == FLUID).all():
        raise InputError(
            "problem", "an empty box, which a direct solve by transforms needs",
            f"{int((content != FLUID).sum())} cells that are not fluid", "fft_pcg takes obstacles",
        )  # fmt: skip
    return solver


def box_modes(system: GridSystem) -> EmptyBox:
    """Return the eigenbasis of the box that the fluid lies in, as if it were empty and its coefficient 1."""
    grid = system.grid
    fluid = grid.fluid()
    box, ends = [], []
    for axis in range(grid.dim):
        others = tuple(a for a in range(grid.dim) if a != axis)
        # layers of nothing but air at a side are beyond the box
        inside = np.flatnonzero(~(grid.flags == AIR).all(axis=others))
        first, last = int(inside[0]), int(inside[-1])
        kinds = [
            AIR if first > 0 else grid.sides[axis][0],
            AIR if last < grid.shape[axis] - 1 else grid.sides[axis][1],
        ]
        ends.append(tuple(grid.dirichlet if kind == AIR else WALL for kind in kinds))
        box.append(slice(first, last + 1))
    shape = [s.stop - s.start for s in box]
    axes = tuple(make_axis(n, *end) for n, end in zip(shape, ends, strict=True))
    passes = sum(
        2.5 * math.log2(max(n, 2)) if b.basis is None else n for n, b in zip(shape, axes, strict=True)
    )
    units = 2.0 * passes * float(np.prod(shape)) / (int(fluid.sum()) * system.row_work)
    padded = tuple(slice(s.start + 1, s.stop + 1) for s in box)
    modes = EmptyBox(system, padded, axes, np.empty(0), units)
    values = modes.eigenvalues()
    positive = values > 1e-12 * float(values.max())
    return replace(modes, inverse=np.divide(1.0, values, out=np.zeros_like(values), where=positive))
