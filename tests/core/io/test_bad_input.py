"""Unusable files: each is refused in one sentence that names object, expected, found and what to do."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.io.pointcloud import MAX_BYTES, MAX_POINTS, read
from tests.core.io import seed_files

XYZ = seed_files.points()
ABSURD = 10**12


def refusal(folder: Path, name: str, content: bytes) -> InputError:
    """Return the error for a file; checks that refusing it takes little memory."""
    path = folder / name
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the content itself, and libraries that are imported on the way
    assert peak < 3 * len(content) + 60e6
    assert caught.value.what.startswith(name)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def test_empty_files_of_every_extension_are_refused(tmp_path: Path) -> None:
    for extension in (
        "ply",
        "pcd",
        "bin",
        "xyz",
        "csv",
        "pts",
        "ptx",
        "obj",
        "npy",
        "npz",
        "las",
        "laz",
        "e57",
        "vtk",
    ):
        assert "empty" in refusal(tmp_path, f"a.{extension}", b"").got


def test_truncated_files_of_every_format_are_refused(tmp_path: Path) -> None:
    for kind, (extension, content) in seed_files.all_formats(tmp_path).items():
        if kind in ("xyz", "csv", "xyzrgb", "obj", "kitti"):
            # a part of a list without a count is a shorter list
            continue
        for share in (0.02, 0.3, 0.7, 0.95):
            refusal(tmp_path, f"cut{extension}", content[: int(share * len(content))])


def absurd_files() -> dict[str, bytes]:
    """Return files whose header announces 10^12 points."""
    las = bytearray(seed_files.las(XYZ))
    las[107:111] = (2**32 - 1).to_bytes(4, "little")
    npy = seed_files.npy(XYZ).replace(b"(60, 3), }             ", b"(1000000000000, 3), }  ")
    return {
        "a.ply": seed_files.ply(XYZ).replace(b"vertex 60", b"vertex %d" % ABSURD),
        "b.ply": seed_files.ply(XYZ, "").replace(b"vertex 60", b"vertex %d" % ABSURD),
        "c.ply": seed_files.ply_with_lists(XYZ).replace(b"strip 2", b"strip %d" % ABSURD),
        "a.pcd": seed_files.pcd(XYZ, "binary", ABSURD),
        "b.pcd": seed_files.pcd(XYZ, "ascii", ABSURD),
        "c.pcd": seed_files.pcd(XYZ, "binary_compressed", ABSURD),
        "a.vtk": seed_files.vtk(XYZ).replace(b"POINTS 60", b"POINTS %d" % ABSURD),
        "b.vtk": seed_files.vtk(XYZ, ascii=True).replace(b"POINTS 60", b"POINTS %d" % ABSURD),
        "a.pts": b"%d\n1 2 3\n" % ABSURD,
        "a.ptx": seed_files.ptx(XYZ).replace(b"60\n1\n", b"1000000\n1000000\n", 1),
        "a.npy": npy,
        "a.las": bytes(las),
    }


@pytest.mark.parametrize("name", absurd_files())
def test_an_absurd_count_is_refused_before_anything_is_allocated(name: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, name, absurd_files()[name])
    assert "000,000" in error.got + error.expected or "4,294,967,295" in error.expected


def test_a_header_that_announces_one_point_more_is_refused(tmp_path: Path) -> None:
    for name, content in {
        "a.ply": seed_files.ply(XYZ).replace(b"vertex 60", b"vertex 61"),
        "b.ply": seed_files.ply(XYZ, "").replace(b"vertex 60", b"vertex 61"),
        "a.pcd": seed_files.pcd(XYZ, "binary", 61),
        "b.pcd": seed_files.pcd(XYZ, "ascii", 61),
        "c.pcd": seed_files.pcd(XYZ, "binary_compressed", 61),
        "a.npy": seed_files.npy(XYZ).replace(b"(60, 3)", b"(61, 3)"),
        "b.vtk": seed_files.vtk(XYZ, ascii=True).replace(b"POINTS 60", b"POINTS 61"),
    }.items():
        refusal(tmp_path, name, content)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    header = io.BytesIO()
    count = 20_000_000
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (count, 3)}
    )
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("points.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(count * 24 // 10**6):
            member.write(bytes(10**6))
    assert len(stream.getvalue()) < 10**6
    assert "unpacking" in refusal(tmp_path, "bomb.npz", stream.getvalue()).got


def test_a_zip_bomb_that_hides_its_size_is_refused(tmp_path: Path) -> None:
    content = seed_files.npz(points=np.zeros((11_000_000, 3)))
    size = (11_000_000 * 24 + 128).to_bytes(4, "little")
    assert content.count(size) >= 1
    path = tmp_path / "bomb.npz"
    path.write_bytes(content.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(InputError):
        read(path)


class Trap:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("unpickled"),)


def test_a_pickle_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    np.save(stream, np.array([Trap()] * 9).reshape(3, 3), allow_pickle=True)
    assert "pickle" in refusal(tmp_path, "a.npy", stream.getvalue()).got
    assert "pickle" in refusal(tmp_path, "b.npy", pickle.dumps(Trap())).got
    assert "pickle" in refusal(tmp_path, "c.npz", seed_files.npz(points=np.array([[Trap()] * 3]))).got
    assert not (tmp_path / "unpickled").exists()


def test_a_wrong_extension_is_said(tmp_path: Path) -> None:
    assert "ply" in refusal(tmp_path, "a.ply", b"1 2 3\n4 5 6\n").expected
    assert "accepted are ply" in refusal(tmp_path, "a.docx", b"1 2 3\n").hint
    assert "no extension" in refusal(tmp_path, "scan", b"1 2 3\n").got
    assert "gzip" in refusal(tmp_path, "a.pcd", b"\x1f\x8b\x08" + bytes(50)).got
    assert "binary" in refusal(tmp_path, "a.xyz", seed_files.kitti(XYZ)).got
    refusal(tmp_path, "a.bin", b"this is some text, not numbers of 32 bits " * 8)


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.ply"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(InputError, match=r"large\.ply: expected at most 64 MB, found 100 MB; thin"):
        read(path)
    assert MAX_BYTES == 64 * 2**20


def test_more_points_than_the_limit_are_refused(tmp_path: Path) -> None:
    content = np.zeros((MAX_POINTS + 1, 3), dtype="<f4").tobytes()
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(InputError, match=r"at most 5,000,000 points, found 5,000,001"):
        read(tmp_path / "a.bin", columns=3)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.ply: expected a file, found no such file"):
        read(tmp_path / "none.ply")
    with pytest.raises(InputError, match="a folder"):
        read(tmp_path)
    with pytest.raises(InputError):
        read(tmp_path / "nul\0.ply")
