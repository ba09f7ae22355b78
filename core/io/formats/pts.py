"""PTS (a count, then rows) and PTX (grids with a pose) of terrestrial scanners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.io.cloud import MAX_POINTS, too_many_points
from core.io.columns import Columns, Source, colours
from core.io.formats.text import by_position
from core.io.scans import Scan, chosen, merged
from core.io.table import decode, parse_rows

#: Lines before the grid of a PTX scan: columns, rows, position, three axes, 4x4 matrix.
_PTX_HEADER = 10


def read_pts(source: Source) -> Columns:
    """Read blocks of a point count and that many rows ``x y z [intensity [r g b]]``.

    Raises
    ------
    InputError
        If a block holds fewer rows than its count, or a row cannot be read.
    """
    lines = decode(source).rstrip().split("\n")
    tables: list[NDArray[np.float64]] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        count = _count(source, lines, at)
        at += 1
        tables.append(_rows(source, lines, at, count))
        at += count
        if tables[-1].shape[1] != tables[0].shape[1]:
            raise source.error(
                f"{tables[0].shape[1]} columns in every block", f"{tables[-1].shape[1]}", line=at
            )
    return by_position(source, np.concatenate(tables))


def read_ptx(source: Source) -> Columns:
    """Read the grids of a PTX file and bring them into one frame by their matrices.

    Grid cells at (0, 0, 0) are cells without a return by definition of the format and are dropped.

    Raises
    ------
    InputError
        If a grid is incomplete, or its matrix or a row cannot be read.
    """
    lines = decode(source).rstrip().split("\n")
    scans: list[Scan] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        if at + _PTX_HEADER > len(lines):
            raise source.error(
                "a header of 10 lines before each grid", f"{len(lines) - at}", "export it again", line=at + 1
            )
        count = _count(source, lines, at) * _count(source, lines, at + 1)
        matrix = _rows(source, lines, at + 6, 4)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise source.error(
                "a 4x4 matrix", f"rows of {matrix.shape[1]} numbers or NaN", "export it again", line=at + 7
            )
        table = _rows(source, lines, at + _PTX_HEADER, count)
        at += _PTX_HEADER + count
        scans.append(_grid(source, table, matrix, at))
    return merged(source, scans if source.scan is None else [chosen(source, scans)])


def _grid(source: Source, table: NDArray[np.float64], matrix: NDArray[np.float64], line: int) -> Scan:
    """Return the returns of one grid; PTX matrices act on row vectors: the last row is the shift."""
    if table.shape[1] not in (4, 7):
        raise source.error("4 or 7 columns in a grid", f"{table.shape[1]}", "export it again", line=line)
    table = table[table[:, :3].any(axis=1)]
    rgb = colours(table[:, 4:7]) if table.shape[1] == 7 else None
    return Scan(table[:, :3], table[:, 3], rgb, rotation=matrix[:3, :3].T, translation=matrix[3, :3])


def _count(source: Source, lines: list[str], at: int) -> int:
    """Return the whole number that stands alone on a line."""
    text = lines[at].strip()
    if not (text.isascii() and text.isdigit() and len(text) < 15):
        raise source.error("the number of points", f'"{text[:40]}"', "export it again", line=at + 1)
    if int(text) > MAX_POINTS:
        raise too_many_points(source.name, int(text))
    return int(text)


def _rows(source: Source, lines: list[str], at: int, count: int) -> NDArray[np.float64]:
    """Return `count` lines from line index `at` as a table."""
    if len(lines) - at < count:
        raise source.error(
            f"{count:,} rows as line {at} says",
            f"{len(lines) - at:,}",
            "the file is cut short: copy it again",
        )
    if count == 0:
        return np.empty((0, 4))
    table = parse_rows(source, "\n".join(lines[at : at + count]), first_line=at + 1)
    if len(table) != count:
        raise source.error(
            f"{count:,} rows", f"{len(table):,} and blank lines", "remove blank lines", line=at + 1
        )
    return table
