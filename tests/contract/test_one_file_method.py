"""A method is one file: the README's example, put into a copy of the tree, appears everywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
#: What a checkout runs and tests with.
PARTS = ("core", "pages", "assets", "tests", ".streamlit", "pyproject.toml", "app.py", "README.md")
BLOCK = re.compile(r"^```python\n# (core/(\w+)/methods/(\w+)\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PAGE = """
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest

lab, key, title = sys.argv[1:]
page = AppTest.from_file(str(Path("pages", "shell.py").resolve()), default_timeout=120).run()
page.switch_page(f"{lab}.py").run()
assert not page.exception, page.exception
picker = next(box for box in page.selectbox if box.key == "m")
assert title in picker.options, picker.options
picker.set_value(key).run()
assert not page.exception, page.exception
print(*(widget.key for widget in page.number_input))
"""


@dataclass(frozen=True, slots=True)
class Example:
    """The README's example and the copy of the tree that holds it."""

    lab: str
    key: str
    source: str
    root: Path

    def call(self, *arguments: str) -> str:
        """Run Python in the copy and return what it prints."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root, capture_output=True, text=True, timeout=300,
            env={**os.environ, "ITERSCOPE_HOME": str(self.root / "home")},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run the method on the command line and return its answer."""
        answer: dict[str, Any] = json.loads(self.call("-m", "core.cli", "run", *arguments, "--json"))
        return answer


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    found = BLOCK.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, "the README shows no method that begins with a comment with its path"
    path, lab, key, source = found.groups()
    root = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        # times are kept, and so are the compiled kernels
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("*.pyc", ".*_cache"))
        elif (ROOT / part).exists():
            shutil.copy2(ROOT / part, root / part)
    assert not (root / path).exists()
    (root / path).write_text(source, encoding="utf-8")
    return Example(lab, key, source, root)


def test_the_example_is_short(example: Example) -> None:
    assert len(example.source.splitlines()) <= 50


def test_the_command_line_lists_it(example: Example) -> None:
    (lab,) = json.loads(example.call("-m", "core.cli", "list", example.lab, "--json"))
    assert not any(example.key in module for module in lab["unavailable"])
    assert example.key in [method["key"] for method in lab["methods"]]


def test_the_command_line_runs_it_and_its_recipe_gives_the_same_again(example: Example) -> None:
    out = example.root / "out"
    first = example.run(example.lab, "room", example.key, "--out", str(out))
    assert (first["method"], first["status"]) == (example.key, "converged")
    assert first["result"]["mask"] == "000000"
    again = example.run("--recipe", str(out / "recipe.json"))
    for name in ("recipe_hash", "iterations", "scalars", "result", "work"):
        assert again[name] == first[name]


def test_it_is_held_to_the_contract(example: Example) -> None:
    printed = example.call(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_methods.py", "-k", example.key
    )
    passed = re.search(r"(\d+) passed", printed)
    assert passed
    assert int(passed[1]) >= 15


def test_the_page_offers_it_with_its_own_parameters(example: Example) -> None:
    title = re.search(r'title="(.*?)"', example.source)
    assert title
    widgets = example.call("-W", "ignore", "-c", PAGE, example.lab, example.key, title[1]).split()
    for name in re.findall(r"^    (\w+): (?:int|float) = param\(", example.source, re.MULTILINE):
        assert f"m.{name}" in widgets


def test_it_passes_the_linter_and_the_type_checker(example: Example) -> None:
    path = f"core/{example.lab}/methods/{example.key}.py"
    for check in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--follow-imports=silent"]):
        example.call("-m", *check, path)
