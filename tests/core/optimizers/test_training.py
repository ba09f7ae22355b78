"""Networks as problems: gradients against differences, batches, seeds, ends and refusals."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core import registry
from core.errors import InputError
from core.iterate import Array, Status, drain
from core.optimizers import digits
from core.optimizers.methods.adam import Adam
from core.optimizers.methods.sgd import Sgd
from core.optimizers.network_descent import BatchGradients, End, train
from core.optimizers.networks import Network, cnn, cross_entropy, mlp, transformer
from core.optimizers.outcomes import outcome
from core.optimizers.training import NetworkLoss, Training, network_training
from core.recipe import make
from core.run import Run
from core.trace import TraceView

TASKS = ("digits_mlp", "digits_cnn", "rotated_digits", "char_lm", "dp_regression")


def built(key: str, seed: int = 0, **values: object) -> Training:
    made = drain(registry.instantiate(registry.problem_spec("optimizers", key), values, "-p ").build(seed))
    assert isinstance(made, Training)
    return made


def trace(
    problem: str, method: str, p: dict[str, object] | None = None, seed: int = 0, **m: object
) -> TraceView:
    run = Run([make("optimizers", problem, method, p or {}, m, seed)]).inline()
    assert run.error is None, run.error
    return run.view().members[0].view


@pytest.mark.parametrize("key", TASKS)
def test_gradients_agree_with_differences_in_double_precision(key: str) -> None:
    training = built(key)
    rows = slice(0, 8)
    f = NetworkLoss(
        training.network,
        training.function.loss,
        training.function.inputs[rows],
        training.function.targets[rows],
    )
    rng = np.random.default_rng(1)
    x = training.start + 0.01 * rng.standard_normal(training.n)
    for _ in range(3):
        v = rng.standard_normal(training.n)
        v /= np.linalg.norm(v)
        h = 1e-5
        slope = (f.value(x + h * v) - f.value(x - h * v)) / (2 * h)
        # the difference's own error is h²/6 of a third derivative, plus rounding 1e-16/h
        assert float(f.value_and_gradient(x)[1] @ v) == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_the_dense_hessian_agrees_with_differences_of_gradients() -> None:
    rng = np.random.default_rng(0)
    inputs, targets = torch.from_numpy(rng.standard_normal((30, 4))), torch.arange(30) % 3
    network = mlp([4, 5, 3], "tanh")
    f = NetworkLoss(network, cross_entropy, inputs, targets)
    x = network.initial(rng)
    H, h = f.hessian(x), 1e-5
    np.testing.assert_array_equal(H, H.T)
    columns = [(f.gradient(x + h * e) - f.gradient(x - h * e)) / (2 * h) for e in np.eye(network.n)]
    np.testing.assert_allclose(H, np.array(columns), atol=1e-8)


def test_the_networks_are_those_that_torch_modules_make() -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((6, 7)))
    network = mlp([7, 5, 3])
    flat = torch.from_numpy(network.initial(rng))
    modules = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    nn.utils.vector_to_parameters(flat, modules.parameters())
    from core.optimizers.networks import PLAIN

    ours = network.forward(network.unflatten(flat), x, PLAIN)
    torch.testing.assert_close(ours, modules(x), rtol=1e-14, atol=1e-14)

    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(((1, 16), (16, 32), (32, 32))):
        layers += [nn.Conv2d(a, b, 3, 2 if i == 1 else 1, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    convolutional = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)).double()
    network = cnn()
    flat = torch.from_numpy(network.initial(rng))
    nn.utils.vector_to_parameters(flat, convolutional.parameters())
    images = torch.from_numpy(rng.standard_normal((5, 1, 8, 8)))
    ours = network.forward(network.unflatten(flat), images, PLAIN)
    torch.testing.assert_close(ours, convolutional.train()(images), rtol=1e-12, atol=1e-12)


def test_the_transformer_does_not_see_what_it_shall_guess() -> None:
    from core.optimizers.networks import PLAIN

    network = transformer(11, 8, 16)
    params = network.unflatten(torch.from_numpy(network.initial(np.random.default_rng(0))))
    x = torch.arange(8)[None] % 11
    changed = x.clone()
    changed[0, 5] = 10
    a, b = (network.forward(params, tokens, PLAIN) for tokens in (x, changed))
    torch.testing.assert_close(a[0, :5], b[0, :5], rtol=0, atol=1e-14)
    assert not torch.allclose(a[0, 5:], b[0, 5:])


def test_the_weights_before_a_normalisation_have_no_length() -> None:
    training = built("digits_cnn")
    f = training.subset()
    x = training.start.copy()
    first = slice(0, 16 * 9)
    gradient = f.value_and_gradient(x)[1][first]
    scale = np.linalg.norm(gradient) * np.linalg.norm(x[first])
    # exact but for the 1e-5 under the root of the variance
    assert abs(gradient @ x[first]) < 1e-3 * scale
    longer = x.copy()
    longer[first] *= 3.0
    assert f.value(longer) == pytest.approx(f.value(x), rel=1e-4)


def test_training_visits_the_points_that_a_plain_torch_loop_visits() -> None:
    training = built("digits_mlp", batch=32)
    view = trace("digits_mlp", "adam", {"batch": 32}, steps=20, lr=0.01)
    params = [
        p.clone().requires_grad_()
        for p in training.network.unflatten(torch.from_numpy(training.start).float())
    ]
    optimizer = torch.optim.Adam(params, 0.01)
    batches = training.batches()
    for k in range(20):
        flat = torch.cat([p.detach().ravel() for p in params]).numpy()
        np.testing.assert_array_equal(view.snapshots[k]["x"], flat)
        optimizer.zero_grad()
        training.function.of(params, next(batches)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def test_recorded_numbers_are_those_of_the_kept_points() -> None:
    training = built("digits_mlp")
    view = trace("digits_mlp", "sgd", steps=25, lr=0.05)
    xs = np.array([view.snapshots[int(k)]["x"] for k in view.kept])
    assert xs.dtype == np.float32
    np.testing.assert_allclose(
        view.scalars["step_norm"][1:], np.linalg.norm(np.diff(xs, axis=0), axis=1), rtol=1e-4
    )
    measured = np.flatnonzero(np.isfinite(view.scalars["train_loss"]))
    np.testing.assert_array_equal(measured, [0, 10, 20, 25])
    for k in measured:
        x = xs[k].astype(np.float64)
        assert view.scalars["train_loss"][k] == pytest.approx(training.function.value(x), rel=1e-4)
        assert view.scalars["validation_loss"][k] == pytest.approx(training.held_out.value(x), rel=1e-4)
    np.testing.assert_array_equal(view.work["gradient"], np.arange(1, 27))
    assert view.work["units"][-1] == pytest.approx(2 * 26 * 64 / len(training.function))


def test_all_samples_are_seen_once_in_a_pass_and_all_at_once_with_batch_zero() -> None:
    training = built("digits_mlp")
    per_pass = len(training.function) // 64
    batches = training.batches()
    seen = np.concatenate(
        [rows for rows, _ in zip(batches, range(per_pass), strict=False) if rows is not None]
    )
    assert len(np.unique(seen)) == 64 * per_pass
    assert next(built("digits_mlp", batch=0).batches()) is None
    view = trace("digits_mlp", "sgd", {"batch": 0, "evaluate_every": 1}, steps=5)
    np.testing.assert_allclose(view.scalars["loss"], view.scalars["train_loss"], rtol=1e-6)


def test_the_seed_decides_everything_and_global_state_stays() -> None:
    torch.manual_seed(7)
    before, grad, threads = torch.random.get_rng_state(), torch.is_grad_enabled(), torch.get_num_threads()
    first, again, other = (trace("digits_cnn", "sgdp", seed=s, steps=5) for s in (1, 1, 2))
    assert first.trace_hash() == again.trace_hash()
    assert first.trace_hash() != other.trace_hash()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (torch.is_grad_enabled(), torch.get_num_threads()) == (grad, threads)
    assert torch.get_default_dtype() == torch.float32


def test_a_consumer_without_gradients_gets_the_same_training() -> None:
    training = built("digits_mlp")
    with torch.no_grad():
        items = [item.scalars["loss"] for item in Adam(steps=3).iterate(training)]
    assert items == [item.scalars["loss"] for item in Adam(steps=3).iterate(training)]


@pytest.mark.parametrize("method", ["gns", "newton_cg", "trust_exact", "bfgs", "dogleg"])
def test_methods_that_keep_a_matrix_over_all_parameters_say_so(method: str) -> None:
    run = Run([make("optimizers", "digits_mlp", method)]).inline()
    assert run.refused
    assert "8,970 parameters" in str(run.error)


@pytest.mark.parametrize("method", ["lbfgs", "nonlinear_cg", "lbfgsb"])
def test_methods_with_line_searches_descend_on_all_data(method: str) -> None:
    view = trace("digits_mlp", method, {"batch": 0, "width": 16, "depth": 1}, steps=8)
    assert view.scalars["loss"][-1] < 0.5 * view.scalars["loss"][0]
    assert np.isfinite(view.scalars["validation_loss"][-1])
    assert view.work["evaluation"][-1] > 8


FIRST_ORDER = [
    spec.key for spec in registry.methods("optimizers")
    if spec.kind == "solver" and hasattr(spec.cls, "build") and spec.key != "lbfgs"
]  # fmt: skip


@pytest.mark.parametrize("key", FIRST_ORDER)
def test_every_torch_optimizer_trains_both_digit_networks(key: str) -> None:
    for problem in ("digits_mlp", "digits_cnn"):
        training = built(problem, batch=128)
        method = registry.method_spec("optimizers", key).cls(steps=12)
        *_, last = method.iterate(training)
        assert last.status is Status.MAX_ITERATIONS
        assert last.scalars["train_loss"] < training.measure(training.start.astype(np.float32))["train_loss"]


def test_muon_leaves_what_is_no_matrix_to_adamw() -> None:
    from core.optimizers.methods.muon import Muon

    training = built("digits_mlp")
    items = [item.x() for item in Muon(steps=1, lr=1e-3).iterate(training)]  # type: ignore[operator]
    step = training.network.unflatten(torch.from_numpy(items[1] - items[0]))
    for part in step:
        if part.ndim == 1:  # the first step of Adam is the rate in every coordinate that has a gradient
            moved = part[part.abs() > 1e-5].abs()
            torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), rtol=0.05, atol=0)
        else:
            size = 1e-3 * 0.2 * max(part.shape) ** 0.5
            singular = torch.linalg.svdvals(part) / size
            # a gradient of ten classes that sum to one lacks a rank, dark pixels more
            assert 0.6 < singular.median() < 1.3
            assert singular.max() < 1.3


def test_a_rate_that_is_too_large_diverges_with_a_name() -> None:
    view = trace("digits_mlp", "sgd", lr=10.0, steps=200)
    assert view.status is Status.DIVERGED
    assert "at k =" in view.note
    training = built("digits_mlp")
    poisoned = replace(training, start=np.where(np.arange(training.n) == 3, np.nan, training.start))
    *_, last = Sgd(steps=5).iterate(poisoned)
    assert last.status is Status.DIVERGED


def test_a_gradient_that_is_not_finite_is_told_by_the_name_of_its_parameter() -> None:
    training = built("digits_mlp")
    names, shapes = training.network.names, training.network.shapes
    sizes = [math.prod(shape) for shape in shapes]
    for i in range(len(names)):
        gradient = np.zeros(training.n)
        gradient[sum(sizes[:i]) + sizes[i] - 1 :] = np.nan  # from its last number on
        status, note = End(Adam(), training).judge(0, 1.0, math.nan, gradient)
        assert status is Status.DIVERGED
        assert note == f"the gradient of {names[i]} is not finite at k = 0"


def test_schedules_end_where_they_say_and_clipping_cuts_the_step() -> None:
    training = built("digits_mlp", schedule="cosine")
    assert training.rate_factor(0, 100) == 1.0
    assert training.rate_factor(100, 100) == pytest.approx(0.0, abs=1e-15)
    warm = built("digits_mlp", schedule="warmup")
    assert [warm.rate_factor(k, 100) for k in (0, 9)] == [0.1, 1.0]
    assert built("digits_mlp").rate_factor(57, 100) == 1.0
    view = trace("digits_mlp", "sgd", {"clip": 0.1}, steps=3, lr=0.5, momentum=0.0)
    np.testing.assert_allclose(view.scalars["step_norm"][1:], 0.05, rtol=1e-4)
    assert (view.scalars["grad_norm"] > 0.1).all()


def test_an_outcome_of_a_training_is_its_held_out_loss() -> None:
    training = built("digits_mlp")
    end = outcome(Adam(steps=20), training)
    *_, last = Adam(steps=20).iterate(training)
    assert end.loss == last.scalars["validation_loss"]
    assert outcome(Sgd(steps=100, lr=10.0), training).loss == math.inf
    assert end.gradients == 21


def test_the_result_of_a_training_has_no_table_of_its_parameters() -> None:
    run = Run([make("optimizers", "digits_mlp", "adam", {}, {"steps": 30})]).inline()
    result = registry.lab("optimizers").result(run.problem, run.view().members[0].view)
    assert set(result) == {
        "steps", "loss", "grad_norm", "train_loss", "validation_loss", "accuracy", "best_loss", "evaluations",
        "distance_to_minimum",
    }  # fmt: skip
    assert result["accuracy"] > 0.5
    assert run.kind == "training"


def test_snapshots_of_a_network_stay_within_the_budget() -> None:
    from core.trace import SNAPSHOT_BUDGET

    training = built("char_lm", width=128)
    assert 4 * training.n < SNAPSHOT_BUDGET / 8
    for item in Adam(steps=1).iterate(training):
        arrays = [array() if callable(array) else array for array in item.arrays.values()]
        # what is kept beside the parameters is a small part of them
        assert sum(array.nbytes for array in arrays) < 0.02 * 4 * training.n


def test_drawn_digits_are_balanced_divided_and_told_apart_by_a_simple_rule() -> None:
    images = digits.draw(np.random.default_rng(0), 600)
    assert images.pixels.shape == (600, 8, 8)
    assert images.pixels.min() >= 0.0
    assert images.pixels.max() <= 1.0
    np.testing.assert_array_equal(np.bincount(images.labels), 60)
    first, second = digits.split(images.labels, 0.7, np.random.default_rng(0))
    assert len(np.intersect1d(first, second)) == 0
    assert len(first) + len(second) == 600
    np.testing.assert_array_equal(np.bincount(images.labels[first]), 42)
    means = np.array([images.pixels[first][images.labels[first] == d].mean(axis=0) for d in range(10)])
    distances = ((images.pixels[second][:, None] - means) ** 2).sum(axis=(-1, -2))
    # the nearest class mean: chance is 0.1
    assert (distances.argmin(axis=1) == images.labels[second]).mean() > 0.7


def test_handwritten_digits_come_from_scikit_learn_or_not_at_all() -> None:
    if importlib.util.find_spec("sklearn") is None:
        with pytest.raises(InputError, match="pip install scikit-learn"):
            digits.handwritten()
        return
    images = digits.handwritten()
    assert images.pixels.shape == (1797, 8, 8)
    assert images.pixels.max() == 1.0


def test_uneven_light_and_wrong_labels_are_what_they_say() -> None:
    even, uneven = built("digits_mlp"), built("digits_mlp", light="uneven")
    contrast = [t.function.inputs.numpy().std(axis=1) for t in (even, uneven)]
    assert contrast[1].std() / contrast[1].mean() > 2 * contrast[0].std() / contrast[0].mean()
    noisy = built("digits_mlp", label_noise=0.5)
    differ = (noisy.function.targets != even.function.targets).double().mean()
    assert 0.35 < float(differ) < 0.55  # half are drawn anew, a tenth of these right
    assert torch.equal(noisy.held_out.targets, even.held_out.targets)


def test_rotated_digits_have_four_sources_and_upright_images_are_held_out() -> None:
    training = built("rotated_digits")
    assert training.domains is not None
    np.testing.assert_array_equal(np.unique(training.domains), np.arange(4))
    assert len(training.domains) == len(training.function)


def linear_regression(n: int, rng: np.random.Generator) -> tuple[Training, Array]:
    from core.optimizers.networks import half_squared_error

    X, y = rng.standard_normal((n, 3)), rng.standard_normal(n)
    data: Any = (torch.from_numpy(X), torch.from_numpy(y))
    training = network_training(mlp([3, 1]), half_squared_error, data, data, 0, batch=0)
    A = np.column_stack([X, np.ones(n)])
    return training, np.linalg.lstsq(A, y, rcond=None)[0]


def test_a_linear_model_ends_at_the_least_squares_solution() -> None:
    training, solution = linear_regression(40, np.random.default_rng(0))
    *_, last = registry.method_spec("optimizers", "gns").cls(steps=60).iterate(training)
    np.testing.assert_allclose(last.x, solution, atol=1e-6)
    assert math.isnan(last.scalars["accuracy"])


def test_gradients_count_the_samples_that_they_saw() -> None:
    training = built("digits_mlp", batch=10)
    gradients = BatchGradients(training)
    *_, last = train(Adam(steps=4), training, gradients)
    assert (gradients.passes, gradients.samples) == (5, 50)
    assert last.work.gradient == 5


def test_a_flat_vector_is_cut_in_the_order_of_the_names() -> None:
    network: Network = mlp([2, 3, 1])
    assert network.n == 2 * 3 + 3 + 3 + 1
    assert [tuple(p.shape) for p in network.unflatten(torch.arange(13.0))] == [(3, 2), (3,), (1, 3), (1,)]
