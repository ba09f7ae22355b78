"""PLY: ascii and binary of both byte orders, any elements and property order; and a writer."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import plyfile
from numpy.typing import ArrayLike, NDArray

from core.io.cloud import MAX_POINTS, too_many_points
from core.io.columns import Columns, Source, from_fields
from core.io.table import parse_rows

_TYPES: Mapping[str, str] = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS: Mapping[str, str] = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_HEADER_END = re.compile(rb"^end_header[ \t]*(\r\n|\n|\r)", re.MULTILINE)
#: No header is longer than this.
_LONGEST_HEADER = 2**20


@dataclass(slots=True)
class _Element:
    """An element of the header; a list property is held as (count type, item type)."""

    name: str
    count: int
    properties: dict[str, str | tuple[str, str]] = field(default_factory=dict)

    @property
    def has_lists(self) -> bool:
        return any(isinstance(p, tuple) for p in self.properties.values())

    @property
    def smallest_row(self) -> int:
        """Bytes of a row whose lists are empty."""
        return sum(int(p[0][1:] if isinstance(p, tuple) else p[1:]) for p in self.properties.values())

    def dtype(self, order: str) -> np.dtype[np.void]:
        return np.dtype([(n, order + p) for n, p in self.properties.items() if isinstance(p, str)])


def read(source: Source) -> Columns:
    """Read the element ``vertex``.

    Raises
    ------
    InputError
        If the header is damaged, announces more than the file holds, or has no vertices with x, y and z.
    """
    order, elements, start = _header(source)
    at = next((i for i, e in enumerate(elements) if e.name == "vertex"), None)
    if at is None:
        found = ", ".join(e.name for e in elements)[:100] or "no element"
        raise source.error("an element vertex", found, "choose a file with points")
    vertex = elements[at]
    if vertex.count > MAX_POINTS:
        raise too_many_points(source.name, vertex.count)
    names = [name for name, kind in vertex.properties.items() if isinstance(kind, str)]
    if vertex.has_lists or (order and any(e.has_lists for e in elements[:at])):
        rows = _by_plyfile(source, order, elements[: at + 1], start)
    elif order:
        start += sum(e.count * e.smallest_row for e in elements[:at])
        rows = _binary(source, vertex, order, start)
    else:
        return _ascii(source, vertex, sum(e.count for e in elements[:at]), start)
    return from_fields(source, names, lambda i: rows[names[i]])


def _header(source: Source) -> tuple[str, list[_Element], int]:
    """Return the byte order ("" = ascii), the elements, and where the body begins."""
    end = _HEADER_END.search(source.data[:_LONGEST_HEADER])
    if end is None:
        raise source.error("a line end_header", "none", "the header is damaged: export the file again")
    order: str | None = None
    elements: list[_Element] = []
    text = source.data[: end.start()].decode("latin-1")
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        match line.split():
            case ["format", name, *_]:
                order = _ORDERS.get(name)
            case ["element", name, count] if count.isascii() and count.isdigit() and len(count) < 19:
                elements.append(_Element(name, int(count)))
            case ["property", "list", count_type, item, name] if (
                elements and count_type in _TYPES and item in _TYPES
            ):
                _add(source, elements[-1], name, (_TYPES[count_type], _TYPES[item]), number)
            case ["property", kind, name] if elements and kind in _TYPES:
                _add(source, elements[-1], name, _TYPES[kind], number)
            case [] | ["ply"] | ["comment" | "obj_info", *_]:
                pass
            case _:
                shown = "".join(c if c.isprintable() else "?" for c in line[:60])
                raise source.error(
                    "format, element, property or comment", f'"{shown}"', "export the file again", line=number
                )
    if order is None:
        raise source.error(
            "a line format with ascii or binary_little_endian or binary_big_endian", "none", "export it again"
        )
    return order, elements, end.end()


def _add(source: Source, element: _Element, name: str, kind: str | tuple[str, str], line: int) -> None:
    if name in element.properties:
        raise source.error("each property once", f"{name} twice", "rename one of them", line=line)
    element.properties[name] = kind


def _binary(source: Source, vertex: _Element, order: str, start: int) -> NDArray[Any]:
    """Return the rows as a structured array."""
    dtype = vertex.dtype(order)
    room = max(len(source.data) - start, 0)
    if vertex.count and vertex.count * dtype.itemsize > room:
        raise source.error(
            f"{vertex.count:,} vertices of {dtype.itemsize} bytes as its header says",
            f"bytes for {room // max(dtype.itemsize, 1):,}",
            "the file is cut short: copy or export it again",
        )
    if dtype.itemsize == 0:
        return np.empty(0, dtype)
    return np.frombuffer(source.data, dtype, vertex.count, offset=start if vertex.count else 0)


def _ascii(source: Source, vertex: _Element, skip: int, start: int) -> Columns:
    """Return the columns of the rows after the first `skip` ones."""
    names = list(vertex.properties)
    if vertex.count == 0:
        return from_fields(source, names, lambda i: np.empty(0))
    text = source.data[start:].decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    first_line = source.data[:start].count(b"\n") + 1 + skip
    body = "\n".join(lines[skip : skip + vertex.count])
    table = parse_rows(source, body, first_line=first_line) if body.strip() else np.empty((0, len(names)))
    if len(table) != vertex.count:
        raise source.error(
            f"{vertex.count:,} vertices as its header says",
            f"{len(table):,} rows",
            "the file is cut short: copy or export it again",
        )
    if table.shape[1] != len(names):
        raise source.error(
            f"{len(names)} numbers a vertex as its header says",
            f"{table.shape[1]}",
            "export the file again",
            line=first_line,
        )
    return from_fields(source, names, lambda i: _typed(table[:, i], vertex.properties[names[i]]))


def _typed(values: NDArray[np.float64], kind: str | tuple[str, str]) -> NDArray[Any]:
    """Return a column in its declared type where this tells how colours are scaled."""
    if kind in ("u1", "u2") and np.isfinite(values).all():
        return np.clip(values, 0, 255 if kind == "u1" else 65535).astype(str(kind))
    return values


def _by_plyfile(source: Source, order: str, elements: list[_Element], start: int) -> NDArray[Any]:
    """Return the vertices' rows where lists come before or within them, which only a walk can find.

    The body is given to plyfile with a header that ends at the vertices, so that it never builds faces.
    """
    body = len(source.data) - start
    least = sum(e.count * (e.smallest_row if order else 2 * len(e.properties)) for e in elements)
    if least > body:
        raise source.error(
            f"at least {least:,} bytes after its header",
            f"{body:,}",
            "the file is cut short: export it again",
        )
    lines = [f"format {next(k for k, v in _ORDERS.items() if v == order)} 1.0"]
    for element in elements:
        lines.append(f"element {element.name} {element.count}")
        for name, kind in element.properties.items():
            lines.append(
                f"property {kind} {name}"
                if isinstance(kind, str)
                else f"property list {kind[0]} {kind[1]} {name}"
            )
    head = "\n".join(["ply", *lines, "end_header", ""]).encode("latin-1")
    try:
        with warnings.catch_warnings():
            # an empty list is no fault
            warnings.simplefilter("ignore", UserWarning)
            data = plyfile.PlyData.read(io.BytesIO(head + source.data[start:]), mmap=False)
    except (plyfile.PlyParseError, ValueError, IndexError) as error:
        raise source.error(
            "as many rows as its header says", str(error)[:100], "the file is damaged: export it again"
        ) from None
    return np.asarray(data["vertex"].data)


def write_ply(
    target: str | Path | BinaryIO,
    points: ArrayLike,
    intensity: ArrayLike | None = None,
    rgb: ArrayLike | None = None,
) -> None:
    """Write a binary little-endian PLY with 64-bit coordinates.

    Parameters
    ----------
    target : path, or a stream open for writing bytes.
    points : (N, 3) in metres.
    intensity : (N,), written as 32-bit ``intensity``.
    rgb : (N, 3) uint8, written as ``red green blue``.

    Raises
    ------
    ValueError
        If the arrays do not belong together.
    """
    xyz = np.asarray(points, dtype=np.float64)
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise ValueError(f"points must be (N, 3), not {xyz.shape}")
    columns: list[tuple[str, str, str, NDArray[Any]]] = [
        ("double", axis, "<f8", xyz[:, i]) for i, axis in enumerate("xyz")
    ]
    if intensity is not None:
        columns.append(("float", "intensity", "<f4", np.asarray(intensity)))
    if rgb is not None:
        colour = np.asarray(rgb, dtype=np.uint8).reshape(-1, 3)
        columns += [("uchar", name, "u1", colour[:, i]) for i, name in enumerate(("red", "green", "blue"))]
    rows = np.empty(len(xyz), dtype=[(name, code) for _, name, code, _ in columns])
    for _, name, _, values in columns:
        if values.shape != (len(xyz),):
            raise ValueError(f"{name} must hold {len(xyz)} values, not {values.shape}")
        rows[name] = values
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}"]
    head += [f"property {kind} {name}" for kind, name, _, _ in columns]
    content = "\n".join([*head, "end_header", ""]).encode("ascii") + rows.tobytes()
    if isinstance(target, str | Path):
        Path(target).write_bytes(content)
    else:
        target.write(content)
