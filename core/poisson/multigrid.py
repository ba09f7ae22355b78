"""Geometric multigrid cycles, single precision inside, for use as a solver and in CG.

The grids, their operators and the transfers between them are made in `core.poisson.levels`.

References
----------
McAdams, Sifakis & Teran 2010, A parallel multigrid Poisson solver for fluids simulation on large grids, SCA.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.errors import InputError
from core.iterate import Array, Preparation, Progress
from core.poisson import kernels
from core.poisson.kernels import Single
from core.poisson.levels import (
    Level,
    MultigridParameters,
    band_of,
    coarser_level,
    damping,
    finest_level,
    halvings,
    invert,
    is_galerkin,
)
from core.poisson.monitor import norm
from core.poisson.system import (
    GridSystem,
    inner,
    strides_of,
)


class Multigrid:
    """A hierarchy that approximates A⁻¹ by one cycle.

    Attributes
    ----------
    levels : finest first.
    units : cost of one cycle in applications of A.
    """

    def __init__(
        self, system: GridSystem, levels: Sequence[Level], bottom: Single, settings: MultigridParameters
    ):
        self.system = system
        self.levels = tuple(levels)
        self.settings = settings
        self.bottom = bottom
        self._cells = np.flatnonzero(self.levels[-1].diagonal)
        self._omega = np.float32(damping(settings, system.grid.dim))
        # any residual of a solve fits into single precision in units of ‖b‖
        self._scale = 1.0 / (norm(system.b) or 1.0)
        self._deep = len(self.levels) > 1 and self.levels[0].shape == system.grid.shape
        self._weight = np.float32(4.0 / 2**system.grid.dim)
        self._inner = tuple(slice(0, n + 2) for n in system.grid.shape)
        self._offsets = [level.offsets for level in self.levels]
        self.units = self._cost()

    def apply(self, r: Array, z: Array) -> float:
        """Set z to the outcome of one cycle for A z = r from z = 0; returns r·z."""
        top = self.levels[0]
        if self._deep and self._is_jacobi_on_unit(top) and not self.settings.band:
            return self._fused(top, r, z)
        padded = [n + 2 for n in top.shape]
        top.b.reshape(padded)[self._inner] = r.reshape(self.system.grid.padded) * self._scale
        self._descend(0, self.settings.cycle)
        x = top.x.reshape(padded)[self._inner]
        np.multiply(x, 1.0 / self._scale, out=z.reshape(self.system.grid.padded), dtype=np.float64)
        return float(np.dot(r, z))

    def _fused(self, top: Level, r: Array, z: Array) -> float:
        """Do a cycle whose first and last sweeps also change precision."""
        s0, s1 = strides_of(top.shape)
        kernels.begin(r, self._scale, top.inverse, self._omega, top.b, top.x)
        for _ in range(self.settings.nu - 1):
            self._jacobi(top, 0)
        self._visit_coarser(top, 0, self.settings.cycle)
        for _ in range(self.settings.nu - 1):
            self._jacobi(top, 0)
        return kernels.end(top.x, top.b, top.inverse, s0, s1, self._omega, 1.0 / self._scale, r, z)

    def fields(self) -> list[tuple[Single, Single]]:
        """Return for each level copies of right-hand side and correction of the newest cycle."""
        found = []
        for level in self.levels:
            padded, cut = [n + 2 for n in level.shape], inner(len(level.shape))
            found.append((level.b.reshape(padded)[cut].copy(), level.x.reshape(padded)[cut].copy()))
        return found

    def table(self) -> list[dict[str, float]]:
        """Return for each level unknowns, stencil entries of a row and its share of all stored entries."""
        entries = [level.unknowns * level.entries for level in self.levels]
        return [
            {"unknowns": level.unknowns, "row": level.entries, "share": e / sum(entries)}
            for level, e in zip(self.levels, entries, strict=True)
        ]

    def _cost(self) -> float:
        fine = self.levels[0]
        sweeps = 2 * (self.settings.nu + self.settings.band)
        total, visits = 0.0, 1.0
        for level in self.levels[:-1]:
            total += visits * level.unknowns * (level.entries * sweeps + 2**self.system.grid.dim * 2)
            visits *= {"V": 1.0, "W": 2.0, "F": 1.5}[self.settings.cycle]
        total += visits * float(len(self._cells)) ** 2
        return total / (fine.unknowns * self.system.row_work)

    def _descend(self, depth: int, cycle: str) -> None:
        """Solve A x = b on a level approximately, from x = 0."""
        level = self.levels[depth]
        if depth == len(self.levels) - 1:
            level.x[:] = 0.0
            level.x[self._cells] = self.bottom @ level.b[self._cells]
            return
        self._smooth_from_zero(level, depth)
        self._visit_coarser(level, depth, cycle)
        self._smooth(level, depth)

    def _visit_coarser(self, level: Level, depth: int, cycle: str) -> None:
        """Correct once (V) or twice (W, and F with a V the second time)."""
        self._correct(level, depth, cycle)
        if cycle != "V" and depth + 2 < len(self.levels):
            # the bottom is solved exactly, where a second visit would find nothing left to do
            self._correct(level, depth, "W" if cycle == "W" else "V")

    def _correct(self, level: Level, depth: int, cycle: str) -> None:
        """Add the coarse grid's correction to x."""
        below = self.levels[depth + 1]
        self._sweep(level, depth, level.x, np.float32(0.0), level.scratch)
        kernels.restrict(level.scratch, level.factor, level.shape3, below.b, self._weight)
        kernels.clear_outside(below.b, below.inverse)
        self._descend(depth + 1, cycle)
        kernels.prolong(below.x, level.factor, level.shape3, level.x)

    def _smooth_from_zero(self, level: Level, depth: int) -> None:
        if self._is_red_black(level):
            level.x[:] = 0.0
            for _ in range(self.settings.nu):
                self._relax(level, 0)
                self._relax(level, 1)
        else:
            kernels.sweep_from_zero(level.b, level.inverse, self._omega, level.x)
            for _ in range(self.settings.nu - 1):
                self._jacobi(level, depth)
        self._sweep_band(level, depth)

    def _smooth(self, level: Level, depth: int) -> None:
        self._sweep_band(level, depth)
        for _ in range(self.settings.nu):
            if self._is_red_black(level):
                self._relax(level, 1)
                self._relax(level, 0)
            else:
                self._jacobi(level, depth)

    def _is_jacobi_on_unit(self, level: Level) -> bool:
        return self.settings.smoother == "jacobi" and level.weights is None

    def _is_red_black(self, level: Level) -> bool:
        return self.settings.smoother == "red_black" and level.weights is None

    def _relax(self, level: Level, colour: int) -> None:
        s0, s1 = strides_of(level.shape)
        kernels.relax_colour(level.x, level.b, level.inverse, s0, s1, int(level.shape3[0]), colour)

    def _jacobi(self, level: Level, depth: int) -> None:
        self._sweep(level, depth, level.x, self._omega, level.scratch)
        level.x, level.scratch = level.scratch, level.x

    def _sweep_band(self, level: Level, depth: int) -> None:
        for _ in range(self.settings.band):
            self._sweep(level, depth, level.x, np.float32(0.0), level.scratch)
            level.scratch *= level.band
            level.x += level.scratch

    def _sweep(self, level: Level, depth: int, x: Single, omega: np.float32, out: Single) -> None:
        """Set out to a Jacobi sweep from x, or to the residual if omega is 0."""
        if level.weights is None:
            s0, s1 = strides_of(level.shape)
            kernels.sweep_unit(x, level.b, level.diagonal, level.inverse, s0, s1, omega, out)
        else:
            kernels.sweep_stored(
                x, level.b, level.diagonal, level.inverse, level.weights, self._offsets[depth], omega, out
            )


def build(system: GridSystem, settings: MultigridParameters) -> Preparation[Multigrid]:
    """Make the hierarchy of a grid.

    Raises
    ------
    InputError
        If coarse operators are to be rediscretised and the coefficient varies.
    """
    grid = system.grid
    if not is_galerkin(settings, grid) and grid.weights is not None:
        raise InputError(
            "problem", "a constant coefficient, which rediscretised coarse operators need", "a variable one",
            "set coarse=galerkin",
        )  # fmt: skip
    count = halvings(grid.shape)
    yield Progress("multigrid level", 0, count + 1)
    levels = [finest_level(grid, count, settings)]
    for depth in range(1, count + 1):
        yield Progress("multigrid level", depth, count + 1)
        levels.append(coarser_level(levels[-1], grid, depth, settings))
    if settings.band:
        for level in levels:
            level.band = band_of(level, damping(settings, grid.dim))
    yield Progress("coarsest grid", count, count + 1)
    return Multigrid(system, levels, invert(levels[-1], system.singular > 0), settings)
