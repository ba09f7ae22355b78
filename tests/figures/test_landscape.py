"""Landscapes from above and as curves, the formulas of a step, the charts of the analyses."""

from __future__ import annotations

import re

import numpy as np
import pytest

from core import registry
from core.iterate import drain
from core.optimizers.explanation import explain, latex
from core.optimizers.overlays import tint_of
from core.recipe import make
from core.run import MemberView, Run
from pages.figures import formulas, landscape, optimizer_maps, optimizers
from pages.figures.pack import pack_figure, unpack


def race(problem: str, *methods: str, steps: int = 40, **params: object) -> tuple[object, list[MemberView]]:
    run = Run([make("optimizers", problem, m, params, {"steps": steps}) for m in methods]).inline()
    assert run.error is None
    return run.problem, list(run.view().members)


def test_the_ground_shows_the_gap_to_the_minimum_logarithmically() -> None:
    problem, _ = race("rosenbrock", "sgd", steps=1)
    ground = landscape.plane(problem)
    i, j = 70, 31
    x, y = ground.x[j], ground.y[i]
    value = (1 - x) ** 2 + 100 * (y - x**2) ** 2
    assert ground.values[i, j] == pytest.approx(value, rel=1e-12)
    assert ground.heights[i, j] == pytest.approx(np.log10(value - ground.floor), rel=1e-12)
    # what is looked at first lies inside, with room at all sides
    (x0, x1), (y0, y1) = problem.window
    assert ground.x[0] < x0 < x1 < ground.x[-1]
    assert ground.y[0] < y0 < y1 < ground.y[-1]


def test_paths_hold_every_iterate_and_can_be_sent() -> None:
    problem, members = race("himmelblau", "adam", "gns")
    figure = landscape.contours(landscape.plane(problem), problem, members, arrows_of=0)
    (path,) = (t for t in figure["data"] if t.get("name") == "Adam")
    view = members[0].view
    np.testing.assert_array_equal(path["customdata"], view.k)
    np.testing.assert_array_equal(path["x"], [view.snapshots[int(k)]["x"][0] for k in view.k])
    assert unpack(pack_figure(figure, {"id": "contours"}))[1]["id"] == "contours"


def test_arrows_point_where_the_terms_do_and_the_step_as_it_was_made() -> None:
    problem, members = race("himmelblau", "adam")
    figure = landscape.contours(landscape.plane(problem), problem, members, arrows_of=0)
    arrows = {t["name"]: t for t in figure["data"] if t["type"] == "arrows"}
    assert set(arrows) == {"−gradient", "−momentum", "−preconditioned gradient", "step"}
    snapshot = members[0].view.snapshots[7]
    for name, array, sign in (("−gradient", "gradient", -1.0), ("step", "step", 1.0)):
        expected = sign * snapshot[array] / np.linalg.norm(snapshot[array])
        np.testing.assert_allclose([arrows[name]["u"][7], arrows[name]["v"][7]], expected, rtol=1e-12)


def test_shapes_are_sent_for_every_step_and_are_empty_where_a_step_has_none() -> None:
    problem, (member,) = race("rosenbrock", "gns")
    figure = landscape.contours(landscape.plane(problem), problem, [member], arrows_of=0)
    shapes = {t["name"]: t for t in figure["data"] if t["type"] in ("outline", "marks", "arrows")}
    ball, model, refused = (shapes[n] for n in ("ball of radius γ", "quadratic model", "rejected trials"))
    assert "−preconditioned gradient" not in shapes
    for k in ball["customdata"]:
        snapshot = member.view.snapshots[int(k)]
        assert ball["ux"][k] == ball["vy"][k] == pytest.approx(snapshot["regularization"][0])
        here = slice(refused["first"][k], refused["first"][k + 1])
        np.testing.assert_array_equal(refused["x"][here], snapshot["rejected"][:, 0])
        is_convex = np.linalg.eigvalsh(snapshot["hessian"])[0] > 0
        assert np.isfinite(model["x"][k]) == is_convex
        assert np.isfinite(shapes["Newton step"]["u"][k]) == is_convex
    assert 0 < np.isnan(model["x"]).sum() < len(model["x"])
    payload = pack_figure(figure, {"id": "contours"})
    assert unpack(payload)[1]["id"] == "contours"


def test_the_chosen_method_s_path_has_the_colours_of_its_number_and_a_scale() -> None:
    problem, members = race("rosenbrock", "diffgrad", "adam")
    plain, chosen = (
        landscape.contours(landscape.plane(problem), problem, members, arrows_of=i)["data"] for i in (1, 0)
    )
    assert not any("tint" in t.get("meta", {}) for t in plain)
    (path,) = (t for t in chosen if "tint" in t.get("meta", {}))
    assert path["name"] == "diffGrad"
    xi = tint_of(members[0].recipe.build_method(), members[0].view).values
    np.testing.assert_allclose(path["meta"]["tint"][:-1], 2 * xi - 1, rtol=1e-12)
    (bar,) = (t["marker"] for t in chosen if t.get("marker", {}).get("showscale"))
    assert (bar["cmin"], bar["cmax"]) == (0.5, 1.0)


def test_a_path_that_runs_away_leaves_a_gap_and_no_infinity() -> None:
    problem, members = race("goldstein_price", "sgd")
    figure = landscape.contours(landscape.plane(problem), problem, members)
    (path,) = (t for t in figure["data"] if t.get("name") == "SGD")
    assert not np.isinf(path["x"]).any()
    assert not np.isinf(path["y"]).any()


def test_iterates_of_one_variable_lie_on_the_curve() -> None:
    problem, members = race("diffgrad_f1", "diffgrad")
    figure = landscape.curve(problem, members)
    (dots,) = (t for t in figure["data"] if t.get("name") == "diffGrad")
    np.testing.assert_allclose(dots["y"], members[0].view.scalars["loss"], rtol=1e-12)


def test_evaluations_count_a_point_once() -> None:
    _, (member,) = race("rosenbrock", "adam", steps=10)
    np.testing.assert_array_equal(optimizers.evaluations(member), np.arange(1, 12))


@pytest.mark.parametrize(
    "method", ["diffgrad", "adam", "adamw", "sgd", "sgdp", "adamp", "conda", "rmsprop", "lion", "gns"]
)
def test_the_formulas_show_the_numbers_of_the_core(method: str) -> None:
    _, (member,) = race("himmelblau", method)
    found = explain(member.recipe.build_method(), member.view, 3)
    for line in found.lines:
        shown = formulas.numeric(line, dark=False)
        plain = re.sub(r"\\textcolor\{#[0-9A-F]{6}\}\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1", shown)
        assert line.numeric().split(" = ", 1)[1] == f"{plain} = {latex(line.value)}"
        assert "<" not in formulas.symbolic(line, dark=True)
    np.testing.assert_allclose(found.lines[-1].value, member.view.snapshots[4]["x"], rtol=1e-12, atol=1e-12)


def test_the_best_rate_is_marked_and_what_diverged_is_a_gap() -> None:
    log = np.full((5, 4), np.nan)
    log[:4] = [[1e-3, 5.0, 1.0, 9], [1e-1, 0.5, 0.1, 9], [1.0, np.inf, np.nan, 9], [1e-2, 2.0, 0.4, 9]]
    curve, mark = optimizer_maps.tuning([("Adam", 2, log)], "loss")["data"]
    np.testing.assert_array_equal(curve["x"], [1e-3, 1e-2, 1e-1, 1.0])
    np.testing.assert_array_equal(curve["y"], [5.0, 2.0, 0.5, np.nan])
    assert (mark["x"][0], mark["y"][0]) == (1e-1, 0.5)


def test_starts_that_are_not_done_take_the_nearest_ones_colour() -> None:
    side = np.linspace(0.0, 2.0, 3)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    table = np.full((3, 3, 3), np.nan)
    table[0, 0], table[2, 2] = [0.0, 4.0, 1e-3], [1.0, 6.0, 1e-4]
    minima = np.array([[0.0, 0.0], [2.0, 2.0]])
    heat = optimizer_maps.starts({"x": table, "starts": grid}, "which minimum", minima)["data"][0]
    assert heat["z"][0, 1] == 0.0
    assert heat["z"][2, 1] == 1.0
    whole = optimizer_maps.starts({"x": table, "starts": grid, "minima": minima}, "which minimum", minima)
    assert np.isnan(whole["data"][0]["z"][0, 1])


def test_the_map_of_gamma_has_the_paths_and_the_ball_on_it_but_no_arrows() -> None:
    problem, members = race("rosenbrock", "gns", "adam")
    table = np.full((5, 4), np.nan)
    table[2, 1] = 0.25
    snapshot = {"x": table, "x_axis": np.linspace(-2, 2, 4), "y_axis": np.linspace(-1, 3, 5)}
    heat, lines, *over = optimizer_maps.smoothness(snapshot, problem, members, 0)["data"]
    # what is not done takes the nearest value
    assert (heat["customdata"] == 0.25).all()
    assert lines["contours"]["coloring"] == "none"
    assert [t["name"] for t in over if t.get("meta", {}).get("cased")] == ["GNS", "Adam"]
    kinds = [t["type"] for t in over]
    assert "outline" in kinds
    assert "arrows" not in kinds


def test_cells_that_diverged_are_crosses_and_stay_empty() -> None:
    table = np.full((3, 3, 2), np.nan)
    table[0, 0], table[0, 2], table[2, 2] = [1e-3, 0.1], [np.inf, np.nan], [1e-1, 0.2]
    snapshot = {"x": table, "x_axis": np.array([1.0, 2.0, 3.0]), "y_axis": np.array([4.0, 5.0, 6.0])}
    heat, crosses = optimizer_maps.phases(snapshot, "final loss", ("lr", "momentum"), (False, False))["data"]
    assert np.isnan(heat["z"][0, 2])
    assert np.isfinite(heat["z"][0, 0])
    assert (crosses["x"].tolist(), crosses["y"].tolist()) == ([3.0], [4.0])


def test_every_drawn_landscape_has_a_ground() -> None:
    for spec in registry.problems("optimizers"):
        if spec.kind == "training":
            continue
        problem = drain(make("optimizers", spec.key, "sgd").build_problem())
        if len(problem.window) == 2:
            assert np.isfinite(landscape.plane(problem).heights).mean() > 0.5, spec.key
