"""Steps of trainings: the formulas of one row of weights, from what was kept of it, give the next one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.optimizers.weight_steps import explain_weights, unit
from core.recipe import make
from core.run import Run

TASK = {"width": 8, "depth": 1, "batch": 32}


def ran(method: str, problem: str = "digits_mlp", task: Any = TASK, **settings: object) -> Any:
    recipe = make("optimizers", problem, method, task, {"steps": 30, **settings}, seed=2)
    run = Run([recipe]).inline()
    assert run.error is None, run.error
    return recipe.build_method(), run.problem, run.view().members[0].view


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("diffgrad", {}), ("adam", {}), ("adam_half", {}), ("adamw", {"weight_decay": 0.1}), ("rmsprop", {}),
        ("sgd", {"momentum": 0.9, "nesterov": True}),
        ("tract", {"base": "sgd"}), ("tract", {"base": "adamw"}), ("nexus", {"base": "adam"}),
    ],
)  # fmt: skip
def test_the_row_s_numbers_give_its_next_values(method: str, settings: Any, schedule: str) -> None:
    instance, training, view = ran(method, task={**TASK, "schedule": schedule}, **settings)
    part = unit(training)
    assert part == slice(0, 64)
    for k in (0, 1, 12, 29):
        found = explain_weights(instance, training, view, k)
        assert found.k == k
        before, after = (view.snapshots[j]["x"][part] for j in (k, k + 1))
        np.testing.assert_array_equal(found.lines[-1].numbers["x"], before)
        # the step was made in single precision
        np.testing.assert_allclose(found.lines[-1].value, after, rtol=0, atol=2e-7)
        if 0 < k < 29:  # the last step of a cosine has no length
            assert np.abs(after - before).max() > 1e-5


def test_the_clipped_gradient_is_what_is_shown() -> None:
    instance, training, view = ran("sgd", task={**TASK, "clip": 0.05}, momentum=0.0)
    assert (view.scalars["grad_norm"][:-1] > 0.05).all()
    found = explain_weights(instance, training, view, 7)
    after = view.snapshots[8]["x"][unit(training)]
    np.testing.assert_allclose(found.lines[-1].value, after, rtol=0, atol=2e-7)


def test_tract_s_gradient_comes_from_the_plain_one_and_the_batch() -> None:
    instance, training, view = ran("tract", base="sgd", settings="momentum=0")
    for k in (0, 11):
        gradient, step = explain_weights(instance, training, view, k).lines[:2]
        S = np.asarray(gradient.numbers["moment"]) + instance.ridge * np.eye(64)
        np.testing.assert_allclose(S @ np.asarray(gradient.value), gradient.numbers["plain"], atol=1e-14)
        # what the training used was computed in single precision
        np.testing.assert_allclose(gradient.value, view.snapshots[k]["unit.gradient"], rtol=0, atol=1e-6)
        assert step.numbers["g"] is not None


def test_a_private_training_is_explained_with_all_its_parameters() -> None:
    instance, training, view = ran("diff2", "dp_regression", {"samples": 200})
    found = explain_weights(instance, training, view, 8)
    assert len(found.lines[-1].value) == training.n  # type: ignore[arg-type]
    np.testing.assert_allclose(found.lines[-1].value, view.snapshots[9]["x"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["muon", "conda", "sgdp"])
def test_a_method_of_whole_matrices_says_where_its_steps_are_shown(method: str) -> None:
    instance, training, view = ran(method)
    with pytest.raises(ValueError, match="whole matrices"):
        explain_weights(instance, training, view, 3)
