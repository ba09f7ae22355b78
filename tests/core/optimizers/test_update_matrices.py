"""Updates as matrices, against matrices whose singular values are known and against what Muon promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core import registry
from core.iterate import drain
from core.optimizers.training import Training
from core.optimizers.update_matrices import Update, fullest, spread_over, update, weights
from core.recipe import make
from core.run import Run


def of(values: list[float]) -> Update:
    return Update(0, 1, np.array(values), 1.0)


def test_equal_singular_values_count_as_so_many_directions_and_one_as_one() -> None:
    assert of([2.0] * 7).effective_rank == pytest.approx(7.0)
    assert of([2.0] * 7).stable_rank == pytest.approx(7.0)
    assert of([3.0, 0.0, 0.0]).effective_rank == pytest.approx(1.0)
    assert of([0.0, 0.0]).effective_rank == of([0.0, 0.0]).stable_rank == 0.0
    assert of([2.0, 1.0]).stable_rank == pytest.approx(1.25)


def test_the_condition_is_the_ratio_of_the_outermost_singular_values() -> None:
    assert of([6.0, 3.0, 2.0]).condition == 3.0
    assert of([6.0, 0.0]).condition == np.inf


def problem(key: str, **values: object) -> Any:
    spec = registry.problem_spec("optimizers", key)
    return drain(registry.instantiate(spec, values, "-p ").build(0))


def test_matrices_are_found_with_their_places() -> None:
    factors = weights(problem("matrix_factorization", size=4, rank=3))
    assert [(w.name, w.rows, w.columns) for w in factors] == [("W1", 3, 4), ("W2", 4, 3)]
    assert factors[1].part == slice(12, 24)
    assert weights(problem("rosenbrock")) == []
    training = problem("digits_cnn")
    assert isinstance(training, Training)
    found = weights(training)
    assert [(w.rows, w.columns) for w in found] == [(16, 9), (32, 144), (32, 288), (10, 32)]
    assert fullest(found) == 2
    flat = np.arange(training.n)
    import torch

    parts = training.network.unflatten(torch.from_numpy(flat))
    for w in found:
        at = training.network.names.index(w.name)
        np.testing.assert_array_equal(flat[w.part], parts[at].numpy().ravel())


def test_muon_moves_all_directions_alike_and_sgd_few() -> None:
    task = {"width": 24, "depth": 2}
    recipes = [
        make("optimizers", "digits_mlp", m, task, {"steps": 12, "lr": lr})
        for m, lr in (("muon", 0.01), ("sgd", 0.03))
    ]
    run = Run(recipes).inline()
    muon, sgd = (m.view for m in run.view().members)
    weight = weights(run.problem)[1]
    ours, other = update(muon, weight, 6), update(sgd, weight, 6)
    assert ours is not None
    assert other is not None
    assert (ours.k, ours.steps) == (6, 1)
    change = muon.snapshots[7]["x"][weight.part].astype(float) - muon.snapshots[6]["x"][weight.part]
    assert (ours.values**2).sum() == pytest.approx((change**2).sum())
    assert ours.rms == pytest.approx(np.sqrt((change**2).mean()))
    assert ours.effective_rank > 20 > 2 * other.effective_rank > 2
    # at the end the last update is shown
    last = update(muon, weight, 12)
    assert last is not None
    assert last.k == 11
    assert update(run.view().members[0].view, weight, 0).k == 0  # type: ignore[union-attr]


def test_steps_are_spread_and_the_last_one_has_no_update() -> None:
    kept = np.arange(0, 101, dtype=np.int64)
    found = spread_over(kept, 11)
    assert found[0] == 0
    assert found[-1] == 99
    assert len(found) == 11
    assert list(spread_over(np.array([0, 3, 5]), 11)) == [0, 3]
