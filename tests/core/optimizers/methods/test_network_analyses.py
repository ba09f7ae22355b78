"""Surfaces, lines, planes and spectra of trained networks against closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from core import registry
from core.errors import InputError
from core.iterate import Iterate, drain
from core.optimizers.landscape import Landscape
from core.optimizers.methods.hessian_spectrum import HessianSpectrum, Sharpness
from core.optimizers.methods.loss_surface import LossLine, LossSurface, normalised_direction
from core.optimizers.methods.shared_plane import SharedPlane
from core.optimizers.methods.trajectory_plane import TrajectoryPlane, principal, random_walk_shares
from core.optimizers.networks import half_squared_error, mlp
from core.optimizers.trained import Trained, hessian_products
from core.optimizers.training import NetworkLoss, Training, network_training
from core.recipe import make
from core.run import Run


def digits(**values: object) -> Training:
    return drain(
        registry.instantiate(registry.problem_spec("optimizers", "digits_mlp"), values, "-p ").build(0)
    )


SMALL = digits(width=8, depth=1)


def items(method: Any, training: Landscape = SMALL) -> list[Iterate]:
    return list(method.iterate(drain(method.prepare(training))))


def quadratic() -> Training:
    rng = np.random.default_rng(0)
    data: Any = (torch.from_numpy(rng.standard_normal((50, 3))), torch.from_numpy(rng.standard_normal(50)))
    return network_training(mlp([3, 1]), half_squared_error, data, data, 0, batch=0)


def test_the_centre_of_the_surface_is_the_loss_of_the_trained_network() -> None:
    method = LossSurface(steps=60, resolution=7)
    trained = drain(method.prepare(SMALL))
    last = items(method)[-1]
    assert isinstance(last.x, np.ndarray)
    assert last.x.shape == (7, 7, 1)
    assert last.x[3, 3, 0] == pytest.approx(last.scalars["loss"], rel=1e-6)
    exact = SMALL.subset().value(trained.end.astype(np.float64))
    assert last.scalars["loss"] == pytest.approx(exact, rel=1e-4)
    assert np.isfinite(last.x).all()


def test_the_surface_of_a_quadratic_is_the_closed_form() -> None:
    training = quadratic()
    method = LossSurface(
        method="sgd", settings="momentum=0", lr=0.05, steps=30, resolution=5, normalization="none"
    )
    trained = drain(method.prepare(training))
    table = items(method, training)[-1].x
    rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(5,)))
    u, v = (normalised_direction(trained.end, training.tensor_shapes, rng, "none") for _ in range(2))
    centre, axis = trained.end.astype(np.float64), np.linspace(-1, 1, 5)
    H, g = training.function.hessian(centre), training.function.gradient(centre)
    for i, b in enumerate(axis):
        for j, a in enumerate(axis):
            d = a * u + b * v
            expected = training.function.value(centre) + g @ d + 0.5 * d @ H @ d
            assert table[i, j, 0] == pytest.approx(expected, rel=1e-5)  # type: ignore[index]


def test_filter_normalisation_does_not_feel_the_lengths_of_a_rescaled_network() -> None:
    f = SMALL.subset()
    shapes = SMALL.tensor_shapes  # (8, 64), (8,), (10, 8), (10,)
    x = SMALL.start + 0.0
    at = 8 * 64
    rescaled = x.copy()
    rescaled[: at + 8] *= 4.0
    rescaled[at + 8 : at + 8 + 80] /= 4.0
    assert f.value(rescaled) == pytest.approx(f.value(x), rel=1e-12)
    losses: dict[str, list[float]] = {"filter": [], "none": []}
    for how, found in losses.items():
        for point in (x, rescaled):
            d = normalised_direction(point, shapes, np.random.default_rng(3), how)
            found.append(float(f.value(point + 0.7 * d)))
    assert losses["filter"][0] == pytest.approx(losses["filter"][1], rel=1e-6)
    assert abs(losses["none"][0] / losses["none"][1] - 1) > 1e-3


def test_directions_have_the_lengths_that_they_are_given_and_leave_vectors_alone() -> None:
    x, shapes = SMALL.start, SMALL.tensor_shapes
    d = normalised_direction(x, shapes, np.random.default_rng(0), "filter")
    rows = [a[:512].reshape(8, 64) for a in (d, x)]
    np.testing.assert_allclose(*[np.linalg.norm(r, axis=1) for r in rows], rtol=1e-9)
    assert not d[512:520].any()
    layer = normalised_direction(x, shapes, np.random.default_rng(0), "layer")
    assert np.linalg.norm(layer[:512]) == pytest.approx(np.linalg.norm(x[:512]), rel=1e-9)
    assert normalised_direction(x, shapes, np.random.default_rng(0), "none")[512:520].any()


def test_cells_come_coarse_to_fine_and_none_changes_afterwards() -> None:
    found = items(LossSurface(steps=5, resolution=17))
    filled = [int(np.isfinite(item.x).sum()) for item in found]  # type: ignore[arg-type]
    assert filled[0] == 0
    assert (np.diff(filled) > 0).all()
    assert filled[-1] == 289
    first, last = found[1].x, found[-1].x
    assert isinstance(first, np.ndarray)
    known = np.isfinite(first)
    np.testing.assert_array_equal(first[known], last[known])  # type: ignore[index]
    assert np.isfinite(first[::8, ::8]).all()


def test_the_line_runs_through_both_ends() -> None:
    method = LossLine(steps=60, resolution=9, beyond=0.5)
    trained = drain(method.prepare(SMALL))
    last = items(method)[-1]
    table = last.x
    assert isinstance(table, np.ndarray)
    np.testing.assert_allclose(table[:, 0], np.linspace(-0.5, 1.5, 9))
    assert table[2, 1] == pytest.approx(trained.f.value(trained.path[0]), rel=1e-5)
    assert table[6, 1] == pytest.approx(trained.f.value(trained.end), rel=1e-4)
    assert table[6, 2] == pytest.approx(SMALL.held_out.value(trained.end), rel=1e-4)


def test_a_random_walk_has_the_shares_of_theory_and_of_simulation() -> None:
    shares = random_walk_shares(400)
    np.testing.assert_allclose(shares[:4], 6 / (np.pi * np.arange(1, 5)) ** 2, rtol=0.01)
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.standard_normal((60, 4000)), axis=0)
    np.testing.assert_allclose(principal(path)[1][:3], random_walk_shares(60)[:3], atol=0.03)


def test_random_walks_from_one_start_have_the_shares_of_simulation() -> None:
    rng = np.random.default_rng(1)
    steps = rng.standard_normal((3, 39, 6000))
    paths = np.concatenate([np.zeros((3, 1, 6000)), np.cumsum(steps, axis=1)], axis=1)
    shares = principal(paths.reshape(-1, 6000))[1]
    np.testing.assert_allclose(shares[:4], random_walk_shares(40, 3)[:4], atol=0.02)


def test_ways_of_several_trainings_share_a_plane_and_tell_what_is_off_it() -> None:
    training = replace(quadratic(), start=np.array([3.0, -2.0, 1.0, 1.0]))
    method = SharedPlane("sgd momentum=0,lr=0.1; adam lr=0.05", steps=40, saved=20, resolution=5)
    ways = drain(method.prepare(training))
    last = items(method, training)[-1]
    arrays = {name: a for name, a in last.arrays.items() if isinstance(a, np.ndarray)}
    assert arrays["ways"].shape == (2, 20, 2)
    # both begin at the same place
    np.testing.assert_allclose(arrays["ways"][0, 0], arrays["ways"][1, 0])
    offsets = ways.paths - ways.paths.reshape(-1, training.n).mean(axis=0)
    np.testing.assert_allclose(
        (arrays["ways"] ** 2).sum(axis=-1) + arrays["offs"] ** 2, (offsets**2).sum(axis=-1), rtol=1e-6
    )
    # no other plane through the mean is nearer to the points
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = np.linalg.qr(rng.standard_normal((training.n, 2)))[0]
        beside = (offsets**2).sum() - ((offsets @ other) ** 2).sum()
        assert (arrays["offs"] ** 2).sum() <= beside + 1e-9
    losses = [ways.f.value(path[-1].astype(np.float32)) for path in ways.paths]
    np.testing.assert_array_equal(arrays["losses"], losses)
    assert last.scalars["loss"] == min(losses)


@pytest.mark.parametrize("methods", ["", "gns lr=1", "adam lr", "; ".join(["sgd"] * 7)])
def test_a_shared_plane_refuses_what_it_cannot_train(methods: str) -> None:
    with pytest.raises(InputError):
        SharedPlane(methods)


def test_the_plane_of_a_flat_way_holds_all_of_it() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((30, 2)))[0].T
    path = rng.standard_normal((12, 2)) * [3.0, 1.0] @ basis
    directions, shares = principal(path)
    assert shares[:2].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(directions @ directions.T, np.eye(len(directions)), atol=1e-10)


def test_the_way_lies_on_its_surface_where_its_distance_to_the_plane_vanishes() -> None:
    training = replace(quadratic(), start=np.array([3.0, -2.0, 1.0, 1.0]))
    method = TrajectoryPlane(method="sgd", settings="momentum=0", lr=0.1, steps=40, saved=20, resolution=5)
    last = items(method, training)[-1]
    arrays = {name: a for name, a in last.arrays.items() if isinstance(a, np.ndarray)}
    assert arrays["way"].shape == (20, 2)
    np.testing.assert_allclose(arrays["way"][-1], 0.0, atol=1e-12)
    assert arrays["off"][-1] == pytest.approx(0.0, abs=1e-12)
    assert arrays["explained"][:2].sum() > 0.9
    trained = drain(method.prepare(training))
    offsets = trained.path.astype(np.float64) - trained.end
    np.testing.assert_allclose(
        np.linalg.norm(arrays["way"], axis=1) ** 2 + arrays["off"] ** 2,
        (offsets**2).sum(axis=1),
        rtol=1e-6,
        atol=1e-10,
    )


def test_products_with_the_hessian_are_those_of_the_dense_one() -> None:
    rng = np.random.default_rng(0)
    inputs, targets = (
        torch.from_numpy(rng.standard_normal((30, 4))),
        torch.from_numpy(rng.standard_normal(30)),
    )
    network = mlp([4, 5, 1], "tanh")
    f = NetworkLoss(network, half_squared_error, inputs, targets)
    x, V = network.initial(rng), rng.standard_normal((3, network.n))
    found = hessian_products(f, x)(V)
    np.testing.assert_allclose(found, V @ f.hessian(x), atol=1e-11)
    assert V[0] @ found[1] == pytest.approx(V[1] @ found[0], rel=1e-10)


def test_the_spectrum_of_a_small_network_is_the_dense_one() -> None:
    training = digits(width=2, depth=1)
    method = HessianSpectrum(steps=40, lanczos_steps=160, probes=2)
    trained = drain(method.prepare(training))
    exact = np.linalg.eigvalsh(SMALL_HESSIAN(trained))
    last = items(method, training)[-1]
    assert last.scalars["largest"] == pytest.approx(exact[-1], rel=1e-3)
    # single precision: an absolute error of about 1e-6 of the largest
    assert last.scalars["smallest"] == pytest.approx(exact[0], abs=1e-3 * exact[-1])
    assert last.scalars["trace"] == pytest.approx(exact.sum(), rel=0.5)
    density = last.arrays["density"]
    assert isinstance(density, np.ndarray)
    assert density.shape == (1000, 2)


def SMALL_HESSIAN(trained: Trained) -> Any:  # noqa: N802 - a matrix
    return trained.f.hessian(trained.end.astype(np.float64))


def test_gradient_descent_on_all_data_is_driven_to_the_line_of_stability() -> None:
    training = digits(batch=0, width=16, depth=1, activation="tanh")
    method = Sharpness(settings="momentum=0", lr=0.5, steps=300, resolution=6)
    last = items(method, training)[-1]
    assert last.scalars["stability"] == 4.0
    table = last.x
    assert isinstance(table, np.ndarray)
    assert table[-1, 2] < table[0, 2]
    assert 0.3 * 4.0 < table[-1, 1] < 1.6 * 4.0
    assert items(Sharpness(settings="momentum=0.9", lr=0.5, steps=5, resolution=3))[-1].scalars[
        "stability"
    ] == pytest.approx(7.6)


def test_landscapes_and_lost_trainings_are_refused_in_words() -> None:
    for problem, params, words in (
        ("rosenbrock", {}, "a network that can be trained"),
        ("digits_mlp", {"method": "sgd", "lr": 10.0}, "lower the rate"),
    ):
        run = Run([make("optimizers", problem, "loss_line", {}, params)]).inline()
        assert run.refused, run.error
        assert words in str(run.error)
        assert isinstance(run.error, InputError)


def test_an_analysis_of_a_training_is_an_analysis() -> None:
    run = Run([make("optimizers", "digits_mlp", "loss_line", {}, {"steps": 3, "resolution": 5})]).inline()
    assert run.kind == "analysis"
    view = run.view().members[0].view
    assert len(view.kept) == 1
    assert registry.lab("optimizers").result(run.problem, view)["loss"] > 0
