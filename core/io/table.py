"""Numbers out of text: decoding, separators, decimal commas, and the line number of what is wrong."""

from __future__ import annotations

import codecs
import io
import re
import warnings
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from core.io.cloud import MAX_POINTS, too_many_points
from core.io.columns import Source

#: Leading marks of comment lines.
COMMENTS = ("#", "//", "%", ";")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?|[+-]?\d+|[+-]?nan", re.IGNORECASE)


def decode(source: Source) -> str:
    """Return the file as text with line feeds only, from UTF-8, UTF-16 or, as a last resort, Latin-1.

    Raises
    ------
    InputError
        If the file is empty or binary.
    """
    data = source.data
    if not data.strip():
        raise source.error("lines of numbers", "an empty file", "choose a file with points")
    head = data[:4096]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in head:
        # UTF-16 without a mark: every second byte of plain numbers is zero
        encoding = "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
        if head.count(0) < 0.4 * len(head):
            raise source.error("text", "binary data", "give the file the extension of its format")
    else:
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    # the bytes that no text holds: control characters other than tab, line feed, form feed, carriage return
    if re.search(r"[\x00-\x08\x0e-\x1f]", text):
        raise source.error("text", "binary data", "give the file the extension of its format")
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def is_number(token: str) -> bool:
    """Whether a token reads as one number (nan and inf included)."""
    try:
        float(token)
    except ValueError:
        return False
    return "_" not in token


def separator(line: str) -> tuple[str | None, bool]:
    """Return the separator of a line (None = blanks and tabs) and whether its decimal mark is the comma."""
    if ";" in line:
        tokens, mark = line.split(";"), ";"
    elif "," in line:
        tokens, mark = line.split(), ""
    else:
        return None, False
    words = [t.strip() for t in tokens if t.strip()]
    decimal = any("," in w for w in words) and all(_DECIMAL_COMMA.fullmatch(w) for w in words)
    if mark:
        return mark, decimal
    # "1,5 2,5 3,5" against "1, 2, 3" and "1,2,3"
    if decimal and len(words) >= 2 and not any(w.endswith(",") for w in words):
        return None, True
    return ",", False


def split(line: str, mark: str | None) -> list[str]:
    """Return the tokens of a line; one separator at its end is not a column."""
    tokens = [t.strip() for t in line.split(mark)]
    return tokens[:-1] if mark is not None and tokens and not tokens[-1] else tokens


def parse_rows(
    source: Source,
    text: str,
    *,
    first_line: int,
    mark: str | None = None,
    decimal_comma: bool = False,
    rows: int | None = None,
) -> NDArray[np.float64]:
    """Return a table (N, C) of numbers.

    Parameters
    ----------
    first_line : number of the file's line where `text` begins, for messages.
    rows : rows to read; None = all.

    Raises
    ------
    InputError
        With the line number, if a row has another number of columns or a token is no number.
    """
    if rows is None and text.count("\n") > MAX_POINTS:
        raise too_many_points(source.name, text.count("\n"))
    if decimal_comma:
        text = text.replace(",", ".")
    if mark is not None and f"{mark}\n" in text:
        text = re.sub(re.escape(mark) + r"[ \t]*\n", "\n", text)
    try:
        with warnings.catch_warnings():
            # blank lines and an empty table are no fault
            warnings.simplefilter("ignore", UserWarning)
            return np.loadtxt(io.StringIO(text), delimiter=mark, comments="#", ndmin=2, max_rows=rows)
    except ValueError as error:
        raise _diagnosis(source, text, first_line, mark, rows, error) from None


def _diagnosis(
    source: Source, text: str, first_line: int, mark: str | None, rows: int | None, error: ValueError
) -> Exception:
    """Find the line at fault again, slowly, for the message."""
    width = 0
    lines = io.StringIO(text)
    for number, line in enumerate(lines if rows is None else islice(lines, rows), start=first_line):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        tokens = split(line, mark)
        wrong = next((t for t in tokens if not is_number(t)), None)
        if wrong is not None:
            return source.error(
                "a number", f'"{_shortened(wrong)}"', "correct or remove this line", line=number
            )
        width = width or len(tokens)
        if len(tokens) != width:
            return source.error(
                f"{width} columns as in the rows before",
                f'{len(tokens)} ("{_shortened(line)}")',
                "correct or remove this line",
                line=number,
            )
    return source.error("rows of numbers", _shortened(str(error)), "check the separators")


def _shortened(text: str) -> str:
    """Return the text on one printable line of at most 40 characters."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= 40 else plain[:37] + "..."


def parse_stream(source: Source, block: str | bytes, count: int, what: str) -> NDArray[np.float64]:
    """Return exactly `count` numbers from text in which line ends mean nothing.

    Raises
    ------
    InputError
        If there are fewer, or one is not a number.
    """
    with warnings.catch_warnings():
        # older numpy warns where newer raises
        warnings.simplefilter("error", DeprecationWarning)
        try:
            values = np.fromstring(block, dtype=np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            raise source.error(
                f"{count:,} numbers of {what}", "a word among them", "export it again"
            ) from None
    if len(values) < count:
        raise source.error(
            f"{count:,} numbers of {what}",
            f"{len(values):,}",
            "the file is cut short: export or copy it again",
        )
    return values[:count]
