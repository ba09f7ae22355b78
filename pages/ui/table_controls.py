"""The user's own table in the sidebar of the trainings: the file, a sample to try, the column to tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.errors import InputError
from core.io.isolation import read_table_isolated
from core.io.tabular import Table
from core.iterate import drain
from core.optimizers.sample_table import NAME, sample_csv
from core.registry import Value
from pages.ui.controls import choice
from pages.ui.session import owner, uploads
from pages.ui.upload import file_uploader, scan_card

SLOT = "optimizers.table"
ENDINGS = (".csv", ".tsv", ".txt", ".parquet", ".pq")
#: Parameters of the task that are asked for here.
ASKED = ("file", "target")


def table_controls() -> dict[str, Value]:
    """Draw the uploader and the choice of the target; empty while there is no table."""
    file_uploader(SLOT, "Table: CSV with a header, or Parquet", ENDINGS, _check)
    upload = uploads().get(owner()).get(SLOT)
    if upload is None:
        st.button(
            "Take a sample", icon=":material/table:", key="table.sample", on_click=_take_sample,
            help="600 pendulums on Earth, Mars and the Moon: tell the period, or the world",
        )  # fmt: skip
        if error := st.session_state.get("table.error"):
            st.error(error, icon=":material/error:")
        return {}
    known = _columns(str(upload.path))
    scan_card([("file", upload.name), ("rows", f"{known.rows:,}"), ("columns", f"{known.count}")])
    names = {name: name for name in known.usable}
    if not names:
        st.error(f"{upload.name}: no column has numbers or few different texts.", icon=":material/error:")
        return {}
    target = choice(
        "Column to tell", names, next(reversed(names)), "p.target",
        "what the network is to tell from all the other columns",
    )  # fmt: skip
    return {"file": str(upload.path), "target": target}


def _check(path: Path) -> None:
    _columns(str(path))


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the sidebar says of a table: its rows, how many columns, those that can be told."""

    rows: int
    count: int
    usable: tuple[str, ...]


@st.cache_resource(max_entries=64, show_spinner="Reading the table")
def _columns(path: str) -> _Columns:
    """Read a table that was received in the parser process; its numbers are not kept."""
    table: Table = drain(read_table_isolated(path, name=Path(path).name))
    usable = [n for n, texts in zip(table.names, table.categories, strict=True) if texts != ("…",)]
    return _Columns(table.values.shape[1], len(table.names), tuple(usable))


def _take_sample() -> None:
    st.session_state.pop("table.error", None)
    try:
        uploads().put(owner(), SLOT, NAME, sample_csv())
    except InputError as error:
        st.session_state["table.error"] = str(error)
