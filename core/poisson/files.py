"""Problems from files: a painted mask, a voxelised scan, a matrix with its right-hand side."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from scipy import io as matrix_market
from scipy import sparse

from core.errors import InputError
from core.io.pointcloud import read_isolated
from core.iterate import Array, Preparation, Progress
from core.poisson.matrix import MAX_ENTRIES, MAX_ROWS, MatrixSystem, make_matrix_system
from core.poisson.problem import (
    BOUNDARIES,
    MAX_CELLS,
    SourceParameters,
    all_fluid,
    build_grid,
    build_system,
    generator,
)
from core.poisson.system import AIR, BOUNDARY, Flags, GridSystem
from core.registry import param, problem

#: Free cells around a scan.
MARGIN = 2
T = TypeVar("T")


@problem("painted", lab="poisson", title="Painted mask", order=70)
@dataclass(frozen=True)
class Painted(SourceParameters):
    """A grid of your own, painted here or loaded: an .npy file of 0 or 1 (solid), 2 (fluid) and 3 (air)."""

    mask: str = param("", form="file", doc="int8 flags of the cells: 0 and 1 solid, 2 fluid, 3 air")
    boundary: str = param("open_box", choices=BOUNDARIES, doc="what closes the box")

    def build(self, seed: int) -> Preparation[GridSystem]:
        """Read the mask and make the right-hand side."""
        yield Progress("mask")
        flags = read_flags(_path(self.mask, "mask"))
        return (yield from build_system(self, build_grid(self, flags, self.boundary, seed), seed))


@problem("scan", lab="poisson", title="Voxelised scan", order=80)
@dataclass(frozen=True)
class Scan(SourceParameters):
    """A laser scan as obstacle: every voxel that holds a point is solid. Axis 0 is the scan's z, up."""

    scan: str = param("", form="file", doc="a point cloud: PLY, PCD, KITTI .bin, XYZ, LAS, E57 and others")
    voxel: float = param(1.0, low=0.01, high=100.0, log=True, unit="m", doc="side of a cell")
    boundary: str = param("open_box", choices=BOUNDARIES, doc="what closes the box")

    def build(self, seed: int) -> Preparation[GridSystem]:
        """Read the scan, mark its voxels and make the right-hand side."""
        cloud = yield from read_isolated(_path(self.scan, "scan"))
        yield Progress("voxels")
        solid = voxelise(cloud.points, self.voxel, cloud.name)
        grid = build_grid(self, all_fluid(solid.shape), self.boundary, seed, solid)
        return (yield from build_system(self, grid, seed))


@problem("matrix", lab="poisson", title="Your matrix", order=90)
@dataclass(frozen=True)
class Matrix:
    """A symmetric positive definite matrix of your own with its right-hand side.

    Methods that need a grid (multigrid, transforms, sweeps over cells) refuse it and say so.
    """

    matrix: str = param("", form="file", doc="Matrix Market (.mtx) or SciPy's sparse .npz")
    rhs_file: str = param(
        "", form="file", label="right-hand side", doc="Matrix Market or .npy; empty: white noise"
    )

    def build(self, seed: int) -> Preparation[MatrixSystem]:
        """Read both files and check them."""
        path = _path(self.matrix, "matrix")
        yield Progress("matrix")
        A = read_matrix(path)
        yield Progress("right-hand side")
        if self.rhs_file:
            b = read_vector(Path(self.rhs_file))
        else:
            b = generator(seed, 1).standard_normal(A.shape[0])
        return make_matrix_system(A, b, path.name)


def _path(text: str, what: str) -> Path:
    if not text:
        raise InputError(what, "a file", "nothing", f"give the {what} a file")
    return Path(text)


def _reading(path: Path, expected: str, read: Callable[[], T]) -> T:
    """Run a reader and say in one line what is wrong with the file."""
    try:
        return read()
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError, EOFError, OverflowError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(path.name, expected, reason[:200]) from None


def read_flags(path: Path) -> Flags:
    """Read a mask of 0, 1, 2, 3 with two or three axes."""
    flags = _read_npy(path, MAX_CELLS)
    if flags.ndim not in (2, 3) or min(flags.shape) < 1:
        raise InputError(path.name, "two or three axes", f"shape {flags.shape}")
    if flags.dtype.kind not in "iub":
        raise InputError(path.name, "whole numbers", f"type {flags.dtype}")
    if flags.min() < BOUNDARY or flags.max() > AIR:
        raise InputError(path.name, "flags from 0 to 3", f"values from {flags.min()} to {flags.max()}")
    return flags.astype(np.int8)


def _read_npy(path: Path, most: int) -> NDArray[Any]:
    """Read an .npy file after a look at its header: no pickles, at most `most` numbers."""

    def read() -> NDArray[Any]:
        with path.open("rb") as file:
            version = npy.read_magic(file)
            header = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
            shape, _, dtype = header
            if dtype.hasobject:
                raise InputError(path.name, "numbers", "Python objects")
            if np.prod(shape, dtype=float) > most:
                raise InputError(
                    path.name, f"at most {most} numbers", f"shape {shape}", "take a coarser grid"
                )
            file.seek(0)
            return np.asarray(npy.read_array(file, allow_pickle=False))

    return _reading(path, "an .npy file", read)


def voxelise(points: Array, voxel: float, name: str) -> NDArray[np.bool_]:
    """Return which voxels of a box around the points (N, 3) hold one; axes z, y, x.

    Raises
    ------
    InputError
        If there is no point or the box has too many voxels.
    """
    if not len(points):
        raise InputError(name, "points", "none")
    low = points.min(axis=0)
    extent = np.floor((points.max(axis=0) - low) / voxel) + 1 + 2 * MARGIN
    if np.prod(extent) > MAX_CELLS:
        raise InputError(
            "-p voxel", f"a size that makes at most {MAX_CELLS} cells of {name}",
            f"{voxel:g} m, which makes {np.prod(extent):.3g}", "raise the voxel size",
        )  # fmt: skip
    solid = np.zeros(extent.astype(int), bool)
    index = np.floor((points - low) / voxel).astype(int) + MARGIN
    solid[tuple(index.T)] = True
    return np.ascontiguousarray(solid.transpose(2, 1, 0))


def read_matrix(path: Path) -> Any:
    """Read a sparse matrix, Matrix Market or SciPy's .npz; sizes are checked before the content is read."""
    if path.suffix == ".npz":
        return _reading(path, "a sparse matrix saved by SciPy", lambda: _read_npz(path))

    def read() -> Any:
        rows, columns, entries, layout, *_ = matrix_market.mminfo(path)
        _check_size(path.name, max(rows, columns), entries)
        if layout != "coordinate":
            raise InputError(path.name, "a sparse matrix (coordinate)", f"{layout}")
        return matrix_market.mmread(path)

    return _reading(path, "a Matrix Market file", read)


def _read_npz(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
    # 8 bytes a value and 8 an index at the most
    _check_size(path.name, 0, total // 16)
    A = sparse.load_npz(path)
    _check_size(path.name, A.shape[0], A.nnz)
    return A


def _check_size(name: str, rows: int, entries: int) -> None:
    if rows > MAX_ROWS or entries > MAX_ENTRIES:
        raise InputError(
            name, f"at most {MAX_ROWS:,} rows and {MAX_ENTRIES:,} entries",
            f"{rows:,} rows, {entries:,} entries",
        )  # fmt: skip


def read_vector(path: Path) -> Array:
    """Read a vector, .npy or Matrix Market, as (n,) float64."""
    if path.suffix == ".npy":
        values = _read_npy(path, MAX_ROWS)
    else:

        def read() -> NDArray[Any]:
            rows, columns, *_ = matrix_market.mminfo(path)
            _check_size(path.name, rows * columns, 0)
            found = matrix_market.mmread(path)
            return np.asarray(found.toarray() if sparse.issparse(found) else found)

        values = _reading(path, "a Matrix Market file", read)
    if values.dtype.kind not in "iufb":
        raise InputError(path.name, "real numbers", f"type {values.dtype}")
    return np.asarray(values.ravel(), np.float64)
