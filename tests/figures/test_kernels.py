"""Charts of learned kernels."""

from __future__ import annotations

import numpy as np

from pages.figures import kernels


def test_a_stencil_names_each_neighbour_and_its_weight() -> None:
    kernel = np.arange(9.0).reshape(3, 3) - 4.0
    figure = kernels.stencil(kernel)
    (heat,) = figure["data"]
    np.testing.assert_array_equal(heat["z"], kernel)
    assert heat["text"][0][0] == "−4"
    assert heat["customdata"][0][2] == "i−1, j+1"
    assert (heat["zmin"], heat["zmax"]) == (-4.0, 4.0)


def test_layers_of_a_stencil_in_space_stand_side_by_side() -> None:
    kernel = np.arange(27.0).reshape(3, 3, 3)
    (heat,) = kernels.stencil(kernel)["data"]
    assert heat["z"].shape == (3, 11)
    np.testing.assert_array_equal(heat["z"][:, 8:], kernel[2])
    assert np.isnan(heat["z"][:, 3]).all()
    assert heat["customdata"][2][8] == "i+1, j+1, l−1"
    assert heat["text"][2][8] == "24"


def test_a_stencil_of_zeros_has_a_scale() -> None:
    (heat,) = kernels.stencil(np.zeros((3, 3)))["data"]
    assert heat["zmax"] == 1.0


def test_bars_stand_for_both_weights_of_each_level() -> None:
    weights = np.array([[0.5, 2.0], [0.25, 1.0]])
    kept, below = kernels.combinations(weights)["data"]
    np.testing.assert_array_equal(kept["y"], [0.5, 0.25])
    np.testing.assert_array_equal(below["y"], [2.0, 1.0])
    assert kept["meta"] != below["meta"]
    assert kernels.combinations(np.empty((0, 2)))["data"][0]["y"].shape == (0,)
