"""``iterscope train poisson PRESET``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.cli import main
from core.poisson.learned import measured, weights


@pytest.fixture(autouse=True)
def _small_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "SIDES", {2: (16,), 3: (8,)})


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["train", *arguments])


def test_weights_and_what_they_are_worth_are_written(tmp_path: Path) -> None:
    result = call("poisson", "C4", "--steps", "5", "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "poisson_c4.json").read_text())
    assert document["step"] == document["steps"] == 5
    assert [row["problem"] for row in document["measured"]] == [
        "empty, 16^2, white", "disc, 16^2, white", "empty, 16^2, ones", "disc, 16^2, ones",
    ]  # fmt: skip
    kept = weights.from_bytes((tmp_path / "poisson_c4.safetensors").read_bytes(), "file")
    assert kept.hash == document["hash"]
    assert f"weights {kept.hash}" in result.stdout
    assert weights.find(kept.hash).about == kept.about


def test_a_training_that_runs_out_of_time_can_be_gone_on_with() -> None:
    first = call("poisson", "c4", "--steps", "100000", "--seconds", "1")
    assert first.exit_code == 0, first.output
    (line,) = [line for line in first.stdout.splitlines() if line.startswith("to go on: ")]
    kept = weights.find(line.split()[-1])
    assert 0 < kept.about["step"] < kept.about["steps"] == 100_000
    assert kept.about["checkpoint"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("poisson", "Z"), "preset: expected A | B | C | C4 | D | E | F | E64 | E128 | F64, found 'Z'"),
        (("registration", "A"), "lab: expected poisson"), (("cooking", "A"), "lab: expected"),
        (("poisson", "A", "--resume", "0" * 16), "weights: expected one of those that are there"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_in_one_line(arguments: tuple[str, ...], reason: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
