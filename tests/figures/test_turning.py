"""Charts of turned tasks, against the table that they show."""

from __future__ import annotations

import numpy as np

from pages.figures.turning import ROUNDING, over_angles


def test_a_curve_a_method_with_gaps_where_it_diverged_and_a_floor_at_rounding() -> None:
    degrees = np.array([0.0, 45.0, 90.0])
    table = np.array([[[1.0, 0.0], [np.inf, np.nan], [2.0, 0.5]], [[3.0, 0.0], [3.0, 0.0], [np.nan, np.nan]]])
    losses = over_angles(["A", "B"], [1, 2], degrees, table, "loss")
    np.testing.assert_array_equal(losses["data"][0]["y"], [1.0, np.nan, 2.0])
    assert [trace["name"] for trace in losses["data"]] == ["A", "B"]
    assert losses["layout"]["yaxis"]["type"] == "log"
    errors = over_angles(["A", "B"], [1, 2], degrees, table, "path_error")["data"]
    np.testing.assert_array_equal(errors[0]["y"], [ROUNDING, np.nan, 0.5])
    np.testing.assert_array_equal(errors[1]["y"], [ROUNDING, ROUNDING, np.nan])
