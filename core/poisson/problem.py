"""The grids of the lab: boxes, obstacles, mazes; their right-hand sides.

`box` has the value 0 all round. `open_box` has walls and one open side, the high one of axis 0. In `walls`
nothing is open: pressure is determined up to a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array, Preparation, Progress
from core.poisson import obstacles, sources
from core.poisson.smoke import divergence_at_frame
from core.poisson.system import AIR, FLUID, SOLID, Flags, Grid, GridSystem, Sides, make_grid, make_system
from core.registry import param, problem

#: Cells that a grid may have: 256³, 4096².
MAX_CELLS = 2**24
#: What the pieces of randomness are drawn from: one stream each of the run's seed.
_GEOMETRY, _SOURCE, _COEFFICIENT = 0, 1, 2
#: Spread (of the logarithm) of a random coefficient; jump of one with inclusions.
LOG_SPREAD, CONTRAST = 1.5, 1000.0

BOUNDARIES = {"open_box": "walls, one open side", "box": "open all round", "walls": "walls all round"}


@dataclass(frozen=True)
class Size:
    """How large a generated grid is."""

    n: int = param(64, low=4, high=4096, label="cells a side", doc="cells along each axis")
    dim: int = param(2, low=2, high=3, label="dimensions", doc="2 or 3")

    def __post_init__(self) -> None:
        if self.n**self.dim > MAX_CELLS:
            side = int(MAX_CELLS ** (1 / self.dim) + 1e-9)
            raise InputError("-p n", f"at most {side} cells a side in {self.dim}-D", str(self.n))

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return (self.n,) * self.dim


@dataclass(frozen=True)
class SourceParameters:
    """What every grid has, generated or read: right-hand side, open sides, coefficient."""

    rhs: str = param(
        "white", choices=sources.CHOICES, label="right-hand side",
        doc="which frequencies the error holds at the start: white noise has all of them",
    )  # fmt: skip
    air: str = param(
        "layer", choices={"layer": "a layer of air cells", "outside": "beyond the array"},
        label="open side", advanced=True,
        doc="where the zero pressure of the open side sits; learned operators need the layer",
    )  # fmt: skip
    dirichlet: str = param(
        "ghost", choices={"ghost": "centre of the air cell", "face": "face of the air cell"},
        label="zero pressure at", advanced=True, doc="where exactly the value 0 is prescribed",
    )  # fmt: skip
    coefficient: str = param(
        "constant",
        choices={"constant": "1 everywhere", "smooth": "smooth random", "inclusions": "inclusions, 1000 : 1"},
        advanced=True, doc="conductivity of the cells; a face has the harmonic mean of its two cells",
    )  # fmt: skip
    grf_exponent: float = param(
        2.0, low=0.0, high=4.0, label="field exponent", advanced=True,
        doc="s of the random field's spectrum |k|^-s; larger is smoother (rhs=grf)",
    )  # fmt: skip
    frame: int = param(
        20, low=1, high=200, label="smoke frame", advanced=True,
        doc="frame of the smoke plume whose divergence is the right-hand side (rhs=divergence)",
    )  # fmt: skip


@dataclass(frozen=True)
class GridParameters(SourceParameters, Size):
    """What every generated grid has."""


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return the generator of one stream of a seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))


def sides_of(boundary: str, dim: int) -> Sides:
    """Return what lies beyond the array for a kind of boundary."""
    if boundary == "box":
        return ((AIR, AIR),) * dim
    return ((SOLID, AIR if boundary == "open_box" else SOLID), *((SOLID, SOLID),) * (dim - 1))


def build_grid(
    settings: SourceParameters, flags: Flags, boundary: str, seed: int, solid: NDArray[np.bool_] | None = None
) -> Grid:
    """Return the grid with its operator.

    Parameters
    ----------
    flags : kinds of the cells; changed in place.
    boundary : "box", "open_box" or "walls".
    solid : cells that are solid whatever `flags` says, or None.
    """
    if solid is not None:
        flags[solid] = SOLID
    if boundary == "open_box" and settings.air == "layer":
        flags[-1] = AIR
    coefficient = coefficient_of(settings, flags.shape, seed)
    return make_grid(flags, sides_of(boundary, flags.ndim), settings.dirichlet, coefficient)


def all_fluid(shape: tuple[int, ...]) -> Flags:
    """Return a grid of nothing but fluid."""
    return np.full(shape, FLUID, np.int8)


def coefficient_of(settings: SourceParameters, shape: tuple[int, ...], seed: int) -> Array | None:
    """Return the conductivity of the cells, None for 1 everywhere."""
    if settings.coefficient == "constant":
        return None
    field = sources.random_field(shape, 2.0, generator(seed, _COEFFICIENT))
    if settings.coefficient == "smooth":
        return np.asarray(np.exp(LOG_SPREAD * field))
    return np.where(field > 1.0, CONTRAST, 1.0)


def build_system(
    settings: SourceParameters, grid: Grid, seed: int, *, keep_mean: bool = False
) -> Preparation[GridSystem]:
    """Put the chosen right-hand side on a grid."""
    rng = generator(seed, _SOURCE)
    x_true: Array | None = None
    yield Progress(f"right-hand side: {settings.rhs}")
    if settings.rhs == "white":
        source = sources.white(grid, rng)
    elif settings.rhs == "range":
        x_true = sources.white(grid, rng)
        source = sources.from_solution(grid, x_true)
    elif settings.rhs == "ones":
        source = np.ones(grid.shape)
    elif settings.rhs == "charges":
        source = sources.charges(grid, rng)
    elif settings.rhs == "grf":
        source = sources.random_field(grid.shape, settings.grf_exponent, rng)
    elif settings.rhs == "divergence":
        source = yield from divergence_at_frame(grid, settings.frame)
    else:
        if grid.weights is not None:
            raise InputError("-p rhs", "another right-hand side for a variable coefficient", settings.rhs)
        source, x_true = sources.manufactured(grid)
    return make_system(grid, source, x_true=x_true, keep_mean=keep_mean)


@problem("box", lab="poisson", title="Box, open all round", order=10)
@dataclass(frozen=True)
class Box(GridParameters):
    """A square or cube of fluid with pressure 0 in the air all round it.

    Eigenvalues and eigenvectors are known in closed form: 2 − 2 cos(πk/(n+1)) along each axis, products of
    sines. The one problem where a fast sine transform solves the system at once.
    """

    rhs: str = param(
        "white", choices=sources.CHOICES | {"manufactured": "product of sines, solution known"},
        label="right-hand side",
        doc="which frequencies the error holds at the start: white noise has all of them",
    )  # fmt: skip

    def build(self, seed: int) -> Preparation[GridSystem]:
        """Make the grid and the right-hand side."""
        yield Progress("grid")
        return (yield from build_system(self, build_grid(self, all_fluid(self.shape), "box", seed), seed))


@problem("open_box", lab="poisson", title="Walls, one open side", order=20)
@dataclass(frozen=True)
class OpenBox(GridParameters):
    """Solid walls on all sides but one: fluid may leave through the high side of axis 0.

    A constant right-hand side makes this problem one-dimensional.
    """

    def build(self, seed: int) -> Preparation[GridSystem]:
        """Make the grid and the right-hand side."""
        yield Progress("grid")
        return (
            yield from build_system(self, build_grid(self, all_fluid(self.shape), "open_box", seed), seed)
        )


@problem("disc", lab="poisson", title="Disc or ball", order=30)
@dataclass(frozen=True)
class Disc(GridParameters):
    """A solid disc (ball in 3-D) of radius 0.15 sides at (0.5, 0.4) in a box with one open side."""

    boundary: str = param("open_box", choices=BOUNDARIES, doc="what closes the box")

    def build(self, seed: int) -> Preparation[GridSystem]:
        """Make the grid and the right-hand side."""
        yield Progress("grid")
        grid = build_grid(self, all_fluid(self.shape), self.boundary, seed, obstacles.disc(self.shape))
        return (yield from build_system(self, grid, seed))


@problem("walls", lab="poisson", title="Walls all round (singular)", order=40)
@dataclass(frozen=True)
class Walls(GridParameters):
    """Nothing is open: A is singular, a constant may be added to the solution.

    A solution exists only if the right-hand side has mean 0; its mean is removed and the share is reported.
    Left in, the residual first falls and then grows without bound.
    """

    mean: str = param(
        "removed", choices={"removed": "mean of b removed", "kept": "mean of b left in"},
        doc="what happens to the part of the right-hand side that no solution can reach",
    )  # fmt: skip

    def build(self, seed: int) -> Preparation[GridSystem]:
        """Make the grid and the right-hand side."""
        yield Progress("grid")
        grid = build_grid(self, all_fluid(self.shape), "walls", seed)
        return (yield from build_system(self, grid, seed, keep_mean=self.mean == "kept"))


@problem("maze", lab="poisson", title="Maze", order=50)
@dataclass(frozen=True)
class Maze(GridParameters):
    """Corridors one cell wide between walls one cell thick, another maze for every seed.

    Coarse grids cannot see the walls: the weak case of geometric multigrid.
    """

    boundary: str = param("open_box", choices=BOUNDARIES, doc="what closes the box; an open side has holes")

    def build(self, seed: int) -> Preparation[GridSystem]:
        """Make the grid and the right-hand side."""
        yield Progress("digging")
        sides = sides_of(self.boundary, self.dim)
        holes = [(axis, high) for axis in range(self.dim) for high in (0, 1) if sides[axis][high] == AIR]
        solid = obstacles.maze(self.shape, holes, generator(seed, _GEOMETRY))
        grid = build_grid(self, all_fluid(self.shape), self.boundary, seed, solid)
        return (yield from build_system(self, grid, seed))


@problem("blobs", lab="poisson", title="Random blobs", order=60)
@dataclass(frozen=True)
class Blobs(GridParameters):
    """One to three solid discs or boxes at random places, others for every seed."""

    boundary: str = param("open_box", choices=BOUNDARIES, doc="what closes the box")

    def build(self, seed: int) -> Preparation[GridSystem]:
        """Make the grid and the right-hand side."""
        yield Progress("grid")
        solid = obstacles.blobs(self.shape, generator(seed, _GEOMETRY))
        grid = build_grid(self, all_fluid(self.shape), self.boundary, seed, solid)
        return (yield from build_system(self, grid, seed))
