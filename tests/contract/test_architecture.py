"""The shape of the source tree."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from core import registry

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "core").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))
#: Lines above which a file must say why in its first lines.
LONG, FIRST = 600, 20


@pytest.fixture(scope="module")
def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages(folder: str) -> set[str]:
    return {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / folder).rglob("__init__.py")}


def test_every_folder_of_sources_is_a_package() -> None:
    found = packages("core") | packages("pages")
    assert {".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES} == found


def test_the_import_contracts_name_only_what_is_there(project: Any) -> None:
    found = packages("core") | packages("pages")
    contracts = project["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        for name in [*contract.get("source_modules", ()), *contract.get("modules", ())]:
            assert name in found
        for name in contract.get("forbidden_modules", ()):
            assert name in found or name in ("streamlit", "plotly")
    assert {c["name"] for c in contracts} >= {"core knows no user interface", "figures know no streamlit"}


def test_all_labs_are_in_the_contract_of_independence(project: Any) -> None:
    labs = {name.removesuffix(".methods") for name in packages("core") if name.endswith(".methods")}
    assert labs == {f"core.{key}" for key in registry.LABS}
    contracts = project["tool"]["importlinter"]["contracts"]
    independent = [set(c["modules"]) for c in contracts if c["type"] == "independence"]
    assert independent == ([labs] if len(labs) > 1 else [])


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_long_file_gives_its_reason(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > LONG:
        assert re.search(r"\b(long|length)\b", "\n".join(lines[:FIRST])), f"{len(lines)} lines"


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [path for path in SOURCES + TESTS if path.stem in drawers]


def test_no_page_shadows_a_standard_module() -> None:
    # streamlit puts the folder of its script on the path
    pages = {path.stem for path in (ROOT / "pages").glob("*.py")} - {"__init__"}
    assert not pages & sys.stdlib_module_names


def test_methods_stay_readable_in_one_sitting() -> None:
    for path in (ROOT / "core").glob("*/methods/*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250, path.name


def test_nothing_is_left_to_be_done_without_an_issue() -> None:
    for path in SOURCES:
        assert not re.search(r"#.*\b(TODO|FIXME|XXX)\b(?!.*#\d)", path.read_text(encoding="utf-8")), path


def test_every_module_says_what_it_is_about() -> None:
    for path in SOURCES:
        assert path.read_text(encoding="utf-8").lstrip().startswith(('"""', 'r"""')), path
