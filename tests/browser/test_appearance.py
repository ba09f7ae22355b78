"""Themes, phone width and accessibility of the pages."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

PAGES = {
    "": ".is-view",
    "registration": ".st-key-rmse .js-plotly-plot",
    "poisson": ".st-key-race .js-plotly-plot",
    "about": "h1",
}
RMSE = PAGES["registration"]
#: Violations in Streamlit's own elements: rule and a piece of the selector or of the element's HTML.
STREAMLITS_OWN = (
    # the navigation puts headings between the items of a list
    ("list", 'data-testid="stSidebarNavItems"'),
    ("listitem", '<li class="st-emotion-cache'),
)


def show(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/{name}")
    page.locator(PAGES[name.partition("?")[0]]).first.wait_for()
    page.wait_for_timeout(700)


def test_the_charts_follow_a_change_to_dark(page: Page, address: str) -> None:
    page.emulate_media(color_scheme="light")
    show(page, address, "registration")
    colours = "node => [node._fullLayout.font.color, node._fullLayout.xaxis.tickfont.color]"
    light = page.locator(RMSE).evaluate(colours)
    ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "([selector, light]) => document.querySelector(selector)?._fullLayout.font.color !== light",
        arg=[RMSE, light[0]],
    )
    dark = page.locator(RMSE).evaluate(colours)
    assert light[1] != dark[1]
    assert ground != page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")


@pytest.mark.parametrize("name", PAGES, ids=["gallery", "registration", "poisson", "about"])
def test_nothing_scrolls_sideways_on_a_phone(page: Page, address: str, name: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    show(page, address, name)
    wide = page.evaluate(
        """() => [...document.querySelectorAll("[data-testid=stMain], [data-testid=stMain] *")]
            .filter((node) => node.getBoundingClientRect().right > innerWidth + 1
                && !node.closest("svg, [data-testid=stDataFrame], pre, table"))
            .map((node) => `${node.tagName}.${node.className}`).slice(0, 5)"""
    )
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    main = page.get_by_test_id("stMain")
    assert main.evaluate("node => node.scrollWidth <= node.clientWidth"), wide


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name",
    [*PAGES, "registration?view=side+by+side"],
    ids=["gallery", "registration", "poisson", "about", "side by side"],
)
def test_axe_finds_nothing_of_ours(page: Page, address: str, name: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    show(page, address, name)
    found = Axe().run(page).response["violations"]
    ours = [
        (violation["id"], node["target"], node["html"][:200])
        for violation in found
        for node in violation["nodes"]
        if not any(
            rule == violation["id"] and piece in f"{node['target']} {node['html']}"
            for rule, piece in STREAMLITS_OWN
        )
    ]
    assert not ours, ours


def test_the_status_line_is_announced(page: Page, address: str) -> None:
    show(page, address, "registration")
    line = page.locator(".it-status")
    expect(line).to_have_attribute("role", "status")
    expect(line).to_have_attribute("aria-live", "polite")
