"""What is seen of several sources, against the valley's closed forms and autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from core.iterate import Array, drain
from core.optimizers import source_views
from core.optimizers.landscape import Landscape
from core.optimizers.methods.nexus import NexusMethod, NexusStill
from core.optimizers.methods.sgd import Sgd
from core.optimizers.panels import Arrows, Course, Matrices, Panel, Points, comparing, panels_of
from core.optimizers.source_views import TUNING_RATE, cosines, mean_cosine
from core.optimizers.tasks import ANGLES, RotatedDigits
from core.optimizers.training import Training
from core.optimizers.valley import SOURCES, held_out, source_minima, spread
from core.recipe import make
from core.run import Run
from core.trace import TraceView


def run(problem: str, method: str, **settings: object) -> tuple[Landscape, TraceView]:
    found = Run([make("optimizers", problem, method, {}, settings)]).inline()
    return found.problem, found.view().members[0].view


def seen(problem: Landscape, view: TraceView, k: int, method: object = None) -> dict[str, list[Panel]]:
    charts: dict[str, list[Panel]] = {}
    for panel in panels_of(method or Sgd(), problem, view, k, comparing([NexusMethod()])):
        charts.setdefault(panel.key, []).append(panel)
    return charts


def course(charts: dict[str, list[Panel]], key: str) -> Array:
    (panel,) = charts[key]
    assert isinstance(panel, Course)
    return panel.values


def test_the_valley_shows_the_new_source_s_loss_and_how_far_the_minima_are_apart() -> None:
    problem, view = run(
        "noisy_valley", "nexus", base="sgd", settings="momentum=0", lr=0.05, gamma=0.6, steps=200
    )
    charts = seen(problem, view, 200)
    k = int(view.kept[-1])
    x, z = view.snapshots[k]["x"][:2]
    a = 0.1 + 0.9 / (1 + np.exp(2 * z))
    np.testing.assert_allclose(course(charts, "unseen")[k], (x - 1.5 * a) ** 2, rtol=1e-12)
    np.testing.assert_allclose(course(charts, "source_distance")[k], 2 * a, rtol=1e-12)
    # Nexus brings the minima together
    assert course(charts, "source_distance")[k] < 0.9 * course(charts, "source_distance")[0]
    (way,) = charts["way"]
    assert isinstance(way, Points)
    assert (way.x[-1], way.y[-1]) == (x, z)
    assert len(way.beside) == 2


def test_the_curves_of_the_map_are_where_each_source_is_smallest_along_x() -> None:
    problem, _ = run("nexus_valley", "sgd", steps=1)
    for source, line in zip(SOURCES, problem.curves.values(), strict=True):
        np.testing.assert_allclose(source.gradient(line)[:, 0], 0.0, atol=1e-15)
    x = np.random.default_rng(0).normal(size=(6, 2))
    for i, source in enumerate(SOURCES):
        at = np.column_stack([source_minima(x)[:, i], x[:, 1]])
        np.testing.assert_allclose(source.gradient(at)[:, 0], 0.0, atol=1e-15)


def test_slices_go_through_the_iterate_and_average_to_the_mean() -> None:
    problem, view = run("nexus_valley", "adam", lr=0.05, steps=30)
    slices = {p.name: p for p in seen(problem, view, 30)["slices"] if isinstance(p, Points)}
    z = view.snapshots[30]["x"][1]
    mean = slices["mean"]
    np.testing.assert_allclose(0.5 * (slices["L₁"].y + slices["L₂"].y), mean.y, atol=1e-12)
    assert abs(mean.x[slices["L₁"].y.argmin()] - spread(z)) < mean.x[1] - mean.x[0]
    points = np.column_stack([mean.x, np.full(len(mean.x), z)])
    np.testing.assert_allclose(slices["L_T, not trained on"].y, held_out(points), rtol=1e-12)


def test_the_sources_cosine_is_that_of_their_gradients_by_hand() -> None:
    problem, view = run("nexus_valley", "adam", lr=0.05, steps=30)
    (panel,) = seen(problem, view, 30)["cosines"]
    assert isinstance(panel, Matrices)
    x, z = view.snapshots[30]["x"]
    a, slope = spread(z), -1.8 * np.exp(2 * z) / (1 + np.exp(2 * z)) ** 2
    g1, g2 = np.array([2 * (x - a), -2 * slope * x]), np.array([2 * (x + a), 2 * slope * x])
    expected = g1 @ g2 / np.linalg.norm(g1) / np.linalg.norm(g2)
    np.testing.assert_allclose(panel.matrices[""], [[1.0, expected], [expected, 1.0]], rtol=1e-10)
    np.testing.assert_allclose(mean_cosine(np.array([g1, g2])), expected, rtol=1e-10)


def test_a_vanishing_gradient_has_no_cosine() -> None:
    gradients = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert np.isnan(cosines(gradients)[0]).all()
    np.testing.assert_allclose(mean_cosine(gradients), np.sqrt(0.5))


def test_what_the_walk_changes_is_the_curvature_along_it() -> None:
    problem, view = run("nexus_valley", "sgd", lr=0.01, steps=5)
    x, gamma = view.snapshots[5]["x"], 1e-5
    (panel,) = seen(problem, view, 5, NexusMethod(gamma=gamma, normalize=False))["vectors"]
    assert isinstance(panel, Arrows)
    tail, tip = panel.arrows["what the walk changes"]
    # −g₂(θ₀ − γ g₁) + g₂(θ₀) = γ H₂ g₁ + O(γ²)
    expected = SOURCES[1].hessian(x) @ SOURCES[0].gradient(x)
    np.testing.assert_allclose((tip - tail) / gamma, expected, rtol=1e-4)
    (still,) = seen(problem, view, 5, NexusStill())["vectors"]
    assert isinstance(still, Arrows)
    tail, tip = still.arrows["what the walk changes"]
    np.testing.assert_array_equal(tail, tip)
    np.testing.assert_allclose(np.linalg.norm(still.arrows["−g₁ at θ₀"][1]), 1.0)


def test_a_landscape_of_one_source_shows_nothing() -> None:
    problem, view = run("booth", "sgd", lr=0.01, steps=5)
    assert not seen(problem, view, 5)


def trained() -> tuple[Training, TraceView]:
    problem, view = run("rotated_digits", "sgd", lr=0.05, steps=12)
    assert isinstance(problem, Training)
    return problem, view


def test_a_network_s_sources_are_parts_of_its_data() -> None:
    training, view = trained()
    charts = seen(training, view, 12)
    x = view.snapshots[12]["x"].astype(np.float32)
    losses, gradients = source_views._at(training, x.tobytes())
    assert training.domains is not None
    shares = np.bincount(training.domains) / len(training.domains)
    value, gradient = training.function.value_and_gradient(x)
    np.testing.assert_allclose(shares @ losses, value, rtol=1e-5)
    np.testing.assert_allclose(shares @ gradients, gradient, atol=1e-5)
    worst, best = charts["source_loss"]
    assert isinstance(worst, Course)
    assert isinstance(best, Course)
    np.testing.assert_allclose((worst.values[12], best.values[12]), (losses.max(), losses.min()), rtol=1e-6)
    (matrix,) = charts["cosines"]
    assert isinstance(matrix, Matrices)
    assert len(matrix.sides) == len(ANGLES)
    np.testing.assert_allclose(np.diag(matrix.matrices[""]), 1.0, rtol=1e-10)
    beside = matrix.matrices[""][~np.eye(len(ANGLES), dtype=bool)]
    np.testing.assert_allclose(course(charts, "cosine_of_all")[12], beside.mean(), rtol=1e-10)


def test_closeness_begins_as_the_distance_that_one_gradient_step_makes() -> None:
    training, view = trained()
    (panel,) = seen(training, view, 12)["closeness"]
    assert isinstance(panel, Points)
    x = torch.from_numpy(view.snapshots[12]["x"].astype(np.float32)).requires_grad_()
    assert training.domains is not None
    gradients = []
    for d in range(len(ANGLES)):
        (g,) = torch.autograd.grad(training.function.at(x, np.flatnonzero(training.domains == d)), x)
        gradients.append(g.numpy())
    pairs = [np.linalg.norm(g - h) for i, g in enumerate(gradients) for j, h in enumerate(gradients) if i < j]
    assert panel.y[0] == 0.0
    np.testing.assert_allclose(panel.y[1], TUNING_RATE * np.mean(pairs), rtol=1e-4)


def test_a_network_without_sources_shows_none() -> None:
    training = drain(RotatedDigits().build(0))
    _, view = trained()
    assert not seen(replace(training, domains=None), view, 12)
