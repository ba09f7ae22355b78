"""Small valid files of every format, written here byte by byte or by the format's own library."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import laspy
import lzf
import numpy as np
import pye57
from numpy.typing import NDArray


def points(count: int = 60, seed: int = 0) -> NDArray[np.float64]:
    """Return (count, 3) points in a room of 10 m, rounded to the millimetre."""
    return np.random.default_rng(seed).uniform(-5.0, 5.0, (count, 3)).round(3)


def rows(*columns: Any, separator: str = " ", form: str = "%.3f") -> str:
    """Return a table as text."""
    table = np.column_stack(columns)
    return "".join(separator.join(form % value for value in row) + "\n" for row in table)


def ply(xyz: NDArray[np.float64], order: str = "<") -> bytes:
    kind = {"": "ascii", "<": "binary_little_endian", ">": "binary_big_endian"}[order]
    head = f"ply\nformat {kind} 1.0\ncomment made for a test\nelement vertex {len(xyz)}\n"
    head += "property float x\nproperty float y\nproperty float z\nproperty uchar intensity\nend_header\n"
    if not order:
        return (head + rows(xyz, np.arange(len(xyz)) % 256, form="%g")).encode()
    body = np.empty(len(xyz), dtype=[("p", f"{order}f4", 3), ("i", "u1")])
    body["p"], body["i"] = xyz, np.arange(len(xyz)) % 256
    return head.encode() + body.tobytes()


def ply_with_lists(xyz: NDArray[np.float64], ascii: bool = False) -> bytes:
    """Return a PLY with a list element before the vertices, a list within them, and faces behind."""
    kind = "ascii" if ascii else "binary_little_endian"
    head = f"ply\nformat {kind} 1.0\nelement strip 2\nproperty list uchar int ids\n"
    head += f"element vertex {len(xyz)}\nproperty float z\nproperty list uchar short tags\n"
    head += "property float x\nproperty float y\nelement face 1\n"
    head += "property list uchar int vertex_indices\nend_header\n"
    if ascii:
        body = "3 1 2 3\n0\n"
        for i, (x, y, z) in enumerate(xyz):
            body += f"{z} {i % 3}" + " 7" * (i % 3) + f" {x} {y}\n"
        return (head + body + "3 0 1 2\n").encode()
    packed = struct.pack("<B3iB", 3, 1, 2, 3, 0)
    for i, (x, y, z) in enumerate(xyz):
        packed += struct.pack(f"<fB{i % 3}hff", z, i % 3, *[7] * (i % 3), x, y)
    return head.encode() + packed + struct.pack("<B3i", 3, 0, 1, 2)


def pcd(xyz: NDArray[np.float64], kind: str = "binary", count: int | str | None = None) -> bytes:
    n = len(xyz) if count is None else count
    head = "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z intensity\nSIZE 4 4 4 4\n"
    head += f"TYPE F F F F\nCOUNT 1 1 1 1\nWIDTH {n}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n"
    head += f"POINTS {n}\nDATA {kind}\n"
    table = np.column_stack([xyz, np.arange(len(xyz))]).astype("<f4")
    if kind == "ascii":
        return head.encode() + rows(xyz, np.arange(len(xyz)), form="%g").encode()
    if kind == "binary":
        return head.encode() + table.tobytes()
    content = table.T.tobytes()
    packed = lzf.compress(content, 2 * len(content) + 64)
    return head.encode() + struct.pack("<II", len(packed), len(content)) + packed


def kitti(xyz: NDArray[np.float64]) -> bytes:
    return np.column_stack([xyz, np.linspace(0.0, 1.0, len(xyz))]).astype("<f4").tobytes()


def ptx(xyz: NDArray[np.float64], matrix: NDArray[np.float64] | None = None) -> bytes:
    """Return one grid of a single row; `matrix` (4, 4) acts on row vectors."""
    matrix = np.eye(4) if matrix is None else matrix
    head = f"{len(xyz)}\n1\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
    head += rows(matrix, form="%.12g")
    return (head + rows(xyz, np.full(len(xyz), 0.5))).encode()


def npy(xyz: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, xyz)
    return stream.getvalue()


def npz(**arrays: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def las(xyz: NDArray[np.float64], compressed: bool = False) -> bytes:
    header = laspy.LasHeader(point_format=3, version="1.2")
    header.scales, header.offsets = np.full(3, 0.001), np.zeros(3)
    file = laspy.LasData(header)
    file.x, file.y, file.z = xyz.T
    file.intensity = np.arange(len(xyz))
    stream = io.BytesIO()
    # the stream would be closed with the file
    stream.close = lambda: None  # type: ignore[method-assign]
    file.write(stream, do_compress=compressed)
    return stream.getvalue()


def e57(folder: Path, *scans: tuple[NDArray[np.float64], Any, Any]) -> bytes:
    """Return an E57 with scans (points, quaternion w x y z, translation)."""
    path = folder / "made.e57"
    path.unlink(missing_ok=True)
    with pye57.E57(str(path), mode="w") as file:
        for xyz, rotation, translation in scans:
            fields = {"cartesianX": xyz[:, 0], "cartesianY": xyz[:, 1], "cartesianZ": xyz[:, 2]}
            fields = {name: np.ascontiguousarray(values) for name, values in fields.items()}
            fields["intensity"] = np.linspace(0.0, 1.0, len(xyz))
            file.write_scan_raw(fields, rotation=np.asarray(rotation), translation=np.asarray(translation))
    return path.read_bytes()


def vtk(xyz: NDArray[np.float64], ascii: bool = False) -> bytes:
    n = len(xyz)
    kind = "ASCII" if ascii else "BINARY"
    title = f"# vtk DataFile Version 3.0\nmade for a test\n{kind}\n"
    head = f"{title}DATASET POLYDATA\nPOINTS {n} float\n".encode()
    middle = f"\nPOINT_DATA {n}\nSCALARS intensity float 1\nLOOKUP_TABLE default\n".encode()
    values = np.arange(n)
    if ascii:
        return head + rows(xyz, form="%g").encode() + middle + rows(values, form="%g").encode()
    return head + xyz.astype(">f4").tobytes() + middle + values.astype(">f4").tobytes()


def all_formats(folder: Path, count: int = 60) -> dict[str, tuple[str, bytes]]:
    """Return (extension, content) of a valid file by the name of its format."""
    xyz = points(count)
    grey = np.arange(count) % 256
    text: Callable[[str], bytes] = str.encode
    vertices = "".join(f"v {x} {y} {z}\n" for x, y, z in xyz)
    return {
        "ply ascii": (".ply", ply(xyz, "")),
        "ply little endian": (".ply", ply(xyz, "<")),
        "ply big endian": (".ply", ply(xyz, ">")),
        "ply lists": (".ply", ply_with_lists(xyz)),
        "pcd ascii": (".pcd", pcd(xyz, "ascii")),
        "pcd binary": (".pcd", pcd(xyz, "binary")),
        "pcd compressed": (".pcd", pcd(xyz, "binary_compressed")),
        "kitti": (".bin", kitti(xyz)),
        "xyz": (".xyz", text(rows(xyz))),
        "csv": (".csv", text("x;y;z;intensity\n" + rows(xyz, grey, separator=";").replace(".", ","))),
        "xyzrgb": (".xyzrgb", text(rows(xyz, grey / 255, grey / 255, grey / 255))),
        "pts": (".pts", text(f"{count}\n" + rows(xyz, grey, grey, grey, grey, form="%g"))),
        "ptx": (".ptx", ptx(xyz)),
        "obj": (".obj", text(f"# made for a test\n{vertices}f 1 2 3\n")),
        "npy": (".npy", npy(xyz)),
        "npz": (".npz", npz(points=xyz, intensity=np.arange(count))),
        "las": (".las", las(xyz)),
        "laz": (".laz", las(xyz, compressed=True)),
        "e57": (".e57", e57(folder, (xyz, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))),
        "vtk ascii": (".vtk", vtk(xyz, ascii=True)),
        "vtk binary": (".vtk", vtk(xyz)),
    }
