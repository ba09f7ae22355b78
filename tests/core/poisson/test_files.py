"""Masks, scans and matrices from files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import io as matrix_market
from scipy import sparse

from core.errors import InputError
from core.iterate import Status, drain
from core.poisson import files
from core.poisson.matrix import MAX_ROWS
from core.poisson.system import AIR, FLUID, SOLID
from tests.oracles_poisson import matrix, solve, system


def saved(folder: Path, values: np.ndarray, name: str = "mask.npy") -> str:
    np.save(folder / name, values)
    return str(folder / name)


def test_a_painted_mask_becomes_the_grid(tmp_path: Path) -> None:
    flags = np.full((20, 30), FLUID, np.int8)
    flags[5:8, 5:8] = SOLID
    flags[0, 0] = 0
    flags[15, 3] = AIR
    given = system("painted", mask=saved(tmp_path, flags), boundary="walls")
    assert given.grid.shape == (20, 30)
    assert given.unknowns == 600 - 9 - 2
    assert given.singular == 0  # the air cell holds the pressure
    assert solve(given, "multigrid_pcg").status is Status.CONVERGED


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
def test_a_painted_mask_may_have_any_whole_type_and_three_axes(tmp_path: Path, dtype: type) -> None:
    given = system("painted", mask=saved(tmp_path, np.full((5, 6, 7), 2, dtype)))
    assert given.grid.shape == (5, 6, 7)
    assert (given.grid.flags[-1] == AIR).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(5, np.int8), "two or three axes"),
        (np.full((4, 4), 4, np.int8), "flags from 0 to 3"),
        (np.full((4, 4), -1, np.int8), "flags from 0 to 3"),
        (np.full((4, 4), 2.0), "whole numbers"),
        (np.full((0, 4), 2, np.int8), "two or three axes"),
        (np.full((4, 4), 1, np.int8), "a fluid cell"),
        (np.full((4, 4), {}, object), "numbers, found Python objects"),
    ],
)
def test_an_unusable_mask_is_refused_in_words(tmp_path: Path, values: np.ndarray, message: str) -> None:
    np.save(tmp_path / "m.npy", values, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        system("painted", mask=str(tmp_path / "m.npy"))


def test_a_mask_that_is_too_large_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "huge.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|i1", "fortran_order": False, "shape": (10**6, 10**6)}
        )
    with pytest.raises(InputError, match="at most"):
        system("painted", mask=str(path))


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"no numpy file at all", b"\x93NUMPY\x01\x00\x10\x00{'descr'"]
)
def test_a_broken_mask_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.npy: expected an \.npy file"):
        system("painted", mask=str(tmp_path / "m.npy"))


def test_a_scan_becomes_voxels_with_its_z_upwards(tmp_path: Path) -> None:
    points = np.array([[0.2, 0.2, 0.2], [4.9, 0.3, 0.1], [0.1, 2.9, 1.9]])
    np.savetxt(tmp_path / "scan.xyz", points)
    given = system("scan", scan=str(tmp_path / "scan.xyz"), voxel=1.0, air="outside")
    # floor of the distance to the lowest corner (0.1, 0.2, 0.1), plus a margin of 2
    assert given.grid.shape == (1 + 1 + 4, 2 + 1 + 4, 4 + 1 + 4)
    solid = np.argwhere(given.grid.flags == SOLID)
    np.testing.assert_array_equal(solid, [[2, 2, 2], [2, 2, 6], [3, 4, 2]])
    assert solve(given, "multigrid_pcg").status is Status.CONVERGED


def test_voxels_that_are_too_small_are_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "scan.xyz", np.array([[0.0, 0.0, 0.0], [100.0, 100.0, 100.0]]))
    with pytest.raises(InputError, match="raise the voxel size"):
        system("scan", scan=str(tmp_path / "scan.xyz"), voxel=0.1)
    with pytest.raises(InputError, match="points"):
        files.voxelise(np.empty((0, 3)), 1.0, "scan")


def write_mtx(folder: Path, A: sparse.sparray) -> str:
    matrix_market.mmwrite(folder / "A.mtx", A)
    return str(folder / "A.mtx")


def write_npz(folder: Path, A: sparse.sparray) -> str:
    sparse.save_npz(folder / "A.npz", A)
    return str(folder / "A.npz")


@pytest.mark.parametrize("write", [write_mtx, write_npz])
@pytest.mark.parametrize("with_rhs", [False, True])
def test_a_matrix_file_is_solved(
    tmp_path: Path, write: Callable[[Path, sparse.sparray], str], with_rhs: bool
) -> None:
    A = matrix(system("disc", n=12).grid)
    b = np.random.default_rng(0).standard_normal(A.shape[0])
    params = {"matrix": write(tmp_path, A)}
    if with_rhs:
        params["rhs_file"] = saved(tmp_path, b, "b.npy")
    given = drain(files.Matrix(**params).build(0))
    assert abs(given.A - A).max() == 0.0
    if with_rhs:
        np.testing.assert_array_equal(given.b, b)
    assert solve(given, "ic_pcg").status is Status.CONVERGED


def test_a_right_hand_side_may_be_matrix_market(tmp_path: Path) -> None:
    matrix_market.mmwrite(tmp_path / "b.mtx", np.array([[1.0], [2.0]]))
    np.testing.assert_array_equal(files.read_vector(tmp_path / "b.mtx"), [1.0, 2.0])


def test_a_dense_matrix_market_file_is_refused(tmp_path: Path) -> None:
    matrix_market.mmwrite(tmp_path / "A.mtx", np.eye(3))
    with pytest.raises(InputError, match="sparse matrix"):
        files.read_matrix(tmp_path / "A.mtx")


def test_a_huge_matrix_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "A.mtx"
    path.write_text(f"%%MatrixMarket matrix coordinate real symmetric\n{10**9} {10**9} {10**12}\n")
    with pytest.raises(InputError, match=f"at most {MAX_ROWS:,} rows"):
        files.read_matrix(path)
    with zipfile.ZipFile(tmp_path / "A.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo("data.npy")
        with archive.open(info, "w") as entry:
            for _ in range(600):
                entry.write(bytes(2**20))
    with pytest.raises(InputError, match="at most"):
        files.read_matrix(tmp_path / "A.npz")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("A.mtx", b""),
        ("A.mtx", b"%%MatrixMarket matrix coordinate real symmetric\n3 3 9\n1 1 x\n"),
        ("A.mtx", b"%%MatrixMarket matrix coordinate real symmetric\n3 3 2\n9 9 1.0\n1 1 1.0\n"),
        ("A.npz", b"PK no archive"),
        ("A.npz", b""),
    ],
)
def test_a_broken_matrix_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        files.read_matrix(tmp_path / name)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(3))
    (tmp_path / "A.npz").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="saved by SciPy"):
        files.read_matrix(tmp_path / "A.npz")


@pytest.mark.parametrize("cls", [files.Painted, files.Scan, files.Matrix])
def test_a_missing_file_is_asked_for(cls: type) -> None:
    with pytest.raises(InputError, match="give the"):
        drain(cls().build(0))
    name = {"Painted": "mask", "Scan": "scan", "Matrix": "matrix"}[cls.__name__]
    with pytest.raises(InputError):
        drain(cls(**{name: "/nowhere/at/all.npy"}).build(0))
