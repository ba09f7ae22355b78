"""The command line, in this process and in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.cli import main
from core.recipe import from_json, make
from core.registry import LABS
from core.run import Run
from core.trace import from_parquet
from tests.toy_lab import Faulty

pytestmark = pytest.mark.usefixtures("toy_lab")

ROOT = Path(__file__).parents[2]
KEYS = {
    "lab", "problem", "method", "seed", "status", "note", "iterations", "setup_seconds", "seconds", "work",
    "scalars", "result", "recipe_hash",
}  # fmt: skip


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def answer(*arguments: str) -> dict[str, Any]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1  # one object on one line
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


def refusal(*arguments: str) -> str:
    """Return the sentence with which a command is refused."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("iterscope: ")
    return lines[0]


def own_process(*arguments: str, module: str = "tests.toy_lab", **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_run_prints_exactly_one_object_with_the_agreed_keys() -> None:
    got = answer("run", "toy", "bowl", "descent", "-p", "n=4", "-m", "step=0.5", "--seed", "7")
    assert got.keys() == KEYS
    recipe = make("toy", "bowl", "descent", {"n": 4}, {"step": 0.5}, 7)
    view = Run([recipe]).inline().view().members[0].view
    assert got["recipe_hash"] == recipe.hash()
    assert got["status"] == "converged"
    assert got["iterations"] == len(view) - 1
    assert got["scalars"] == view.final_scalars()
    assert got["work"]["gradient"] == len(view) - 1
    assert got["result"]["x"] == view.last("x").tolist()


def test_progress_goes_to_stderr() -> None:
    result = call("run", "toy", "bowl", "descent", "-p", "stages=3", "-p", "stage_seconds=0.3", "--json")
    assert "stage 1 …" in result.stderr.splitlines()
    json.loads(result.stdout)


def test_without_json_a_person_can_read_it() -> None:
    result = call("run", "toy", "bowl", "descent")
    assert result.exit_code == 0
    assert result.stdout.startswith("descent on bowl: converged.")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("descent", "-m", "max_iterations=3"), "max_iterations"),
        (("faulty", "-m", "how=diverge"), "diverged"),
        (("endless", "--time-limit", "0.1"), "time_limit"),
    ],
)
def test_a_run_that_ends_by_itself_or_by_its_limit_is_no_failure(
    arguments: tuple[str, ...], status: str
) -> None:
    assert answer("run", "toy", "bowl", *arguments)["status"] == status


def test_infinite_and_missing_numbers_become_null() -> None:
    got = answer("run", "toy", "bowl", "faulty", "-m", "how=diverge")
    assert got["scalars"] == {"gap": None, "step": None}
    assert got["result"]["gap"] is None
    assert got["note"] == "gap = inf at k = 4"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "cooking", "bowl", "descent"), f"lab: expected {' | '.join(LABS)}, found 'cooking'"),
        (("run", "toy", "cup", "descent"), "problem of toy: expected bowl, found 'cup'"),
        (("run", "toy", "bowl", "asent"), "method of toy: expected descent | "),
        (("run", "toy", "bowl"), "expected LAB PROBLEM METHOD or --recipe FILE"),
        (("run",), "expected LAB PROBLEM METHOD or --recipe FILE"),
        (("run", "toy", "bowl", "descent", "-m", "stp=1"), "-m stp: expected a parameter of descent: step,"),
        (("run", "toy", "bowl", "descent", "-p", "rtol=1"), "-p rtol: expected a parameter of bowl"),
        (("run", "toy", "bowl", "descent", "-m", "step=9"), "-m step: expected a number from 0.01 to 1.9"),
        (("run", "toy", "bowl", "descent", "-m", "step=fast"), "found 'fast'; in units of 1/L"),
        (("run", "toy", "bowl", "descent", "-m", "step"), "-m: expected NAME=VALUE, found 'step'"),
        (("run", "toy", "bowl", "descent", "-m", "=1"), "-m: expected NAME=VALUE"),
        (("run", "toy", "bowl", "descent", "-m", "step=1", "-m", "step=1"), "-m step: expected one value"),
        (("run", "toy", "bowl", "descent", "-p", "start=middle"), "-p start: expected ones | random"),
        (("run", "toy", "bowl", "descent", "-p", "table=nowhere"), "nowhere: expected a readable file"),
        (("run", "toy", "bowl", "descent", "-p", "fail=yes"), "expected a whole bowl, found a broken one"),
        (("run", "toy", "bowl", "faulty", "-m", "how=refuse"), "the matrix is not symmetric"),
        (("run", "toy", "bowl", "descent", "--seed", "-3"), "seed: expected a whole number from 0"),
        (("run", "toy", "bowl", "descent", "--seed", "x"), "'x' is not a valid integer"),
        (("run", "toy", "bowl", "descent", "--threads", "0"), "0 is not in the range"),
        (("run", "toy", "bowl", "descent", "--frobnicate"), "No such option"),
        (("run", "toy", "bowl", "descent", "more"), "unexpected extra argument"),
        (("run", "--recipe", "nowhere.json"), "nowhere.json: expected a readable text file"),
        (("run", "toy", "bowl", "descent", "--out", "/dev/null/x"), "--out /dev/null/x"),
        (("list", "cooking"), "lab: expected"),
        (("bench", "cooking"), "lab: expected"),
        (("cook",), "No such command 'cook'"),
        (("app", "--port", "99999"), "99999 is not in the range"),
    ],
)
def test_unusable_input_is_refused_in_one_line_with_status_2(
    arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in refusal(*arguments)


@pytest.mark.parametrize("how", ["runtime", "value", "linalg"])
def test_a_fault_of_ours_has_status_1(how: str) -> None:
    result = call("run", "toy", "bowl", "faulty", "-m", f"how={how}", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "an internal error" in result.stderr
    assert how in Faulty.__dataclass_fields__["how"].metadata["choices"]


def test_out_writes_result_recipe_and_trace(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    got = answer("run", "toy", "bowl", "descent", "-m", "step=0.5", "--out", str(folder))
    assert {path.name for path in folder.iterdir()} == {"result.json", "recipe.json", "trace.parquet"}
    assert json.loads((folder / "result.json").read_text()) == got
    recipe = from_json((folder / "recipe.json").read_text())
    assert recipe.hash() == got["recipe_hash"]
    view, metadata = from_parquet(folder / "trace.parquet")
    assert view.trace_hash() == Run([recipe]).inline().view().members[0].view.trace_hash()
    assert metadata["recipe"]["hash"] == got["recipe_hash"]
    assert metadata["threads"] == 1


def test_a_recipe_runs_again_with_the_same_answer(tmp_path: Path) -> None:
    table = tmp_path / "start.txt"
    table.write_text("1 2 3\n")
    first = answer("run", "toy", "bowl", "descent", "-p", f"table={table}", "--out", str(tmp_path))
    recipe = str(tmp_path / "recipe.json")
    second = answer("run", "--recipe", recipe, "-p", f"table={table}")
    for name in KEYS - {"setup_seconds", "seconds"}:
        assert first[name] == second[name]
    assert "give it as -p table=PATH" in refusal("run", "--recipe", recipe)
    assert "-p n: expected a file that the recipe names" in refusal(
        "run", "--recipe", recipe, "-p", f"table={table}", "-p", "n=4"
    )
    for extra in (("-m", "step=1"), ("--seed", "0"), ("toy",)):
        assert "--recipe: expected nothing else" in refusal("run", "--recipe", recipe, *extra)


def test_list_shows_problems_methods_and_parameters() -> None:
    result = call("list", "toy")
    assert result.exit_code == 0
    for text in ("problem bowl: Bowl", "method descent: Descent", "step = 1.0", "a number from 0.01 to 1.9"):
        assert text in result.stdout


def test_list_json_can_be_read_by_a_program() -> None:
    (lab,) = json.loads(call("list", "toy", "--json").stdout)
    method = next(m for m in lab["methods"] if m["key"] == "descent")
    step = next(p for p in method["parameters"] if p["name"] == "step")
    assert (step["default"], step["low"], step["high"], step["type"]) == (1.0, 0.01, 1.9, "float")
    assert method["source"] == "made up, 2026"


def test_version_and_help_are_answered() -> None:
    assert version("iterscope") in call("--version").stdout
    for arguments in (["--help"], ["run", "-h"], ["list", "--help"]):
        result = call(*arguments)
        assert result.exit_code == 0
        assert "Usage" in result.stdout


# In processes of their own.


def test_the_same_recipe_has_the_same_trace_in_another_process(tmp_path: Path) -> None:
    arguments = ["run", "toy", "bowl", "descent", "-p", "start=random", "--seed", "3"]
    process = own_process(*arguments, "--json", "--out", str(tmp_path))
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out).keys() == KEYS
    recipe = make("toy", "bowl", "descent", {"start": "random"}, seed=3)
    here = Run([recipe]).inline().view().members[0].view
    assert from_parquet(tmp_path / "trace.parquet")[0].trace_hash() == here.trace_hash()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["run", "toy", "bowl", "nothing"], 2),
        (["run", "toy", "bowl", "faulty", "-m", "how=runtime"], 1),
        (["--version"], 0),
    ],
)
def test_exit_statuses_reach_the_shell(arguments: list[str], status: int) -> None:
    process = own_process(*arguments)
    out, error = process.communicate(timeout=60)
    assert process.returncode == status
    assert bool(out) == (status == 0)
    if status == 2:
        assert error.count("\n") == 1


def test_ctrl_c_stops_a_run_with_status_130() -> None:
    process = own_process("run", "toy", "bowl", "endless", "-m", "seconds=0.01", "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if "running" in line:
            break
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in error


def test_list_imports_no_heavy_library() -> None:
    # -X importtime names every module that is imported
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    process = own_process("list", "--json", module="core.cli", env=environment)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error[-2000:]
    assert json.loads(out)[0]["lab"] == "registration"
    imported = {
        line.rpartition("|")[2].strip() for line in error.splitlines() if line.startswith("import time")
    }
    assert "core.registry" in imported
    assert not imported & {"torch", "open3d", "streamlit", "plotly", "pandas"}


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_app_serves_until_it_is_told_to_stop_and_leaves_nothing_behind(
    sign: signal.Signals, status: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = own_process("app", "--port", str(port), "--no-browser", module="core.cli")
    try:
        assert process.stderr is not None
        assert any(f"iterscope is at http://127.0.0.1:{port}" in line for line in process.stderr)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=30) as answer:
            assert answer.status == 200
        process.send_signal(sign)
        process.communicate(timeout=60)
        assert process.returncode == status
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    finally:
        process.kill()
        process.communicate()
