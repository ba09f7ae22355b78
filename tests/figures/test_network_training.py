"""Charts and messages of trainings, against the traces they come from."""

from __future__ import annotations

import numpy as np
import pytest

from core.optimizers.answers import classes_of, example_rows
from core.optimizers.training import Training
from core.recipe import make
from core.run import MemberView, Run
from pages.figures import network_training as charts
from pages.figures import optimizers
from pages.figures.pack import unpack


@pytest.fixture(scope="module")
def race() -> tuple[Training, list[MemberView]]:
    recipes = [
        make("optimizers", "digits_mlp", m, {"evaluate_every": 7}, {"steps": 30}) for m in ("sgd", "adam")
    ]
    run = Run(recipes).inline()
    assert run.error is None
    assert isinstance(run.problem, Training)
    return run.problem, list(run.view().members)


def test_a_measured_curve_has_every_measurement_and_nothing_between(race) -> None:
    _, members = race
    columns = [m.view.scalars["train_loss"] for m in members]
    figure = optimizers.race(members, columns, "passes", 100, sparse=True)
    for member, trace in zip(members, figure["data"], strict=True):
        np.testing.assert_array_equal(trace["customdata"], [0, 7, 14, 21, 28, 30])
        assert np.isfinite(trace["y"]).all()
        # a step of 64 of 1257 samples
        np.testing.assert_allclose(trace["x"], (trace["customdata"] + 1) * 64 / 1257)
        assert member.view.scalars["train_loss"][-1] == trace["y"][-1]


def test_numbers_at_the_cursor_are_those_measured_last(race) -> None:
    view = race[1][0].view
    found = charts.numbers(race[1][0])["accuracy"]
    assert found[0] == found[6] == view.scalars["accuracy"][0]
    assert found[7] == found[13] == view.scalars["accuracy"][7] != found[6]


def test_answers_travel_with_the_truth_and_the_pictures(race) -> None:
    training, members = race
    rows = example_rows(training.held_out, 10, 20)
    found = []
    for member in members:
        ks = member.view.kept[::10]
        points = [member.view.snapshots[int(k)]["x"] for k in ks]
        found.append((ks, np.stack([classes_of(training.held_out, x, rows) for x in points])))
    pixels = training.held_out.inputs[rows].numpy().reshape(-1, 8, 8).astype(float)
    truth = training.held_out.targets.numpy()[rows]
    payload = charts.answers_payload(
        members, found, truth, training.target.classes, pixels=pixels, group="g", title="t", rev="1"
    )
    arrays, meta = unpack(payload)
    np.testing.assert_array_equal(arrays["truth"], truth)
    np.testing.assert_array_equal(arrays["1.answers"], found[1][1])
    assert meta["short"] is True
    assert [m["title"] for m in meta["members"]] == ["SGD", "Adam"]
    assert arrays["pixels"].min() == 0
    assert arrays["pixels"].max() == 255
    # at the end most are right, so that the check is none of noise against noise
    assert (arrays["1.answers"][-1] == truth).mean() > 0.6


def test_long_names_are_marked_as_such_and_blanks_made_visible(race) -> None:
    _, members = race
    ks = np.array([0])
    answers = [(ks, np.zeros((1, 2), np.int64))] * 2
    for names, short in ((("setosa", "virginica"), False), ((" ", "\n"), True)):
        payload = charts.answers_payload(
            members, answers, np.array([0, 1]), names, pixels=None, group="g", title="t", rev="1"
        )
        meta = unpack(payload)[1]
        assert meta["short"] is short
        assert all(name.strip() for name in meta["names"])
