"""Nexus, its control and TrAct as methods: the valley's table, sources of a batch, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core import registry
from core.iterate import Array, drain
from core.optimizers.methods.nexus import Nexus, NexusMethod, NexusStill
from core.optimizers.methods.tract import Tract
from core.optimizers.outcomes import outcome
from core.optimizers.source_views import mean_cosine
from core.optimizers.valley import SOURCES, NoisyValley, Source, held_out, spread
from core.recipe import make
from core.run import Run
from core.trace import TraceView


def trace(
    problem: str, method: str, p: dict[str, object] | None = None, seed: int = 0, **m: object
) -> TraceView:
    run = Run([make("optimizers", problem, method, p or {}, m, seed)]).inline()
    assert run.error is None, run.error
    return run.view().members[0].view


def built(problem: str, seed: int = 0, **values: object) -> Any:
    return drain(
        registry.instantiate(registry.problem_spec("optimizers", problem), values, "-p ").build(seed)
    )


def test_the_sources_agree_with_differences_and_average_to_the_valley() -> None:
    rng = np.random.default_rng(0)
    for source in (*SOURCES, Source(0.0)):
        for x in rng.normal(0, 1.5, (20, 5)):
            h = 1e-5
            slopes = [(source.value(x + h * e) - source.value(x - h * e)) / (2 * h) for e in np.eye(5)]
            np.testing.assert_allclose(source.gradient(x), slopes, atol=1e-8)
            rows = [(source.gradient(x + h * e) - source.gradient(x - h * e)) / (2 * h) for e in np.eye(5)]
            np.testing.assert_allclose(source.hessian(x), rows, atol=1e-8)
    x = rng.normal(0, 1, (7, 4))
    np.testing.assert_allclose(
        (SOURCES[0].value(x) + SOURCES[1].value(x)) / 2, Source(0.0).value(x), rtol=1e-12
    )
    # the minimum of a source on its slice z
    np.testing.assert_allclose(SOURCES[0].gradient(np.array([spread(0.3), 0.3]))[0], 0.0, atol=1e-15)


def end(method: str, seed: int, **params: object) -> Array:
    return np.array(trace("noisy_valley", method, seed=seed, steps=1500, **params).last("x"))


def points(iterates: Any) -> list[Any]:
    # a snapshot must be taken before the next item is pulled
    return [item.x() for item in iterates]


OUTER: dict[str, object] = {"base": "sgd", "settings": "momentum=0", "lr": 0.05}


@pytest.mark.parametrize(
    ("method", "params", "z", "sees"),
    [("nexus", {"gamma": 0.1, "normalize": False}, 1.37, 0.053), ("nexus", {"gamma": 0.6}, 1.35, 0.056),
     ("nexus", {"gamma": 2.0}, 1.90, 0.032), ("nexus_still", {}, -1.03, 1.81)],
)  # fmt: skip
def test_the_table_of_the_valley_comes_out(
    method: str, params: dict[str, object], z: float, sees: float
) -> None:
    ends = np.array([end(method, seed, **OUTER, **params) for seed in range(3)])
    assert ends[:, 1].mean() == pytest.approx(z, abs=0.08)
    assert np.mean([2.25 * spread(x[1]) ** 2 for x in ends]) == pytest.approx(sees, rel=0.15)
    assert (ends[:, 0] ** 2).mean() < 0.01


def test_the_mean_gradient_never_moves_along_the_valley() -> None:
    x = end("sgd", 0, lr=0.1, momentum=0.0)
    assert x[1] == -1.0
    assert held_out(x) == pytest.approx(1.79, abs=0.02)


def test_without_noise_unit_gradients_cancel_and_it_stalls() -> None:
    view = trace("nexus_valley", "nexus", steps=1500, gamma=1e-6, **{**OUTER, "rescale": False})
    assert abs(view.last("x")[0]) > 0.5


def test_without_walk_and_normalisation_it_is_the_base_on_the_sum_of_the_sources() -> None:
    training = built("rotated_digits", batch=64)
    settings: dict[str, Any] = {"steps": 6, "base": "sgd", "settings": "momentum=0.9", "lr": 0.01}
    path = points(NexusStill(normalize=False, **settings).iterate(training))
    params = [
        p.clone().requires_grad_()
        for p in training.network.unflatten(torch.from_numpy(training.start).float())
    ]
    optimizer = torch.optim.SGD(params, 0.01, momentum=0.9)
    for x, rows in zip(path, training.batches(), strict=False):
        flat = torch.cat([p.detach().ravel() for p in params]).numpy()
        np.testing.assert_allclose(x, flat, rtol=0, atol=1e-6)
        optimizer.zero_grad()
        domains = training.domains[rows]
        sum(training.function.of(params, rows[domains == d]) for d in range(4)).backward()  # type: ignore[union-attr]
        optimizer.step()


def test_the_loss_is_that_at_the_point_itself_and_work_counts_every_source() -> None:
    training = built("rotated_digits", batch=0)
    for item in NexusMethod(steps=3, gamma=0.5).iterate(training):
        x = item.x().astype(np.float64)  # type: ignore[operator]
        assert item.scalars["loss"] == pytest.approx(training.function.value(x), rel=1e-4)
        assert item.work.gradient == 4 * (item.k + 1)
        assert -1.0 <= item.scalars["source_cosine"] <= 1.0


def test_a_batch_without_sources_is_cut_into_equal_parts() -> None:
    items = list(NexusMethod(steps=2, sources=3).iterate(built("digits_mlp", batch=30)))
    assert items[-1].work.gradient == 9


@pytest.mark.parametrize("options", [{}, {"normalize": False}, {"rescale": False}], ids=str)
def test_on_the_valley_it_is_the_torch_wrapper_on_losses_that_autograd_differentiates(
    options: dict[str, Any],
) -> None:
    view = trace("nexus_valley", "nexus", steps=5, gamma=0.6, order="fixed", **OUTER, **options)
    p = torch.tensor([1.5, -1.0], dtype=torch.float64, requires_grad=True)

    def source(sign: float) -> Any:
        return lambda: p[0] ** 2 - 2 * sign * (0.1 + 0.9 / (1 + torch.exp(2 * p[1]))) * p[0]

    settings = {"normalize": True, "rescale": True, **options}
    wrapper = Nexus(torch.optim.SGD([p], 0.05), 0.6, **settings)
    for k in range(6):
        np.testing.assert_allclose(view.snapshots[k]["x"], p.detach().numpy(), rtol=0, atol=1e-11)
        wrapper.step([source(1.0), source(-1.0)])


def test_the_order_is_of_the_seed() -> None:
    a, b, c = (trace("nexus_valley", "nexus", seed=s, steps=30, **OUTER).trace_hash() for s in (1, 1, 2))
    assert a == b != c


def test_mean_cosine_is_that_of_all_pairs() -> None:
    rows = np.random.default_rng(0).standard_normal((4, 6))
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [units[i] @ units[j] for i in range(4) for j in range(i)]
    assert mean_cosine(rows) == pytest.approx(np.mean(pairs), rel=1e-12)
    assert np.isnan(mean_cosine(np.zeros((3, 2))))


@pytest.mark.parametrize(("method", "problem"), [("nexus", "rosenbrock"), ("tract", "rosenbrock"),
                                                 ("tract", "char_lm"), ("diff2", "rosenbrock")])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(method: str, problem: str) -> None:
    run = Run([make("optimizers", problem, method)]).inline()
    assert run.refused
    assert ";" in str(run.error)


def test_the_noise_is_on_the_coordinates_that_say_so() -> None:
    from core.optimizers.steps import Oracle

    landscape = drain(NoisyValley(sigma=1.0, noisy=500).build(3))
    x = landscape.start
    noise = Oracle(landscape).both(x)[1] - landscape.function.gradient(x)
    assert not noise[:2].any()
    # 500 draws: standard deviation within four standard errors
    assert noise[2:].std() == pytest.approx(1.0, abs=4 / np.sqrt(1000))


def test_tract_trains_with_the_gradient_of_its_layer() -> None:
    from core.optimizers.methods.tract import TrActLinear

    training = built("digits_mlp", light="uneven", batch=32)
    path = points(Tract(steps=1, base="sgd", settings="momentum=0", lr=0.1).iterate(training))
    moved = training.network.unflatten(torch.from_numpy(path[1] - path[0]))
    rows = next(training.batches())
    params = training.network.unflatten(torch.from_numpy(training.start).float())
    layer = TrActLinear(64, 64, 0.1)
    with torch.no_grad():
        layer.weight.copy_(params[0])
        layer.bias.copy_(params[1])
    hidden = torch.relu(layer(training.function.inputs[rows]))
    hidden = torch.relu(hidden @ params[2].T + params[3])
    outputs = hidden @ params[4].T + params[5]
    torch.nn.functional.cross_entropy(outputs, training.function.targets[rows]).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(moved[0], -0.1 * layer.weight.grad, rtol=1e-3, atol=1e-6)


def test_an_analysis_looks_at_the_walk_and_not_at_the_base_alone() -> None:
    landscape = built("nexus_valley")
    method = NexusMethod(steps=40, gamma=0.6, base="sgd", settings="momentum=0", lr=0.05, normalize=False)
    *_, last = method.iterate(landscape)
    assert outcome(method, landscape).loss == last.scalars["loss"]
    assert outcome(method.inner(), landscape).loss != last.scalars["loss"]
