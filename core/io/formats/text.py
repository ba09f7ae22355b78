"""Tables of text: XYZ, TXT, CSV, ASC and XYZRGB, with or without a header."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.io.columns import Columns, Source, colours, coordinates_in, from_fields, roles
from core.io.table import COMMENTS, decode, is_number, parse_rows, separator, split


def read(source: Source) -> Columns:
    """Read a table whose columns are named by a header or assumed from their number.

    Raises
    ------
    InputError
        Naming the line, if a row cannot be read; or if there are no three coordinates.
    """
    text = decode(source)
    names, start, line_number = _header(source, text)
    body = text[start:]
    if not body.strip():
        raise source.error("rows of numbers", "no row of numbers", "choose a file with points")
    first = next(line for line in body.split("\n") if line.strip()).strip()
    mark, decimal_comma = separator(first)
    table = parse_rows(source, body, first_line=line_number, mark=mark, decimal_comma=decimal_comma)
    if names and len(names) != table.shape[1]:
        raise source.error(
            f"{len(names)} columns as in the header", f"{table.shape[1]}", "header and rows must agree"
        )
    if names:
        return from_fields(source, names, lambda i: table[:, i])
    return by_position(source, table, coloured=source.name.lower().endswith(".xyzrgb"))


def _header(source: Source, text: str) -> tuple[list[str], int, int]:
    """Return the columns' names (empty = none), where the rows begin, and the number of that line."""
    names: list[str] = []
    start, number = 0, 1
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].strip()
        comment = next((c for c in COMMENTS if line.startswith(c)), None)
        candidate = line.removeprefix(comment).strip() if comment else line
        tokens = _names(candidate)
        if line and not comment and all(is_number(t) for t in _numbers(line)):
            break
        if line and {"x", "y", "z"} <= set(roles(tokens)):
            names = tokens
        elif line and not comment:
            if any(is_number(t) for t in _numbers(line)):
                # a row with a fault: the table's parser names it
                break
            coordinates_in(source, tokens)
        start, number = end + 1, number + 1
    return names, min(start, len(text)), number


def _names(line: str) -> list[str]:
    """Return the tokens of a header line."""
    mark = next((m for m in (";", ",", "\t") if m in line), None)
    return [t.strip("\"' ") for t in split(line, mark)]


def _numbers(line: str) -> list[str]:
    """Return the tokens of a row of numbers, with points as decimal marks."""
    mark, decimal_comma = separator(line)
    return split(line.replace(",", ".") if decimal_comma else line, mark)


def by_position(source: Source, table: NDArray[np.float64], *, coloured: bool = False) -> Columns:
    """Assign columns by their place: x y z, then what their number and values suggest.

    Parameters
    ----------
    coloured : whether the format says that columns 4 to 6 are a colour.
    """
    width = table.shape[1]
    if width < 3:
        flat = "two columns: a two-dimensional scan" if width == 2 else f"{width} column"
        raise source.error(
            "three coordinates in each row",
            flat,
            "add a third column, or separate the numbers by blanks or commas",
        )
    points = table[:, :3]
    if width == 3:
        return Columns(points)
    if width == 6 and (coloured or _bytes(table[:, 3:6])):
        return Columns(points, rgb=colours(table[:, 3:6]), notes=("Columns 4 to 6 were read as colour.",))
    if width == 6 and _unit(table[:, 3:6]):
        return Columns(points, normals=table[:, 3:6], notes=("Columns 4 to 6 were read as normals.",))
    if width == 7 and _bytes(table[:, 4:7]):
        note = "Columns 4 to 7 were read as intensity and colour."
        return Columns(points, table[:, 3], colours(table[:, 4:7]), notes=(note,))
    if width == 4:
        return Columns(points, table[:, 3], notes=("Column 4 was read as intensity.",))
    note = f"Columns 1 to 3 of {width} were read as x, y and z; the others have no names and were left out."
    return Columns(points, notes=(note,))


def _bytes(values: NDArray[np.float64]) -> bool:
    """Whether all values are whole numbers from 0 to 255 and not just 0 and 1."""
    with np.errstate(invalid="ignore"):
        return bool(
            ((values >= 0) & (values <= 255) & (values == np.rint(values))).all() and (values > 1).any()
        )


def _unit(values: NDArray[np.float64]) -> bool:
    """Whether nearly all rows have length 1 to the precision of printed normals."""
    with np.errstate(invalid="ignore", over="ignore"):
        return bool((np.abs(np.linalg.norm(values, axis=1) - 1.0) < 0.01).mean() > 0.95)
