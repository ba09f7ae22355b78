"""Tuning at equal budget, the map of starts and the phase diagram."""

from __future__ import annotations

import numpy as np
import pytest

from core import registry
from core.errors import InputError
from core.iterate import Array, Iterate, Status, drain
from core.optimizers.landscape import Landscape
from core.optimizers.outcomes import ALL, TUNABLE, build_method, coarse_to_fine
from core.recipe import make
from core.run import Run
from core.trace import TraceView


def landscape(key: str, **values: object) -> Landscape:
    made = drain(registry.instantiate(registry.problem_spec("optimizers", key), values, "-p ").build(0))
    assert isinstance(made, Landscape)
    return made


def analysed(problem: str, analysis: str, /, **m: object) -> TraceView:
    run = Run([make("optimizers", problem, analysis, {}, m)]).inline()
    assert run.error is None, run.error
    return run.view().members[0].view


def items(problem: str, analysis: str, /, **m: object) -> list[Iterate]:
    built = registry.instantiate(registry.method_spec("optimizers", analysis), m, "-m ")
    return list(built.iterate(landscape(problem)))


def alone(method: str, problem: str, start: Array, **settings: object) -> list[Iterate]:
    text = ",".join(map(repr, start.tolist()))
    return list(build_method(method, "", settings).iterate(landscape(problem, start=text)))


def test_the_lists_of_methods_are_the_registered_ones() -> None:
    solvers = [m for m in registry.methods("optimizers") if m.kind == "solver"]
    assert set(ALL) == {m.key for m in solvers}
    assert set(TUNABLE) == {
        m.key for m in solvers if hasattr(m.cls, "build") and not getattr(m.cls, "needs_closure", False)
    }


def test_every_method_is_tuned_with_the_same_budget_as_its_log_shows() -> None:
    logs = {m: analysed("himmelblau", "lr_tuning", method=m, evaluations=12, steps=30).last("x")
            for m in ("adam", "sgd", "diffgrad", "lion")}  # fmt: skip
    for log in logs.values():
        assert log.shape == (12, 4)
        assert np.isfinite(log[:, 0]).all()
        # a run that diverges stops asking
        assert (log[:, 3] <= 31).all()
        assert (log[np.isfinite(log[:, 1]), 3] == 31).all()
        assert len(np.unique(log[:, 0])) == 12


def test_the_log_holds_what_the_runs_give_and_the_best_of_it_is_named() -> None:
    view = analysed("rosenbrock", "lr_tuning", method="adam", evaluations=10, steps=40)
    log = view.last("x")
    for lr, loss, distance, _ in log:
        last = alone("adam", "rosenbrock", np.array([-2.0, 2.0]), lr=float(lr), steps=40)[-1]
        assert last.scalars["loss"] == pytest.approx(loss, rel=1e-12)
        assert last.scalars["distance_to_minimum"] == pytest.approx(distance, rel=1e-12)
    best = log[np.argmin(log[:, 1])]
    assert view.final_scalars() == {"loss": best[1], "best_lr": best[0]}
    assert view.work["gradient"][-1] == log[:, 3].sum()


def test_refinement_only_goes_between_the_best_rate_and_its_neighbours() -> None:
    found = items("ravine", "lr_tuning", method="sgd", settings="momentum=0", evaluations=30, steps=50)
    log = np.asarray(found[-1].x)
    assert len(found) == 31
    assert [np.isnan(np.asarray(i.x)[:, 0]).sum() for i in found] == list(range(30, -1, -1))
    for k in range(18, 30):
        before = log[:k]
        rates = np.sort(before[:, 0])
        i = int(np.searchsorted(rates, before[np.nanargmin(before[:, 1]), 0]))
        assert rates[max(i - 1, 0)] < log[k, 0] < rates[min(i + 1, k - 1)]
    # plain gradients on ½(x² + 50 y²) from here: the best fixed rate is near 2/(1 + 50)
    assert found[-1].scalars["best_lr"] == pytest.approx(2 / 51, rel=0.05)


def test_the_distance_can_be_tuned_where_a_minimum_is_known() -> None:
    log = analysed("booth", "lr_tuning", method="sgd", criterion="distance_to_minimum").last("x")
    assert np.nanmin(log[:, 2]) < 1e-2
    run = Run([make("optimizers", "formula", "lr_tuning", {}, {"criterion": "distance_to_minimum"})]).inline()
    assert run.refused


@pytest.mark.parametrize("method", ["adam", "diffgrad", "sgdp", "gns", "nonlinear_cg"])
def test_the_map_agrees_with_runs_from_its_starts(method: str) -> None:
    steps = 60
    view = analysed("himmelblau", "start_map", method=method, resolution=9, steps=steps)
    table, starts, minima = (view.last(name) for name in ("x", "starts", "minima"))
    assert view.status is Status.CONVERGED
    for i, j in [(0, 0), (2, 7), (4, 4), (8, 3), (5, 8)]:
        path = alone(method, "himmelblau", starts[i, j], steps=steps)
        points = np.array([item.x for item in path])
        assert table[i, j, 2] == pytest.approx(path[-1].scalars["loss"], rel=1e-9, abs=1e-12)
        distances = np.linalg.norm(points[:, None] - minima, axis=-1)
        if distances[-1].min() < 0.1:
            assert table[i, j, 0] == distances[-1].argmin()
            since = int(table[i, j, 1])
            assert (distances[since:].min(axis=1) < 0.1).all()
            assert since == 0 or distances[since - 1].min() >= 0.1
        else:
            assert table[i, j, 0] == -1
            assert np.isnan(table[i, j, 1])


def test_starts_near_a_minimum_stay_there() -> None:
    view = analysed("himmelblau", "start_map", method="sgd", settings="lr=0.005", resolution=21)
    table, starts, minima = (view.last(name) for name in ("x", "starts", "minima"))
    for number, minimum in enumerate(minima):
        close = np.linalg.norm(starts - minimum, axis=-1) < 0.7
        assert close.any()
        assert (table[close, 0] == number).all()


def test_a_start_that_is_lost_spoils_no_other() -> None:
    # log has no value left of x = −3, and sgd at this rate throws some starts far away
    values: dict[str, object] = {"formula": "log(x+3)**2 + y**2", "x_center": -1.0, "x_half": 3.0}
    sgd = {"method": "sgd", "settings": "lr=0.3,momentum=0", "resolution": 16}
    run = Run([make("optimizers", "formula", "start_map", values, sgd)]).inline()
    table = run.view().members[0].view.last("x")
    starts = run.view().members[0].view.last("starts")
    assert (table[starts[..., 0] <= -3, 0] == -1).all()
    assert np.isnan(table[starts[..., 0] < -3, 2]).all()
    kept = (starts[..., 0] > -2.5) & np.isfinite(table[..., 2])
    assert kept.any()
    assert (table[kept & (starts[..., 0] < -1.5), 0] == 0).all()


def test_unknown_minima_are_numbered_as_they_are_met() -> None:
    view = analysed("formula", "start_map", method="gns", resolution=12)
    minima = view.last("minima")
    assert len(minima) == 2  # (x²−1)² + 0.3x + y²/2 has two
    assert sorted(np.sign(minima[:, 0])) == [-1, 1]


def test_the_map_fills_in_while_it_runs() -> None:
    found = items("himmelblau", "start_map", method="gns", resolution=16)
    missing = [int(np.isnan(np.asarray(item.x)[..., 2]).sum()) for item in found]
    assert missing == sorted(missing, reverse=True)
    assert missing[0] == 256
    assert missing[-1] == 0
    assert len(found) > 5


@pytest.mark.parametrize("problem", ["noisy_bowl", "diffgrad_f1", "lse", "scale_invariant_rosenbrock"])
def test_a_map_that_means_nothing_is_refused(problem: str) -> None:
    run = Run([make("optimizers", problem, "start_map")]).inline()
    assert run.refused


def test_the_phase_diagram_shows_the_edge_of_stability_of_momentum() -> None:
    view = analysed("ravine", "phase_diagram", steps=300, resolution=12, x_low=5e-3, x_high=0.2)
    table, lrs, momenta = (view.last(name) for name in ("x", "x_axis", "y_axis"))
    for i, beta in enumerate(momenta):
        for j, lr in enumerate(lrs):
            edge = 2 * (1 + beta) / 50.0
            if lr > 1.05 * edge:
                assert table[i, j, 0] > 1e3 or np.isinf(table[i, j, 0])
            elif lr < 0.95 * edge:
                assert table[i, j, 0] < 28.125  # the loss at the start
    last = alone(
        "sgd", "ravine", np.array([-2.5, 1.0]), lr=float(lrs[3]), momentum=float(momenta[5]), steps=300
    )
    assert table[5, 3, 0] == pytest.approx(last[-1].scalars["loss"], rel=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {"x_name": "lrr"}, {"y_name": "lr"}, {"x_low": 1.0}, {"x_low": 0.0}, {"y_high": 1.5},
        {"settings": "momentum"}, {"settings": "nesterov=maybe"}, {"settings": "steps=x"},
    ],
    ids=str,
)  # fmt: skip
def test_axes_and_settings_that_cannot_be_are_refused_before_the_run(settings: dict[str, object]) -> None:
    method = make("optimizers", "ravine", "phase_diagram", {}, settings).build_method()
    with pytest.raises(InputError):
        method.iterate(landscape("ravine"))


@pytest.mark.parametrize("analysis", ["lr_tuning", "start_map"])
@pytest.mark.parametrize("text", ["momentum", "beta1=2", "nothing=1", "steps=5", "=1"])
def test_settings_that_cannot_be_are_refused_with_the_recipe(analysis: str, text: str) -> None:
    with pytest.raises(InputError):
        make("optimizers", "ravine", analysis, {}, {"settings": text})


def test_whole_numbers_stay_whole_on_an_axis() -> None:
    view = analysed("rosenbrock", "phase_diagram", method="lbfgs", x_name="lr", x_low=0.5, x_high=1.0,
                    y_name="history", y_low=1.0, y_high=9.0, resolution=3, steps=60)  # fmt: skip
    assert np.isfinite(view.last("x")[..., 0]).all()


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (16, 16), (20, 9)])
def test_coarse_to_fine_visits_every_cell_once(shape: tuple[int, int]) -> None:
    cells = list(coarse_to_fine(*shape))
    assert len(cells) == len(set(cells)) == shape[0] * shape[1]
    assert cells[0] == (0, 0)
