"""Curves over seeds and the rates that were tried."""

from __future__ import annotations

import numpy as np

from pages.figures import seeds


def test_the_band_holds_all_seeds_and_the_line_is_their_mean() -> None:
    steps = np.array([0.0, 10.0, 20.0])
    curves = np.array([[[4.0, 2.0, 1.0], [6.0, 4.0, 1.5], [np.nan] * 3]])
    high, low, mean = seeds.bands(["Adam"], [2], steps, curves)["data"]
    np.testing.assert_array_equal(high["y"], [6.0, 4.0, 1.5])
    np.testing.assert_array_equal(low["y"], [4.0, 2.0, 1.0])
    np.testing.assert_array_equal(mean["y"], [5.0, 3.0, 1.25])
    # the third seed is not there yet, which the hover says
    assert "mean of 2" in mean["hovertemplate"]


def test_a_method_without_a_run_is_left_out_and_an_accuracy_is_no_logarithm() -> None:
    curves = np.array([[[0.0, 0.5]], [[np.nan, np.nan]]])
    figure = seeds.bands(["a", "b"], [0, 1], np.array([0.0, 1.0]), curves)
    assert {trace["name"] for trace in figure["data"]} == {"", "a"}
    assert figure["layout"]["yaxis"].get("type") != "log"


def test_rates_that_diverged_are_gaps_and_the_best_one_is_ringed() -> None:
    ends = np.array([[[1e-3, 0.5, 0.6, 0.9], [1e-2, 0.2, 0.3, 0.95], [1e-1, np.inf, np.inf, 0.0]]])
    line, ring = seeds.rates(["Adam"], [2], ends, 2, np.array([1e-2]))["data"]
    np.testing.assert_array_equal(line["x"], [1e-3, 1e-2])
    np.testing.assert_array_equal(line["y"], [0.6, 0.3])
    np.testing.assert_array_equal(ring["x"], [1e-2])
