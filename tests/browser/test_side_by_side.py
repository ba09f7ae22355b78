"""Two methods in two 3-D views: linked camera, cursor and layers, clouds sent once, pairs, sliding."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

#: A corridor with two methods that end after different numbers of iterations; 57 000 points.
TWO = "p=corridor&m=dcreg&m2=fcn_sr"
#: Its clouds take 6 bytes a point.
CLOUDS_BYTES = 57_000 * 6


def wait_for(found: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def views(page: Page) -> list[Locator]:
    return page.locator(".is-view").all()


def open_lab(page: Page, address: str, query: str, count: int) -> None:
    page.goto(f"{address}/registration?{query}")
    expect(page.locator(".is-view")).to_have_count(count)
    wait_for(lambda: all(int(view.get_attribute("data-frames") or 0) > 0 for view in views(page)))


def at_rest(page: Page, presses: int) -> None:
    """Move the cursor to an iterate by hand and wait until every view shows it."""
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible(timeout=40_000)
    slider = page.get_by_role("slider", name="Iterate")
    slider.press("Home")
    for _ in range(presses):
        slider.press("ArrowRight")
    wait_for(lambda: [view.get_attribute("data-k") for view in views(page)] == 2 * [str(presses)])


def chip(view: Locator, text: str) -> Locator:
    return view.locator(".is-chip").filter(has_text=text)


def press(view: Locator, text: str) -> None:
    chip(view, text).evaluate("node => node.click()")


def drawing(view: Locator) -> str:
    """Return the triad and the scale bar, which say how the camera stands."""
    return str(view.locator(".is-stage-drawing").evaluate("node => node.innerHTML"))


def test_each_view_bears_its_method_in_its_colour(page: Page, address: str) -> None:
    open_lab(page, address, "view=side+by+side", 2)
    names = page.locator(".is-view-name")
    expect(names).to_have_text(["DCReg", "Point-to-plane ICP"])
    shown = page.locator(".is-view-name .is-dot").evaluate_all(
        "nodes => nodes.map((node) => getComputedStyle(node).backgroundColor)"
    )
    lines = page.locator(".st-key-rmse .is-legend-entry line").evaluate_all(
        "nodes => nodes.map((node) => getComputedStyle(node).stroke)"
    )
    assert shown == lines
    assert len(set(shown)) == 2


def test_the_layout_is_in_the_address_and_only_there_with_two_methods(page: Page, address: str) -> None:
    open_lab(page, address, "", 1)
    page.get_by_role("radio", name="side by side").click()
    expect(page.locator(".is-view")).to_have_count(2)
    wait_for(lambda: parse_qs(urlsplit(page.url).query).get("view") == ["side by side"])
    page.get_by_role("radio", name="one view").click()
    expect(page.locator(".is-view")).to_have_count(1)
    expect(page.locator(".is-view-name")).to_be_hidden()
    page.goto(f"{address}/registration?p=room&m=dcreg&m2=none&view=side+by+side")
    expect(page.locator(".is-view")).to_have_count(1)
    expect(page.get_by_role("radio", name="side by side")).to_have_count(0)


def test_camera_cursor_and_layers_are_linked(page: Page, address: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    open_lab(page, address, "view=side+by+side", 2)
    at_rest(page, 3)
    first, second = views(page)
    wait_for(lambda: drawing(first) == drawing(second))
    # the anchor's labels differ from method to method; triad and scale bar must not
    for mover in (first, second):
        before = drawing(second)
        box = mover.locator(".is-stage").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 70, y + 20, steps=3)
        page.mouse.up()
        wait_for(lambda b=before: drawing(first) == drawing(second) != b)
    before = drawing(second)
    first.locator(".is-stage").press("1")
    wait_for(lambda: drawing(first) == drawing(second) != before)
    press(second, "target")
    for view in (first, second):
        expect(chip(view, "target")).to_have_attribute("aria-pressed", "false")


def test_a_flight_of_the_camera_is_followed(page: Page, address: str) -> None:
    page.emulate_media(reduced_motion="no-preference")
    open_lab(page, address, "view=side+by+side", 2)
    at_rest(page, 3)
    first, second = views(page)
    before = drawing(second)
    second.locator(".is-stage").press("1")
    wait_for(lambda: drawing(first) == drawing(second) != before)


def test_the_clouds_travel_once(page: Page, address: str) -> None:
    received: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: received.append(len(data))))
    open_lab(page, address, f"{TWO}&view=side+by+side", 2)
    at_rest(page, 1)
    page.wait_for_timeout(1500)
    assert sum(size > CLOUDS_BYTES for size in received) == 1
    received.clear()
    page.get_by_role("radio", name="one view").click()
    expect(page.locator(".is-view")).to_have_count(1)
    page.get_by_role("radio", name="side by side").click()
    expect(page.locator(".is-view")).to_have_count(2)
    page.wait_for_timeout(1500)
    assert max(received) < CLOUDS_BYTES
    assert sum(received) < CLOUDS_BYTES


def test_pairs_are_drawn_where_the_cursor_rests(page: Page, address: str) -> None:
    open_lab(page, address, f"{TWO}&view=side+by+side", 2)
    at_rest(page, 1)
    first, second = views(page)

    def drawn() -> list[str | None]:
        return [view.get_attribute("data-pairs") for view in (first, second)]

    assert drawn() == ["0", "0"]
    press(first, "pairs")
    wait_for(lambda: drawn() == ["200", "200"])
    page.locator(".is-speed").select_option("0.5")
    page.get_by_role("button", name="Play", exact=True).click()
    wait_for(lambda: drawn() == ["0", "0"])
    page.get_by_role("button", name="Pause", exact=True).last.click()
    wait_for(lambda: drawn() == ["200", "200"])


def test_sliding_moves_both_views_and_stands_still_on_request(page: Page, address: str) -> None:
    page.emulate_media(reduced_motion="no-preference")
    open_lab(page, address, "view=side+by+side", 2)
    at_rest(page, 5)
    press(views(page)[0], "show sliding")

    def frames() -> list[int]:
        return [int(view.get_attribute("data-frames") or 0) for view in views(page)]

    for view in views(page):
        expect(chip(view, "sliding")).to_contain_text("±")
    start = frames()
    wait_for(lambda: all(now > then + 3 for now, then in zip(frames(), start, strict=True)))
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_timeout(1000)
    start = frames()
    page.wait_for_timeout(1000)
    assert frames() == start


class TestOnAPhone:
    def test_two_views_stand_below_one_another_and_fit_on_the_screen(self, page: Page, address: str) -> None:
        page.set_viewport_size({"width": 390, "height": 844})
        open_lab(page, address, "view=side+by+side", 2)
        page.wait_for_timeout(500)
        first, second = (view.bounding_box() for view in views(page))
        assert first is not None
        assert second is not None
        assert first["x"] == second["x"]
        assert first["y"] + first["height"] <= second["y"] <= first["y"] + first["height"] + 24
        assert second["y"] + second["height"] - first["y"] < 640

    def test_the_menu_waits_behind_a_button_and_the_chips_take_one_row(
        self, page: Page, address: str
    ) -> None:
        page.set_viewport_size({"width": 390, "height": 844})
        open_lab(page, address, "", 1)
        menu, chips = page.locator(".is-menu"), page.locator(".is-chips")
        expect(menu).to_be_hidden()
        row = chips.bounding_box()
        view = views(page)[0].bounding_box()
        assert row is not None
        assert view is not None
        assert row["y"] + row["height"] - view["y"] < 56
        more = page.get_by_role("button", name="All layers and settings")
        more.click()
        expect(menu).to_be_visible()
        expect(more).to_have_attribute("aria-expanded", "true")
        expect(chip(views(page)[0], "uncertainty")).to_be_in_viewport()
        page.keyboard.press("Escape")
        expect(menu).to_be_hidden()


def test_long_titles_are_shortened_and_told_in_full(page: Page, address: str) -> None:
    open_lab(page, address, TWO, 1)
    title = "FCN-SR: solution remapping, full condition number"
    entry = page.locator(".st-key-rmse .is-legend-entry").nth(1)
    expect(entry).to_have_text("FCN-SR")
    assert title in (entry.get_attribute("title") or "")
    head = page.locator(".is-table thead th").nth(2)
    expect(head).to_have_text("FCN-SR")
    expect(head).to_have_attribute("title", title)
    options = page.get_by_role("combobox", name="Method whose source is shown").locator("option")
    expect(options).to_have_text(["DCReg", "FCN-SR", "both"])
    panel = page.locator(".is-table").first
    assert panel.evaluate("node => node.scrollWidth <= node.clientWidth")
