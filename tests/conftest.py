"""Shared fixtures: one maths thread, the real scans, a user folder that vanishes."""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

#: The folder that holds the data README; the only place where its default is written.
DATA = Path(os.environ.get("ITERSCOPE_DATA", Path(__file__).parents[2] / "shared" / "data"))

settings.register_profile("iterscope", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("iterscope")


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of open scans; skips where it is absent."""
    if not (DATA / "README.md").exists():
        pytest.skip(f"no scan data at {DATA}; set ITERSCOPE_DATA")
    return DATA / "open"


@pytest.fixture(scope="session")
def pairs(data: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of pairs.json by id."""
    return {p["id"]: p for p in json.loads((data / "pairs.json").read_text())["pairs"]}


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITERSCOPE_HOME", str(tmp_path / "home"))
