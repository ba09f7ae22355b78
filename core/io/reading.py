"""From a path to a `PointCloud`: size limit, format by content first and by extension second, cleaning."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from core.errors import InputError
from core.io.cloud import MAX_BYTES, MAX_BYTES_TEXT, PointCloud, clean
from core.io.columns import Columns, Source
from core.io.table import decode
from core.iterate import Preparation, Progress, drain

#: Reader (module and function in `core.io.formats`) by format.
_READERS: Mapping[str, tuple[str, str]] = {
    "ply": ("ply", "read"),
    "pcd": ("pcd", "read"),
    "bin": ("kitti", "read"),
    "text": ("text", "read"),
    "pts": ("pts", "read_pts"),
    "ptx": ("pts", "read_ptx"),
    "obj": ("obj", "read"),
    "npy": ("npy", "read_npy"),
    "npz": ("npy", "read_npz"),
    "las": ("las", "read"),
    "e57": ("e57", "read"),
    "vtk": ("vtk", "read"),
}
#: Format by accepted extension (lower case, with the dot).
EXTENSIONS: Mapping[str, str] = {
    ".ply": "ply", ".pcd": "pcd", ".bin": "bin", ".las": "las", ".laz": "las", ".e57": "e57", ".xyz": "text",
    ".txt": "text", ".csv": "text", ".asc": "text", ".xyzrgb": "text", ".pts": "pts", ".ptx": "ptx",
    ".npy": "npy", ".npz": "npz", ".vtk": "vtk", ".obj": "obj",
}  # fmt: skip
#: Formats that are known by their first bytes, and what these must look like.
_MAGIC: Mapping[str, tuple[re.Pattern[bytes], str]] = {
    "ply": (re.compile(rb"ply[ \t]*[\r\n]"), 'the word "ply" in its first line'),
    "pcd": (re.compile(rb"\s*(#[^\n]*\n\s*)*(VERSION|FIELDS|COLUMNS)\b|# ?\.PCD"), "a PCD header"),
    "npy": (re.compile(rb"\x93NUMPY"), "the NPY signature"),
    "npz": (re.compile(rb"PK(\x03\x04|\x05\x06)"), "the ZIP signature"),
    "las": (re.compile(rb"LASF"), "the LAS signature"),
    "e57": (re.compile(rb"ASTM-E57"), "the E57 signature"),
    "vtk": (re.compile(rb"# ?vtk DataFile", re.IGNORECASE), '"# vtk DataFile" in its first line'),
}
#: A count on a line of its own before the first row makes a table a PTS file, whatever it is called.
_COUNT_THEN_ROW = re.compile(r"\s*\d+[ \t]*\n[ \t]*[-+.\d]+[ \t]+[-+.\d]+[ \t]+[-+.\d]+")
#: What else people try to open.
_FOREIGN: Mapping[bytes, str] = {
    b"\x1f\x8b": "a gzip archive", b"7z\xbc\xaf": "a 7-Zip archive", b"Rar!": "a RAR archive",
    b"\x89PNG": "a PNG picture", b"\xff\xd8\xff": "a JPEG picture", b"%PDF": "a PDF document",
    b"\x89HDF": "an HDF5 file", b"glTF": "a glTF model", b"<?xml": "an XML file",
    b"<VTKFile": "a VTK XML file", b"#ROSBAG": "a ROS bag",
    b"\x80\x02": "a Python pickle", b"\x80\x03": "a Python pickle",
    b"\x80\x04\x95": "a Python pickle", b"\x80\x05\x95": "a Python pickle",
}  # fmt: skip


def read(
    path: str | Path, *, name: str | None = None, columns: int | None = None, scan: int | None = None
) -> PointCloud:
    """Read a point cloud in this process; for files of strangers see `core.io.isolation.read_isolated`.

    Parameters
    ----------
    name : how the user knows the file, if other than the last part of the path; its extension counts.
    columns : floats a point (3 to 8) in a headerless ``.bin``; other formats do not ask.
    scan : number of the scan, from 0, in E57 and PTX; None = all, merged with their poses applied.

    Raises
    ------
    InputError
        If the file cannot be read as a point cloud, in one sentence.
    """
    return drain(read_stages(path, name=name, columns=columns, scan=scan))


def read_stages(
    path: str | Path, *, name: str | None = None, columns: int | None = None, scan: int | None = None
) -> Preparation[PointCloud]:
    """Do the same as `read`, with a `Progress` after each stage."""
    if columns is not None and not 3 <= columns <= 8:
        raise ValueError(f"columns must be from 3 to 8, not {columns}")
    path = Path(path)
    name = name or path.name
    source = Source(name, _content(path, name), path, columns, scan)
    yield Progress("received", len(source.data), len(source.data))
    module, function = _READERS[detect(source)]
    try:
        found = cast(Columns, getattr(importlib.import_module(f"core.io.formats.{module}"), function)(source))
        yield Progress("parsed", len(found.points), len(found.points))
        cloud = clean(found, name)
    except MemoryError:
        raise source.error(
            "a file that fits into the memory for parsing", "one that needs more", "thin the scan"
        ) from None
    yield Progress("cleaned", len(cloud.points), len(found.points))
    return cloud


def _content(path: Path, name: str) -> bytes:
    """Return the file's bytes, after comparing its size with the limit."""
    try:
        if not path.is_file():
            raise InputError(
                name, "a file", "a folder" if path.is_dir() else "no such file", "check the path"
            )
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(
                name,
                f"at most {MAX_BYTES_TEXT}",
                f"{size / 2**20:,.0f} MB",
                "thin the scan, for example to one point per 5 cm, or save it in a binary format",
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(name, "a readable file", str(error), "check the path and its permissions") from None


def detect(source: Source) -> str:
    """Return the format: by the first bytes where they say it, else by the extension.

    Raises
    ------
    InputError
        If the file is empty, of a foreign kind, or not what its extension says.
    """
    head = source.data[:1024]
    extension = Path(source.name).suffix.lower()
    claimed = EXTENSIONS.get(extension)
    if not head:
        raise source.error("a point cloud", "an empty file", "copy or export it again")
    for format_name, (pattern, _) in _MAGIC.items():
        if pattern.match(head):
            return format_name
    foreign = next((kind for start, kind in _FOREIGN.items() if head.startswith(start)), None)
    if foreign is not None and claimed != "bin":
        raise source.error("a point cloud", foreign, f"accepted are {accepted()}")
    if claimed is None:
        raise source.error(
            "a file of a known format",
            f'the extension "{extension}"' if extension else "no extension",
            f"accepted are {accepted()}",
        )
    if claimed in _MAGIC:
        hint = "give the file the extension of its format, or export it again"
        raise source.error(_MAGIC[claimed][1], "something else", hint)
    if claimed == "text" and _COUNT_THEN_ROW.match(decode(dataclasses.replace(source, data=head))):
        return "pts"
    return claimed


def accepted() -> str:
    """Return the accepted extensions as a list in words."""
    return ", ".join(extension[1:] for extension in EXTENSIONS)
