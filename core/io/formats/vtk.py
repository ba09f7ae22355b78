"""Legacy VTK (``# vtk DataFile``), ascii and binary: the POINTS of any data set and simple point data."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.io.cloud import MAX_POINTS, too_many_points
from core.io.columns import SPELLINGS, Columns, Source, colours, normalised
from core.io.table import parse_stream

_TYPES: Mapping[bytes, str] = {
    b"float": ">f4", b"double": ">f8", b"int": ">i4", b"unsigned_int": ">u4", b"short": ">i2",
    b"unsigned_short": ">u2", b"char": "i1", b"unsigned_char": "u1", b"long": ">i8", b"unsigned_long": ">u8",
}  # fmt: skip
_POINTS = re.compile(rb"^[ \t]*POINTS[ \t]+(\d{1,18})[ \t]+(\w+)[ \t]*\r?\n", re.MULTILINE)
_POINT_DATA = re.compile(rb"^POINT_DATA[ \t]+(\d{1,18})[ \t]*\r?\n", re.MULTILINE)
_ARRAY = re.compile(
    rb"\s*(?:SCALARS[ \t]+(\S+)[ \t]+(\w+)(?:[ \t]+1)?[ \t]*\r?\nLOOKUP_TABLE[^\n]*\n"
    rb"|(NORMALS)[ \t]+\S+[ \t]+(\w+)[ \t]*\r?\n"
    rb"|(COLOR_SCALARS)[ \t]+\S+[ \t]+([34])[ \t]*\r?\n)"
)
#: A line that begins with a word ends a block of numbers.
_WORD = re.compile(rb"^[ \t]*[A-Z_]{4,}", re.MULTILINE)
#: Title and keywords before the points are shorter than this.
_LONGEST_HEADER = 4096


def read(source: Source) -> Columns:
    """Read the points; intensity, normals and colours where they follow as simple arrays.

    Raises
    ------
    InputError
        If the header is damaged, or announces more points than the file holds.
    """
    data = source.data
    lines = data[:_LONGEST_HEADER].split(b"\n")
    kind = lines[2].strip().upper() if len(lines) > 2 else b""
    if kind not in (b"ASCII", b"BINARY"):
        raise source.error("ASCII or BINARY", f'"{kind[:20].decode("latin-1")}"', "export it again", line=3)
    points = _POINTS.search(data[:_LONGEST_HEADER])
    if points is None:
        raise source.error("a line POINTS with count and type", "none", "choose a file with points")
    count = int(points[1])
    if count > MAX_POINTS:
        raise too_many_points(source.name, count)
    xyz, end = _numbers(source, points.end(), 3 * count, points[2], ascii=kind == b"ASCII", what="POINTS")
    return _with_point_data(source, xyz.reshape(-1, 3), end, ascii=kind == b"ASCII")


def _numbers(
    source: Source, start: int, count: int, type_name: bytes, *, ascii: bool, what: str
) -> tuple[NDArray[np.generic], int]:
    """Return `count` numbers from byte `start`, and the byte behind them."""
    code = _TYPES.get(type_name)
    if code is None:
        raise source.error(
            "a numeric type", f'"{type_name[:20].decode("latin-1")}" for {what}', "export it again"
        )
    if ascii:
        word = _WORD.search(source.data, start)
        end = word.start() if word else len(source.data)
        return parse_stream(source, source.data[start:end], count, what), end
    room = (len(source.data) - start) // np.dtype(code).itemsize
    if count > room:
        raise source.error(
            f"{count:,} numbers of {what}", f"bytes for {room:,}", "the file is cut short: copy it again"
        )
    end = start + count * np.dtype(code).itemsize
    return np.frombuffer(source.data, code, count, offset=start if count else 0), end


def _with_point_data(source: Source, xyz: NDArray[np.generic], start: int, *, ascii: bool) -> Columns:
    """Add the leading simple arrays of POINT_DATA; the first array of another kind ends the search."""
    intensity = rgb = normals = None
    section = _POINT_DATA.search(source.data, start)
    at = section.end() if section and int(section[1]) == len(xyz) else len(source.data)
    while array := _ARRAY.match(source.data, at):
        name, scalar_type, normal, normal_type, colour, width = array.groups()
        if colour:
            size, code = int(width), b"float" if ascii else b"unsigned_char"
        else:
            size, code = (3, normal_type) if normal else (1, scalar_type)
        if code not in _TYPES:
            break
        values, at = _numbers(source, array.end(), size * len(xyz), code, ascii=ascii, what="POINT_DATA")
        values = values.reshape(len(xyz), size)
        if colour:
            rgb = colours(values[:, :3])
        elif normal:
            normals = values
        elif normalised(name.decode("latin-1")) in SPELLINGS["intensity"]:
            intensity = values[:, 0]
    return Columns(xyz, intensity, rgb, normals)
