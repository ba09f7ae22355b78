"""Training a network in a real Chromium: run, stop, and what may be done with its weights."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

QUERY = "p=box&p.n=32&m=cg&m2=none&m3=none&m4=none&m5=none&tab=Training&train.preset=c"


def test_a_network_is_trained_stopped_and_its_weights_are_offered(page: Page, address: str) -> None:
    page.goto(f"{address}/poisson?{QUERY}")
    go = page.locator(".st-key-train-go button")
    expect(go).to_be_enabled(timeout=60_000)
    go.click()
    status = page.locator(".st-key-train_bar [role=status]")
    expect(status).to_contain_text(re.compile(r"at k = [1-9]\d"), timeout=60_000)
    page.locator(".st-key-train-stop button").click()
    expect(status).to_contain_text("Stopped")
    expect(page.locator(".st-key-train-save button").first).to_be_visible()
    expect(page.locator(".st-key-train-race button").first).to_be_enabled()
    expect(page.locator(".st-key-train-on button").first).to_be_enabled()
    expect(page.locator(".st-key-train_curves .js-plotly-plot").first).to_be_visible()
