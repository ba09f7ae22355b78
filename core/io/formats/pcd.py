"""PCD of the Point Cloud Library: ascii, binary and binary_compressed."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lzf
import numpy as np
from numpy.typing import NDArray

from core.io.cloud import MAX_POINTS, too_many_points
from core.io.columns import Columns, Source, from_fields
from core.io.table import parse_rows

_TYPES: Mapping[str, str] = {"F": "f", "U": "u", "I": "i"}
_SIZES: Mapping[str, tuple[str, ...]] = {
    "F": ("4", "8"),
    "U": ("1", "2", "4", "8"),
    "I": ("1", "2", "4", "8"),
}
_DATA = re.compile(rb"^[ \t]*DATA[ \t]+(\S+)[ \t]*(\r\n|\n|\r|$)", re.MULTILINE)
_LONGEST_HEADER = 2**16
_MOST_VALUES = 10_000
_IDENTITY = ("0", "0", "0", "1", "0", "0", "0")


@dataclass(frozen=True, slots=True)
class _Header:
    """The fields of a point (name, numpy type, values), the number of points, kind and place of the body."""

    fields: tuple[tuple[str, str, int], ...]
    count: int
    kind: str
    start: int
    first_line: int
    notes: tuple[str, ...]

    @property
    def dtype(self) -> np.dtype[np.void]:
        return np.dtype([(f"{i}", code, (n,)) for i, (_, code, n) in enumerate(self.fields)])

    @property
    def names(self) -> list[str]:
        # "_" is padding, which may occur several times
        return [name for name, _, _ in self.fields]


def read(source: Source) -> Columns:
    """Read the points in the frame of the file; VIEWPOINT is not applied.

    Raises
    ------
    InputError
        If the header is damaged or announces more than the file holds, or the body is of another kind.
    """
    header = _header(source)
    if header.count == 0:
        return from_fields(source, header.names, lambda i: np.empty(0))
    if header.kind == "ascii":
        columns = _ascii(source, header)
    elif header.kind == "binary":
        columns = _binary(source, header)
    else:
        columns = _compressed(source, header)
    found = from_fields(source, header.names, lambda i: columns[i])
    return Columns(found.points, found.intensity, found.rgb, found.normals, header.notes)


def _header(source: Source) -> _Header:
    """Read and check the header."""
    head = source.data[:_LONGEST_HEADER]
    end = _DATA.search(head)
    if end is None:
        raise source.error(
            "a header that ends with a line DATA", "none", "the file is cut short: copy it again"
        )
    entries: dict[str, list[str]] = {}
    for line in head[: end.start()].decode("latin-1").replace("\r", "\n").split("\n"):
        key, *values = line.split("#", 1)[0].split() or [""]
        entries[key.upper()] = values
    fields = _fields(source, entries)
    count = _count(source, entries)
    kind = end[1].decode("latin-1").lower()
    if kind not in ("ascii", "binary", "binary_compressed"):
        shown = "".join(c if c.isprintable() else "?" for c in kind[:30])
        raise source.error(
            "DATA ascii, binary or binary_compressed", f'DATA "{shown}"', "save it again as binary"
        )
    viewpoint = tuple(v.removesuffix(".0") for v in entries.get("VIEWPOINT", _IDENTITY))
    notes = () if viewpoint == _IDENTITY else ("The VIEWPOINT of the file was not applied to its points.",)
    return _Header(fields, count, kind, end.end(), head[: end.end()].count(b"\n") + 1, notes)


def _fields(source: Source, entries: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str, int], ...]:
    """Return name, numpy type and number of values of each field."""
    names = entries.get("FIELDS", entries.get("COLUMNS", ()))
    sizes, types = entries.get("SIZE", ()), entries.get("TYPE", ())
    counts = entries.get("COUNT", ["1"] * len(names))
    if not names or not len(names) == len(sizes) == len(types) == len(counts):
        raise source.error(
            "FIELDS, SIZE, TYPE and COUNT of equal length",
            f"{len(names)}, {len(sizes)}, {len(types)} and {len(counts)} entries",
            "the header is damaged: save the file again",
        )
    fields = []
    for name, size, kind, values in zip(names, sizes, types, counts, strict=True):
        good = kind in _SIZES and size in _SIZES[kind]
        if not good or not (values.isascii() and values.isdigit() and len(values) < 6 and int(values) > 0):
            raise source.error(
                "fields of TYPE F, U or I with SIZE 1 to 8 and COUNT from 1",
                f"{name[:20]}: TYPE {kind[:10]}, SIZE {size[:10]}, COUNT {values[:10]}",
                "the header is damaged: save the file again",
            )
        fields.append((name, f"<{_TYPES[kind]}{size}", int(values)))
    if sum(n for _, _, n in fields) > _MOST_VALUES:
        raise source.error(f"at most {_MOST_VALUES:,} values a point", "more", "save x, y and z only")
    return tuple(fields)


def _count(source: Source, entries: Mapping[str, Sequence[str]]) -> int:
    """Return the number of points from POINTS, or from WIDTH and HEIGHT in old files."""
    numbers = {}
    for key in ("POINTS", "WIDTH", "HEIGHT"):
        text = " ".join(entries.get(key, ()))
        if key in entries and not (text.isascii() and text.isdigit() and len(text) < 19):
            raise source.error(f"a whole number from 0 as {key}", f'"{text[:30]}"', "save the file again")
        if key in entries:
            numbers[key] = int(text)
    if "WIDTH" in numbers and "HEIGHT" in numbers:
        product = numbers["WIDTH"] * numbers["HEIGHT"]
        if numbers.setdefault("POINTS", product) != product:
            raise source.error(
                "POINTS equal to WIDTH times HEIGHT",
                f"{numbers['POINTS']:,} and {product:,}",
                "the header is damaged: save the file again",
            )
    if "POINTS" not in numbers:
        raise source.error("a line POINTS", "none", "the header is damaged: save the file again")
    return numbers["POINTS"]


def _ascii(source: Source, header: _Header) -> list[NDArray[Any]]:
    """Return the first value of each field from rows of text."""
    if header.count > MAX_POINTS:
        raise too_many_points(source.name, header.count)
    text = source.data[header.start :].decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    width = sum(n for _, _, n in header.fields)
    if "\0" in text.rstrip("\0"):
        raise source.error("rows of text after DATA ascii", "binary data", "change the line DATA to binary")
    table = parse_rows(source, text.rstrip("\0"), first_line=header.first_line, rows=header.count)
    if len(table) < header.count or table.shape[1] != width:
        raise source.error(
            f"{header.count:,} rows of {width} numbers as its header says",
            f"{len(table):,} rows of {table.shape[1] if len(table) else 0}",
            "the file is cut short or its header is wrong: save it again",
        )
    columns: list[NDArray[Any]] = []
    at = 0
    for name, code, n in header.fields:
        values: NDArray[Any] = table[:, at]
        if name.lower() in ("rgb", "rgba") and code[1] in "ui":
            values = np.clip(np.nan_to_num(values), 0, 2**32 - 1).astype(np.uint32)
        columns.append(values)
        at += n
    return columns


def _binary(source: Source, header: _Header) -> list[NDArray[Any]]:
    """Return views of the first value of each field."""
    dtype = header.dtype
    room = (len(source.data) - header.start) // dtype.itemsize
    if header.count > room:
        raise source.error(
            f"{header.count:,} points of {dtype.itemsize} bytes as its header says",
            f"bytes for {room:,}",
            "the file is cut short or its header is wrong: save it again",
        )
    if header.count > MAX_POINTS:
        raise too_many_points(source.name, header.count)
    used = source.data[header.start : header.start + header.count * dtype.itemsize]
    if _is_text(used):
        raise source.error("binary numbers after DATA binary", "text", "change the line DATA to ascii")
    rows = np.frombuffer(used, dtype)
    return [rows[f"{i}"][:, 0] for i in range(len(header.fields))]


def _is_text(data: bytes) -> bool:
    """Whether all of (the first 4 KiB of) the data is printable, which 64 random bytes hardly ever are."""
    head = data[:4096]
    return len(head) >= 64 and re.fullmatch(rb"[\x20-\x7e\t\r\n]+", head) is not None


def _compressed(source: Source, header: _Header) -> list[NDArray[Any]]:
    """Return the first value of each field from an LZF block in which the fields follow each other."""
    if header.count > MAX_POINTS:
        raise too_many_points(source.name, header.count)
    body = memoryview(source.data)[header.start :]
    needed = header.count * header.dtype.itemsize
    packed, unpacked = struct.unpack_from("<II", body) if len(body) >= 8 else (0, 0)
    # LZF never makes three bytes out of less than 1/88 of them
    if len(body) < 8 + packed or unpacked != needed or packed * 100 + 100 < unpacked:
        raise source.error(
            f"{header.count:,} points of {header.dtype.itemsize} bytes in {packed:,} compressed bytes",
            f"{max(len(body) - 8, 0):,} bytes that announce {unpacked:,}",
            "the file is cut short or its header is wrong: save it again",
        )
    try:
        data = lzf.decompress(bytes(body[8 : 8 + packed]), unpacked)
    except ValueError as error:
        raise source.error("an LZF block", str(error), "the file is damaged: save it again") from None
    if data is None or len(data) != needed:
        found = 0 if data is None else len(data)
        raise source.error(
            f"{needed:,} bytes when unpacked", f"{found:,}", "the file is damaged: save it again"
        )
    columns: list[NDArray[Any]] = []
    at = 0
    for _, code, n in header.fields:
        values = np.frombuffer(data, code, header.count * n, offset=at).reshape(header.count, n)
        columns.append(values[:, 0])
        at += values.nbytes
    return columns
