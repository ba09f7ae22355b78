"""Pictures of the loss around a trained network, against the analyses that they show."""

from __future__ import annotations

import numpy as np
import pytest

from core.recipe import make
from core.run import Run
from core.trace import TraceView
from pages.figures import around
from pages.figures.pack import pack_figure, unpack

TASK = {"width": 4, "depth": 1}


def analysed(method: str, **params: object) -> TraceView:
    recipe = make("optimizers", "digits_mlp", method, TASK, {"steps": 20, **params})
    run = Run([recipe]).inline()
    assert run.error is None, run.error
    return run.view().members[0].view


@pytest.fixture(scope="module")
def way() -> TraceView:
    return analysed("trajectory_plane", resolution=9, saved=11)


def test_a_plane_has_the_loss_at_its_points_and_the_way_at_its_steps(way) -> None:
    snapshot = way.snapshots[int(way.kept[-1])]
    figure = around.plane(snapshot, around.WAY_AXES, ["Adam"], [2])
    ground, _, dots, end = figure["data"]
    np.testing.assert_allclose(10 ** ground["z"], snapshot["x"][..., 0], rtol=1e-12)
    np.testing.assert_array_equal(dots["customdata"], np.arange(0, 21, 2))
    # the way ends at the trained network, which is the origin
    np.testing.assert_allclose([dots["x"][-1], dots["y"][-1]], 0.0, atol=1e-9)
    assert (end["x"][0], end["y"][0]) == (0.0, 0.0)
    assert np.argmax(dots["marker"]["size"]) == np.argmax(snapshot["off"])
    assert unpack(pack_figure(figure, {"id": "way"}))[1]["id"] == "way"


def test_what_is_not_done_takes_the_nearest_loss(way) -> None:
    snapshot = dict(way.snapshots[int(way.kept[-1])])
    values = np.full((9, 9, 1), np.nan)
    values[0, 0, 0], values[8, 8, 0] = 2.0, 4.0
    shown = around.heights(snapshot | {"x": values})
    assert shown[1, 0] == 2.0
    assert shown[8, 7] == 4.0
    assert np.isfinite(shown).all()


def test_the_ball_is_where_the_way_is_and_a_random_plane_has_none(way) -> None:
    snapshot = way.snapshots[int(way.kept[-1])]
    arrays, meta = unpack(around.balls(snapshot, ["Adam"], [2], group="g", rev="1"))
    np.testing.assert_array_equal(arrays["0.k"], snapshot["steps"])
    np.testing.assert_array_equal(arrays["0.x"], snapshot["way"][:, 0])
    assert meta["members"] == [{"title": "Adam", "colour": 2}]
    without = {name: a for name, a in snapshot.items() if name != "way"}
    assert unpack(around.balls(without, ["Adam"], [2], group="g", rev="1"))[1]["members"] == []
    assert around.surface(snapshot, around.WAY_AXES, view="v", group="g")


def test_a_line_is_drawn_as_far_as_it_is_done() -> None:
    view = analysed("loss_line", resolution=7)
    table = view.last("x")
    train, held_out = around.line(table)["data"]
    np.testing.assert_array_equal(train["y"], table[:, 1])
    np.testing.assert_array_equal(held_out["y"], table[:, 2])
    table = table.copy()
    table[2, 1:] = np.nan
    assert len(around.line(table)["data"][0]["x"]) == 6


def test_the_line_of_stability_spans_the_training_and_stands_at_two_over_the_rate() -> None:
    view = analysed("sharpness", settings="momentum=0", lr=0.05, resolution=4, lanczos_steps=8)
    curve, line = around.sharpness(view.last("x"))["data"]
    assert list(line["x"]) == [0, 7, 13, 20]
    assert list(line["y"]) == [pytest.approx(40.0)] * 4
    assert list(curve["x"]) == [0, 7, 13, 20]


def test_a_density_is_shown_down_to_a_floor() -> None:
    density = analysed("hessian_spectrum", lanczos_steps=10, probes=2).last("density")
    (curve,) = around.spectrum(density)["data"]
    assert curve["y"].max() == density[:, 1].max()
    assert curve["y"].min() >= 0.99 * curve["y"].max() * 10.0**-around.DECADES


def test_shares_stand_beside_those_of_a_random_walk(way) -> None:
    ours, walk = around.shares(way.last("explained"), way.last("random_walk"))["data"]
    assert ours["y"][0] > ours["y"][1]
    assert walk["y"].sum() < 1.0 + 1e-12


def test_ways_of_several_trainings_have_their_methods_colours_and_a_ball_each() -> None:
    view = analysed("shared_plane", methods="adam lr=0.01; sgd lr=0.1", resolution=5, saved=11)
    snapshot = view.snapshots[int(view.kept[-1])]
    figure = around.plane(snapshot, around.WAYS_AXES, ["Adam", "SGD"], [2, 5])
    dots = [trace for trace in figure["data"] if trace.get("meta", {}).get("trail")]
    assert [(d["name"], d["meta"]["index"], d["showlegend"]) for d in dots] == [
        ("Adam", 2, True), ("SGD", 5, True)
    ]  # fmt: skip
    np.testing.assert_array_equal(dots[1]["x"], snapshot["ways"][1, :, 0])
    # one scale of sizes for all
    sizes = np.array([d["marker"]["size"] for d in dots])
    assert np.argmax(sizes) == np.argmax(snapshot["offs"])
    np.testing.assert_array_equal(figure["data"][-1]["x"], snapshot["ways"][:, -1, 0])
    _, meta = unpack(around.balls(snapshot, ["Adam", "SGD"], [2, 5], group="g", rev="1"))
    assert [m["title"] for m in meta["members"]] == ["Adam", "SGD"]
    ours, walks = around.shares(view.last("explained"), view.last("random_walk"), 2)["data"]
    assert (ours["name"], walks["name"]) == ("these trainings", "2 random walks")
