"""Comparisons at equal budgets: the log is what was run, the same for every method."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core import registry
from core.errors import InputError
from core.iterate import Iterate, drain
from core.optimizers.landscape import Landscape
from core.optimizers.methods.adam import Adam
from core.optimizers.methods.comparison import Comparison, reseeded
from core.optimizers.training import Training


def digits(**values: object) -> Training:
    spec = registry.problem_spec("optimizers", "digits_mlp")
    made = drain(registry.instantiate(spec, {"width": 8, "depth": 1, **values}, "-p ").build(0))
    assert isinstance(made, Training)
    return made


def items(method: Comparison, problem: Landscape) -> list[Iterate]:
    return list(method.iterate(drain(method.prepare(problem))))


SETTING: dict[str, Any] = {"methods": "adam; sgd momentum=0", "rates": 3, "seeds": 3, "steps": 15}


def test_every_method_gets_the_same_rates_and_as_many_runs() -> None:
    method = Comparison(**SETTING)
    found = items(method, digits())
    table = found[-1].x
    assert isinstance(table, np.ndarray)
    assert table.shape == (2, 5, 4)
    for row in table:
        np.testing.assert_allclose(row[:3, 0], method.grid())
        assert row[3, 0] == row[4, 0]
        assert row[3, 0] == row[np.argmin(row[:3, 2]), 0]
    runs = [int(item.scalars["runs"]) for item in found]
    assert runs == list(range(11))
    assert found[-1].work.gradient == 10 * 16


def test_the_rows_are_the_trainings_that_they_name() -> None:
    training = digits()
    last = items(Comparison(**SETTING), training)[-1]
    table, best, curves = last.x, last.arrays["best"], last.arrays["curves"]
    assert isinstance(table, np.ndarray)
    assert isinstance(best, np.ndarray)
    assert isinstance(curves, np.ndarray)
    *_, end = Adam(lr=table[0, 1, 0], steps=15).iterate(training)
    assert table[0, 1, 2] == end.scalars["validation_loss"]
    *_, other = Adam(lr=best[0, 2, 0], steps=15).iterate(reseeded(training, 2))
    assert best[0, 2, 1] == other.scalars["train_loss"]
    np.testing.assert_array_equal(last.arrays["curve_steps"], [0, 10, 15])
    np.testing.assert_array_equal(curves[:, :, -1], best[:, :, 1:])
    assert np.isfinite(curves).all()


def test_further_seeds_have_other_weights_and_batches_but_the_same_data() -> None:
    training = digits()
    other, again = reseeded(training, 1), reseeded(training, 1)
    np.testing.assert_array_equal(other.start, again.start)
    assert not np.array_equal(other.start, training.start)
    assert not np.array_equal(next(other.batches()), next(training.batches()))  # type: ignore[arg-type]
    assert other.function is training.function


def test_a_run_that_diverges_has_no_loss() -> None:
    training = digits()
    lost = replace(training, start=1e30 * training.start)
    last = items(Comparison("sgd", rates=2, seeds=1, steps=5), lost)[-1]
    assert isinstance(last.x, np.ndarray)
    assert np.isinf(last.x[..., 1:3]).all()
    assert np.isnan(last.scalars["loss"])


@pytest.mark.parametrize(
    ("methods", "words"),
    [("", "1 to 8"), ("adam; nothing", "nothing"), ("adam bad=1", "bad"), ("loss_line", "learning rate"),
     ("gns", "learning rate"), ("adam lr=1", "field of its own"), ("; ".join(["adam"] * 9), "1 to 8")],
)  # fmt: skip
def test_unusable_texts_are_refused(methods: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Comparison(methods)


def test_landscapes_are_refused() -> None:
    spec = registry.problem_spec("optimizers", "rosenbrock")
    with pytest.raises(ValueError, match="on a network"):
        Comparison().iterate(drain(spec.cls().build(0)))
