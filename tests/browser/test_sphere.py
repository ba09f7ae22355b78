"""The sphere of a function of directions: its module on a blank page, and the view on the optimizer page."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from pages.figures.surface import SurfaceTrack, paths_payload, sphere_payload
from tests.browser.test_modules import as_list, blank, run  # noqa: F401

pytestmark = pytest.mark.browser

LONGITUDES, LATITUDES = np.arange(-180.0, 181.0, 5.0), np.arange(-90.0, 91.0, 5.0)


def message(radius: float = 2.0) -> list[int]:
    """Return a sphere whose value is the third coordinate of the direction."""
    values = np.sin(np.radians(LATITUDES))[:, None] + 0 * LONGITUDES
    payload = sphere_payload(
        LONGITUDES, LATITUDES, values, view="v", group="g", radius=radius, rays=[[0.0, 0.0, -1.0]],
        look=(0.0, 0.0), value_title="f",
    )  # fmt: skip
    return as_list(payload)


def test_a_ray_meets_the_sphere_where_algebra_says_and_reads_the_value_there(run):  # noqa: F811
    rng = np.random.default_rng(0)
    origins = 5 * rng.normal(size=(30, 3)) / np.linalg.norm(rng.normal(size=(30, 3)), axis=1, keepdims=True)
    origins = origins[np.linalg.norm(origins, axis=1) > 1.5]
    aims = rng.uniform(-1.0, 1.0, (len(origins), 3))
    script = """(() => {
        const field = new m.SphereField(
            Float64Array.from(a.x), Float64Array.from(a.y), Float32Array.from(a.z.flat()),
        );
        return a.rays.map(([o, d]) => field.hit(o, d));
    })()"""
    z = np.sin(np.radians(LATITUDES))[:, None] + 0 * LONGITUDES
    rays = [[o.tolist(), (g - o).tolist()] for o, g in zip(origins, aims, strict=True)]
    arguments = {"x": LONGITUDES.tolist(), "y": LATITUDES.tolist(), "z": z.tolist(), "rays": rays}
    hits = run("sphere_view", script, arguments)
    assert any(hit is None for hit in hits)
    assert sum(hit is not None for hit in hits) > 5
    for hit, origin, aim in zip(hits, origins, aims, strict=True):
        d = (aim - origin) / np.linalg.norm(aim - origin)
        nearest = np.linalg.norm(origin - (origin @ d) * d)
        assert (hit is None) == (nearest > 1.0)
        if hit is not None:
            assert np.linalg.norm(hit["point"]) == pytest.approx(1.0, abs=1e-12)
            assert np.linalg.norm(np.cross(hit["point"] - origin, d)) < 1e-9
            # the near side
            assert np.dot(hit["point"], d) < 0
            assert hit["height"] == pytest.approx(hit["point"][2], abs=2e-3)


def test_balls_stand_at_the_iterates_themselves_and_tell_their_length(run):  # noqa: F811
    track = SurfaceTrack(
        "SGD", 0, np.array([0, 3]), np.array([2.0, 0.0]), np.array([0.0, 3.0]), np.array([0.0, 4.0])
    )
    script = """(async () => {
        const bus = await import("/bus.js");
        const { paths } = await import("/surface_view.js");
        const host = Object.assign(document.createElement("div"), { style: "width: 500px; height: 400px" });
        document.body.replaceChildren(host);
        const component = { parentElement: host, data: new Uint8Array(a.sphere) };
        paths.render({ parentElement: document.createElement("i"), data: new Uint8Array(a.paths) });
        m.sphere.render(component);
        const root = host.querySelector(".is-root");
        const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
        const until = async (there) => {
            for (let i = 0; i < 500 && !there(); i += 1) await rest(20);
            return there();
        };
        try {
            const log = [await until(() => root.dataset.lengths === "2.000")];
            bus.setCursor("g", 3, "transport");
            log.push(await until(() => root.dataset.lengths === "5.000"));
            const drawing = root.querySelector(".is-stage-drawing");
            log.push(await until(() => drawing.textContent.includes("minimum")));
            log.push([...root.querySelectorAll(".is-chip")].map((chip) => chip.textContent));
            return log;
        } finally { host.remove(); m.sphere.release(component); }
    })()"""
    paths = as_list(paths_payload([track], group="g", rev=1))
    found = run("sphere_view", script, {"sphere": message(), "paths": paths})
    assert found == [True, True, True, ["SGD", "contours"]]


def test_the_page_shows_the_sphere_and_the_switch_brings_the_lengths(page: Page, address: str) -> None:
    page.goto(
        f"{address}/optimizers?p=scale_invariant_rosenbrock&m=sgdp&m.lr=2e-4&m.steps=300&m2=sgd&m2.lr=2e-4"
        "&m2.steps=300&m3=none&m4=none&m5=none&m6=none&k=300"
    )
    view = page.locator(".st-key-thing .is-view")
    view.wait_for()
    page.wait_for_function("node => /,/.test(node.dataset.lengths ?? '')", arg=view.element_handle())
    sgdp, sgd = (float(text) for text in (view.get_attribute("data-lengths") or "").split(","))
    assert 1.0 < sgdp < sgd
    page.locator(".st-key-thing .is-transport button[title='First iterate']").click()
    expect(view).to_have_attribute("data-lengths", "1.000,1.000")
    page.get_by_role("radio", name="lengths").click()
    page.locator(".st-key-lengths .js-plotly-plot").wait_for()
    expect(view).to_have_count(0)
