"""The experiments on networks: verdicts that follow from the run, orderings that the specification gives."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core import registry
from core.optimizers import training_experiments
from core.optimizers.networks import cnn
from core.optimizers.training_experiments import CONVOLUTIONS, beats, best
from core.recipe import make
from core.registry import Finding, Verdict
from core.run import Run

#: None: too close to be the same on every machine.
VERDICTS = {
    "diffgrad_digits": Verdict.DOES_NOT_HOLD,
    "sgdp_digits": Verdict.HOLDS,
    "adamp_digits": None,
    "conda_digits": Verdict.NOT_SHOWABLE,
    "conda_char_lm": Verdict.NOT_SHOWABLE,
    "nexus_valley": Verdict.HOLDS,
    "nexus_digits": Verdict.DOES_NOT_HOLD,
    "tract_uneven": Verdict.HOLDS,
    "tract_standardised": Verdict.DOES_NOT_HOLD,
    "diff2_restart": Verdict.DOES_NOT_HOLD,
}
#: Steps of a comparison that would take more than a minute in full.
FEWER_STEPS = {"conda_char_lm": 60}


@cache
def shown(key: str) -> tuple[Finding, Any, Any]:
    spec = registry.experiment_spec("optimizers", key)
    fewer = {"steps": FEWER_STEPS[key]} if key in FEWER_STEPS else {}
    recipes = [
        make("optimizers", spec.problem, method, spec.problem_params, values | fewer, spec.seed)
        for method, values in spec.methods.items()
    ]
    run = Run(recipes).inline()
    assert run.error is None, run.error
    views = {m.recipe.method: m.view for m in run.view().members}
    results = {name: registry.lab("optimizers").result(run.problem, view) for name, view in views.items()}
    return spec.check(views, results), views, results


def test_all_experiments_are_judged_here() -> None:
    found = registry.experiments("optimizers")
    here = {e.key for e in found if e.check.__module__ == training_experiments.__name__}
    assert here == set(VERDICTS)


@pytest.mark.parametrize(
    "key", [pytest.param(key, marks=pytest.mark.slow) if key == "diff2_restart" else key for key in VERDICTS]
)
def test_the_verdict_is_what_the_run_gives(key: str) -> None:
    finding, views, _ = shown(key)
    assert finding.verdict is (VERDICTS[key] or finding.verdict)
    assert finding.sentence.endswith(".")
    assert "nan" not in finding.sentence
    if "comparison" in views:  # the budgets are equal, by the log
        table = views["comparison"].last("x")
        assert np.isfinite(table[..., 0]).all()
        assert (table[:, 0, 0] == table[0, 0, 0]).all()


def test_tract_is_ahead_early_on_badly_lit_digits() -> None:
    _, views, _ = shown("tract_uneven")
    curves = views["comparison"].last("curves")[..., 2].mean(axis=1)
    half = curves.shape[1] // 2
    assert curves[1, half] > curves[0, half] + 0.02
    assert curves[3, half] > curves[2, half] + 0.02


def test_a_long_way_between_restarts_loses() -> None:
    # the sweep's ordering, with fewer samples and rounds
    steps = {"steps": 60, "epsilon": 3.0, "clip": 3.0, "clip_difference": 1.0, "lr": 0.3}
    losses = []
    for restart in (3, 60):
        ends = []
        for seed in range(3):
            run = Run(
                [
                    make(
                        "optimizers",
                        "dp_regression",
                        "diff2",
                        {"samples": 1000},
                        {**steps, "restart": restart},
                        seed,
                    )
                ]
            )
            ends.append(run.inline().view().members[0].view.final_scalars()["loss"])
        losses.append(np.mean(ends))
    assert losses[0] < losses[1]


def test_a_difference_counts_beyond_what_the_seeds_spread() -> None:
    assert beats(np.array([1.0, 1.1, 0.9]), np.array([1.3, 1.2, 1.25]))
    assert not beats(np.array([1.0, 1.4, 0.6]), np.array([1.3, 1.2, 1.25]))
    assert not beats(np.array([1.3]), np.array([1.0]))


def test_the_verdicts_follow_from_the_numbers() -> None:
    check = registry.experiment_spec("optimizers", "diffgrad_digits").check
    for ours, verdict in ((0.1, Verdict.HOLDS), (0.3, Verdict.DOES_NOT_HOLD)):
        table = np.full((3, 3, 4), 0.2)
        table[0, :, 2] = ours
        view: Any = SimpleNamespace(last=lambda name, table=table: table)
        assert check({"comparison": view}, {}).verdict is verdict
        np.testing.assert_array_equal(best({"comparison": view}, 2)[0], ours)


def test_the_convolutions_are_where_they_are_looked_for() -> None:
    network, at, found = cnn(), 0, []
    for name, shape in zip(network.names, network.shapes, strict=True):
        size = int(np.prod(shape))
        if name.startswith("convolution"):
            found.append(slice(at, at + size))
        at += size
    assert found == list(CONVOLUTIONS.values())
