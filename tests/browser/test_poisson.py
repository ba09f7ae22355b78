"""The Poisson page in a real Chromium: the race, the fields at the cursor, tabs, uploads, phone, dark."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.poisson.fingerprint import reference_solution
from core.recipe import make
from core.run import Run
from tests.browser.test_live import control, label, newest, status, wait_for

pytestmark = pytest.mark.browser

RACE = ".st-key-race .js-plotly-plot"
#: A run of half a minute in slow motion.
SLOW = "m=cg&m2=mic_pcg&m3=none&m4=none&m5=none&p.n=32&delay=200"


def open_poisson(page: Page, address: str, query: str = "") -> None:
    page.goto(f"{address}/poisson" + (f"?{query}" if query else ""))
    page.locator("canvas.is-field").first.wait_for(timeout=60_000)
    page.locator(".is-k").wait_for()


def fields(page: Page) -> Locator:
    return page.locator(".st-key-fields canvas.is-field")


def shown(page: Page) -> list[int]:
    """Return the iterates of the fields."""
    return [int(fields(page).nth(i).get_attribute("data-k") or -1) for i in range(fields(page).count())]


def number(text: str) -> float:
    """Read a number as the page writes it."""
    plain = text.replace("−", "-")
    found = re.fullmatch(r"(-?[\d.]+)(?:·10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", plain)
    assert found is not None, text
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return float(found[1]) * 10.0 ** int((found[2] or "0").translate(digits))


def test_a_race_runs_by_itself(page: Page, address: str) -> None:
    open_poisson(page, address)
    expect(status(page)).to_contain_text("All 5 methods reached their tolerance", timeout=40_000)
    expect(page.locator(".it-finding")).to_contain_text("Fewest iterations: multigrid-PCG")
    page.locator(RACE).wait_for()
    names = page.locator(RACE).evaluate("node => node.data.map(({name}) => name).filter(Boolean)")
    assert names == ["CG", "MIC-PCG", "NPSDO", "multigrid-PCG", "PyAMG SA-CG"]
    # it plays: the fields move by themselves
    first = shown(page)[0]
    wait_for(lambda: shown(page)[0] > first)


def test_scrubbing_moves_fields_table_and_chart(page: Page, address: str) -> None:
    open_poisson(page, address, "k=3")
    slider = page.get_by_role("slider", name="Iterate")
    for key, k in (("Home", 0), ("ArrowRight", 1), ("End", 295)):
        slider.press(key)
        wait_for(lambda k=k: label(page)[0] == k, 5.0)
        wait_for(lambda k=k: shown(page) == [k, min(k, 5)], 5.0)
        expect(page.locator(".is-standings thead")).to_contain_text(f"at k = {k}")
    rows = page.locator(".is-standings tbody tr")
    expect(rows.nth(3)).to_contain_text("multigrid-PCG")
    expect(rows.nth(3).locator("td").first).to_have_text("5")


@pytest.mark.parametrize(("quantity", "k"), [("residual", 17), ("error", 40), ("solution", 295)])
def test_a_pixel_shows_the_value_that_core_computes(page: Page, address: str, quantity: str, k: int) -> None:
    open_poisson(page, address, f"k={k}&field={quantity}")
    wait_for(lambda: shown(page)[0] == k)
    run = Run([make("poisson", "disc", "cg", {"n": 64})]).inline()
    snapshot = run.view().members[0].view.snapshots[k]
    values = {
        "residual": snapshot["residual"],
        "solution": snapshot["x"],
        "error": reference_solution(run.problem) - snapshot["x"],
    }[quantity]
    box = fields(page).first.bounding_box()
    assert box is not None
    for i, j in ((3, 3), (40, 50), (60, 20)):
        # row 0 is at the bottom
        x, y = box["x"] + (j + 0.5) / 64 * box["width"], box["y"] + (63 - i + 0.5) / 64 * box["height"]
        page.mouse.move(x, y)
        text = page.locator(".st-key-fields .is-field-value").first
        expect(text).to_contain_text(f"i = {i}, j = {j}: ")
        found = number(text.inner_text().split(": ")[1])
        # half of a sixteen-bit step, and three digits on the page
        allowed = np.abs(values).max() / 65534 + 0.006 * abs(values[i, j])
        assert found == pytest.approx(values[i, j], abs=allowed)


def test_pause_step_and_resume_move_fields_and_charts(page: Page, address: str) -> None:
    open_poisson(page, address, SLOW)
    expect(status(page)).to_contain_text("Running")
    control(page, "pause").click()
    expect(status(page)).to_contain_text("Paused")
    page.wait_for_timeout(500)
    paused = newest(page)
    control(page, "step10").click()
    wait_for(lambda: newest(page) == paused + 10)
    wait_for(lambda: page.locator(RACE).evaluate("node => node.data[0].x.length") == paused + 11)
    page.get_by_role("slider", name="Iterate").press("End")
    wait_for(lambda: shown(page)[0] == paused + 10)
    page.get_by_role("slider", name="Iterate").press("Home")
    wait_for(lambda: shown(page)[0] == 0)
    control(page, "go").click()
    wait_for(lambda: newest(page) > paused + 11)
    control(page, "stop").click()
    expect(status(page)).to_contain_text("Stopped")


def test_tabs_follow_the_run(page: Page, address: str) -> None:
    open_poisson(page, address, "k=2&tab=Levels")
    expect(page.get_by_text("One cycle applied to the residual at k = 2")).to_be_visible()
    expect(page.locator(".st-key-levels-upper canvas")).to_have_count(4)
    page.get_by_role("tab", name="Spectrum").click()
    expect(page).to_have_url(re.compile("tab=Spectrum"))
    heat = page.locator(".st-key-fingerprint-0 .js-plotly-plot")
    heat.wait_for()
    assert heat.evaluate("node => node.data[0].type") == "heatmap"
    page.get_by_role("tab", name="Conjugacy").click()
    expect(page.get_by_text("Exact arithmetic would leave the diagonal alone")).to_be_visible()
    page.get_by_role("tab", name="Operators").click()
    greens = page.locator(".st-key-greens canvas")
    expect(greens).to_have_count(3)
    expect(page.locator(".st-key-kernels canvas")).to_have_count(2)
    stencil = page.locator(".st-key-kernel-stencil .js-plotly-plot")
    before = stencil.evaluate("node => Array.from(node.data[0].z, row => Array.from(row)).flat()")
    assert len(before) == 9
    # a click beside the disc moves the source, and the kernel there is another one
    box = greens.first.bounding_box()
    assert box is not None
    greens.first.click(position={"x": 35.5 / 64 * box["width"], "y": (63 - 32 + 0.5) / 64 * box["height"]})
    expect(page.get_by_label("source i")).to_have_value("32")
    expect(page.get_by_label("source j")).to_have_value("35")
    wait_for(
        lambda: (
            stencil.evaluate("node => Array.from(node.data[0].z, row => Array.from(row)).flat()") != before
        )
    )


def test_surfaces_in_space_follow_the_cursor(page: Page, address: str) -> None:
    open_poisson(page, address, "p.dim=3&p.n=12&m=cg&m2=multigrid_pcg&m3=none&m4=none&m5=none&k=2")
    surfaces = page.locator(".st-key-isosurface-0 .js-plotly-plot")
    surfaces.wait_for()
    ends = "node => node.data.map(({type, isomin}) => [type, isomin])"
    before = surfaces.evaluate(ends)
    assert {kind for kind, _ in before} == {"isosurface"}
    page.get_by_role("slider", name="Iterate").press("End")
    wait_for(lambda: surfaces.evaluate(ends) != before)


def test_the_levels_come_when_a_slow_run_has_ended(page: Page, address: str) -> None:
    open_poisson(page, address, SLOW.replace("mic_pcg", "multigrid_pcg").replace("32", "8") + "&tab=Levels")
    expect(page.locator(".st-key-levels-upper canvas").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)


def test_colours_answer_to_their_buttons(page: Page, address: str) -> None:
    open_poisson(page, address, "k=30")
    panel = page.locator(".st-key-fields")
    ends = panel.locator(".is-field-ends")
    wait_for(lambda: shown(page) == [30, 5])
    assert ends.nth(0).inner_text() != ends.nth(1).inner_text()
    panel.get_by_role("button", name="common scale").click()
    wait_for(lambda: ends.nth(0).inner_text() == ends.nth(1).inner_text())
    panel.get_by_role("button", name="logarithm").click()
    wait_for(lambda: "−" not in ends.nth(0).inner_text())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_a_phone(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        open_poisson(page, address, "k=20")
        expect(page.locator(".it-status").first).to_contain_text("reached their tolerance")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for canvas in fields(page).all():
            box = canvas.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
        for key in ("go", "step", "stop"):
            box = control(page, key).bounding_box()
            assert box is not None
            assert box["height"] >= 44
    finally:
        context.close()


def test_the_study_of_size_fills_in_stops_and_leaves_the_race_alone(page: Page, address: str) -> None:
    open_poisson(page, address, "m=cg&m2=multigrid_pcg&m3=none&m4=none&m5=none&p.n=32&tab=Scaling")
    expect(status(page).first).to_contain_text("reached its tolerance", timeout=60_000)
    page.get_by_role("button", name="Start").click()
    study = page.locator(".it-status").nth(1)
    expect(study).to_contain_text("Done: 10 runs", timeout=60_000)
    curves = page.locator(".st-key-scaling .js-plotly-plot").evaluate(
        "node => node.data.map(({name, y}) => [name, Array.from(y)])"
    )
    by = dict(curves)
    assert list(by) == ["CG", "multigrid-PCG"]
    assert len(by["CG"]) == 5
    assert 1.8 < by["CG"][-1] / by["CG"][-2] < 2.2
    assert max(by["multigrid-PCG"]) - min(by["multigrid-PCG"]) <= 2
    expect(status(page).first).to_contain_text("reached its tolerance")
    page.get_by_role("button", name="Start").click()
    page.locator(".st-key-scaling-stop button").click()
    expect(study).to_contain_text("Stopped after", timeout=20_000)
