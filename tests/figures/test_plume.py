"""What is drawn of a simulation's frames."""

from __future__ import annotations

import numpy as np
import pytest

from core.recipe import make
from core.run import Limits, MemberView, Run
from pages.figures.plume import QUANTITIES, per_frame, values


def member(frames: int = 6, snapshot_bytes: int = 2**24) -> MemberView:
    recipe = make("poisson", "disc", "smoke_series", {"n": 16}, {"solver": "cg", "frames": frames})
    (found,) = Run([recipe], Limits(snapshot_bytes=snapshot_bytes)).inline().view().members
    return found


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_each_frame_but_the_start_has_its_point(quantity: str) -> None:
    drawn = member()
    (curve,) = per_frame([drawn], ["CG"], [0], quantity)["data"]
    np.testing.assert_array_equal(curve["x"], np.arange(1, 7))
    np.testing.assert_array_equal(curve["y"], values(drawn.view, quantity))
    assert np.isfinite(curve["y"]).all()
    assert curve["name"] == "CG"


def test_times_are_in_milliseconds_and_unknown_where_the_frame_was_not_kept() -> None:
    view = member(40, snapshot_bytes=40_000).view
    times = values(view, "time")
    kept = np.isin(view.k[1:], view.kept)
    assert 0 < kept.sum() < 40
    np.testing.assert_array_equal(np.isfinite(times), kept)
    last = int(view.kept[-1])
    assert times[last - 1] == 1e3 * view.snapshots[last]["solve_seconds"][0]
