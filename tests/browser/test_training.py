"""The page of trainings in a real Chromium: scrub, a table of one's own, phone, themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.optimizers.sample_table import pendulums
from tests.browser.test_appearance import STREAMLITS_OWN

pytestmark = pytest.mark.browser

TWO = "m=sgd&m.lr=0.03&m2=adam&m3=none&m4=none&m5=none&m6=none&steps=40&p.evaluate_every=10"


def open_page(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/training?{query}")
    page.locator(".st-key-training-transport").first.wait_for()
    expect(page.locator(".st-key-words .it-finding")).to_contain_text("told right")


def wrong(page: Page) -> list[int]:
    """Return how many of the shown digits each network takes for others."""
    texts = page.locator(".is-answer-legend .is-mono").all_text_contents()
    return [int(text.split()[0]) for text in texts]


def test_what_a_network_has_learnt_goes_back_with_the_cursor(page: Page, address: str) -> None:
    open_page(page, address, TWO)
    slider = page.locator(".is-slider").first
    slider.focus()
    slider.press("End")
    expect(page.locator(".is-k").first).to_have_text("k = 40 / 40")
    expect(page.locator(".is-answer-legend .is-mono").last).to_have_text(re.compile(r"^\d wrong"))
    learnt = wrong(page)
    slider.press("Home")
    expect(page.locator(".st-key-training-standings thead th").first).to_have_text("at k = 0")
    expect(page.locator(".is-answer-legend .is-mono").last).to_have_text(re.compile(r"^\d\d wrong"))
    assert all(first > last for first, last in zip(wrong(page), learnt, strict=True))
    # both begin with the same weights
    assert len(set(wrong(page))) == 1
    assert page.locator(".is-answer b.is-wrong").count() == sum(wrong(page))


def test_the_step_under_the_cursor_is_explained_on_a_row_of_weights(page: Page, address: str) -> None:
    open_page(page, address, f"{TWO}&tab=Explain&k=20")
    tab = page.get_by_role("tabpanel").filter(has_text="the step from k = 20 to 21")
    expect(tab).to_contain_text("Computed from these recorded numbers")
    expect(tab).not_to_contain_text("differs by")
    # formulas are set once their script has come
    expect(tab.locator(".katex").nth(1)).to_be_visible()


def test_a_table_is_trained_on_and_a_bad_one_leaves_it_in_place(
    page: Page, address: str, tmp_path: Path
) -> None:
    good, bad = tmp_path / "swings.parquet", tmp_path / "bad.csv"
    pendulums(1, 200).to_parquet(good)
    bad.write_text("1,2\n3,4\n")
    page.goto(f"{address}/training?p=table&{TWO}")
    expect(page.locator(".it-status").first).to_contain_text("Choose a table")
    sender = page.locator("[data-testid=stFileUploader] input[type=file]")
    sender.set_input_files(good)
    expect(page.locator(".it-finding")).to_contain_text("Root mean square error of period_s")
    expect(page.locator(".it-card")).to_contain_text("swings.parquet")
    page.locator(".st-key-training-told .js-plotly-plot").wait_for()
    sender.set_input_files(bad)
    expect(page.get_by_test_id("stAlert").first).to_contain_text("names of the columns in the first row")
    expect(page.get_by_test_id("stAlert").first).to_contain_text("swings.parquet stays loaded")
    expect(page.locator(".it-finding")).to_contain_text("Root mean square error of period_s")


def test_the_plane_of_the_way_is_a_map_and_a_surface(page: Page, address: str) -> None:
    query = f"{TWO}&tab=Loss+around+it&around.picture=plane+of+the+way&way.resolution=15"
    open_page(page, address, query)
    page.locator(".st-key-way-go button").first.click()
    expect(page.locator(".st-key-way_map")).to_contain_text("225 of 225 points done")
    drawn = page.locator(".st-key-way-figure .js-plotly-plot")
    drawn.wait_for()
    assert drawn.evaluate("node => node.data.map(trace => trace.type)")[0] == "contour"
    page.get_by_role("radio", name="surface").click()
    expect(page.locator(".st-key-way-surface canvas").first).to_be_visible()
    expect(page.locator(".st-key-way-surface button").filter(has_text="SGD")).to_be_visible()


def test_the_lab_s_two_pages_leave_each_other_s_rates_alone(page: Page, address: str) -> None:
    page.goto(f"{address}/training?{TWO}")
    expect(page.locator(".st-key-steps input")).to_have_value("40")
    page.get_by_role("link", name="Optimizers").first.click()
    expect(page.locator(".st-key-m2-lr input")).to_have_value("0.0002")
    page.get_by_role("link", name="Training networks").first.click()
    expect(page.locator(".st-key-m2-lr input")).to_have_value("0.01")
    # whoever comes back finds the race again
    expect(page.locator(".st-key-steps input")).to_have_value("40")


def test_nothing_scrolls_sideways_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, address, TWO)
    main = page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_axe_finds_nothing_of_ours_in_either_theme(page: Page, address: str) -> None:
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    open_page(page, address, f"{TWO}&k=20&tab=Updates")
    page.wait_for_timeout(700)
    violations = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.wait_for_timeout(700)
    found = [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in [*violations, *Axe().run(page).response["violations"]]
        for node in violation["nodes"]
        if not any(
            rule == violation["id"] and (piece in str(node["target"]) or piece in node["html"])
            for rule, piece in STREAMLITS_OWN
        )
    ]
    assert not found, found


def test_inside_shows_what_a_step_of_each_method_does_at_the_cursor(page: Page, address: str) -> None:
    pair = TWO.replace("m=sgd&m.lr=0.03&m2=adam", "m=tract&m.lr=0.03&m.base=sgd&m2=sgd&m2.lr=0.03")
    open_page(page, address, f"{pair}&p.light=uneven&tab=Inside&k=0")
    chart = page.locator(".st-key-training-inside-contrast")
    expect(chart.locator(".is-legend-entry")).to_have_count(3)
    expect(chart.locator(".is-legend-entry").last).to_contain_text("SGD, plain gradient, slope")
    # at first both methods have the same weights, and so the same plain step
    plain = [text.split("slope ")[1] for text in chart.locator(".is-legend-entry").all_text_contents()[1:]]
    assert plain[0] == plain[1]
    filters = page.locator(".st-key-training-inside-filters-0, .st-key-training-inside-filters-1")
    expect(filters.locator(".heatmaplayer image")).to_have_count(2 * 16)
    slider = page.locator(".is-slider").first
    slider.focus()
    slider.press("End")
    expect(page.locator(".is-k").first).to_have_text("k = 40 / 40")
    last = chart.locator(".is-legend-entry").last
    expect(last).not_to_contain_text(f"slope {plain[1]}")
