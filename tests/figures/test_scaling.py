"""The study of size as a figure."""

from __future__ import annotations

import numpy as np

from core.iterate import Status
from core.recipe import make
from core.sweep import Outcome, Sweep
from pages.figures import scaling


def test_every_method_has_a_curve_and_crosses_where_it_was_not_solved() -> None:
    recipes = [make("poisson", "box", method) for method in ("cg", "multigrid_pcg", "fft_direct")]
    sweep = Sweep(recipes, "n", [16, 32, 64])

    def outcome(member: int, value: float, status: Status | None, iterations: float) -> Outcome:
        return Outcome(member, value, recipes[member], status, iterations, 2 * iterations, 0.0, "")

    sweep.outcomes = [
        outcome(0, 16, Status.CONVERGED, 40), outcome(1, 16, Status.CONVERGED, 5),
        outcome(2, 16, None, float("nan")),
        outcome(0, 32, Status.MAX_ITERATIONS, 60), outcome(1, 32, Status.CONVERGED, 5),
    ]  # fmt: skip
    figure = scaling.growth(sweep, ["A", "B", "C"], [0, 3, 5], "work", "cells a side N")
    curves = {trace["name"]: trace for trace in figure["data"]}
    assert list(curves) == ["A", "A, not reached", "B", "C"]
    np.testing.assert_array_equal(curves["A"]["x"], [16.0])
    np.testing.assert_array_equal(curves["A, not reached"]["y"], [120.0])
    np.testing.assert_array_equal(curves["B"]["y"], [10.0, 10.0])
    assert curves["C"]["x"].size == 0
    assert figure["layout"]["xaxis"]["tickvals"] == [16.0, 32.0, 64.0]
    # a time of nothing has a place on a logarithmic axis
    times = scaling.growth(sweep, ["A", "B", "C"], [0, 3, 5], "seconds", "N")["data"][0]["y"]
    assert (times > 0.0).all()
