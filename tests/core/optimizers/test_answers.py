"""Single answers of networks, against the measurement of all of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core import registry
from core.iterate import drain
from core.optimizers.answers import classes_of, example_rows, numbers_of, told
from core.optimizers.training import Training


def built(key: str) -> Training:
    made = drain(registry.instantiate(registry.problem_spec("optimizers", key), {}, "-p ").build(0))
    assert isinstance(made, Training)
    return made


@pytest.mark.parametrize("key", ["digits_mlp", "digits_cnn", "char_lm"])
def test_the_share_of_right_answers_is_the_measured_accuracy(key: str) -> None:
    training = built(key)
    x = training.start.astype(np.float32)
    answers = classes_of(training.held_out, x, np.arange(len(training.held_out)))
    right = (answers == training.held_out.targets.numpy()).mean()
    assert right == pytest.approx(training.measure(x)["accuracy"], abs=1e-12)


def test_an_answer_does_not_depend_on_which_samples_are_shown() -> None:
    training = built("digits_cnn")
    x = training.start.astype(np.float32)
    rows = np.array([3, 17, 200])
    together = classes_of(training.held_out, x, np.arange(len(training.held_out)))
    np.testing.assert_array_equal(classes_of(training.held_out, x, rows), together[rows])


def test_numbers_are_told_in_the_user_s_unit() -> None:
    training = built("dp_regression")
    rows = example_rows(training.held_out, 0, 50)
    x = training.start.astype(np.float32)
    found = numbers_of(training.held_out, training.target, x, rows)
    truth = told(training.target, training.held_out.targets.numpy()[rows])
    loss = training.held_out.loss(
        torch.from_numpy(found[:, None]), torch.from_numpy(training.held_out.targets.numpy()[rows])
    )
    scale = training.target.scale
    assert 0.5 * np.mean((found - truth) ** 2) / scale**2 == pytest.approx(float(loss), rel=1e-5)


def test_shown_samples_come_class_by_class_and_are_all_different() -> None:
    training = built("digits_mlp")
    rows = example_rows(training.held_out, 10, 40)
    assert len(set(rows.tolist())) == 40
    np.testing.assert_array_equal(training.held_out.targets.numpy()[rows], np.tile(np.arange(10), 4))
