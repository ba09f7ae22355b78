"""The stencil network at work on a grid: its kernels are made once, then compiled passes, without torch.

The same operator as `core.poisson.learned.stencil_network`, which is what is trained.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array
from core.poisson import kernels
from core.poisson.learned.architectures import StencilArchitecture
from core.poisson.monitor import norm
from core.poisson.system import AIR, FLUID, SOLID, Flags, Grid, inner

Single = NDArray[np.float32]
#: Cells whose surroundings are gathered at a time.
_SLAB = 2**15


@dataclass(slots=True, eq=False)
class _Level:
    """Cells, kernels (3^d, padded cells), the two weights of the combination, and vectors of one level."""

    flags: Flags
    before: Single
    after: Single | None = None
    keep: float = 0.0
    add: float = 0.0
    down: Single = field(init=False)
    up: Single = field(init=False)
    offsets: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        padded = tuple(n + 2 for n in self.flags.shape)
        self.down, self.up = np.zeros(padded, np.float32), np.zeros(padded, np.float32)
        strides = np.cumprod([1, *padded[:0:-1]])[::-1]
        steps = itertools.product((-1, 0, 1), repeat=len(padded))
        self.offsets = np.array([int(np.dot(step, strides)) for step in steps], np.int64)


class StencilOperator:
    """M(r) = ‖r‖ f(r/‖r‖), linear in r.

    Attributes
    ----------
    units : cost of one application in applications of A.

    Raises
    ------
    InputError
        If the tensors are not those of the architecture.
    """

    def __init__(self, grid: Grid, architecture: StencilArchitecture, tensors: Mapping[str, Single]) -> None:
        self._grid = grid
        self._fluid = grid.fluid()
        depth = architecture.depth(grid.shape)
        full = tuple(n + (-n) % 2**depth for n in grid.shape)
        self.units = (
            architecture.multiply_adds(full) * float(np.prod(full))
            / (int(np.count_nonzero(grid.diagonal)) * (2.0 * grid.dim + 1.0))
        )  # fmt: skip
        picture = np.zeros((3, *full), np.float32)
        air, fluid = grid.flags == AIR, grid.flags == FLUID
        picture[(slice(None), *(slice(n) for n in grid.shape))] = np.stack([air, fluid, air | fluid])
        self._levels: list[_Level] = []
        for level in range(depth):
            which = min(level, architecture.sets - 1)
            layers = [
                _layer(tensors, f"{part}.{which}", grid.dim) for part in ("before", "after", "keep", "add")
            ]
            fields, means = _convolve(picture, layers[:2], layers[2:])
            # the weight of what comes up is put into its kernels
            self._levels.append(_Level(_kinds(picture), fields[0], fields[1] * np.float32(means[1]), *means))
            picture = _halve(picture)
        bottom, _ = _convolve(picture, [_layer(tensors, "bottom", grid.dim)], [])
        self._levels.append(_Level(_kinds(picture), bottom[0]))
        self._input = np.zeros_like(self._levels[0].down)
        self._row = np.zeros(max(level.down.shape[-1] for level in self._levels), np.float32)

    @property
    def levels(self) -> int:
        """Levels including the bottom."""
        return len(self._levels)

    def kernels(self, level: int, after: bool = False) -> Single:
        """Return the kernels of a level, (3^d, cells along each axis): for the view of learned stencils.

        Parameters
        ----------
        after : those for what comes up, times c1, in place of those for what goes down.
        """
        at = self._levels[level]
        found = at.after if after and at.after is not None else at.before
        return found.reshape(-1, *at.down.shape)[(slice(None), *inner(self._grid.dim))].copy()

    def flags(self, level: int) -> Flags:
        """Return the kinds of a level's cells: fluid if any child is, else air if any is, else solid."""
        return self._levels[level].flags

    def combinations(self) -> Array:
        """Return (levels above the bottom, 2): c0 of what was kept and c1 of what comes up, finest first."""
        return np.array([(level.keep, level.add) for level in self._levels[:-1]]).reshape(-1, 2)

    def apply(self, r: Array, z: Array) -> float:
        """Set z = ‖r‖ f(r/‖r‖) on the fluid and return r·z."""
        length = norm(r)
        if not length > 0.0:
            z[:] = 0.0
            return 0.0
        cut, own = inner(self._grid.dim), tuple(slice(1, n + 1) for n in self._grid.shape)
        np.multiply(
            r.reshape(self._grid.padded)[cut], 1.0 / length, out=self._input[own], casting="same_kind"
        )
        found = self._sweep()
        np.multiply(found[own], self._fluid, out=z.reshape(self._grid.padded)[cut])
        z *= length
        return float(np.dot(r, z))

    def _sweep(self) -> Single:
        """Go down and up once; returns the finest level's answer."""
        average = kernels.average_2d if self._grid.dim == 2 else kernels.average_3d
        interpolate = kernels.interpolate_2d if self._grid.dim == 2 else kernels.interpolate_3d
        x = self._input
        for level in self._levels:
            if level is not self._levels[0]:
                average(x, level.up)
                x = level.up
            kernels.convolve_varying(
                level.before, x.ravel(), level.offsets, np.float32(0.0), level.down.ravel()
            )
            x = level.down
        for level in reversed(self._levels[:-1]):
            interpolate(x, self._row, level.up)
            assert level.after is not None
            kernels.convolve_varying(
                level.after, level.up.ravel(), level.offsets, np.float32(level.keep), level.down.ravel()
            )
            x = level.down
        return x


def _layer(tensors: Mapping[str, Single], name: str, dim: int) -> tuple[Single, Single]:
    """Return weight (3^d, 3·3^d) and bias (3^d,) of a generator."""
    taps = 3**dim
    for part, shape in (("weight", (taps, 3, *(3,) * dim)), ("bias", (taps,))):
        got = tensors.get(f"{name}.{part}")
        if got is None or got.shape != shape:
            found = "none" if got is None else str(got.shape)
            raise InputError("weights", f"{name}.{part} of shape {shape}", found, "train them again")
    return tensors[f"{name}.weight"].reshape(taps, 3 * taps), tensors[f"{name}.bias"]


def _convolve(
    picture: Single, layers: list[tuple[Single, Single]], averaged: list[tuple[Single, Single]]
) -> tuple[list[Single], list[float]]:
    """Return the padded kernels that layers make of a picture, and the means of what others make of it."""
    _, *shape = picture.shape
    dim = len(shape)
    around = np.pad(picture, [(0, 0), *[(1, 1)] * dim])
    sums = np.zeros(3 * 3**dim)
    fields = [np.zeros((len(bias), *(n + 2 for n in shape)), np.float32) for _, bias in layers]
    rows = max(1, _SLAB // int(np.prod(shape[1:])))
    for low in range(0, shape[0], rows):
        high = min(low + rows, shape[0])
        windows = [
            around[(slice(None), slice(low + o[0], high + o[0]),
                    *(slice(a, a + n) for a, n in zip(o[1:], shape[1:], strict=True)))]
            for o in itertools.product(range(3), repeat=dim)
        ]  # fmt: skip
        patches = np.stack(windows, axis=1).reshape(3 * 3**dim, -1)
        sums += patches.sum(axis=1, dtype=np.float64)
        for made, (weight, bias) in zip(fields, layers, strict=True):
            values = (weight @ patches + bias[:, None]).reshape(-1, high - low, *shape[1:])
            made[(slice(None), slice(low + 1, high + 1), *inner(dim - 1))] = values
    mean = sums / float(np.prod(shape))
    means = [float(weight.mean(axis=0) @ mean + bias.mean()) for weight, bias in averaged]
    return [made.reshape(len(made), -1) for made in fields], means


def _kinds(picture: Single) -> Flags:
    """Return the flags that a picture of shares of air and fluid stands for."""
    air, fluid, _ = picture
    return np.where(fluid > 0.0, FLUID, np.where(air > 0.0, AIR, SOLID)).astype(np.int8)


def _halve(picture: Single) -> Single:
    """Return the means over blocks of two cells along each axis."""
    for axis in range(1, picture.ndim):
        shape = [*picture.shape[:axis], picture.shape[axis] // 2, 2, *picture.shape[axis + 1 :]]
        picture = picture.reshape(shape).mean(axis=axis + 1, dtype=np.float32)
    return picture
