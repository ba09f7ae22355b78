"""What the export menu offers of a whole run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from core import registry
from core.recipe import make
from core.registration import rerun_export
from core.run import Run, State
from pages.figures import recording
from pages.figures.recording import Geometry
from pages.ui import report
from pages.ui.registration_views import Shown


@pytest.fixture
def recorded() -> Shown:
    found = recording.load("sphere")
    assert found is not None
    return Shown.recorded(found)


@pytest.fixture(scope="module")
def computed() -> Shown:
    run = Run([make("registration", "sphere", "dcreg", {}, {"max_iterations": 3})]).inline()
    problem, view = run.problem, run.view()
    clouds = [c.points[np.any(c.points != 0, axis=1)] for c in (problem.source, problem.target)]
    geometry = Geometry.of(*clouds, problem, view="v", group="registration", limit=100_000)
    results = tuple(registry.lab("registration").result(problem, m.view) for m in view.members)
    return Shown("run", view, problem, {"geometry": geometry}, {"results": results})


def text(shown: Shown, key: str = "small_report") -> str:
    (offer,) = (offer for offer in report.downloads(shown) if offer.key == key)
    return offer.data().decode()


def test_nothing_shown_offers_nothing() -> None:
    assert report.downloads(None) == []


def test_a_recording_gives_its_report_and_says_that_it_is_one(recorded: Shown) -> None:
    page = text(recorded)
    assert page.startswith("<!doctype html>")
    assert "Recorded earlier: DCReg" in page
    assert 'data-name="colours.0"' in page


def test_a_run_of_ones_own_gives_its_report_with_the_scans_notes(computed: Shown) -> None:
    page = text(computed)
    assert "Recorded earlier" not in page
    assert "stopped at its iteration limit after 3 iterations" in page
    assert all(note in page for note in computed.notes)


def test_a_run_that_still_moves_gets_its_results_for_the_report(computed: Shown) -> None:
    moving = dataclasses.replace(computed, view=dataclasses.replace(computed.view, state=State.RUNNING))
    assert moving.results == ()
    assert computed.results[0]["weak"][0]["sentence"] in text(moving)


@pytest.mark.parametrize("installed", [False, True])
def test_rerun_is_offered_where_it_is_installed_and_the_scans_are_at_hand(
    recorded: Shown, computed: Shown, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerun_export, "is_available", lambda: installed)
    extensions = [[offer.extension for offer in report.downloads(s)] for s in (recorded, computed)]
    assert extensions == [["html", "html"], ["html", "html"] + ["rrd"] * installed + ["ply"]]
