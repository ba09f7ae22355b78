"""A grid's system and its multigrid cycle as torch tensors, on the CPU or on a CUDA device.

The same stencils, transfers and cycle as `core.poisson.system` and `core.poisson.multigrid`, so the same
iterates up to rounding; for grids that a device holds and computes faster. A vector is flat and padded as on
the host, so that a neighbour is a shift by a stride: slices of it are contiguous. Memory: five float64 and,
with multigrid, about five float32 vectors of the grid's size on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from core.errors import InputError
from core.iterate import Array
from core.poisson.levels import Level, damping
from core.poisson.multigrid import Multigrid
from core.poisson.system import GridSystem

Tensor = torch.Tensor


class TensorSystem:
    """A grid's system on a device; a `LinearSystem` whose vectors are float64 tensors.

    Raises
    ------
    InputError
        If the device's memory does not hold it.
    """

    def __init__(self, system: GridSystem, device: torch.device) -> None:
        grid = system.grid
        self.host, self.device = system, device
        self.size, self.unknowns = system.size, system.unknowns
        self.removed, self.singular, self.row_work = system.removed, system.singular, system.row_work
        self._steps = [step for step in (*grid.strides, 1) if step]
        self.b: Any = self._put(system.b)
        self._diagonal = self._put(grid.diagonal)
        self._weights = None
        if grid.weights is not None:
            self._weights = [self._put(w) for w in grid.weights[3 - grid.dim :]]
        if system.singular:
            self._labels = self._put(grid.components.labels)
            self._cells = self._put(grid.components.cells.astype(np.float64))

    def _put(self, values: np.ndarray[Any, Any]) -> Tensor:
        return put(values, self.device)

    def zeros(self) -> Any:
        """Return a new vector of zeros."""
        return torch.zeros(self.size, dtype=torch.float64, device=self.device)

    def apply(self, u: Any, out: Any) -> None:
        """Set out = A u."""
        torch.mul(self._diagonal, u, out=out)
        if self._weights is None:
            subtract_neighbours(u, self._steps, out)
            out.mul_(self._diagonal != 0)
        else:
            subtract_weighted(u, self._steps, self._weights, out)

    def diagonal_values(self) -> Any:
        """Return the diagonal, 0 off the fluid."""
        return self._diagonal

    def project(self, v: Any) -> float:
        """Subtract the mean of each part without air from v in place; returns the norm removed."""
        if not self.singular or self.host.mean_kept:
            return 0.0
        sums = torch.zeros(self.singular + 1, dtype=v.dtype, device=v.device)
        means = sums.index_add_(0, self._labels, v)[:-1] / self._cells
        v -= torch.cat([means, means.new_zeros(1)])[self._labels]
        return float((self._cells * means**2).sum().sqrt())

    def extract(self, v: Any) -> Array:
        """Return a copy on the host in the shape of the grid."""
        return self.host.extract(v.cpu().numpy())

    def embed(self, values: Array) -> Any:
        """Return the vector of values in the shape of the grid."""
        return self._put(self.host.embed(values))


def put(values: np.ndarray[Any, Any], device: torch.device) -> Tensor:
    """Return a copy of an array on the device.

    Raises
    ------
    InputError
        If there is no memory left.
    """
    try:
        return torch.tensor(values, device=device)
    except torch.OutOfMemoryError as error:
        raise InputError(
            "grid", "a size that the device's memory holds", f"{values.nbytes / 1e9:.1f} GB more than that",
            "choose a smaller grid or device=cpu",
        ) from error  # fmt: skip


def subtract_neighbours(u: Tensor, steps: Sequence[int], out: Tensor) -> None:
    """Subtract the values of all face neighbours; wrong off the fluid, where the caller masks."""
    for step in steps:
        out[step:] -= u[:-step]
        out[:-step] -= u[step:]


def subtract_weighted(u: Tensor, steps: Sequence[int], weights: Sequence[Tensor], out: Tensor) -> None:
    """Subtract the weighted values of the neighbours at +step and −step; weights are those to +step."""
    for step, w in zip(steps, weights, strict=True):
        out[:-step] -= w[:-step] * u[step:]
        out[step:] -= w[:-step] * u[:-step]


class _TensorLevel:
    """One grid of the hierarchy on the device, float32."""

    def __init__(self, level: Level, device: torch.device) -> None:
        self.padded = [n + 2 for n in level.shape]
        self.steps = [int(step) for step in level.offsets]
        self.diagonal, self.inverse = put(level.diagonal, device), put(level.inverse, device)
        self.factor = put(level.factor, device)
        self.weights = None if level.weights is None else list(put(level.weights, device))

    def residual(self, b: Tensor, x: Tensor) -> Tensor:
        """Return b − A x; anything off the fluid if the stencil is the unit one."""
        out = torch.addcmul(b, self.diagonal, x, value=-1.0).neg_()
        if self.weights is None:
            subtract_neighbours(x, self.steps, out)
        else:
            subtract_weighted(x, self.steps, self.weights, out)
        return out.neg_()

    def smooth(self, b: Tensor, x: Tensor, omega: float) -> None:
        """Do a damped Jacobi sweep in place."""
        x.addcmul_(self.inverse, self.residual(b, x), value=omega)


class TensorMultigrid:
    """One symmetric V-cycle with damped Jacobi sweeps, on a device.

    Attributes
    ----------
    system : on the same device.
    units : cost of one cycle in applications of A.
    """

    def __init__(self, system: TensorSystem, hierarchy: Multigrid) -> None:
        self.system, self.units = system, hierarchy.units
        device, settings = system.device, hierarchy.settings
        self._levels = [_TensorLevel(level, device) for level in hierarchy.levels]
        self._omega, self._nu = damping(settings, system.host.grid.dim), settings.nu
        bottom = hierarchy.levels[-1]
        self._cells = put(np.flatnonzero(bottom.diagonal), device)
        self._bottom = put(hierarchy.bottom, device)
        self._scale = 1.0 / (float(torch.linalg.vector_norm(system.b)) or 1.0)
        self._weight = 4.0 / 2**system.host.grid.dim
        self._inner = tuple(slice(0, n) for n in system.host.grid.padded)

    def apply(self, r: Any, z: Any) -> float:
        """Set z to the outcome of one cycle for A z = r from z = 0; returns r·z."""
        top, shape = self._levels[0], self.system.host.grid.padded
        b = torch.zeros(top.padded, dtype=torch.float32, device=r.device)
        b[self._inner] = (r.view(shape) * self._scale).float()
        x = self._cycle(0, b.view(-1)).view(top.padded)[self._inner]
        torch.mul(x, 1.0 / self._scale, out=z.view(shape))
        return float(r @ z)

    def _cycle(self, depth: int, b: Tensor) -> Tensor:
        """Return an approximate solution of A x = b on a level."""
        level, x = self._levels[depth], torch.zeros_like(b)
        if depth == len(self._levels) - 1:
            x[self._cells] = self._bottom @ b[self._cells]
            return x
        torch.mul(level.inverse, b, out=x).mul_(self._omega)
        for _ in range(self._nu - 1):
            level.smooth(b, x, self._omega)
        r = level.factor * level.residual(b, x)
        below = self._levels[depth + 1]
        coarse = restrict(r.view(level.padded)).view(-1).mul_(self._weight)
        coarse.mul_(below.inverse != 0)
        e = self._cycle(depth + 1, coarse)
        x.addcmul_(level.factor, prolong(e.view(below.padded)).view(-1))
        for _ in range(self._nu):
            level.smooth(b, x, self._omega)
        return x


def prolong(e: Tensor) -> Tensor:
    """Interpolate from cell centres along each axis with the weights 3/4 and 1/4.

    Parameters
    ----------
    e : padded coarse grid, m + 2 cells along each axis.

    Returns
    -------
    Padded fine grid, 2 m + 2 cells along each axis, 0 on its padding.
    """
    for axis in range(e.dim()):
        m = e.shape[axis] - 2
        middle, low, high = e.narrow(axis, 1, m), e.narrow(axis, 0, m), e.narrow(axis, 2, m)
        pairs = torch.stack([0.75 * middle + 0.25 * low, 0.75 * middle + 0.25 * high], axis + 1)
        e = pairs.flatten(axis, axis + 1)
    return torch.nn.functional.pad(e, (1, 1) * e.dim())


def restrict(r: Tensor) -> Tensor:
    """Apply the transpose of `prolong` to a padded fine grid of 2 m + 2 cells along each axis."""
    for axis in range(r.dim()):
        m = (r.shape[axis] - 2) // 2
        shape = list(r.shape)
        pairs = r.narrow(axis, 1, 2 * m).reshape(*shape[:axis], m, 2, *shape[axis + 1 :])
        even, odd = pairs.unbind(axis + 1)
        shape[axis] = m + 2
        out = r.new_zeros(shape)
        out.narrow(axis, 1, m).add_(even + odd, alpha=0.75)
        out.narrow(axis, 0, m).add_(even, alpha=0.25)
        out.narrow(axis, 2, m).add_(odd, alpha=0.25)
        r = out
    return r
