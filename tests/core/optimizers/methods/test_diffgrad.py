"""diffGrad's two versions, its views, and the units of the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.iterate import drain
from core.optimizers.explanation import explain
from core.optimizers.panels import Bands, Course, Panel, panels_of
from core.optimizers.training import Training
from core.recipe import make
from core.run import MemberView, Run

F1 = {"lr": 0.1, "beta1": 0.95, "steps": 299}


def member(problem: str, method: str, values: dict[str, object] | None = None, **m: object) -> MemberView:
    run = Run([make("optimizers", problem, method, values or {}, m)]).inline()
    assert run.error is None, run.error
    return run.view().members[0]


def path(one: MemberView) -> np.ndarray:
    return np.array([one.view.snapshots[int(k)]["x"] for k in one.view.kept])


def panel(one: MemberView, key: str) -> Panel:
    problem = drain(one.recipe.build_problem())
    found = {p.key: p for p in panels_of(one.recipe.build_method(), problem, one.view, 0)}
    return found[key]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_first_version_is_adam_at_half_the_rate_after_its_first_step(decay: float) -> None:
    ours = member(
        "rosenbrock", "diffgrad", version="first", lr=0.05, eps=1e-30, steps=200, weight_decay=decay
    )
    points = path(ours)
    # nothing is remembered in the first step, whose friction is σ(|g|) in each coordinate
    first = ours.view.snapshots[0]["gradient"] + decay * points[0]
    rates = 0.05 / (1 + np.exp(-np.abs(first)))
    p = [torch.tensor(x, dtype=torch.float64) for x in points[0]]
    groups = [{"params": [q], "lr": float(rate)} for q, rate in zip(p, rates, strict=True)]
    adam = torch.optim.Adam(groups, eps=1e-30, weight_decay=decay)
    for k in range(200):
        np.testing.assert_allclose([float(q) for q in p], points[k], rtol=1e-9)
        for q, g in zip(p, ours.view.snapshots[k]["gradient"], strict=True):
            q.grad = torch.tensor(g, dtype=torch.float64)
        adam.step()
        for group in adam.param_groups:
            group["lr"] = 0.025


def test_the_first_version_s_friction_is_one_half_and_the_second_s_is_not() -> None:
    friction = {v: panel(member("diffgrad_f1", "diffgrad", version=v, **F1), "friction")
                for v in ("first", "second")}  # fmt: skip
    first, second = (friction[v].values for v in ("first", "second"))  # type: ignore[union-attr]
    np.testing.assert_array_equal(first[1:-1], 0.5)
    assert first[0] == second[0] == pytest.approx(1 / (1 + np.exp(-1.4)))
    assert np.nanmax(second[1:]) > 0.5


@pytest.mark.parametrize("method", ["diffgrad", "adam", "adam_half"])
def test_the_effective_rate_is_the_step_over_the_corrected_momentum(method: str) -> None:
    one = member("diffgrad_f1", method, **F1)
    rate = panel(one, "effective_rate")
    assert isinstance(rate, Course)
    for k in range(0, 299, 13):
        s = one.view.snapshots[k]
        momentum = s["momentum"][0] / (1 - 0.95 ** (k + 1))
        assert rate.values[k] == pytest.approx(-s["step"][0] / momentum, rel=1e-6)


@pytest.mark.parametrize(("scale", "other"), [(1e3, "adam"), (1e-3, "adam_half")])
@pytest.mark.parametrize("problem", ["diffgrad_f1", "ravine"])
def test_the_units_of_the_loss_decide_which_adam_diffgrad_is(problem: str, scale: float, other: str) -> None:
    settings = {"lr": 0.1, "eps": 1e-30, "steps": 60}
    values: dict[str, object] = {"scale": scale}
    ours, control = (path(member(problem, m, values, **settings)) for m in ("diffgrad", other))
    far = path(member(problem, "adam" if other == "adam_half" else "adam_half", values, **settings))
    assert np.abs(ours - control).max() < 0.05 * np.abs(ours - far).max()
    # Adam itself does not feel them
    plain = path(member(problem, other, {}, **settings))
    np.testing.assert_allclose(control, plain, atol=1e-9)


def test_a_network_keeps_the_friction_of_every_tensor() -> None:
    one = member("digits_mlp", "diffgrad", lr=0.01, steps=12)
    problem = drain(one.recipe.build_problem())
    assert isinstance(problem, Training)
    before, batches = np.zeros(problem.n), problem.batches()
    for k in range(4):
        snapshot, rows = one.view.snapshots[k], next(batches)
        x = torch.tensor(snapshot["x"], requires_grad=True)
        problem.function.at(x, rows).backward()
        assert x.grad is not None
        xi = 1 / (1 + np.exp(-np.abs(x.grad.numpy() - before)))
        before = x.grad.numpy()
        ends = np.cumsum([np.prod(s, dtype=int) for s in problem.tensor_shapes])[:-1]
        parts = np.split(xi, ends)
        np.testing.assert_allclose(snapshot["friction_mean"], [p.mean() for p in parts], rtol=1e-5)
        np.testing.assert_allclose(snapshot["friction_share"], [(p > 0.55).mean() for p in parts], atol=1e-6)
        np.testing.assert_array_equal(snapshot["friction_histogram"].sum(axis=1), [len(p) for p in parts])
    layers, share = panel(one, "friction_layers"), panel(one, "friction_share")
    assert isinstance(layers, Bands)
    assert len(layers.values) == len(layers.names) == sum(len(s) > 1 for s in problem.tensor_shapes)
    assert isinstance(share, Course)
    for i, name in enumerate(layers.names):
        histogram = panel(one, f"friction_histogram.{name}")
        assert isinstance(histogram, Bands)
        np.testing.assert_allclose(histogram.values.sum(axis=0), 1.0)
        # the mean of the bins' middles is that of the layer to half a bin
        middles = 0.5 * (histogram.edges[:-1] + histogram.edges[1:])
        np.testing.assert_allclose(middles @ histogram.values, layers.values[i], atol=0.0101)
    assert ((share.values >= 0) & (share.values <= 1)).all()


@pytest.mark.parametrize("version", ["first", "second"])
def test_the_formulas_of_both_versions_give_the_next_point(version: str) -> None:
    one = member("rosenbrock", "diffgrad", version=version, lr=0.05, weight_decay=0.1, steps=8)
    for k in range(8):
        found = explain(one.recipe.build_method(), one.view, k)
        np.testing.assert_allclose(found.lines[-1].value, one.view.snapshots[k + 1]["x"], rtol=1e-12)
