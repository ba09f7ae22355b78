"""Charts of methods' own views, against the panels that they show."""

from __future__ import annotations

import numpy as np
import pytest

from core.optimizers.panels import Arrows, Bands, Course, Matrices, Points, along_kept, comparing, panels_of
from core.recipe import make
from core.run import MemberView, Run
from pages.figures import panels


def _race(*methods: str) -> list[MemberView]:
    run = Run([make("optimizers", "booth", m, {}, {"steps": 30}) for m in methods]).inline()
    return list(run.view().members)


def test_panels_of_one_key_share_a_chart_and_keep_their_method_s_colour() -> None:
    members = _race("adam", "sgd")
    own = [
        [Course("size", "Size", np.arange(len(m.view), dtype=float) + 1, level=2.0, name=name)]
        for m, name in zip(members, ("", "largest"), strict=True)
    ]
    charted = panels.by_key(members, own)
    assert list(charted) == ["size"]
    lines = panels.courses(charted["size"])["data"]
    assert [line["name"] for line in lines] == ["Adam", "SGD, largest", ""]
    assert lines[0]["meta"] != lines[1]["meta"]
    np.testing.assert_array_equal(lines[0]["y"], own[0][0].values)
    # the level spans the run
    assert list(lines[2]["x"]) == [0.0, float(members[0].view.k[-1])]
    assert list(lines[2]["y"]) == [2.0, 2.0]


def test_two_panels_of_one_method_differ_in_their_dashes() -> None:
    members = _race("adam")
    x = np.linspace(0, 1, 5)
    own = [Points("p", "P", x, x * f, "x", "y", joined=True, name=str(f)) for f in (1, 2)]
    lines = panels.points(panels.by_key(members, [own])["p"])["data"]
    assert lines[0]["line"]["dash"] != lines[1]["line"]["dash"]
    assert lines[0]["meta"] == lines[1]["meta"]


def test_on_a_logarithmic_axis_what_is_not_positive_is_left_out() -> None:
    members = _race("adam")
    values = np.ones(len(members[0].view))
    values[3] = 0.0
    (line,) = panels.courses(panels.by_key(members, [[Course("c", "C", values, log=True)]])["c"])["data"]
    assert 3 not in line["x"]
    assert len(line["x"]) == len(values) - 1


def test_matrices_stand_side_by_side_in_colours_around_zero() -> None:
    figure = panels.matrices(Matrices("m", "M", {"M": np.array([[1.0, -3.0]]), "√v": np.eye(2)}))
    first, second = figure["data"]
    assert (first["zmin"], first["zmax"]) == (-3.0, 3.0)
    assert figure["layout"]["xaxis"]["domain"][1] < figure["layout"]["xaxis2"]["domain"][0]
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["M", "√v"]
    assert second["yaxis"] == "y2"


def test_a_large_matrix_is_thinned_and_keeps_its_row_numbers() -> None:
    values = np.arange(300.0 * 200).reshape(300, 200)
    (heat,) = panels.matrices(Matrices("m", "M", {"M": values}))["data"]
    assert len(heat["y"]) <= panels.SIDE
    row, column = 7, 5
    assert heat["z"][row, column] == values[int(heat["y"][row]), int(heat["x"][column])]


def test_bands_are_rows_over_the_steps_with_names_or_bins() -> None:
    ks = np.arange(1000)
    values = np.outer([1.0, 2.0], ks)
    named = panels.bands(Bands("b", "B", ks, values, names=("first", "second")))
    (heat,) = named["data"]
    assert len(heat["x"]) <= panels.COLUMNS
    assert (heat["x"][0], heat["x"][-1]) == (0, 999)
    np.testing.assert_array_equal(heat["z"], [heat["x"], 2 * heat["x"]])
    assert named["layout"]["yaxis"]["ticktext"] == ["first", "second"]
    bins = panels.bands(Bands("b", "B", ks, values, edges=np.array([0.0, 1.0, 3.0]), log=True))
    np.testing.assert_array_equal(bins["data"][0]["y"], [0.5, 2.0])
    # what is 0 has no logarithm and stays empty
    assert np.isnan(bins["data"][0]["z"][:, 0]).all()
    np.testing.assert_allclose(bins["data"][0]["z"][1, -1], np.log10(1998))
    # whole decades, and one at least
    assert (bins["data"][0]["zmin"], bins["data"][0]["zmax"]) == (0.0, 4.0)
    same = panels.bands(Bands("b", "B", ks, np.ones_like(values), edges=np.array([0.0, 1.0, 3.0]), log=True))
    assert (same["data"][0]["zmin"], same["data"][0]["zmax"]) == (-1.0, 0.0)


def test_a_number_of_kept_iterates_stands_at_their_places() -> None:
    view = _race("adam")[0].view
    course = along_kept(view, lambda snapshot: float(snapshot["x"][0]))
    for k in view.kept:
        assert course[np.searchsorted(view.k, k)] == view.snapshots[int(k)]["x"][0]
    assert np.isnan(along_kept(view, lambda _: None)).all()


def test_a_method_without_views_of_its_own_has_no_panels() -> None:
    class Plain:
        """A method."""

    assert panels_of(Plain(), None, _race("adam")[0].view, 0) == []


def test_curves_that_are_apart_have_a_chart_for_each_method() -> None:
    members = _race("adam", "sgd")
    x = np.linspace(0, 1, 5)
    own = [[Points("p", "P", x, x, "x", "y", joined=True, apart=True, name=n) for n in "ab"] for _ in members]
    parts = panels.apart(panels.by_key(members, own)["p"])
    assert [[one.name for one in part] for part in parts] == [["Adam"] * 2, ["SGD"] * 2]
    first, second = panels.points(parts[1])["data"]
    assert (first["name"], first["line"]["dash"], second["line"]["dash"]) == ("a", "solid", "dash")


def test_curves_beside_the_methods_are_drawn_once() -> None:
    members = _race("adam", "sgd")
    line, x = {"wall": np.array([[0.0, 0.0], [1.0, 2.0]])}, np.linspace(0, 1, 5)
    own = [[Points("p", "P", x, x, "x", "y", joined=True, beside=line)] for _ in members]
    data = panels.points(panels.by_key(members, own)["p"])["data"]
    (wall,) = [trace for trace in data if trace["name"] == "wall"]
    assert list(wall["y"]) == [0.0, 2.0]


def test_arrows_go_from_tail_to_tip_and_those_without_length_are_left_out() -> None:
    vectors = {"a": np.array([[0.0, 0.0], [1.0, 2.0]]), "none": np.ones((2, 2))}
    figure = panels.arrows(Arrows("v", "V", vectors, "x", "y"))
    (arrow,) = figure["data"]
    assert (list(arrow["x"]), list(arrow["y"])) == ([0.0, 1.0], [0.0, 2.0])
    assert arrow["marker"]["symbol"] == "arrow"
    assert figure["layout"]["yaxis"]["scaleanchor"] == "x"


def test_single_matrices_of_several_methods_stand_in_one_chart_with_their_entries() -> None:
    members = _race("adam", "sgd")
    own = [[Matrices("m", "M", {"": np.eye(2) * f}, sides=("a", "b"))] for f in (1.0, 2.0)]
    ((head, together),) = panels.side_by_side(panels.by_key(members, own)["m"])
    assert (head, list(together.matrices)) == ("M", ["Adam", "SGD"])
    figure = panels.matrices(together)
    assert figure["data"][1]["texttemplate"] == "%{z:.2f}"
    assert figure["layout"]["xaxis2"]["ticktext"] == ["a", "b"]
    assert figure["layout"]["yaxis"]["showticklabels"]
    assert not figure["layout"]["yaxis2"]["showticklabels"]


def test_many_matrices_stand_in_rows_that_do_not_overlap() -> None:
    panel = Matrices("m", "M", {str(i): np.eye(3) for i in range(11)})
    layout = panels.matrices(panel)["layout"]
    assert layout["yaxis9"]["domain"][1] < layout["yaxis"]["domain"][0]
    assert layout["xaxis9"]["domain"] == layout["xaxis"]["domain"]
    assert layout["yaxis11"]["domain"][0] == pytest.approx(0.0)


def test_one_method_of_each_kind_looks_at_the_whole_race() -> None:
    class Looks:
        """A method."""

        def compares(self, method: object, problem: object, view: object, k: int) -> list[Course]:
            """Say who was looked at."""
            return [Course("c", str(method), np.zeros(1))]

    others = comparing([Looks(), "plain", Looks()])
    assert len(others) == 1
    (panel,) = panels_of("plain", None, _race("adam")[0].view, 0, others)
    assert panel.title == "plain"
