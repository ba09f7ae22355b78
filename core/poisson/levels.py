"""The grids of geometric multigrid with walls: transfers between them, coarse operators, the coarsest solve.

P interpolates from cell centres (weights 3/4 and 1/4 along each axis). Weights that point at solid cells are
removed and the others raised to the same sum; air keeps its weight, because its value 0 is known. R = Pᵀ/2^d.
A coarse cell is fluid if any of its children is, else air if any is air, else solid.

Coarse operators are either rediscretised (the same stencil on the coarse cells) or Galerkin products
A_{l+1} = R A_l P. Both are kept without their factor 4^{−l}: then every level has unit spacing, and the
residual is restricted with 4/2^d. A Galerkin stencil reaches two cells along each axis: half of its
5^d entries are stored, those that are zero everywhere are not.

References
----------
McAdams, Sifakis & Teran 2010, A parallel multigrid Poisson solver for fluids simulation on large grids, SCA;
Trottenberg, Oosterlee & Schüller 2001, Multigrid, Sec. 2.8 (cell-centred grids).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.linalg import lapack

from core.iterate import Array
from core.poisson import kernels
from core.poisson.kernels import Index, Single
from core.poisson.system import (
    AIR,
    FLUID,
    SOLID,
    Flags,
    Grid,
    Sides,
    pad_flags,
    strides_of,
)
from core.registry import param

#: Coarsening ends when no side is longer.
BOTTOM_SIDE = 8
#: Padding to a multiple of 2^levels may at most multiply the cells by this.
PADDING = 2.0
#: Cells of a 2-D grid up to which Galerkin products pay.
GALERKIN_CELLS = 2**17
#: Cells next to the boundary that extra sweeps treat.
BAND_WIDTH = 3


@dataclass(frozen=True)
class MultigridParameters:
    """What shapes a cycle."""

    coarse: str = param(
        "auto",
        choices={
            "auto": "Galerkin on small 2-D grids, else rediscretised",
            "galerkin": "Galerkin products R A P",
            "rediscretised": "rediscretised",
            "unweighted": "rediscretised, open sides moved outwards",
        },
        label="coarse operators", doc="how the operator of a coarser grid is made",
    )  # fmt: skip
    smoother: str = param(
        "jacobi", choices={"jacobi": "damped Jacobi", "red_black": "red-black Gauss-Seidel"},
        doc="what removes high frequencies; where stencils couple more than face neighbours it is Jacobi",
    )  # fmt: skip
    nu: int = param(
        2, low=1, high=5, label="sweeps ν", doc="smoothing sweeps before and after each coarse grid"
    )
    omega: float = param(
        0.0, low=0.0, high=1.0, label="damping ω", doc="damping of Jacobi sweeps; 0: 2/3 in 2-D, 6/7 in 3-D"
    )
    cycle: str = param("V", choices=("V", "W", "F"), doc="in which order the grids are visited")
    band: int = param(
        0, low=0, high=5, label="boundary sweeps", advanced=True,
        doc="extra Jacobi sweeps before and after, on cells within 3 of the boundary",
    )  # fmt: skip


def damping(settings: MultigridParameters, dim: int) -> float:
    """Return the damping of Jacobi sweeps."""
    return settings.omega or {2: 2 / 3, 3: 6 / 7}[dim]


def is_galerkin(settings: MultigridParameters, grid: Grid) -> bool:
    """Whether coarse operators are Galerkin products.

    They have up to 25 entries a row in 2-D and 125 in 3-D: fewer steps, but on large grids more time in all.
    """
    if settings.coarse == "auto":
        return grid.weights is not None or (grid.dim == 2 and grid.size <= GALERKIN_CELLS)
    return settings.coarse == "galerkin"


@dataclass(slots=True, eq=False)
class Level:
    """One grid of the hierarchy, vectors padded and float32.

    Attributes
    ----------
    diagonal, inverse : A_ii and 1/A_ii, 0 off the fluid.
    weights, steps : None for the unit stencil, else the stored half of it (see `kernels.sweep_stored`).
    factor : (size,) row factors of P that leads here from the next coarser grid; empty at the bottom.
    band : 1/A_ii near the boundary, 0 elsewhere; empty without boundary sweeps.
    x, b, scratch : solution, right-hand side, work space.
    """

    flags: Flags
    sides: Sides
    diagonal: Single
    inverse: Single
    weights: Single | None
    steps: Index
    factor: Single
    band: Single
    x: Single
    b: Single
    scratch: Single

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return self.flags.shape

    @property
    def shape3(self) -> Index:
        """Shape with a first axis of one cell on 2-D grids."""
        return np.array([1] * (3 - len(self.shape)) + list(self.shape), np.int64)

    @property
    def offsets(self) -> Index:
        """Distances of the stored neighbours in a padded vector."""
        s0, s1 = strides_of(self.shape)
        return np.asarray(self.steps @ np.array([s0, s1, 1], np.int64))

    @property
    def unknowns(self) -> int:
        """Number of fluid cells."""
        return int(np.count_nonzero(self.diagonal))

    @property
    def entries(self) -> int:
        """Stencil entries in a row."""
        return 2 * len(self.steps) + 1


def halvings(shape: tuple[int, ...]) -> int:
    """Return how often to halve: until the longest side is at most 8, unless padding costs too much."""
    count = 0
    while -(-max(shape) // 2**count) > BOTTOM_SIDE:
        count += 1
    while count and np.prod([-(-n // 2**count) * 2.0**count for n in shape]) > PADDING * np.prod(shape):
        count -= 1
    return count


def _empty_level(flags: Flags, sides: Sides, diagonal: Single, weights: Single | None, steps: Index) -> Level:
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal != 0.0)
    none = np.empty(0, np.float32)
    x, b, scratch = (np.zeros(diagonal.size, np.float32) for _ in range(3))
    return Level(flags, sides, diagonal, inverse, weights, steps, none, none, x, b, scratch)


def _axes(dim: int) -> Index:
    """Return the steps to the face neighbours at +axis."""
    return np.eye(3, dtype=np.int64)[3 - dim :]


def finest_level(grid: Grid, count: int, settings: MultigridParameters) -> Level:
    """Return the level of A itself, with sides padded to multiples of 2^count."""
    shape = tuple(-(-n // 2**count) * 2**count for n in grid.shape)
    flags = np.full(shape, SOLID, np.int8)
    for axis, (_, high) in enumerate(grid.sides):
        beyond: list[slice] = [slice(0, n) for n in grid.shape]
        beyond[axis] = slice(grid.shape[axis], None)
        flags[tuple(beyond)] = high
    flags[tuple(slice(0, n) for n in grid.shape)] = grid.flags
    place = tuple(slice(0, n + 2) for n in grid.shape)

    def put(values: Array) -> Single:
        out = np.zeros([n + 2 for n in shape], np.float32)
        out[place] = values.reshape(grid.padded)
        return out.ravel()

    diagonal = put(grid.diagonal.astype(np.float64))
    weights = None
    if grid.weights is not None:
        weights = np.stack([put(w) for w in grid.weights[3 - grid.dim :]])
    return _empty_level(flags, grid.sides, diagonal, weights, _axes(grid.dim))


def coarser_level(fine: Level, grid: Grid, depth: int, settings: MultigridParameters) -> Level:
    """Return the next coarser level and set the row factors of P on the fine one."""
    dim = len(fine.shape)
    flags = _coarse_flags(fine.flags)
    around = pad_flags(flags, fine.sides)
    fine.factor = _row_factors(fine, around)
    if is_galerkin(settings, grid):
        return _galerkin(fine, flags, around)
    fluid = around == FLUID
    weight = _unit_weight if settings.coarse == "unweighted" else _wall_weight
    diagonal = np.zeros(around.shape)
    for axis in range(dim):
        kind, d = (np.moveaxis(v, axis, 0) for v in (around, diagonal))
        d[1:] += kind[:-1] != SOLID
        d[:-1] += kind[1:] != SOLID
        for index, side in ((1, 0), (-2, 1)):
            if fine.sides[axis][side] == AIR:
                d[index] += weight(grid, axis, side, depth) - 1.0
    diagonal[~fluid] = 0.0
    return _empty_level(flags, fine.sides, diagonal.astype(np.float32).ravel(), None, _axes(dim))


def _coarse_flags(flags: Flags) -> Flags:
    """Return fluid where any child is, else air where any is, else solid."""
    fluid, air = flags == FLUID, flags == AIR
    for axis in range(flags.ndim):
        even: list[slice] = [slice(None)] * flags.ndim
        odd = even.copy()
        even[axis], odd[axis] = slice(0, None, 2), slice(1, None, 2)
        fluid = fluid[tuple(even)] | fluid[tuple(odd)]
        air = air[tuple(even)] | air[tuple(odd)]
    return np.where(fluid, FLUID, np.where(air, AIR, SOLID)).astype(np.int8)


def _row_factors(fine: Level, coarse_around: Flags) -> Single:
    """Return 1 / (sum of the weights on coarse cells that are not solid), 0 off the fine fluid."""
    known = (coarse_around != SOLID).astype(np.float32).ravel()
    sums = np.zeros_like(fine.diagonal)
    kernels.prolong(known, np.ones_like(sums), fine.shape3, sums)
    where = (fine.diagonal != 0.0) & (sums != 0.0)
    return np.divide(1.0, sums, out=np.zeros_like(sums), where=where)


def _wall_weight(grid: Grid, axis: int, side: int, depth: int) -> float:
    """Return the weight of an open side's face on a level: one over the distance from centre to value.

    The value sits half a fine cell beyond the side (ghost cell), on the side (face), or, where the last
    layer of cells is air itself, half a fine cell inside.
    """
    last = np.moveaxis(grid.flags, axis, 0)[-1 if side else 0]
    if grid.shape[axis] % 2**depth == 0 and (last == AIR).all():
        return 2.0 / (1.0 - 2.0**-depth)
    return 2.0 if grid.dirichlet == "face" else 2.0 / (1.0 + 2.0**-depth)


def _unit_weight(grid: Grid, axis: int, side: int, depth: int) -> float:
    """Return 1: the value sits in the centre of a coarse ghost cell, farther out on every level."""
    return 1.0


def _galerkin(fine: Level, flags: Flags, around: Flags) -> Level:
    """Return the level with the operator 4/2^d Pᵀ A P."""
    dim = flags.ndim
    steps = _half_stencil(dim)
    inside = (around == FLUID).astype(np.float32).ravel()
    diagonal = np.zeros(inside.size, np.float32)
    weights = np.zeros((len(steps), inside.size), np.float32)
    kernels.galerkin(
        fine.diagonal, _stored_weights(fine), fine.steps, fine.factor, fine.shape3, inside,
        diagonal, weights, steps,
    )  # fmt: skip
    scale = np.float32(4.0 / 2**dim)
    used = weights.any(axis=1)
    return _empty_level(flags, fine.sides, diagonal * scale, weights[used] * scale, steps[used])


def _half_stencil(dim: int) -> Index:
    """Return the steps of a stencil that reaches two cells, one of each pair of opposite ones."""
    reach = [range(-2, 3) if axis >= 3 - dim else range(1) for axis in range(3)]
    every = [(a, b, c) for a in reach[0] for b in reach[1] for c in reach[2]]
    return np.array([step for step in every if step > (0, 0, 0)], np.int64)


def _stored_weights(level: Level) -> Single:
    """Return the weights of a level's stencil, made for the unit stencil."""
    if level.weights is not None:
        return level.weights
    is_fluid = level.diagonal != 0.0
    weights = np.zeros((len(level.steps), is_fluid.size), np.float32)
    for w, step in zip(weights, level.offsets, strict=True):
        w[:-step] = is_fluid[:-step] & is_fluid[step:]
    return weights


def band_of(level: Level, omega: float) -> Single:
    """Return omega / A_ii on fluid cells within 3 cells of the boundary, 0 elsewhere."""
    fluid = (level.diagonal != 0.0).reshape([n + 2 for n in level.shape])
    deep = ndimage.binary_erosion(fluid, np.ones((3,) * fluid.ndim), iterations=BAND_WIDTH)
    return np.where((fluid & ~deep).ravel(), np.float32(omega) * level.inverse, np.float32(0.0))


def invert(level: Level, singular: bool) -> Single:
    """Return the inverse of the coarsest operator on its fluid cells; a pseudo-inverse if it is singular."""
    cells = np.flatnonzero(level.diagonal)
    index = np.full(level.diagonal.size, -1)
    index[cells] = np.arange(len(cells))
    A = np.diag(level.diagonal[cells].astype(np.float64))
    for w, step in zip(_stored_weights(level), level.offsets, strict=True):
        at = cells[w[cells] != 0.0]
        i, j = index[at], index[at + step]
        A[i, j] = A[j, i] = -w[at]
    if not singular:
        factor, failed = lapack.spotrf(A.astype(np.float32), lower=1)
        if not failed:
            inverse, failed = lapack.spotri(factor, lower=1)
            return np.ascontiguousarray(np.tril(inverse) + np.tril(inverse, -1).T)
    return np.linalg.pinv(A, rcond=1e-5, hermitian=True).astype(np.float32)
