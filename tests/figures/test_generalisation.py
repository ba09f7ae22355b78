"""The heat map of the matrix of generalisation."""

from __future__ import annotations

import numpy as np

from pages.figures.generalisation import matrix


def test_cells_say_iterations_and_have_the_colour_of_their_share() -> None:
    shares = np.array([[1.0, 1.0], [0.1, np.nan]])
    figure = matrix(["CG", "D"], ["box 64", "disc 64"], shares, [["166", "295"], ["17", "–"]])
    (heat,) = figure["data"]
    assert heat["text"] == [["166", "295"], ["17", "–"]]
    np.testing.assert_allclose(heat["z"], [[0.0, 0.0], [-1.0, np.nan]])
    (note,) = figure["layout"]["annotations"]
    assert (note["x"], note["y"], note["text"]) == ("disc 64", "D", "–")
