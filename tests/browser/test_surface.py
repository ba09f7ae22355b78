"""The 3-D surface: its modules on a blank page, and the view on the registration page."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from scipy.interpolate import RegularGridInterpolator

from pages.figures.surface import SurfaceTrack, paths_payload, surface_payload
from tests.browser.test_modules import as_list, blank, run  # noqa: F401

pytestmark = pytest.mark.browser

FIELD = """(() => {
    const field = new m.HeightField(
        Float64Array.from(a.x), Float64Array.from(a.y),
        Float32Array.from(a.z.flat(), (v) => v ?? NaN), [1, 0.8],
    );
    %s
})()"""


def uneven_grid(seed: int, rows: int = 7, columns: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ascending axes with uneven steps and heights that float32 holds exactly."""
    rng = np.random.default_rng(seed)
    x, y = np.cumsum(rng.uniform(0.2, 2.0, columns)), np.cumsum(rng.uniform(0.2, 2.0, rows)) - 5.0
    return x, y, rng.normal(size=(rows, columns)).astype(np.float32).astype(float)


def sent(x: np.ndarray, y: np.ndarray, z: np.ndarray, **more: object) -> dict[str, object]:
    heights = [[None if np.isnan(v) else float(v) for v in row] for row in z]
    return {"x": x.tolist(), "y": y.tolist(), "z": heights, **more}


@pytest.mark.parametrize("seed", range(3))
def test_heights_between_the_grid_are_bilinear(run, seed):  # noqa: F811
    x, y, z = uneven_grid(seed)
    rng = np.random.default_rng(10 + seed)
    at = np.c_[rng.uniform(x[0], x[-1], 40), rng.uniform(y[0], y[-1], 40)]
    at = np.r_[at, [[x[0], y[0]], [x[-1], y[-1]], [x[3], y[2]]]]
    script = FIELD % "return a.at.map(([x, y]) => field.height(x, y));"
    found = run("height_field", script, sent(x, y, z, at=at.tolist()))
    expected = RegularGridInterpolator((y, x), z)(at[:, ::-1])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_outside_and_in_holes_there_is_no_height(run):  # noqa: F811
    x, y, z = np.arange(4.0), np.arange(3.0), np.ones((3, 4))
    z[1, 1] = np.nan
    at = [[-0.1, 1.0], [1.0, 2.1], [0.5, 0.5], [1.5, 1.5], [2.0, 1.0], [0.0, 1.0]]
    script = FIELD % "return a.at.map(([x, y]) => String(field.height(x, y)));"
    found = run("height_field", script, sent(x, y, z, at=at))
    # a corner without weight doesn't matter
    assert found == ["NaN", "NaN", "NaN", "NaN", "1", "1"]


def test_every_complete_cell_has_two_triangles_and_no_other_cell_has_any(run):  # noqa: F811
    x, y, z = uneven_grid(4)
    z[2, 3] = z[6, 8] = np.nan
    script = FIELD % "return [...field.mesh().strides[0]];"
    triangles = np.reshape(run("height_field", script, sent(x, y, z)), (-1, 3))
    cells = [(r, c) for r in range(6) for c in range(8) if np.isfinite(z[r : r + 2, c : c + 2]).all()]
    rows, columns = np.divmod(triangles, 9)
    owners = sorted(zip(rows.min(axis=1).tolist(), columns.min(axis=1).tolist(), strict=True))
    assert owners == sorted(cells + cells)
    # the two triangles of a cell cover it: twice half its area
    px, py = x[columns], y[rows]
    area = 0.5 * np.abs(
        (px[:, 1] - px[:, 0]) * (py[:, 2] - py[:, 0]) - (px[:, 2] - px[:, 0]) * (py[:, 1] - py[:, 0])
    )
    whole = sum((x[c + 1] - x[c]) * (y[r + 1] - y[r]) for r, c in cells)
    assert area.sum() == pytest.approx(whole, rel=1e-12)


def test_normals_stand_upright_on_a_tilted_plane(run):  # noqa: F811
    x, y, _ = uneven_grid(5)
    z = (0.5 * x[None, :] - 0.25 * y[:, None]).astype(np.float32).astype(float)
    script = (
        FIELD
        % """
        const { positions, normals } = field.mesh();
        return [[...positions], [...normals], field.normal(a.x[3] + 0.01, a.y[2] + 0.01)];
    """
    )
    positions, normals, between = run("height_field", script, sent(x, y, z))
    p, n = np.reshape(positions, (-1, 3)), np.reshape(normals, (-1, 3))
    centred = p - p.mean(axis=0)
    normal = np.linalg.svd(centred)[2][2]
    normal *= np.sign(normal[2])
    # heights are float32
    np.testing.assert_allclose(n, np.tile(normal, (len(n), 1)), atol=1e-5)
    np.testing.assert_allclose(between, normal, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_a_ray_meets_the_surface_where_a_dense_search_finds_it_first(run, seed):  # noqa: F811
    x, y = np.linspace(0.0, 4.0, 9), np.linspace(0.0, 3.0, 8)
    z = np.sin(x[None, :] + seed) * np.cos(y[:, None])
    z = z.astype(np.float32).astype(float)
    rng = np.random.default_rng(seed)
    eyes, aims = np.c_[rng.normal(size=(12, 2)), np.full(12, 2.5)], rng.uniform(-0.6, 0.6, (12, 2))
    directions = np.c_[aims, np.full(12, 0.3)] - eyes
    script = (
        FIELD
        % """
        return {
            hits: a.rays.map(([o, d]) => field.hit(o, d)?.point ?? null),
            rise: field.rise, low: field.low,
        };
    """
    )
    rays = [[o.tolist(), d.tolist()] for o, d in zip(eyes, directions, strict=True)]
    found = run("height_field", script, sent(x, y, z, rays=rays))
    surface = RegularGridInterpolator((y, x), z, bounds_error=False)
    t = np.linspace(0.0, 3.0, 60_001)[:, None]
    for hit, o, d in zip(found["hits"], eyes, directions, strict=True):
        p = o + t * d
        under = surface(np.c_[(p[:, 1] + 0.8) / 1.6 * 3.0, (p[:, 0] + 1.0) / 2.0 * 4.0])
        gap = p[:, 2] - (under - found["low"]) * found["rise"]
        crossings = np.flatnonzero(gap[:-1] * gap[1:] < 0)
        assert hit is not None
        np.testing.assert_allclose(hit, p[crossings[0]], atol=3e-4)


PATHS = """(async () => {
    const { HeightField } = await import("/height_field.js");
    const field = new HeightField(
        Float64Array.from(a.x), Float64Array.from(a.y), Float32Array.from(a.z.flat()), [1, 1],
    );
    const [track] = m.decodePaths(new Uint8Array(a.paths)).members;
    const path = new m.SurfacePath(track, field, (value) => value);
    %s
})()"""


def test_between_iterates_a_path_follows_the_surface_and_keeps_its_own_heights(run):  # noqa: F811
    x = y = np.linspace(-1.0, 1.0, 21)
    z = (x[None, :] ** 2 + y[:, None] ** 2).astype(np.float32).astype(float)
    tracks = [SurfaceTrack("m", 0, np.array([0, 2, 3]), np.array([-0.9, 0.5, 0.5]), np.array([0.2, 0.2, 0.7]),
                           np.array([1.0, 0.4, np.nan]))]  # fmt: skip
    script = (
        PATHS
        % """
        return [path.at(2), a.at.map((p) => path.place(p)), [...path.segments], [...path.starts]];
    """
    )
    payload = as_list(paths_payload(tracks, group="g", rev=0))
    index, places, segments, starts = run(
        "surface_paths", script, {**sent(x, y, z), "paths": payload, "at": [0, 0.25, 1, 1.5, 2]}
    )
    assert index == 1
    surface = RegularGridInterpolator((y, x), z)
    off = np.array([1.0 - surface([0.2, -0.9])[0], 0.4 - surface([0.2, 0.5])[0], 0.0])
    for place, position in zip(places, [0, 0.25, 1, 1.5, 2], strict=True):
        at = np.interp(position, [0, 1, 2], tracks[0].x), np.interp(position, [0, 1, 2], tracks[0].y)
        np.testing.assert_allclose([place["x"], place["y"]], at, atol=1e-12)
        expected = surface([at[1], at[0]])[0] + np.interp(position, [0, 1, 2], off)
        assert place["height"] == pytest.approx(expected, abs=1e-12)
    ends = np.reshape(segments, (-1, 2, 3))
    assert starts[0] == 0
    assert starts[-1] == len(ends)
    np.testing.assert_array_equal(ends[:-1, 1], ends[1:, 0])


def test_a_ball_rolls_without_slipping_and_rolls_back(run):  # noqa: F811
    x = y = np.linspace(-1.0, 1.0, 5)
    tracks = [SurfaceTrack("m", 0, np.arange(3), np.array([-0.5, 0.5, 0.5]), np.array([0.0, 0.0, 0.25]))]
    script = PATHS % "return [0, 0.5, 1, 0.5].map((p) => path.ball(p)).concat([m.BALL]);"
    payload = as_list(paths_payload(tracks, group="g", rev=0))
    plane = np.zeros((5, 5))
    start, half, whole, again, radius = run("surface_paths", script, {**sent(x, y, plane), "paths": payload})
    assert half == again
    models = [np.reshape(model, (4, 4), order="F") for model in (start, half, whole)]
    np.testing.assert_allclose([T[0, 3] for T in models], [-0.5, 0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose([T[2, 3] for T in models], radius, rtol=1e-12)
    for T, travelled in zip(models, (0.0, 0.5, 1.0), strict=True):
        R = T[:3, :3] / radius
        angle = travelled / radius
        # towards +x on a flat surface: about +y
        expected = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
        np.testing.assert_allclose(R, expected, atol=1e-9)


def test_a_path_leaves_no_line_outside_the_surface(run):  # noqa: F811
    x = y = np.linspace(-1.0, 1.0, 5)
    tracks = [SurfaceTrack("m", 0, np.arange(4), np.array([0.0, 3.0, np.nan, 0.0]), np.zeros(4))]
    script = PATHS % "return [[...path.segments], path.ball(1), path.ball(2), Boolean(path.ball(3))];"
    payload = as_list(paths_payload(tracks, group="g", rev=0))
    segments, outside, gap, back = run(
        "surface_paths", script, {**sent(x, y, np.zeros((5, 5))), "paths": payload}
    )
    assert np.isfinite(segments).all()
    assert np.abs(segments).max() <= 1.0 + 1e-6
    assert (outside, gap, back) == (None, None, True)


VIEW = """(async () => {
    const bus = await import("/bus.js");
    const { Scene } = await import("/scene.js");
    const host = Object.assign(document.createElement("div"), { style: "width: 500px; height: 400px" });
    document.body.replaceChildren(host);
    const draw = Scene.prototype.draw;
    let scene = null;
    Scene.prototype.draw = function (options) { scene = this; return draw.call(this, options); };
    const component = { parentElement: host, data: new Uint8Array(a.surface) };
    const feeder = document.createElement("i");
    if (a.paths) m.paths.render({ parentElement: feeder, data: new Uint8Array(a.paths) });
    m.surface.render(component);
    const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    for (let i = 0; i < 200 && !scene; i += 1) await rest(20);
    Scene.prototype.draw = draw;
    const root = host.querySelector(".is-root");
    const pixels = () => {
        scene.draw({ all: true });
        const { gl } = scene;
        const { width, height } = scene.canvas;
        const out = new Uint8Array(4 * width * height);
        gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, out);
        return (x, y) => {
            const at = 4 * ((height - 1 - Math.round(y * scene.ratio)) * width + Math.round(x * scene.ratio));
            return out[at] + out[at + 1] + out[at + 2];
        };
    };
    try { %s } finally { host.remove(); m.surface.release(component); }
})()"""


def test_contour_lines_are_drawn_where_a_search_over_the_surface_finds_the_level(run):  # noqa: F811
    """On a tilted paraboloid, dark pixels lie on the level and nowhere else, seen from above."""
    x = y = np.linspace(-1.0, 1.0, 41)
    z = x[None, :] ** 2 + 0.5 * y[:, None] ** 2 + 0.2 * x[None, :]
    surface = surface_payload(
        x, y, z, view="contours", group="contours", x_title="x", y_title="y", z_title="f", levels=(0.3, 0.7)
    )
    surface_of = RegularGridInterpolator((y, x), z)
    # along rays from the middle: radii on a level, by dense search, and radii half way to the next
    angles = np.linspace(0.1, 6.2, 16)
    radii = np.linspace(0.0, 0.95, 4000)
    on, off = [], []
    for angle in angles:
        line = np.c_[radii * np.sin(angle), radii * np.cos(angle)]
        heights = surface_of(line)
        for level in (0.3, 0.7):
            crossings = np.flatnonzero((heights[:-1] - level) * (heights[1:] - level) < 0)
            on += [[line[i, 1], line[i, 0], heights[i]] for i in crossings]
        off += [
            [line[i, 1], line[i, 0], heights[i]] for i in np.flatnonzero(np.abs(heights - 0.5) < 2e-4)[:1]
        ]
    script = (
        VIEW
        % """
        Object.assign(scene.camera.state, { elevation: Math.PI / 2, azimuth: -Math.PI / 2 });
        scene.set("surface", { ink: "#000000", inkOpacity: 1, size: 3 });
        const at = pixels();
        const low = a.range[0], rise = 0.95 / (a.range[1] - a.range[0]);
        const look = ([x, y, h]) => {
            const p = scene.project([x, y, (h - low) * rise]);
            return at(p.x, p.y);
        };
        return [a.on.map(look), a.off.map(look)];
    """
    )
    argument = {"surface": as_list(surface), "on": on, "off": off, "range": [z.min(), z.max()]}
    dark, light = run("surface_view", script, argument)
    assert len(dark) >= 16
    assert len(light) >= 8
    assert max(dark) < 60
    assert min(light) > 150


def test_the_balls_follow_the_cursor_of_their_group_and_chips_switch_them(run):  # noqa: F811
    x = y = np.linspace(-1.0, 1.0, 9)
    z = x[None, :] ** 2 + y[:, None] ** 2
    surface = surface_payload(x, y, z, view="balls", group="balls", x_title="x [m]", y_title="y", z_title="f")
    track = SurfaceTrack("Adam", 0, np.array([0, 4]), np.array([-0.5, 0.5]), np.zeros(2))
    paths = paths_payload([track], group="balls", rev=1)
    script = (
        VIEW
        % """
        const ball = () => scene.layers.get("ball 0");
        const until = async (there) => {
            for (let i = 0; i < 500 && !there(); i += 1) await rest(20);
            return there();
        };
        const chip = () => root.querySelector(".is-chip");
        bus.setCursor("balls", 4, "transport");
        const log = [await until(() => ball()?.model[12] > 0.4)];
        bus.setCursor("balls", 1, "transport");
        log.push(await until(() => ball().model[12] < -0.4), ball().visible, chip().textContent);
        chip().click();
        log.push(await until(() => !ball().visible), chip().getAttribute("aria-pressed"));
        chip().click();
        log.push(await until(() => ball().visible));
        const at = scene.project([-0.5, 0, 0.25 / 2 * 0.95]);
        log.push(scene.pick(at.x, at.y).text);
        return log;
    """
    )
    found = run("surface_view", script, {"surface": as_list(surface), "paths": as_list(paths)})
    assert found == [True, True, True, "Adam", True, "false", True, "Adam, k = 0: x −0.5 m · y 0 · f 0.25"]


def test_the_landscape_is_shown_as_a_surface_whose_balls_follow_the_pages_cursor(
    page: Page, address: str
) -> None:
    page.goto(
        f"{address}/registration?p=room&m=dcreg&m2=none&tab=Objective+landscape"
        "&landscape.resolution=9&landscape.view=surface"
    )
    page.locator(".st-key-landscape-go button").click()
    view = page.locator(".st-key-landscape_map .is-view")
    view.wait_for()
    expect(page.get_by_text("81 of 81 poses done")).to_be_visible(timeout=60_000)
    view.scroll_into_view_if_needed()
    page.wait_for_function("node => Number(node.dataset.frames) > 0", arg=view.element_handle())
    expect(view.locator(".is-chip").first).to_have_text("DCReg")
    page.locator(".st-key-thing .is-transport button[title='First iterate']").click()
    expect(view).to_have_attribute("data-k", "0")
    page.locator(".st-key-thing .is-transport button[title='One iterate forth']").click()
    expect(view).to_have_attribute("data-k", "1")
    view.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    # a uniform picture of this size is a few hundred bytes of PNG
    assert len(view.screenshot()) > 10_000
    page.get_by_role("radio", name="map").click()
    page.locator(".st-key-landscape-figure .js-plotly-plot").wait_for()
    page.wait_for_function("!location.search.includes('landscape.view=surface')")
