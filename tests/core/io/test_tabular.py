"""Tables of strangers: what is read, what is refused and in which words, in the parser process and here."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.io import tabular
from core.io.isolation import Parser, read_table_isolated
from core.io.tabular import read_table
from core.iterate import drain

TEXT = "size,colour,count,flag\n1.5,red,3,True\n,blue,4,False\n2.5,red,,True\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def check(table: tabular.Table) -> None:
    assert table.names == ("size", "colour", "count", "flag")
    np.testing.assert_array_equal(table.values[0], [1.5, np.nan, 2.5])
    np.testing.assert_array_equal(table.values[1], [1, 0, 1])
    np.testing.assert_array_equal(table.values[2], [3, 4, np.nan])
    np.testing.assert_array_equal(table.values[3], [1, 0, 1])
    assert table.categories == ((), ("blue", "red"), (), ("False", "True"))


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path: Path, mark: str) -> None:
    check(read_table(write(tmp_path, "a.csv", TEXT.replace(",", mark))))


def test_parquet_and_csv_give_the_same_table_in_the_parser_process(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", TEXT)
    pd.read_csv(path).to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        check(drain(read_table_isolated(tmp_path / name)))


def test_a_byte_order_mark_and_nullable_types_do_no_harm(tmp_path: Path) -> None:
    check(read_table(write(tmp_path, "a.csv", "\ufeff" + TEXT)))
    frame = pd.DataFrame({"n": pd.array([1, None, 3], dtype="Int64"), "when": pd.to_datetime(["2020"] * 3)})
    frame.to_parquet(tmp_path / "b.parquet")
    table = read_table(tmp_path / "b.parquet")
    np.testing.assert_array_equal(table.values[0], [1, np.nan, 3])
    assert len(table.categories[1]) == 1


def test_a_column_of_identifiers_is_marked_as_such(tmp_path: Path) -> None:
    text = "id,x\n" + "".join(f"name{i},{i}\n" for i in range(100))
    table = read_table(write(tmp_path, "a.csv", text))
    assert table.categories == (("…",), ())
    assert np.isnan(table.values[0]).all()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "", "an empty file"),
        ("a.csv", "a,b\n", "rows below a header"),
        ("a.csv", b"a,b\n1,\x00\n", "binary data"),
        ("a.csv", b"a,b\n1,\xff\xfe\n", "another encoding"),
        ("a.csv", "a,b\n1,2\n1,2,3,4\n", "as many cells"),
        ("a.csv", "1,2\n3,4\n", "names of the columns"),
        ("a.csv", b"PAR1 and so on", "a Parquet file"),
        ("a.parquet", "a,b\n1,2\n", "a Parquet file"),
        ("a.parquet", b"PAR1" + b"\x00" * 50 + b"PAR1", "a Parquet file"),
        ("a.xlsx", b"PK\x03\x04", ".csv"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: str | bytes, words: str
) -> None:
    path = write(tmp_path, name, content)
    for read in (read_table, lambda p: drain(read_table_isolated(p))):
        with pytest.raises(InputError, match=words) as error:
            read(path)
        assert name in str(error.value)
        assert "\n" not in str(error.value)


def test_limits_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "MAX_ROWS", 3)
    with pytest.raises(InputError, match="at most 3 rows"):
        read_table(write(tmp_path, "a.csv", "a,b\n" + "1,2\n" * 4))
    monkeypatch.setattr(tabular, "MAX_COLUMNS", 2)
    with pytest.raises(InputError, match="at most 2 columns"):
        read_table(write(tmp_path, "b.csv", "a,b,c\n1,2,3\n"))
    monkeypatch.setattr(tabular, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="at most 64 MB"):
        read_table(write(tmp_path, "c.csv", "a,b\n" + "1,2\n" * 4))
    with pytest.raises(InputError, match="readable"):
        read_table(tmp_path / "none.csv")


def test_damaged_parquet_never_takes_the_parser_down_for_good(tmp_path: Path) -> None:
    pd.DataFrame({"a": np.arange(200.0), "b": ["x", "y"] * 100}).to_parquet(tmp_path / "a.parquet")
    good = (tmp_path / "a.parquet").read_bytes()
    rng = np.random.default_rng(0)
    parser = Parser(seconds=20.0)
    try:
        for _ in range(25):
            bad = bytearray(good)
            for at in rng.integers(4, len(bad), 3):
                bad[at] = int(rng.integers(256))
            path = write(tmp_path, "bad.parquet", bytes(bad))
            with suppress(InputError):
                assert drain(parser.read_table(path)).values.shape[1] <= tabular.MAX_ROWS
        table = drain(parser.read_table(tmp_path / "a.parquet"))
        assert table.values.shape == (2, 200)
    finally:
        parser.close()
