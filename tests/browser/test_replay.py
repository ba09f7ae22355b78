"""The report opened from a disk, with the network off: it scrubs, it follows the theme, it fits a phone."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from core import registry
from core.recipe import make
from core.run import Run
from pages.figures.recording import Geometry
from pages.figures.replay import replay, residual_colours
from pages.figures.report_html import Report

pytestmark = pytest.mark.browser

METHODS = ("dcreg", "icp_plane")
SLIDER = "input.is-slider"
RMSE = '[data-payload="rmse"]'


@pytest.fixture(scope="module")
def run() -> Run:
    run = Run([make("registration", "corridor", method) for method in METHODS]).inline()
    assert run.error is None
    return run


@pytest.fixture(scope="module")
def file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    members, problem = run.view().members, run.problem
    clouds = [c.points[np.any(c.points != 0, axis=1)] for c in (problem.source, problem.target)]
    report = Report(
        members,
        [registry.lab("registration").result(problem, m.view) for m in members],
        Geometry.of(*clouds, problem, view="v", group="registration", limit=100_000),
        ("reached", "Both methods reached their tolerance."),
        datetime(2026, 8, 1, 12, 30, tzinfo=UTC),
        colours=residual_colours(problem, members[0]),
    )
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(replay(report))
    return path


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True, color_scheme="light")
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def report(page: Page, file: Path) -> Iterator[Page]:
    """Return the opened report; it asks for nothing beside itself."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            asked.append(request.url)

    page.on("request", note)
    page.goto(file.as_uri())
    page.locator(f"{RMSE} .js-plotly-plot").wait_for()
    page.locator(".is-view[data-frames]").wait_for()
    yield page
    assert asked == [file.as_uri()]


def until(page: Page, expression: str, argument: Any = None, seconds: float = 20.0) -> None:
    """Wait for an expression; the page's policy forbids what Playwright's own waiting does."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, expression
        time.sleep(0.05)


def slide(page: Page, k: int) -> None:
    page.locator(SLIDER).fill(str(k))
    expect(page.locator(".is-k")).to_contain_text(f"k = {k} /")


def ink(page: Page) -> int:
    """Return how many pixels of the 3-D view differ clearly from its background."""
    picture = page.locator("canvas.is-canvas").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    return int((np.abs(pixels - pixels[-2, -2]).sum(axis=2) > 60).sum())


def last(run: Run) -> int:
    return int(max(m.view.k[-1] for m in run.view().members))


def cursor(page: Page) -> Any:
    return page.locator(f"{RMSE} .is-cursor line").first.get_attribute("x1")


def test_it_opens_at_the_last_iterate_with_all_its_parts(report: Page, run: Run) -> None:
    expect(report.locator(".is-k")).to_have_text(f"k = {last(run)} / {last(run)}")
    expect(report.locator("#replay-error")).to_be_hidden()
    expect(report.locator(".js-plotly-plot")).to_have_count(2)
    expect(report.locator(".is-message:visible")).to_have_count(0)
    assert ink(report) > 1000


def test_the_slider_moves_view_pose_table_and_charts(report: Page, run: Run) -> None:
    pose = report.locator(".re-matrix").first
    for k in (0, 3):
        slide(report, k)
        expect(report.locator(".is-view")).to_have_attribute("data-k", str(k))
        expect(report.locator(".re-poses .is-note")).to_have_text(f"k = {k}")
        T = run.view().members[0].view.snapshots[k]["x"]
        shown = pose.inner_text().replace("\u2212", "-").split()
        numbers = np.array(shown[-16:], dtype=float).reshape(4, 4)
        np.testing.assert_allclose(numbers[:3, :3], T[:3, :3], atol=5.1e-7)
        np.testing.assert_allclose(numbers[:3, 3], T[:3, 3], atol=5.1e-5)
        expect(report.locator(".is-table thead th").first).to_have_text(f"at k = {k}")
        expect(report.locator(".is-shares .is-note").first).to_have_text(f"k = {k}")
    until(report, f"document.querySelector('{RMSE} .is-cursor line') !== null")
    before = cursor(report)
    slide(report, last(run))
    until(report, f"document.querySelector('{RMSE} .is-cursor line').getAttribute('x1') !== '{before}'")
    assert float(cursor(report)) > float(before)


def test_play_goes_through_the_iterates(report: Page, run: Run) -> None:
    report.get_by_role("button", name="Play", exact=True).click()
    report.get_by_role("button", name="Pause", exact=True).wait_for()
    expect(report.locator(".is-k")).to_have_text(f"k = {last(run)} / {last(run)}")
    report.get_by_role("button", name="Play", exact=True).wait_for()


def test_the_address_leads_to_an_iterate(report: Page, run: Run) -> None:
    slide(report, 5)
    until(report, "location.hash === '#k=5'")
    report.evaluate("location.hash = '#k=2'")
    expect(report.locator(".is-k")).to_contain_text("k = 2 /")
    report.evaluate("location.hash = '#k=99999'")
    expect(report.locator(".re-poses .is-note")).to_have_text(f"k = {last(run)}")


def test_the_colours_of_the_residuals_follow_the_cursor(report: Page) -> None:
    report.get_by_label("Colour of the points").select_option("residual")
    scale = report.locator(".is-residual .is-note")
    expect(scale).not_to_have_text("point-to-plane residual at k = 0")
    slide(report, 0)
    expect(scale).to_have_text("point-to-plane residual at k = 0")


def test_the_charts_change_their_x_axis(report: Page, run: Run) -> None:
    view = run.view().members[0].view
    for axis, column in (("work", view.work["units"]), ("seconds", view.seconds)):
        report.get_by_label(axis).check(force=True)
        until(
            report,
            f"([end]) => Math.abs(document.querySelector('{RMSE} .js-plotly-plot').data[0].x.at(-1) - end)"
            " < 1e-6 * end",
            [float(column[-1])],
        )


def test_it_follows_the_theme_of_the_system(report: Page) -> None:
    look = f"""() => [getComputedStyle(document.body).backgroundColor,
        document.querySelector('{RMSE} .js-plotly-plot')._fullLayout.font.color,
        document.querySelector('.is-view').dataset.theme]"""
    light = report.evaluate(look)
    report.emulate_media(color_scheme="dark")
    until(report, "document.querySelector('.is-view').dataset.theme === 'dark'")
    until(
        report,
        f"(old) => document.querySelector('{RMSE} .js-plotly-plot')._fullLayout.font.color !== old",
        light[1],
    )
    dark = report.evaluate(look)
    assert all(a != b for a, b in zip(light, dark, strict=True))
    assert ink(report) > 1000


def test_a_phone_shows_it_without_sideways_scrolling(report: Page) -> None:
    report.set_viewport_size({"width": 390, "height": 844})
    # the charts take a moment to draw themselves anew
    until(
        report,
        """() => [...document.querySelectorAll("main *")].every((node) =>
            node.getBoundingClientRect().right <= innerWidth + 1
                || node.closest("pre, table, svg, .is-chips"))""",
    )
    assert report.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert ink(report) > 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(report: Page, scheme: str) -> None:
    report.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    until(report, f"document.querySelector('.is-view').dataset.theme === '{scheme}'")
    report.wait_for_timeout(500)
    found = [
        (violation["id"], node["target"], node["html"][:160])
        for violation in Axe().run(report).response["violations"]
        for node in violation["nodes"]
    ]
    assert not found, found
