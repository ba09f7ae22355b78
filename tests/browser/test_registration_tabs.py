"""The tabs below the registration view: comparison, maps with cancel, colours, the sequence player."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.browser.test_live import status, wait_for

pytestmark = pytest.mark.browser


def open_tab(page: Page, address: str, tab: str, query: str = "p=room&m=dcreg&m2=icp_point") -> None:
    page.goto(f"{address}/registration?{query}&tab={quote(tab)}")
    expect(status(page).first).to_contain_text("reached its tolerance", timeout=40_000)


def panel(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key}").first


def choose(page: Page, label: str, option: str) -> None:
    """Choose an option; a rerun of the page may close the list once."""
    box = page.get_by_role("combobox", name=re.compile(label))
    for _ in range(3):
        box.click()
        try:
            page.get_by_role("option", name=re.compile(option)).click(timeout=5000)
        except TimeoutError:
            continue
        expect(box).to_have_value(re.compile(option))
        return
    raise AssertionError(f"{option} could not be chosen")


def done(page: Page) -> int:
    """Return how many poses of the map on the page are done."""
    text = page.get_by_text(re.compile(r"\d+ of \d+ (poses )?done")).last.inner_text()
    return int(re.search(r"(\d+) of \d+ (?:poses )?done", text)[1])  # type: ignore[index]


def test_two_methods_are_compared_in_words_and_by_axis(page: Page, address: str) -> None:
    open_tab(page, address, "Compare")
    expect(page.get_by_text("has the smaller RMSE for the first time at k = 1")).to_be_visible()
    bars = panel(page, "error-translation").locator(".js-plotly-plot")
    bars.wait_for()
    values = bars.evaluate("node => node.data.map(({x, y}) => [Array.from(x), Array.from(y)])")
    assert [axes for axes, _ in values] == [["x", "y", "z"]] * 2
    # point-to-point is farther off than point-to-plane, and so says the table
    off = [sum(v * v for v in error) ** 0.5 for _, error in values]
    assert 0 < off[0] < off[1] < 0.1


def test_the_tab_is_part_of_the_address(page: Page, address: str) -> None:
    open_tab(page, address, "Matrices")
    expect(page.get_by_role("tab", name="Matrices")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".it-matrix")).to_have_count(7)
    page.get_by_role("tab", name="Data").click()
    expect(page).to_have_url(re.compile("tab=Data"))
    expect(page.locator(".it-matrix")).to_have_count(0)


def test_matrices_follow_the_cursor(page: Page, address: str) -> None:
    open_tab(page, address, "Matrices")
    expect(page.get_by_text("At k = 7, unweighted")).to_be_visible()
    last = page.locator(".it-matrix td").nth(1).inner_text()
    page.get_by_role("slider", name="Iterate").first.press("Home")
    expect(page.get_by_text("At k = 0, unweighted")).to_be_visible()
    assert page.locator(".it-matrix td").nth(1).inner_text() != last


def test_the_basin_fills_in_and_can_be_stopped(page: Page, address: str) -> None:
    open_tab(page, address, "Basin of attraction", "p=room&m=icp_plane&m2=none&basin.resolution=31")
    page.locator(".st-key-basin-go button").click()
    figure = panel(page, "basin-figure").locator(".js-plotly-plot")
    figure.wait_for(timeout=40_000)
    first = done(page)
    wait_for(lambda: done(page) > first, 30.0)
    page.locator(".st-key-basin-stop button").click()
    bar = page.locator(".st-key-basin_bar .it-status")
    expect(bar).to_contain_text("Stopped; what was computed stays")
    stopped = done(page)
    assert 0 < stopped < 31 * 31
    page.wait_for_timeout(1500)
    assert done(page) == stopped
    cells = figure.evaluate("node => Array.from(node.data[0].z, (row) => row.length)")
    assert cells == [31] * 31
    # the run above it is still there
    expect(status(page).first).to_contain_text("Point-to-plane ICP reached its tolerance")


def test_the_landscape_carries_the_paths(page: Page, address: str) -> None:
    open_tab(page, address, "Objective landscape", "p=room&m=dcreg&m2=icp_point&landscape.resolution=9")
    page.locator(".st-key-landscape-go button").click()
    expect(page.get_by_text("81 of 81 poses done")).to_be_visible(timeout=40_000)
    figure = panel(page, "landscape-figure").locator(".js-plotly-plot")
    names = figure.evaluate("node => node.data.map(({name}) => name)")
    assert "DCReg" in names
    assert "Point-to-point ICP" in names


def test_points_are_coloured_by_what_they_hold(page: Page, address: str) -> None:
    open_tab(page, address, "Residuals", "p=corridor_end&m=dcreg&m2=none")
    panel(page, "histogram").locator(".js-plotly-plot").wait_for()
    choose(page, "Colour the source", "what holds x")
    expect(page.locator(".is-residual")).to_contain_text("what holds x, share of each point")
    choose(page, "Colour the source", "residual, point")
    expect(page.locator(".is-residual")).to_contain_text("point-to-plane residual")


class TestTheSequencePlayer:
    def test_a_simulated_sequence_is_placed_and_scrubbed(self, page: Page, address: str) -> None:
        open_tab(page, address, "Sequence", "p=room&m=icp_plane&m2=none")
        page.locator(".st-key-sequence-go button").click()
        words = page.locator(".st-key-sequence_view .it-finding")
        expect(words).to_contain_text("scans placed along", timeout=60_000)
        expect(words).to_contain_text("Absolute trajectory error (ATE)")
        expect(words).to_contain_text("Weakly held: ")
        label = page.locator(".st-key-sequence_view .is-k")
        slider = page.locator(".st-key-sequence_view").get_by_role("slider", name="Iterate")
        slider.press("Home")
        expect(label).to_contain_text("k = 0 /")

    def test_a_zip_of_real_scans_is_placed(
        self, page: Page, address: str, data: Path, tmp_path: Path
    ) -> None:
        scans = sorted((data / "hall_sequence_os0").glob("*.*"))[:6]
        archive = tmp_path / "hall.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for scan in scans:
                file.write(scan, scan.name)
        open_tab(page, address, "Sequence", "p=room&m=icp_plane&m2=none&sequence.p=sequence")
        expect(page.get_by_text("Choose a folder or a zip archive of scans.")).to_be_visible()
        page.locator(".st-key-upload-zip input[type=file]").set_input_files(archive)
        expect(page.get_by_text("folder: hall.zip")).to_be_visible(timeout=20_000)
        page.locator(".st-key-sequence-go button").click()
        words = page.locator(".st-key-sequence_view .it-finding")
        expect(words).to_contain_text("scans placed along", timeout=60_000)

    def test_an_archive_without_scans_costs_one_sentence(
        self, page: Page, address: str, tmp_path: Path
    ) -> None:
        archive = tmp_path / "empty.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("readme.md", "nothing here")
        open_tab(page, address, "Sequence", "p=room&m=icp_plane&m2=none&sequence.p=sequence")
        page.locator(".st-key-upload-zip input[type=file]").set_input_files(archive)
        expect(page.get_by_text("folder: empty.zip")).to_be_visible(timeout=40_000)
        page.locator(".st-key-sequence-go button").click()
        expect(page.get_by_test_id("stAlert")).to_contain_text("empty.zip", timeout=20_000)
