"""A toy smoke plume: where right-hand sides of the pressure equation come from.

Velocities sit on faces, density in cells (MAC grid). One frame: smoke enters, hot smoke rises, everything is
carried along, walls stop what would enter them, and a pressure makes the velocity free of divergence again.
Axis 0 points up.

References
----------
Fedkiw, Stam & Jensen 2001, Visual simulation of smoke, SIGGRAPH; Bridson 2015, Fluid Simulation for Computer
Graphics, ch. 5 and 6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.errors import InputError
from core.iterate import Array, Preparation, Progress, drain
from core.poisson.krylov import conjugate_gradients
from core.poisson.levels import MultigridParameters
from core.poisson.multigrid import Multigrid, build
from core.poisson.obstacles import cell_centres
from core.poisson.system import AIR, FLUID, Flags, Grid, make_system, pad_flags

#: Time step in units of a cell over the unit of velocity; buoyancy of heat, weight of smoke.
TIME_STEP, BUOYANCY, WEIGHT = 1.0, 0.1, 0.01
#: The source: how high, how wide (in sides).
SOURCE_HEIGHT, SOURCE_RADIUS = (0.05, 0.15), 0.1
#: Tolerance of the pressure of the frames before the one that is asked for.
PRESSURE_RTOL = 1e-6


class SmokePlume:
    """The state of the plume on a grid, in units of cells and time steps.

    Attributes
    ----------
    density : smoke and heat, in the shape of the grid.
    velocity : one array for each axis, on its faces: one longer along that axis.
    """

    def __init__(self, grid: Grid) -> None:
        if grid.weights is not None:
            raise InputError("problem", "a constant coefficient with the smoke plume", "a variable one")
        self.grid = grid
        self.density = np.zeros(grid.shape)
        self.velocity = [
            np.zeros([n + (a == axis) for a, n in enumerate(grid.shape)]) for axis in range(grid.dim)
        ]
        around = pad_flags(grid.flags, grid.sides)
        self._faces = [_face_kinds(around, axis) for axis in range(grid.dim)]
        height, *across = cell_centres(grid.shape)
        inside = (height >= SOURCE_HEIGHT[0]) & (height <= SOURCE_HEIGHT[1])
        for x in across:
            inside = inside & (np.abs(x - 0.5) <= SOURCE_RADIUS)
        self._source = inside & grid.fluid()

    def advance(self) -> Array:
        """Do everything of a frame but the pressure; returns the right-hand side −div in the grid's shape."""
        self.density[self._source] = 1.0
        lift = (BUOYANCY - WEIGHT) * TIME_STEP
        self.velocity[0][1:-1] += 0.5 * lift * (self.density[1:] + self.density[:-1])
        carried = [self._carry(self.velocity[axis], axis) for axis in range(self.grid.dim)]
        self.density = self._carry(self.density, None) * self.grid.fluid()
        self.velocity = [np.where(kinds > 0, v, 0.0) for v, kinds in zip(carried, self._faces, strict=True)]
        return -self.divergence()

    def divergence(self) -> Array:
        """Return outgoing minus incoming velocity of each fluid cell, 0 elsewhere."""
        total = sum(np.diff(v, axis=axis) for axis, v in enumerate(self.velocity))
        return np.where(self.grid.fluid(), total, 0.0)

    def project(self, pressure: Array) -> None:
        """Subtract the gradient of the pressure (grid shape, solution of A p = `advance()`)."""
        double = 2.0 if self.grid.dirichlet == "face" else 1.0
        p = np.pad(np.where(self.grid.fluid(), pressure, 0.0), 1)
        for axis, kinds in enumerate(self._faces):
            window = tuple(slice(None) if a == axis else slice(1, -1) for a in range(self.grid.dim))
            gradient = np.diff(p[window], axis=axis)
            self.velocity[axis] -= np.where(
                kinds == 2, gradient, np.where(kinds == 1, double * gradient, 0.0)
            )

    def _carry(self, values: Array, axis: int | None) -> Array:
        """Move a field along the velocity: look upstream, half a step and then a whole one."""
        x = np.stack(np.meshgrid(*[np.arange(n, dtype=float) for n in values.shape], indexing="ij"))
        if axis is not None:
            x[axis] -= 0.5
        half = x - 0.5 * TIME_STEP * self._velocity_at(x)
        origin = x - TIME_STEP * self._velocity_at(half)
        if axis is not None:
            origin[axis] += 0.5
        return np.asarray(ndimage.map_coordinates(values, origin, order=1, mode="nearest"))

    def _velocity_at(self, x: Array) -> Array:
        """Return the velocity at points x (dim, …) in cells, linear between faces."""
        found = []
        for axis, v in enumerate(self.velocity):
            place = x.copy()
            place[axis] += 0.5
            found.append(ndimage.map_coordinates(v, place, order=1, mode="nearest"))
        return np.stack(found)


def _face_kinds(around: Flags, axis: int) -> NDArray[np.int64]:
    """Return for each face of an axis 0 (wall, or no fluid), 1 (fluid and air) or 2 (fluid and fluid)."""
    window = tuple(slice(None) if a == axis else slice(1, -1) for a in range(around.ndim))
    kinds = np.moveaxis(around[window], axis, 0)
    low, high = kinds[:-1], kinds[1:]
    both = (low == FLUID) & (high == FLUID)
    one = ((low == FLUID) & (high == AIR)) | ((low == AIR) & (high == FLUID))
    return np.moveaxis(np.where(both, 2, np.where(one, 1, 0)), 0, axis)


class Pressure:
    """The pressure that a plume goes on with: multigrid-preconditioned CG, one hierarchy for all frames."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._hierarchy: Multigrid | None = None

    def solve(self, source: Array) -> Array:
        """Return the pressure of a right-hand side, both in the shape of the grid."""
        system = make_system(self._grid, source)
        if self._hierarchy is None:
            parameters = MultigridParameters(coarse="rediscretised", smoother="red_black", nu=1)
            self._hierarchy = drain(build(system, parameters))
        *_, last = conjugate_gradients(system, self._hierarchy, rtol=PRESSURE_RTOL, max_iterations=1000)
        return last.x() if callable(last.x) else last.x


def divergence_at_frame(grid: Grid, frame: int) -> Preparation[Array]:
    """Return the right-hand side of a frame, counted from 1."""
    plume, pressure = SmokePlume(grid), Pressure(grid)
    for done in range(1, frame):
        yield Progress("smoke plume", done, frame)
        plume.project(pressure.solve(plume.advance()))
    return plume.advance()
