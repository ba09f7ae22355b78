"""Maps over two motions."""

from __future__ import annotations

import numpy as np

from core.registration.degeneracy import MOTIONS
from core.registration.pose_grid import Path
from pages.figures import maps


def snapshot(values: np.ndarray, first: str = "x", second: str = "yaw") -> dict[str, np.ndarray]:
    rows, columns = values.shape
    return {
        "motions": np.array([MOTIONS.index(first), MOTIONS.index(second)]),
        "first": np.linspace(-1.0, 1.0, columns),
        "second": np.linspace(-0.5, 0.5, rows),
        "success": values,
        "translation_error": values,
        "rotation_error": values,
    }


def test_rotations_are_drawn_in_degrees_and_translations_in_metres() -> None:
    values = np.full((3, 5), np.radians(2.0))
    figure = maps.pose_map(snapshot(values), maps.BASIN[2])
    heat = figure["data"][0]
    np.testing.assert_allclose(heat["x"], [-1.0, -0.5, 0.0, 0.5, 1.0])
    np.testing.assert_allclose(heat["y"], np.degrees([-0.5, 0.0, 0.5]))
    np.testing.assert_allclose(heat["customdata"], 2.0)
    assert figure["layout"]["xaxis"]["title"]["text"] == "x from the centre [m]"
    assert figure["layout"]["yaxis"]["title"]["text"] == "yaw from the centre [°]"


def test_a_pose_that_is_not_done_takes_the_nearest_value_and_a_finished_map_is_left_alone() -> None:
    values = np.full((5, 5), np.nan)
    values[0, 0], values[4, 4] = 1.0, 0.0
    heat = maps.pose_map(snapshot(values), maps.BASIN[0])["data"][0]
    assert heat["z"][1, 1] == 1.0
    assert heat["z"][3, 4] == 0.0
    done = np.arange(25.0).reshape(5, 5)
    np.testing.assert_array_equal(maps.pose_map(snapshot(done), maps.BASIN[0])["data"][0]["z"], done)


def test_an_infinite_error_is_no_colour_of_its_own() -> None:
    values = np.array([[0.1, np.inf], [1.0, 0.01]])
    heat = maps.pose_map(snapshot(values), maps.BASIN[1])["data"][0]
    assert np.isfinite(heat["z"]).all()
    assert np.log10(0.01) <= heat["z"].min() <= heat["z"].max() <= 0.0


def test_logarithmic_ticks_lie_within_the_colours() -> None:
    values = np.geomspace(0.003, 0.7, 25).reshape(5, 5)
    bar = maps.pose_map(snapshot(values), maps.BASIN[1])["data"][0]["colorbar"]
    assert bar["ticktext"] == ["0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]


def test_a_path_is_drawn_in_the_units_of_the_axes() -> None:
    zeros = np.zeros(2)
    path = Path(np.array([0, 3]), np.array([0.2, 0.0]), np.array([0.1, 0.0]), zeros, zeros)
    figure = maps.pose_map(snapshot(np.ones((3, 3))), maps.BASIN[1], [("DCReg", 0, path)])
    line = next(trace for trace in figure["data"] if trace.get("name") == "DCReg")
    np.testing.assert_allclose(line["x"], [0.2, 0.0])
    np.testing.assert_allclose(line["y"], np.degrees([0.1, 0.0]))
    np.testing.assert_array_equal(line["customdata"], [0, 3])
