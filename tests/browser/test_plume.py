"""The smoke plume in a real Chromium: curves and smoke fill in, and one cursor moves both."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.recipe import make
from core.run import Run
from tests.browser.test_live import wait_for

pytestmark = pytest.mark.browser

FRAMES, SIDE = 12, 32
QUERY = "m=cg&m2=multigrid_pcg&m3=none&m4=none&m5=none&p.n=16&tab=Plume"
CURVES = ".st-key-plume-curves .js-plotly-plot"


def number_input(page: Page, label: str, value: int) -> None:
    box = page.locator(".st-key-plume_settings").get_by_role("spinbutton", name=label)
    box.fill(str(value))
    box.press("Enter")


def curves(page: Page) -> dict[str, list[float]]:
    found = page.locator(CURVES).evaluate(
        "node => node.data.filter(({name}) => name).map(({name, y}) => [name, Array.from(y)])"
    )
    return dict(found)


def test_the_plume_shows_iterations_a_frame_and_its_smoke_at_the_cursor(page: Page, address: str) -> None:
    page.goto(f"{address}/poisson?{QUERY}")
    page.locator(".st-key-plume-go button").wait_for(timeout=60_000)
    number_input(page, "Frames", FRAMES)
    number_input(page, "Cells a side", SIDE)
    page.locator(".st-key-plume-go button").click()
    expect(page.locator(".st-key-plume_bar .it-status")).to_contain_text(
        f"Done: {FRAMES} frames", timeout=60_000
    )

    views = {}
    for name, solver in (("CG", "cg"), ("multigrid-PCG", "multigrid_pcg")):
        settings = {"solver": solver, "frames": FRAMES}
        run = Run([make("poisson", "disc", "smoke_series", {"n": SIDE}, settings)]).inline()
        views[name] = run.view().members[0].view
    wait_for(lambda: all(len(y) == FRAMES for y in curves(page).values()) and len(curves(page)) == 2)
    for name, y in curves(page).items():
        np.testing.assert_array_equal(y, views[name].scalars["iterations"][1:])

    smoke = page.locator(".st-key-plume-smoke canvas.is-field")
    cursor = page.locator(".st-key-plume-transport .is-k")
    expect(cursor).to_contain_text(f"{FRAMES} / {FRAMES}")
    expect(smoke).to_have_attribute("data-k", str(FRAMES))
    page.locator(".st-key-plume-transport").get_by_role("slider", name="Iterate").press("Home")
    expect(smoke).to_have_attribute("data-k", "0")
