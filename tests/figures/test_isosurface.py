"""Surfaces of equal value: where they lie, what is sent."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from core.poisson.system import FLUID, SOLID
from pages.figures.isosurface import SIDE, surfaces


def test_surfaces_lie_at_both_signs_of_the_share_and_around_the_obstacle() -> None:
    values = np.zeros((6, 5, 4))
    values[1, 2, 3], values[4, 1, 0] = -8.0, 4.0
    flags = np.full(values.shape, FLUID, np.int8)
    flags[2, 2, 2] = SOLID
    figure = surfaces(values, flags, 0.25)
    up, down, solid = figure["data"]
    assert (up["isomin"], up["isomax"]) == (2.0, 2.0)
    assert (down["isomin"], down["isomax"]) == (-2.0, -2.0)
    assert up["colorscale"] != down["colorscale"]
    # axis 0 points up, and every number stands at its cell
    at = {(z, y, x): v for x, y, z, v in zip(up["x"], up["y"], up["z"], up["value"], strict=True)}
    assert at[1, 2, 3] == -8.0
    assert at[4, 1, 0] == 4.0
    assert [
        (z, y, x) for x, y, z, v in zip(solid["x"], solid["y"], solid["z"], solid["value"], strict=True) if v
    ] == [(2, 2, 2)]
    assert figure["layout"]["scene"]["zaxis"]["range"] == [-0.5, 5.5]
    go.Figure(data=[{**trace, "colorscale": "Viridis"} for trace in figure["data"]])


def test_a_sign_that_does_not_occur_and_a_field_of_zeros_have_no_surface() -> None:
    flags = np.full((4, 4, 4), FLUID, np.int8)
    (only,) = surfaces(np.ones((4, 4, 4)), flags, 0.5)["data"]
    assert only["isomin"] == 0.5
    assert surfaces(np.zeros((4, 4, 4)), flags, 0.5)["data"] == []


def test_large_fields_are_thinned_and_keep_their_places() -> None:
    n = 3 * SIDE
    values = np.broadcast_to(np.arange(n, dtype=float)[:, None, None], (n, n, n))
    (up,) = surfaces(values, np.full((n, n, n), FLUID, np.int8), 0.5)["data"]
    assert len(up["value"]) == SIDE**3
    np.testing.assert_array_equal(up["z"], up["value"])
