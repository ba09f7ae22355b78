"""Tables of columns with names, from CSV or Parquet: numbers, or texts as the numbers of their categories.

For files of strangers see `core.io.isolation.read_table_isolated`; the libraries that read are imported when
they are needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.io.cloud import MAX_BYTES, MAX_BYTES_TEXT

MAX_ROWS, MAX_COLUMNS = 200_000, 500
#: Different texts of a column, and characters of a text or name, that are kept.
MAX_CATEGORIES, MAX_TEXT = 64, 80
_EXTENSIONS: Mapping[str, str] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet"
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Columns of equal length.

    Attributes
    ----------
    names : of the columns, all different.
    values : (columns, rows) float64; of a column of texts, the number of the category; NaN = missing.
    categories : for each column its texts in order; empty for numbers. A column with more than
        `MAX_CATEGORIES` different texts (names, identifiers) has one category, ``…``, and is all missing.
    name : how the user knows the file.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    categories: tuple[tuple[str, ...], ...]
    name: str


def read_table(path: str | Path, *, name: str | None = None) -> Table:
    """Read a table in this process.

    Parameters
    ----------
    name : how the user knows the file, if other than the last part of the path; its extension counts.

    Raises
    ------
    InputError
        If the file is no such table, in one sentence.
    """
    path = Path(path)
    name = name or path.name
    kind = _EXTENSIONS.get(Path(name).suffix.lower())
    if kind is None:
        raise InputError(name, "a table: .csv, .tsv, .txt or .parquet", "another kind of file")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(name, f"at most {MAX_BYTES_TEXT}", f"{size / 2**20:,.0f} MB", "take fewer rows")
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise InputError(name, "a readable file", error.strerror or "nothing", "check the path") from None
    if not head.strip():
        raise InputError(name, "a table", "an empty file", "export it again")
    if (head[:4] == b"PAR1") != (kind == "parquet"):
        found = "a Parquet file" if head[:4] == b"PAR1" else "something else"
        raise InputError(name, "a Parquet file" if kind == "parquet" else "lines of text", found)
    frame = _parquet(path, name) if kind == "parquet" else _csv(path, name, head)
    return _table(frame, name)


def _parquet(path: Path, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_shape(name, file.metadata.num_rows, file.metadata.num_columns)
            return file.read(use_threads=False).to_pandas(use_threads=False)
    except (OSError, pa.ArrowException, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(name, "a Parquet file", (str(error).splitlines() or ["damage"])[0][:200]) from None


def _csv(path: Path, name: str, head: bytes) -> Any:
    import pandas as pd

    if b"\0" in head:
        raise InputError(name, "lines of text in UTF-8", "binary data", "export it as CSV")
    line = head.split(b"\n", 1)[0].decode("utf-8", errors="replace")
    mark = max((",", ";", "\t", "|"), key=line.count)
    options: dict[str, Any] = {
        "sep": mark,
        "nrows": MAX_ROWS + 1,
        "low_memory": False,
        "encoding": "utf-8-sig",
    }
    try:
        with path.open("rb") as file:
            return pd.read_csv(file, **options)
    except UnicodeDecodeError:
        raise InputError(name, "text in UTF-8", "another encoding", "save it as CSV UTF-8") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError) as error:
        reason = (str(error).strip().splitlines() or ["damage"])[-1][:200]
        raise InputError(name, "rows with as many cells as the header", reason) from None


def _check_shape(name: str, rows: int, columns: int) -> None:
    if rows > MAX_ROWS:
        raise InputError(name, f"at most {MAX_ROWS:,} rows", f"{rows:,}" if rows > MAX_ROWS + 1 else "more")
    if columns > MAX_COLUMNS:
        raise InputError(name, f"at most {MAX_COLUMNS} columns", f"{columns:,}", "leave some out")


def _table(frame: Any, name: str) -> Table:
    """Return the columns of a data frame."""
    _check_shape(name, *frame.shape)
    if not len(frame) or not len(frame.columns):
        raise InputError(name, "rows below a header", "none", "export it again")
    names = [str(column)[:MAX_TEXT] for column in frame.columns]
    if twice := [n for i, n in enumerate(names) if n in names[:i]]:
        raise InputError(name, "columns with different names", f"two named {twice[0]!r}")
    if all(_is_number(n) for n in names):
        raise InputError(
            name,
            "names of the columns in the first row",
            f"numbers ({names[0]} …)",
            "add a row of names above",
        )
    values, categories = np.empty((len(names), len(frame))), []
    for i in range(len(names)):
        values[i], texts = _column(frame.iloc[:, i])
        categories.append(texts)
    return Table(tuple(names), values, tuple(categories), name)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column(column: Any) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return a column's numbers (categories' numbers for texts) and its categories."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        texts = column.map(lambda value: None if _missing(value) else str(value)[:MAX_TEXT])
        known = sorted({text for text in texts if isinstance(text, str)})
        if len(known) > MAX_CATEGORIES:
            return np.full(len(column), np.nan), ("…",)
        code = {text: float(i) for i, text in enumerate(known)}
        return np.array([code.get(text, np.nan) for text in texts]), tuple(known) or ("…",)
    values = pd.to_numeric(column).astype("float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return values, ()


def _missing(value: object) -> bool:
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")
