"""Charts of states over the steps."""

from __future__ import annotations

import numpy as np

from core.optimizers.panels import Strip
from pages.figures import panels
from pages.figures.strips import strips
from tests.figures.test_panels import _race


def test_a_strip_has_a_bar_for_each_stretch_of_a_state() -> None:
    members = _race("adam")
    values = np.array([[0, 0, 1, 1], [1, 1, 1, 1]])
    strip = Strip("s", "S", np.array([0, 10, 20, 29]), ("a", "b"), ("off", "on"), values)
    off, on = strips(panels.by_key(members, [[strip]])["s"])["data"]
    assert (off["name"], on["name"]) == ("off", "on")
    assert off["x"] == [0.0, 20.0, None]
    # the last state lasts to the end of the run
    assert on["x"] == [20.0, 30.0, None, 0.0, 30.0, None]
    assert on["y"][3] == "b"
