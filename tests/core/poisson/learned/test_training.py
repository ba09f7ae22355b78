"""Training as a run: it learns, stops anywhere, goes on to the bit, and its weights solve new systems."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.iterate import Status, drain
from core.poisson.learned import presets, weights
from core.poisson.learned.checkpoint import checkpoint
from core.poisson.learned.operator import make_network
from core.poisson.learned.presets import PRESETS, Layouts, preset
from core.poisson.learned.training import LAST_RATE, WARM_UP, learning_rate
from core.poisson.methods.train_network import TrainNetwork
from core.poisson.system import AIR, SOLID
from core.recipe import make
from core.run import Run, State
from core.trace import TraceView
from tests.oracles_poisson import iterates, solve, system, value


@pytest.fixture(autouse=True)
def _small_grids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presets as they are, on small grids with few vectors."""
    small = {
        key: dataclasses.replace(
            p, layouts=Layouts(p.layouts.dim, (16, 8), 2 * (key in "df"), p.layouts.boundary, 40)
        )
        for key, p in PRESETS.items()
        if key != "c4"
    }
    monkeypatch.setattr(presets, "PRESETS", {**PRESETS, **small})


def train(key: str, problem: str = "disc", **values: Any) -> tuple[Run, TraceView]:
    dim = PRESETS[key].layouts.dim
    recipe = make("poisson", problem, "train_network", {"n": 16, "dim": dim}, {"preset": key, **values})
    run = Run([recipe]).inline()
    assert run.state is State.FINISHED, run.view().note
    return run, run.view().members[0].view


@pytest.mark.parametrize("key", ["a", "b", "d", "e", "f"])
def test_a_training_that_is_gone_on_with_is_one_that_never_stopped(key: str) -> None:
    problem = "disc" if key in "df" else "box"
    _, whole = train(key, problem, steps=9)
    first, view = train(key, problem, steps=9, stop_after=4)
    kept = weights.keep(checkpoint(first.recipes[0], view))
    rest, end = train(key, problem, resume=kept.hash)
    assert (view.note, end.note) == ("4 of 9 steps", "9 of 9 steps")
    np.testing.assert_array_equal(end.last("x"), whole.last("x"))
    np.testing.assert_array_equal(end.scalars["loss"], whole.scalars["loss"][4:])
    final = checkpoint(rest.recipes[0], end)
    assert [s for s, _ in final.about["curve"]] == list(range(10))
    for name, tensor in checkpoint(first.recipes[0], whole).tensors.items():
        np.testing.assert_array_equal(final.tensors[name], tensor)


def test_a_training_can_be_cancelled_and_what_it_has_is_a_checkpoint() -> None:
    recipe = make("poisson", "disc", "train_network", {"n": 16}, {"steps": 5000})
    run = Run([recipe]).start()
    while len(run.view().members[0].view) < 8:
        run.join(0.02)
    run.cancel()
    assert run.join(30.0).state is State.CANCELLED
    view = run.view().members[0].view
    kept = weights.keep(checkpoint(recipe, view))
    assert kept.about["step"] == view.k[-1] >= 7
    _, whole = train("d", steps=5000, stop_after=int(view.k[-1]) + 2)
    _, rest = train("d", resume=kept.hash, stop_after=2)
    np.testing.assert_array_equal(rest.last("x"), whole.last("x"))


def test_the_loss_falls_and_the_probe_needs_fewer_steps() -> None:
    _, view = train("c", "box", steps=150)
    loss, probes = view.scalars["loss"], view.scalars["probe_iterations"]
    assert loss[-10:].mean() < 0.25 < 0.7 < loss[0]
    assert np.isfinite(probes[[0, 50, 100, 150]]).all()
    assert np.isnan(probes[1:50]).all()
    assert probes[150] < 0.5 * probes[0]


@pytest.mark.parametrize("loss", ["a", "b"])
def test_the_published_loss_falls_too(loss: str) -> None:
    _, view = train(loss, "box", steps=40)
    assert view.scalars["loss"][-8:].mean() < 0.6 * view.scalars["loss"][:4].mean()


def test_weights_that_were_trained_here_solve_a_system() -> None:
    run, view = train("c", "box", steps=150)
    kept = weights.keep(checkpoint(run.recipes[0], view, state=False))
    given = system("box", n=24)
    last = solve(given, "npsdo", weights=kept.hash)
    assert last.status is Status.CONVERGED
    assert last.k < solve(given, "cg").k / 2


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    runs = [train("d", steps=3, seed=seed)[1].last("x") for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_the_rate_rises_once_and_ends_at_a_fiftieth() -> None:
    p = preset("d")
    rates = [learning_rate(p, step, 500) for step in range(1, 501)]
    assert rates[0] == pytest.approx(p.rate / WARM_UP, rel=1e-3)
    assert max(rates) == pytest.approx(p.rate, rel=0.01)
    assert np.argmax(rates) == WARM_UP - 1
    assert rates[-1] == pytest.approx(LAST_RATE * p.rate)


def test_training_grids_are_of_the_kind_that_is_said() -> None:
    layouts = Layouts(2, (64, 32), 16, "open_box", 300)
    grids = layouts.grids(np.random.default_rng(0))
    assert [g.shape[0] for g in grids] == [64, 32] * 9
    assert all((g.flags[-1] == AIR).all() for g in grids)
    solid = [bool((g.flags == SOLID).any()) for g in grids]
    assert solid == [True] * 16 + [False] * 2
    assert [g.sides[0] for g in Layouts(3, (8,), 0, "box", 9).grids(np.random.default_rng(0))] == [(AIR, AIR)]


@pytest.mark.parametrize(
    ("problem", "params", "values", "reason"),
    [
        ("box", {}, {}, "a boundary as in training"), ("disc", {"dim": 3}, {}, "a grid in 2-D"),
        ("disc", {"coefficient": "smooth"}, {}, "a constant coefficient"),
        ("disc", {}, {"resume": "0123456789abcdef"}, "one of those that are there"),
        ("disc", {}, {"resume": "poisson_d"}, "a checkpoint"),
        ("disc", {}, {"resume": "../../etc/passwd"}, "16 digits of a hash"),
    ],
)  # fmt: skip
def test_a_training_says_what_it_cannot_do(
    problem: str, params: dict[str, Any], values: dict[str, Any], reason: str
) -> None:
    method = make("poisson", "disc", "train_network", {}, values).build_method()
    with pytest.raises(InputError, match=reason):
        drain(method.prepare(system(problem, n=16, **params)))


def test_a_preset_is_known_in_either_case_and_others_are_refused() -> None:
    assert preset("D").key == "d"
    with pytest.raises(InputError, match=r"A \| B"):
        preset("z")


def test_saved_weights_give_the_same_history_to_the_bit(tmp_path: Path) -> None:
    run, view = train("d", steps=4)
    kept = weights.keep(checkpoint(run.recipes[0], view))
    again = weights.keep(weights.from_bytes(kept.to_bytes(), "copy"), "copy", tmp_path)
    assert again.hash == kept.hash
    given = system("disc", n=24)
    first, second = (
        [value(item.x) for item in iterates(given, "npsdo", weights=kept.hash, max_iterations=20)]
        for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("key", "expected"), [("a", 32_657), ("e64", 97_457), ("e128", 152_881)])
def test_the_published_networks_have_as_many_weights_as_counted_in_the_official_code(
    key: str, expected: int
) -> None:
    p = PRESETS[key]
    assert sum(w.numel() for w in make_network(p.network, p.architecture).parameters()) == expected


def test_only_large_presets_go_to_a_device_by_themselves() -> None:
    assert {key for key, p in presets.PRESETS.items() if p.large} == set()  # the small grids of these tests
    assert {key for key, p in PRESETS.items() if p.large} == {"e64", "e128", "f64"}
    assert not TrainNetwork(preset="d").computes_elsewhere
    assert TrainNetwork(preset="d", device="cuda").computes_elsewhere


def test_training_on_cuda_without_a_device_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    recipe = make("poisson", "disc", "train_network", {"n": 16}, {"device": "cuda"})
    with pytest.raises(InputError, match="device: expected a CUDA device"):
        drain(recipe.build_method().prepare(system("disc", n=16)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("key", ["a", "d", "e", "f"])
def test_a_cuda_device_trains_as_the_cpu_does(key: str) -> None:
    problem = "disc" if key in "df" else "box"
    (_, here), (_, there) = (train(key, problem, steps=9, device=d) for d in ("cuda", "cpu"))
    np.testing.assert_allclose(here.scalars["loss"], there.scalars["loss"], rtol=1e-2)
