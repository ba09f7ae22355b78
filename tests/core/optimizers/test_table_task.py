"""The user's table: learnt from, or refused in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core import registry
from core.errors import InputError
from core.iterate import drain
from core.optimizers.training import Training
from core.recipe import make
from core.run import Run


def frame(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2))
    kind = np.where(rng.random(n) < 0.5, "red", "blue")
    y = 3 * x[:, 0] - x[:, 1] + (kind == "red")
    return pd.DataFrame(
        {"a": x[:, 0], "b": 1e6 + 1e3 * x[:, 1], "kind": kind, "y": y, "sign": np.where(y > 0, "yes", "no")}
    )


def built(path: Path, **values: object) -> Training:
    spec = registry.problem_spec("optimizers", "table")
    made = drain(registry.instantiate(spec, {"file": str(path), **values}, "-p ").build(0))
    assert isinstance(made, Training)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    frame().to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def write(path: Path, data: pd.DataFrame) -> Path:
    data.to_csv(path, index=False)
    return path


def test_a_linear_model_finds_a_linear_law(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", frame().drop(columns="sign"))
    params = {"file": str(path), "target": "y", "model": "linear", "batch": 0}
    run = Run([make("optimizers", "table", "lbfgs", params, {"steps": 60})]).inline()
    result = registry.lab("optimizers").result(run.problem, run.view().members[0].view)
    assert result["validation_loss"] < 1e-8
    assert result["accuracy"] is None


def test_classes_of_text_are_told_apart(path: Path) -> None:
    params = {"file": str(path), "target": "sign", "batch": 32}
    run = Run([make("optimizers", "table", "adam", params, {"steps": 200})]).inline()
    result = registry.lab("optimizers").result(run.problem, run.view().members[0].view)
    assert result["accuracy"] > 0.95


def test_inputs_are_standardised_by_the_training_part_and_texts_spread_out(path: Path) -> None:
    training = built(path, target="y")
    inputs = training.function.inputs.numpy()
    assert inputs.shape == (140, 2 + 2 + 2)
    numbers = inputs[:, :2]
    np.testing.assert_allclose(numbers.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(numbers.std(axis=0), 1.0, atol=1e-5)
    assert set(np.unique(inputs[:, 2:])) == {0.0, 1.0}


def test_gaps_count_as_the_mean_and_rows_without_target_go(tmp_path: Path) -> None:
    data = frame()
    data.loc[:4, "a"] = np.nan
    data.loc[10:12, "y"] = np.nan
    data["same"] = 1.0
    training = built(write(tmp_path / "t.csv", data), target="y")
    assert len(training.function) + len(training.held_out) == 197
    assert np.isfinite(training.function.inputs.numpy()).all()
    text = " ".join(training.notes)
    assert "3 rows without y" in text
    assert "5 missing numbers" in text
    assert "same" in text


def test_few_whole_numbers_are_classes_unless_it_is_said(tmp_path: Path) -> None:
    data = frame().assign(grade=np.arange(200) % 5)
    path = write(tmp_path / "t.csv", data)
    assert built(path, target="grade").classes == 5
    assert built(path, target="grade", task="regression").classes == 0


@pytest.mark.parametrize(
    ("change", "values", "words"),
    [
        ({}, {"target": "nothing"}, "a column of t.csv: a, b, kind, y, sign"),
        ({}, {"target": ""}, "a column of t.csv"),
        ({}, {"target": "sign", "task": "regression"}, "sign holds texts"),
        ({"y": 1.0}, {"target": "y", "task": "regression"}, "numbers that vary"),
        ({"y": 1.0}, {"target": "y"}, "always the same"),
        ({}, {"target": "y", "task": "classification"}, "at most 50 classes"),
        ({"y": ["odd"] + ["even"] * 199}, {"target": "y"}, "one with y = odd"),
        ({"y": [f"t{i}" for i in range(200)]}, {"target": "y"}, "few different texts"),
        ({"a": [np.inf] + [0.0] * 199}, {"target": "y"}, "infinite ones in a"),
        ({"y": [np.inf] + [0.5] * 199}, {"target": "y"}, "infinite ones in y"),
        ({"y": [np.nan] * 190 + [0.5, 1.5] * 5}, {"target": "y"}, "at least 20 rows"),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_refused(
    tmp_path: Path, change: dict[str, object], values: dict[str, object], words: str
) -> None:
    path = write(tmp_path / "t.csv", frame().assign(**change))
    with pytest.raises(InputError, match=words):
        built(path, **values)


def test_a_target_alone_is_no_table_and_numbers_of_any_size_are_safe(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a column beside the target"):
        built(write(tmp_path / "t.csv", frame()[["y"]]), target="y")
    huge = frame().assign(a=lambda d: d.a * 1e300, b=lambda d: d.b * 1e-300)
    training = built(write(tmp_path / "h.csv", huge), target="y")
    assert np.isfinite(training.function.inputs.numpy()).all()
    with pytest.raises(InputError, match="squared"):
        built(tmp_path / "h.csv", target="a")


def test_no_file_is_a_sentence() -> None:
    spec = registry.problem_spec("optimizers", "table")
    with pytest.raises(InputError, match="a CSV or Parquet file"):
        drain(spec.cls().build(0))
