"""What a step on the first layer moves, against TrAct's ridge formula and autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere

from core.iterate import Array, drain
from core.optimizers.first_layer import FILTERS, change, filters, second_moment, slope
from core.optimizers.methods.sgd import Sgd
from core.optimizers.methods.tract import Tract
from core.optimizers.networks import cross_entropy, mlp
from core.optimizers.optim.tract import TrActLayers
from core.optimizers.panels import Course, Matrices, Points, comparing, panels_of
from core.optimizers.tasks import CharLm, DigitsCnn, DigitsMlp
from core.optimizers.training import Training, network_training
from core.recipe import make
from core.run import Run


def linear_model(b: int = 20, n: int = 6, classes: int = 4) -> Training:
    """Return a linear classification: the first layer's outputs are those of the network."""
    torch.manual_seed(0)
    data = torch.randn(b, n), torch.randint(classes, (b,))
    return network_training(mlp([n, classes]), cross_entropy, data, data, 0, batch=0)


def point(training: Training) -> Array:
    return np.random.default_rng(1).normal(size=training.n)


def test_a_plain_step_moves_every_sample_by_all_samples_inputs() -> None:
    training = linear_model()
    x, y = (t.numpy() for t in training.function.data(torch.float64))
    at = point(training)
    W, bias = at[:24].reshape(4, 6), at[24:]
    z = x @ W.T + bias
    shares = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    wanted = (shares - np.eye(4)[y]) / len(y)
    found = change(training, at)
    np.testing.assert_allclose(found.wanted, wanted, atol=1e-12)
    np.testing.assert_allclose(found.moved, -x @ x.T @ wanted, atol=1e-12)
    np.testing.assert_allclose(found.contrasts, x.std(axis=1), rtol=1e-12)


@pytest.mark.parametrize("b", [4, 20])
def test_tract_s_step_is_the_ridge_regression_of_the_wanted_one(b: int) -> None:
    training = linear_model(b)
    x = training.function.data(torch.float64)[0].numpy()
    found = change(training, point(training), TrActLayers(0.1))
    hat = x @ np.linalg.inv(x.T @ x / b + 0.1 * np.eye(6)) @ x.T
    np.testing.assert_allclose(found.moved, -hat @ found.wanted, atol=1e-10)


def test_with_next_to_no_ridge_every_sample_gets_what_it_wants() -> None:
    # fewer samples than inputs: the step can be right for each
    training = linear_model(b=4)
    found = change(training, point(training), TrActLayers(1e-8))
    np.testing.assert_allclose(found.moved, -4 * found.wanted, rtol=1e-4, atol=1e-7)
    assert found.angles.max() < 0.1
    plain = change(training, point(training))
    assert plain.angles.max() > 1.0
    products = -(plain.moved * plain.wanted).sum(axis=1)
    lengths = np.linalg.norm(plain.moved, axis=1) * np.linalg.norm(plain.wanted, axis=1)
    np.testing.assert_allclose(np.cos(np.radians(plain.angles)), products / lengths, atol=1e-12)


def test_of_images_that_differ_in_contrast_tract_moves_the_dim_ones_too() -> None:
    training = drain(DigitsMlp(light="uneven", brightness=0.0).build(0))
    plain, ours = (change(training, training.start, layer) for layer in (None, TrActLayers(0.1)))
    assert slope(plain.contrasts, plain.sizes) > 0.8
    assert np.ptp(np.log(ours.sizes)) < np.ptp(np.log(plain.sizes))
    assert slope(ours.contrasts, ours.sizes) < 0.7 * slope(plain.contrasts, plain.sizes)


def test_the_slope_is_the_power_of_a_power_law() -> None:
    x = np.array([0.0, 0.1, 1.0, 5.0])
    np.testing.assert_allclose(slope(x, 3 * x**0.7), 0.7)
    assert np.isnan(slope(np.ones(4), x))


def test_a_convolution_moves_all_places_of_an_image() -> None:
    training = drain(DigitsCnn(batch=8).build(0))
    found = change(training, training.start)
    params = training.network.unflatten(torch.from_numpy(training.start).requires_grad_())
    loss = training.function.of(params, np.arange(8))
    (to_weight,) = torch.autograd.grad(loss, params[0])
    images = training.function.data(torch.float64)[0][:8]
    moved = F.conv2d(images, -to_weight, padding=1)
    np.testing.assert_allclose(found.moved, moved.reshape(8, -1).numpy(), atol=1e-10)
    patches = F.unfold(images, (3, 3), padding=1).transpose(1, 2).reshape(-1, 9)
    expected = torch.linalg.eigvalsh(patches.T @ patches / len(patches)).flip(0)
    np.testing.assert_allclose(second_moment(training), expected.numpy(), rtol=1e-10)


@pytest.mark.parametrize("b", [4, 20])
def test_the_second_moment_has_an_eigenvalue_for_every_input(b: int) -> None:
    training = linear_model(b)
    x = training.function.data(torch.float64)[0].numpy()
    expected = np.sort(np.linalg.eigvalsh(x.T @ x / b))[::-1]
    np.testing.assert_allclose(second_moment(training), expected, atol=1e-12)


def test_filters_are_the_longest_rows_of_the_first_weights() -> None:
    training = drain(DigitsMlp(width=40).build(0))
    x = np.zeros(training.n)
    weights = x[: 40 * 64].reshape(40, 8, 8)
    weights[5:30] = np.random.default_rng(0).normal(size=(25, 8, 8)) * np.arange(1.0, 26.0)[:, None, None]
    found = filters(training, x)
    lengths = np.linalg.norm(weights, axis=(1, 2))
    longest = np.sort(np.argsort(lengths)[-FILTERS:])
    assert list(found) == [f"unit {i + 1}" for i in longest]
    np.testing.assert_array_equal(found[f"unit {longest[0] + 1}"], weights[longest[0]])
    # inputs of a table are no images
    assert filters(linear_model(), np.zeros(28)) == {}


def shown(problem: str, method: Any, key: str, **settings: object) -> dict[str, list[Any]]:
    run = Run([make("optimizers", problem, key, {}, settings)]).inline()
    view = run.view().members[0].view
    charts: dict[str, list[Any]] = {}
    for panel in panels_of(method, run.problem, view, 3, comparing([Tract()])):
        charts.setdefault(panel.key, []).append(panel)
    return charts


def slopes(charts: dict[str, list[Any]]) -> float:
    (panel,) = charts["contrast"]
    return slope(panel.x, panel.y)


def test_a_plain_method_is_seen_beside_tract_on_the_same_charts() -> None:
    plain = shown("digits_mlp", Sgd(), "sgd", steps=3, lr=0.05)
    ours = shown("digits_mlp", Tract(ridge=0.2), "tract", steps=3, lr=0.05, base="sgd", ridge=0.2)
    assert [p.name for p in plain["contrast"]] == [f"plain gradient, slope {slopes(plain):.2f}"]
    assert [p.name.partition(", slope")[0] for p in ours["contrast"]] == ["λ = 0.2", "plain gradient"]
    assert set(plain) == {"contrast", "input_size", "angle", "filters"}
    (moment,) = ours["second_moment"]
    assert isinstance(moment, Points)
    assert (moment.level, len(moment.y)) == (0.2, 64)
    assert isinstance(plain["filters"][0], Matrices)
    for panel in ours["angle"]:
        np.testing.assert_allclose(panel.y.sum(), 1.0)
    assert not any(isinstance(p, Course) for panels in ours.values() for p in panels)


def test_a_network_without_such_a_layer_shows_none() -> None:
    training = drain(CharLm(width=8).build(0))
    run = Run([make("optimizers", "booth", "sgd", {}, {"steps": 3})]).inline()
    assert panels_of(Sgd(), training, run.view().members[0].view, 0, comparing([Tract()])) == []
