"""Painting obstacles in a real Chromium: strokes, keys, undo, beginnings, what a reload keeps."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_live import status, wait_for
from tests.browser.test_registration_tabs import choose

pytestmark = pytest.mark.browser

#: Two quick solvers, so that every stroke is solved at once.
QUERY = "p=painted&m=mic_pcg&m2=multigrid_pcg&m3=none&m4=none&m5=none&tab=Data"
BOTH_ENDED = re.compile("reached its tolerance.*reached its tolerance")


def open_painter(page: Page, address: str) -> Locator:
    page.goto(f"{address}/poisson?{QUERY}")
    canvas = page.locator(".is-painter canvas")
    canvas.wait_for(timeout=60_000)
    expect(status(page)).to_contain_text(BOTH_ENDED, timeout=60_000)
    return canvas


def solid(page: Page) -> float:
    """Return the share of solid cells [%] that the painter tells."""
    return float(
        page.locator(".is-painter .is-field-value").inner_text().partition(" % solid")[0].split()[-1]
    )


def unknowns(page: Page) -> int:
    """Return the unknowns of the system that was solved."""
    text = page.get_by_text(re.compile(r"[\d,]+ unknowns")).first.inner_text()
    return int(text.partition(" unknowns")[0].split()[-1].replace(",", ""))


def stroke(page: Page, canvas: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + start[0] * box["width"], box["y"] + start[1] * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0] * box["width"], box["y"] + end[1] * box["height"], steps=8)
    page.mouse.up()


def test_a_stroke_is_solved_and_can_be_taken_back(page: Page, address: str) -> None:
    canvas = open_painter(page, address)
    before, system = solid(page), unknowns(page)
    stroke(page, canvas, (0.1, 0.1), (0.9, 0.1))
    # 96 cells a side, 0.8 of them three cells wide
    wait_for(lambda: abs(solid(page) - before - 100 * 77 * 3 / 96**2) < 0.15)
    wait_for(lambda: abs(system - unknowns(page) - 77 * 3) <= 12)
    expect(status(page)).to_contain_text(BOTH_ENDED, timeout=60_000)
    page.locator(".is-painter").get_by_role("button", name="undo").click()
    wait_for(lambda: unknowns(page) == system)
    assert solid(page) == before


def test_keys_paint_too_and_a_reload_keeps_the_painting(page: Page, address: str) -> None:
    canvas = open_painter(page, address)
    before = solid(page)
    page.locator(".is-painter").get_by_role("button", name="7", exact=True).click()
    canvas.focus()
    for key in ("Shift+ArrowUp", "Shift+ArrowUp", "Shift+ArrowRight", "Space"):
        page.keyboard.press(key)
    # a round brush seven cells wide: 37 cells
    wait_for(lambda: abs(solid(page) - before - 100 * 37 / 96**2) < 0.11)
    painted = solid(page)
    page.wait_for_timeout(1500)
    page.reload()
    page.locator(".is-painter canvas").wait_for(timeout=60_000)
    wait_for(lambda: solid(page) == painted)


def test_another_beginning_and_side_replace_the_painting(page: Page, address: str) -> None:
    canvas = open_painter(page, address)
    choose(page, "Begin with", "nothing")
    page.get_by_role("button", name="Begin anew").click()
    wait_for(lambda: solid(page) == 0.0)
    expect(status(page)).to_contain_text(BOTH_ENDED, timeout=60_000)
    stroke(page, canvas, (0.5, 0.2), (0.5, 0.8))
    wait_for(lambda: solid(page) > 1.0)
    # the view of the fields shows the painting, and the way back as well
    page.locator(".st-key-view").get_by_text("fields").click()
    page.locator(".st-key-fields canvas.is-field").first.wait_for(timeout=30_000)
    page.locator(".st-key-view").get_by_text("paint").click()
    page.locator(".is-painter canvas").wait_for(timeout=30_000)
    wait_for(lambda: solid(page) > 1.0)
