"""The optimizer lab in a real Chromium: click to start, scrub, a step explained, tuning, phone, themes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from core.optimizers.explanation import explain
from core.recipe import make
from core.run import Run
from pages.figures import formulas
from tests.browser.test_appearance import STREAMLITS_OWN

pytestmark = pytest.mark.browser

MAP = ".st-key-contours .js-plotly-plot"
#: One quick method on a smooth bowl, nothing that plays for long.
ONE = "p=booth&m=adam&m.lr=0.5&m.steps=60&m2=none&m3=none&m4=none&m5=none&m6=none"
F1 = "p=diffgrad_f1&m=diffgrad&m2=adam&m3=adam_half&m4=none&m5=none&m6=none" + "".join(
    f"&{slot}.lr=0.1&{slot}.beta1=0.95&{slot}.steps=299" for slot in ("m", "m2", "m3")
)


def open_lab(page: Page, address: str, query: str = "", chart: str = MAP) -> None:
    page.goto(f"{address}/optimizers" + (f"?{query}" if query else ""))
    page.locator(chart).wait_for()
    expect(words(page)).not_to_contain_text("when the race is over")


def words(page: Page) -> Locator:
    return page.locator(".it-finding")


def start(page: Page) -> Locator:
    return page.locator(".st-key-p-start input")


def click_at(page: Page, x: float, y: float) -> None:
    """Click the map at a place in its own coordinates."""
    place = page.locator(MAP).evaluate(
        """(node, [x, y]) => {
            const { xaxis, yaxis } = node._fullLayout, box = node.getBoundingClientRect();
            return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
        }""",
        [x, y],
    )
    page.mouse.click(*place)


def test_a_click_sets_the_start_and_races_from_it(page: Page, address: str) -> None:
    open_lab(page, address, ONE)
    click_at(page, 4.0, -5.0)
    expect(start(page)).not_to_have_value("-8,-8")
    found = [float(value) for value in start(page).input_value().split(",")]
    # a pixel is 0.04 wide here
    np.testing.assert_allclose(found, [4.0, -5.0], atol=0.1)
    expect(page).to_have_url(re.compile(r"p\.start="))
    page.wait_for_function(
        """([selector, x]) => {
            const { data } = document.querySelector(selector);
            const ring = data.find((trace) => trace.marker?.symbol === "circle-open");
            return Math.abs(ring.x[0] - x) < 1e-3;
        }""",
        arg=[MAP, found[0]],
    )
    # and again from elsewhere: the first click was no exception
    click_at(page, -3.0, 6.0)
    expect(start(page)).to_have_value(re.compile(r"^-(2\.9|3)"))


def test_a_race_is_scrubbed_back_in_every_view(page: Page, address: str) -> None:
    open_lab(page, address, ONE)
    slider = page.locator(".is-slider").first
    slider.focus()
    slider.press("Home")
    expect(page.locator(".is-k").first).to_have_text("k = 0 / 60")
    expect(page.locator(".st-key-standings thead th").first).to_have_text("at k = 0")
    first = page.locator(".st-key-standings tbody td").nth(1).inner_text()
    trail = page.locator(".st-key-contours .is-cursor path").first
    short = len(trail.get_attribute("d") or "")
    slider.press("End")
    expect(page.locator(".is-k").first).to_have_text("k = 60 / 60")
    expect(page.locator(".st-key-standings tbody td").nth(1)).not_to_have_text(first)
    assert len(trail.get_attribute("d") or "") > 10 * short


def test_the_ball_of_trust_follows_the_cursor(page: Page, address: str) -> None:
    open_lab(
        page, address, ONE.replace("p=booth", "p=rosenbrock").replace("m=adam&m.lr=0.5", "m=gns") + "&k=3"
    )
    rejected = page.locator(".st-key-contours .is-cursor circle[r='4.5']")
    view = Run([make("optimizers", "rosenbrock", "gns", {}, {"steps": 60})]).inline().view().members[0].view
    # the ball follows the cursor with the next frame
    is_as_wide = """wanted => {
      const ball = document.querySelector(".st-key-contours .is-cursor circle[transform]");
      return ball && Math.abs(ball.transform.baseVal[0].matrix.a / wanted - 1) < 1e-3;
    }"""
    scale = "node => { const { xaxis } = node._fullLayout; return xaxis.d2p(1) - xaxis.d2p(0); }"
    pixels = page.locator(MAP).evaluate(scale)
    slider = page.locator(".is-slider").first
    for k in (3, 4):
        expect(page.locator(".is-k").first).to_have_text(f"k = {k} / 51")
        expect(rejected).to_have_count(len(view.snapshots[k]["rejected"]) + 1)
        page.wait_for_function(is_as_wide, arg=pixels * float(view.scalars["gamma"][k]))
        slider.press("ArrowRight")


def test_the_step_under_the_cursor_is_explained_with_the_core_s_numbers(page: Page, address: str) -> None:
    open_lab(page, address, f"{ONE}&tab=Explain&k=7")
    expect(page.get_by_text("the step from k = 7 to 8")).to_be_visible()
    recipe = make("optimizers", "booth", "adam", {}, {"lr": 0.5, "steps": 60})
    view = Run([recipe]).inline().view().members[0].view
    found = explain(recipe.build_method(), view, 7)
    shown = page.locator(".st-key-following annotation").all_text_contents()
    for line in found.lines:
        assert formulas.derivation(line, dark=False) in [text.strip() for text in shown]
    expect(page.get_by_text("Computed from these recorded numbers, the last line")).to_be_visible()
    page.locator(".is-slider").first.press("ArrowRight")
    expect(page.get_by_text("the step from k = 8 to 9")).to_be_visible()


def test_a_malicious_formula_is_refused_and_the_race_stays(page: Page, address: str) -> None:
    open_lab(page, address, ONE.replace("p=booth", "p=formula"))
    said = words(page).inner_text()
    box = page.locator(".st-key-p-formula input")
    box.fill("__import__('os').system('touch /tmp/owned')")
    box.press("Enter")
    expect(page.get_by_test_id("stAlert").first).to_contain_text("formula")
    assert words(page).inner_text() == said
    box.fill("x**2 + 3*y**2")
    box.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(words(page)).not_to_have_text(said)


def test_tuning_fills_in_and_can_be_stopped(page: Page, address: str) -> None:
    query = ONE.replace("m2=none", "m2=rmsprop") + "&tab=Tuning&tune.steps=5000&tune.evaluations=200"
    open_lab(page, address, query)
    page.locator(".st-key-tune-go button").click()
    expect(page.locator(".st-key-tune_map")).to_contain_text(re.compile(r"[1-9]\d* of 400 runs done"))
    page.locator(".st-key-tune-stop button").click()
    expect(page.locator(".st-key-tune_bar .it-status")).to_contain_text("Stopped")
    page.locator(".st-key-tune_map .js-plotly-plot").wait_for()
    page.locator(".st-key-tune-use button").first.click()
    expect(page.locator(".st-key-m-lr input")).not_to_have_value("0.5")


def test_f1_says_that_half_the_rate_does_the_same(page: Page, address: str) -> None:
    open_lab(page, address, F1, chart=".st-key-curve .js-plotly-plot")
    expect(words(page)).to_contain_text("diffGrad and Adam, half rate end at x = −0.300")
    expect(page.get_by_text("halving Adam's rate does nearly the same")).to_be_visible()


def test_the_surface_has_a_ball_for_every_method(page: Page, address: str) -> None:
    page.goto(f"{address}/optimizers?{ONE.replace('m2=none', 'm2=lbfgs')}&view=surface")
    chips = page.locator(".st-key-surface button")
    expect(chips.filter(has_text="Adam")).to_be_visible()
    expect(chips.filter(has_text="L-BFGS")).to_be_visible()
    expect(page.locator(".st-key-surface canvas").first).to_be_visible()


@pytest.mark.parametrize("query", [ONE, F1], ids=["map", "curve"])
def test_nothing_scrolls_sideways_on_a_phone(page: Page, address: str, query: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_lab(page, address, query, chart=".st-key-thing .js-plotly-plot")
    main = page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("tab", ["Race", "Explain", "Tuning"])
def test_axe_finds_nothing_of_ours(page: Page, address: str, scheme: str, tab: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    open_lab(page, address, f"{ONE}&k=20&tab={tab}")
    page.wait_for_timeout(700)
    found = [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in Axe().run(page).response["violations"]
        for node in violation["nodes"]
        if not any(
            rule == violation["id"] and (piece in str(node["target"]) or piece in node["html"])
            for rule, piece in STREAMLITS_OWN
        )
    ]
    assert not found, found
