"""The live page in a real Chromium: run, pause, step, scrub, reload, upload, two users."""

from __future__ import annotations

import re
import statistics
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.io.pointcloud import write_ply

pytestmark = pytest.mark.browser

#: A run of half a minute in slow motion.
LONG = (
    "p=room&m=dcreg&m2=none&m.rtol_translation=1e-14&m.rtol_rotation=1e-14&m.max_iterations=5000"
    "&m.kernel=l1&m.max_distance=5&delay=150"
)
RMSE = ".st-key-rmse .js-plotly-plot"


def status(page: Page) -> Locator:
    return page.locator(".it-status")


def control(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-run-{key} button").first


def label(page: Page) -> tuple[int, int]:
    """Return cursor and newest iterate as the player says them."""
    found = re.fullmatch(r"k = (\d+) / (\d+)", page.locator(".is-k").inner_text())
    assert found is not None
    return int(found[1]), int(found[2])


def newest(page: Page) -> int:
    return label(page)[1]


def wait_for(found: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def open_lab(page: Page, address: str, query: str = "") -> None:
    page.goto(f"{address}/registration" + (f"?{query}" if query else ""))
    expect(control(page, "go")).to_be_visible()
    expect(status(page)).to_be_visible()
    page.locator(".is-k").wait_for()


def open_long_run(page: Page, address: str) -> None:
    open_lab(page, address, LONG)
    expect(status(page)).to_contain_text("Running")
    page.locator(RMSE).wait_for()


def small_clouds(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Write two scans of a box corner, the second one moved by 5 cm."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.5, 6.0, (4500, 3))
    points[np.arange(4500), np.arange(4500) % 3] = 0.0
    points -= 3.0
    paths = folder / f"corner{seed}_moving.ply", folder / f"corner{seed}_still.ply"
    for path, offset in zip(paths, (0.05, 0.0), strict=True):
        write_ply(path, points + offset)
    return paths


def upload(page: Page, slot: str, path: Path | dict[str, Any]) -> None:
    page.locator(f".st-key-upload-{slot} input[type=file]").set_input_files(path)


def test_a_link_sets_the_controls(page: Page, address: str) -> None:
    open_lab(page, address, "p=room&m=icp_plane&m2=none&m.max_iterations=7")
    expect(page.get_by_role("combobox", name="Scan pair")).to_have_value("Room")
    expect(page.get_by_role("combobox", name="Method")).to_have_value("Point-to-plane ICP")
    page.locator(".st-key-m_settings summary").first.click()
    expect(page.locator(".st-key-m-max_iterations input")).to_have_value("7")
    expect(status(page)).to_contain_text("Point-to-plane ICP")


class TestTheRecordedRun:
    def test_the_gallery_moves_at_once(self, page: Page, address: str) -> None:
        page.goto(address)
        view = page.locator(".is-view").first
        view.wait_for()
        expect(page.get_by_text("A recorded run").first).to_be_visible()
        wait_for(lambda: view.get_attribute("data-k") not in (None, ""))
        first = view.get_attribute("data-k")
        wait_for(lambda: view.get_attribute("data-k") != first)

    def test_the_lab_shows_a_recording_and_says_so(self, page: Page, address: str) -> None:
        open_lab(page, address)
        expect(status(page)).to_contain_text("Recorded earlier")
        page.locator(RMSE).wait_for()
        wait_for(lambda: int(page.locator(".is-view").get_attribute("data-frames") or 0) > 0)

    def test_the_canvas_is_not_blank(self, page: Page, address: str) -> None:
        open_lab(page, address)
        wait_for(lambda: int(page.locator(".is-view").get_attribute("data-frames") or 0) > 0)
        page.wait_for_timeout(300)
        picture = page.locator("canvas.is-canvas").first.screenshot()
        # a uniform picture of this size is a few hundred bytes of PNG
        assert len(picture) > 10_000


class TestARun:
    def test_it_ends_with_its_reason_in_words(self, page: Page, address: str) -> None:
        open_lab(page, address)
        control(page, "go").click()
        expect(status(page)).to_contain_text("reached its tolerance")
        expect(status(page)).not_to_contain_text("Recorded")
        expect(page.locator(".st-key-words .it-finding")).to_contain_text("weakly constrained")

    def test_the_keyboard_starts_it(self, page: Page, address: str) -> None:
        open_lab(page, address)
        page.keyboard.press("Control+Enter")
        expect(status(page)).not_to_contain_text("Recorded")
        expect(status(page)).to_contain_text("reached its tolerance")

    def test_pause_step_and_resume_do_what_they_say(self, page: Page, address: str) -> None:
        open_long_run(page, address)
        control(page, "pause").click()
        expect(status(page)).to_contain_text("Paused")
        page.wait_for_timeout(500)
        paused = newest(page)
        page.wait_for_timeout(600)
        assert newest(page) == paused
        control(page, "step").click()
        wait_for(lambda: newest(page) == paused + 1)
        page.wait_for_timeout(600)
        assert newest(page) == paused + 1
        control(page, "step10").click()
        wait_for(lambda: newest(page) == paused + 11)
        page.wait_for_timeout(600)
        assert newest(page) == paused + 11
        control(page, "go").click()
        wait_for(lambda: newest(page) > paused + 12)
        control(page, "stop").click()
        expect(status(page)).to_contain_text("Stopped")
        page.wait_for_timeout(500)
        stopped = newest(page)
        page.wait_for_timeout(600)
        assert newest(page) == stopped

    def test_the_chart_keeps_its_node_and_its_zoom(self, page: Page, address: str) -> None:
        open_long_run(page, address)
        page.locator(RMSE).evaluate("node => { node.marked = true; }")
        page.locator(RMSE).evaluate("node => Plotly.relayout(node, {'xaxis.range': [1, 7]})")

        def unchanged() -> bool:
            return page.locator(RMSE).evaluate(
                "node => node.marked === true && JSON.stringify(node._fullLayout.xaxis.range) === '[1,7]'"
            )

        start = newest(page)
        for _ in range(20):
            page.wait_for_timeout(200)
            assert unchanged()
        assert newest(page) > start
        control(page, "pause").click()
        expect(status(page)).to_contain_text("Paused")
        assert unchanged()
        before = newest(page)
        control(page, "step").click()
        wait_for(lambda: newest(page) > before)
        assert unchanged()
        control(page, "go").click()
        expect(status(page)).to_contain_text("Running")
        page.wait_for_timeout(500)
        assert unchanged()
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(800)
        expected = [1, 7]
        assert page.locator(RMSE).evaluate("node => node._fullLayout.xaxis.range") == expected
        control(page, "stop").click()

    def test_scrubbing_moves_the_cursor_and_the_pose(self, page: Page, address: str) -> None:
        open_lab(page, address)
        control(page, "go").click()
        expect(status(page)).not_to_contain_text("Recorded")
        expect(status(page)).to_contain_text("reached its tolerance")
        last = newest(page)
        slider = page.get_by_role("slider", name="Iterate")
        slider.focus()
        for key, expected in (
            ("Home", 0),
            ("ArrowRight", 1),
            ("ArrowRight", 2),
            ("End", last),
            ("ArrowLeft", last - 1),
        ):
            slider.press(key)
            wait_for(lambda e=expected: label(page) == (e, last), 5.0)
            wait_for(lambda e=expected: page.locator(".is-view").get_attribute("data-k") == str(e), 5.0)
        slider.fill("1")
        wait_for(lambda: label(page)[0] == 1, 5.0)
        page.wait_for_timeout(1000)
        assert label(page) == (1, last), "the server must not move the cursor"

    def test_a_reload_in_mid_run_comes_back_to_a_working_page(self, page: Page, address: str) -> None:
        open_long_run(page, address)
        page.reload()
        expect(control(page, "go")).to_be_visible()
        expect(status(page)).to_contain_text("Running")
        wait_for(lambda: newest(page) > 3)
        control(page, "stop").click()
        expect(status(page)).to_contain_text("Stopped")


class TestUploads:
    def test_two_real_scans_are_aligned_and_survive_a_reload(
        self, page: Page, address: str, data: Path
    ) -> None:
        open_lab_without_scans(page, address)
        folder = data / "small_gicp_hdl32"
        upload(page, "source", folder / "source.ply")
        expect(page.locator(".it-card")).to_contain_text("source.ply")
        upload(page, "target", folder / "target.ply")
        expect(page.locator(".it-card")).to_contain_text("target.ply")
        expect(control(page, "go")).to_be_enabled(timeout=40_000)
        expect(status(page)).to_contain_text("Ready", timeout=40_000)
        control(page, "go").click()
        expect(status(page)).to_contain_text("reached its tolerance", timeout=40_000)
        page.reload()
        expect(page.locator(".it-card")).to_contain_text("source.ply")
        expect(page.locator(".it-card")).to_contain_text("target.ply")
        expect(control(page, "go")).to_be_enabled(timeout=40_000)

    def test_a_broken_file_costs_one_sentence(self, page: Page, address: str, tmp_path: Path) -> None:
        open_lab_without_scans(page, address)
        moving, _ = small_clouds(tmp_path)
        upload(page, "source", moving)
        expect(page.locator(".it-card")).to_contain_text(moving.name)
        page.locator(".st-key-upload-source").get_by_role(
            "button", name=re.compile("Remove|Delete")
        ).first.click()
        whole = moving.read_bytes()
        upload(
            page,
            "source",
            {"name": "cut.ply", "mimeType": "application/octet-stream", "buffer": whole[:-999]},
        )
        box = page.get_by_test_id("stAlert")
        expect(box).to_have_count(1)
        expect(box).to_contain_text("cut.ply")
        expect(box).to_contain_text(f"{moving.name} stays loaded")
        expect(page.locator(".it-card")).to_contain_text(moving.name)
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5.0) as answer:
            assert answer.status == 200

    def test_two_users_do_not_see_each_other(self, browser: Browser, address: str, tmp_path: Path) -> None:
        contexts = [browser.new_context(viewport={"width": 1440, "height": 900}) for _ in range(2)]
        try:
            first, second = (context.new_page() for context in contexts)
            open_lab_without_scans(first, address)
            open_lab_without_scans(second, address)
            moving, still = small_clouds(tmp_path, 1)
            upload(first, "source", moving)
            expect(first.locator(".it-card")).to_contain_text(moving.name)
            upload(first, "target", still)
            expect(first.locator(".it-card")).to_contain_text(still.name)
            expect(status(first)).to_contain_text("Ready")
            other, _ = small_clouds(tmp_path, 2)
            upload(second, "target", other)
            expect(second.locator(".it-card")).to_contain_text(other.name)
            expect(second.locator(".it-card")).not_to_contain_text("corner1")
            control(first, "go").click()
            expect(status(first)).to_contain_text("reached its tolerance")
            second.reload()
            expect(second.locator(".it-card")).to_contain_text(other.name)
            expect(second.locator(".it-card")).not_to_contain_text("corner1")
            expect(second.locator(".it-status")).to_contain_text("Choose two scans")
            expect(first.locator(".it-card")).not_to_contain_text("corner2")
        finally:
            for context in contexts:
                context.close()


def open_lab_without_scans(page: Page, address: str) -> None:
    page.goto(f"{address}/registration?p=scans")
    page.locator(".st-key-upload-target input[type=file]").wait_for(state="attached")


def test_the_traffic_stays_small_and_ends_with_the_run(page: Page, address: str) -> None:
    frames: list[tuple[float, int]] = []

    def note(payload: str | bytes) -> None:
        frames.append((time.monotonic(), len(payload)))

    page.on("websocket", lambda socket: socket.on("framereceived", note))
    open_long_run(page, address)
    page.wait_for_timeout(3000)
    frames.clear()
    begin = newest(page)
    page.wait_for_timeout(6000)
    in_run = list(frames)
    assert newest(page) > begin
    # messages of one look at the run come together
    ticks: list[int] = []
    for (then, _), (now, size) in zip([(-1.0, 0), *in_run], in_run, strict=False):
        if now - then > 0.05:
            ticks.append(0)
        ticks[-1] += size
    assert sum(size for _, size in in_run) / 6.0 < 200e3
    assert statistics.median(ticks) <= 40e3
    control(page, "stop").click()
    expect(status(page)).to_contain_text("Stopped")
    page.wait_for_timeout(3000)
    frames.clear()
    page.wait_for_timeout(4000)
    assert sum(size for _, size in frames) / 4.0 < 1e3
