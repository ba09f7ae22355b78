"""The JavaScript modules alone, on a blank page, without Streamlit."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from scipy.spatial.transform import Rotation, Slerp

from pages.figures.cloud import PoseTrack, WeakMotions, display_pose, pairs_payload, poses_payload
from pages.figures.pack import DTYPES, pack, pack_figure

ASSETS = Path(__file__).parents[2] / "assets"
pytestmark = pytest.mark.browser


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=ASSETS))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/icon.svg")
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    page.set_content("<!doctype html><title>modules</title><body></body>")
    yield page
    page.close()
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(blank: Page) -> Callable[..., Any]:
    """Evaluate an expression in which `m` is the module and `a` the argument."""

    def evaluate(module: str, expression: str, argument: Any = None) -> Any:
        script = f"async ([path, a]) => {{ const m = await import(path); return {expression}; }}"
        return blank.evaluate(script, [f"/{module}.js", argument])

    return evaluate


def as_list(payload: bytes) -> list[int]:
    return list(payload)


@pytest.mark.parametrize("shift", [0, 1, 3, 2429])
def test_the_container_is_read_at_any_offset_in_its_buffer(run, shift):
    rng = np.random.default_rng(0)
    arrays = {code: (rng.random((3, 2)) * 100).astype(dtype) for code, dtype in DTYPES.items()}
    arrays["empty"] = np.zeros(0, np.float32)
    message = as_list(pack(arrays, {"title": "κ", "limit": float("inf")}))
    decoded = run(
        "pack",
        """(() => {
            const whole = new Uint8Array(a.shift + a.bytes.length);
            whole.set(a.bytes, a.shift);
            const { meta, arrays, shapes } = m.unpack(whole.subarray(a.shift));
            const lists = Object.entries(arrays).map(([name, values]) => [name, Array.from(values)]);
            return { meta, shapes, arrays: Object.fromEntries(lists) };
        })()""",
        {"bytes": message, "shift": shift},
    )
    assert decoded["meta"] == {"title": "κ", "limit": None}
    for name, expected in arrays.items():
        assert decoded["shapes"][name] == list(expected.shape)
        np.testing.assert_array_equal(decoded["arrays"][name], expected.ravel())


def test_a_figure_gets_its_arrays_back(run):
    figure = {"data": [{"x": np.arange(3), "y": np.array([1.0, np.nan, np.inf]), "z": np.eye(2)}]}
    found = run(
        "pack",
        """(() => {
            const { data, meta } = m.unpackFigure(new Uint8Array(a));
            const [t] = data;
            return [t.x.constructor.name, [...t.x], [...t.y].map(String), t.z.map((r) => [...r]), meta];
        })()""",
        as_list(pack_figure(figure, {"id": "f"})),
    )
    assert found == ["Int32Array", [0, 1, 2], ["1", "NaN", "Infinity"], [[1, 0], [0, 1]], {"id": "f"}]


@pytest.mark.parametrize(("k", "index"), [(-1, 0), (0, 0), (3, 1), (4, 2), (100, 3)])
def test_the_last_recorded_iterate_not_after_k_is_shown(run, k, index):
    assert run("pack", "m.indexAt([0, 2, 4, 9], a)", k) == index


def test_matrices_multiply_and_rotate_as_numpy_does(run):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 4, 4))
    product = run(
        "matrix", "m.multiply(a[0], a[1])", [a.ravel(order="F").tolist(), b.ravel(order="F").tolist()]
    )
    np.testing.assert_allclose(np.reshape(product, (4, 4), order="F"), a @ b, atol=1e-14)
    axis, point = rng.normal(size=(2, 3))
    axis /= np.linalg.norm(axis)
    found = run("matrix", "m.rotationAbout(a[0], 0.7, a[1])", [axis.tolist(), point.tolist()])
    R = Rotation.from_rotvec(0.7 * axis).as_matrix()
    expected = np.eye(4)
    expected[:3, :3], expected[:3, 3] = R, point - R @ point
    np.testing.assert_allclose(np.reshape(found, (4, 4), order="F"), expected, atol=1e-14)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_a_pose_between_two_lies_on_the_great_arc(run, seed, t):
    rng = np.random.default_rng(seed)
    rotations = Rotation.random(2, random_state=seed)
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[:, :3, :3] = rotations.as_matrix()
    poses[:, :3, 3] = rng.normal(size=(2, 3))
    sent = [pose.ravel(order="F").tolist() for pose in poses]
    found = np.reshape(run("matrix", "m.between(a[0], a[1], a[2])", [*sent, t]), (4, 4), order="F")
    expected = Slerp([0, 1], rotations)(t).as_matrix()
    np.testing.assert_allclose(found[:3, :3], expected, atol=1e-12)
    np.testing.assert_allclose(found[:3, 3], poses[0, :3, 3] * (1 - t) + poses[1, :3, 3] * t, atol=1e-12)


@pytest.mark.parametrize("half", [(20, 2, 1.5), (0.1, 0.1, 0.1), (5, 30, 2)])
@pytest.mark.parametrize("aspect", [0.6, 1.0, 2.2])
def test_the_fitted_camera_sees_every_corner_of_the_box_and_fills_the_view(run, half, aspect):
    corners = run(
        "camera",
        """(async () => {
            const { transform } = await import("/matrix.js");
            const camera = new m.Camera();
            const radius = Math.hypot(...a.half);
            camera.frame({ centre: [3, -2, 1], half: a.half, radius }, a.aspect, { keepAngles: false });
            const matrix = camera.matrix(a.aspect);
            return Array.from({ length: 8 }, (_, i) => transform(matrix, a.half.map(
                (size, axis) => [3, -2, 1][axis] + ((i >> axis) & 1 ? size : -size),
            )));
        })()""",
        {"half": half, "aspect": aspect},
    )
    clip = np.array(corners)
    seen = clip[:, :3] / clip[:, 3:]
    assert np.all(clip[:, 3] > 0)
    assert np.abs(seen).max() <= 1.0
    assert 0.75 < np.abs(seen[:, :2]).max() <= 0.82 + 1e-9


@pytest.mark.parametrize(
    ("key", "right", "up"),
    [("1", (1, 0, 0), (0, 1, 0)), ("2", (1, 0, 0), (0, 0, 1)), ("3", (0, 1, 0), (0, 0, 1))],
)
def test_top_side_and_front_look_along_the_axes(run, key, right, up):
    found = run(
        "camera",
        "(() => { const c = new m.Camera(); Object.assign(c.state, m.VIEWS[a]); return c.basis(); })()",
        key,
    )
    np.testing.assert_allclose(found["right"], right, atol=1e-15)
    np.testing.assert_allclose(found["up"], up, atol=1e-15)


def test_a_few_far_returns_do_not_shrink_the_scene(run):
    rng = np.random.default_rng(2)
    points = np.r_[rng.uniform(-1, 1, (500, 3)), [[900, 0, 0], [0, -900, 0]]]
    bounds = run("camera", "m.robustBounds(a)", points.tolist())
    assert bounds["radius"] < 2


def test_an_arc_keeps_its_radius_and_its_plane(run):
    axis = np.array([1.0, 2.0, -0.5]) / np.linalg.norm([1.0, 2.0, -0.5])
    shape = run("shapes", "m.arc([1, 2, 3], a, 0.8)", axis.tolist())
    points = np.reshape(shape["segments"], (-1, 3)) - [1, 2, 3]
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.8, rtol=1e-12)
    np.testing.assert_allclose(points @ axis, 0.0, atol=1e-12)


def test_ellipses_of_an_ellipsoid_lie_on_it(run):
    halves = Rotation.from_rotvec([0.3, 0.2, 1.0]).as_matrix() * np.array([3.0, 1.0, 0.2])
    segments = run("shapes", "m.ellipsoid([0, 0, 0], a)", halves.T.tolist())
    inside = np.linalg.solve(halves, np.reshape(segments, (-1, 3)).T)
    np.testing.assert_allclose(np.linalg.norm(inside, axis=0), 1.0, rtol=1e-12)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_lines_have_enough_contrast_in_both_themes(run, theme):
    found = run(
        "theme",
        """(() => {
            const theme = m.themeNamed(a);
            const on = (colour, ground) => m.contrast(colour, ground);
            return {
                text: ["text", "muted", "weakText"].map((name) => on(theme[name], theme.panel)),
                view: ["text", "muted", "weakText"].map((name) => on(theme[name], theme.view)),
                methods: theme.methods.map((colour) => on(colour, theme.panel)),
                marks: ["weak", "primary", "reached"].map((name) => on(theme[name], theme.panel)),
            };
        })()""",
        theme,
    )
    assert min(found["text"] + found["view"]) >= 4.5
    assert min(found["methods"] + found["marks"]) >= 3.0


def test_roles_become_colours_everywhere_but_in_arrays(run):
    found = run(
        "theme",
        """(() => {
            const theme = m.themeNamed("light");
            const values = new Float32Array([1]);
            const figure = { a: ["role:weak", { b: "role:method:9@0.5" }], c: "a role", values };
            const out = m.resolveRoles(figure, theme);
            return [out.a[0] === theme.weak, out.a[1].b, out.c, out.values === values];
        })()""",
    )
    assert found == [True, "rgba(166, 65, 122, 0.5)", "a role", True]


def test_a_trace_keeps_what_it_says_itself(run):
    trace = {"meta": {"role": "method", "index": 8}, "line": {"width": 1}, "y": [1]}
    themed = run("theme", 'm.themedTrace(a, m.themeNamed("light"))', trace)
    assert themed["line"] == {"color": "#0072B2", "width": 1, "dash": "dash"}
    layout = run("theme", 'm.themedLayout(a, m.themeNamed("dark"))', {"yaxis": {"type": "log", "title": "r"}})
    assert layout["yaxis"]["type"] == "log"
    assert layout["yaxis"]["title"]["text"] == "r"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.0, "sig4", "0"),
        (0.61234, "sig3", "0.612"),
        (-2.3456e-11, "sig3", "−2.35·10⁻¹¹"),
        (0.7123, "percent1", "71.2 %"),
        (12345.6, "int", "12\u202f346"),
        (0.42, "fixed2", "0.42"),
        (0.0042, "fixed2", "0.0042"),
        (None, "sig4", "–"),
    ],
)
def test_numbers_are_written_for_people(run, value, form, text):
    assert run("numbers", "m.format(a[0], a[1])", [value, form]) == text


@pytest.mark.parametrize(
    ("metres", "text"),
    [(0.0004, "0.4 mm"), (0.123, "12 cm"), (3.456, "3.46 m"), (-0.25, "−25 cm"), (1e4, "10 km")],
)
def test_lengths_take_the_unit_that_fits(run, metres, text):
    assert run("numbers", "m.length(a)", metres) == text


def test_shares_are_squares_or_absolute_values_that_sum_to_one(run):
    axis = np.array([0.9966, 0.0785, 0.0262])
    axis /= np.linalg.norm(axis)
    np.testing.assert_allclose(run("readout", "m.sharesOf(a, false)", axis.tolist()), axis**2)
    absolute = run("readout", "m.sharesOf(a, true)", axis.tolist())
    np.testing.assert_allclose(absolute, np.abs(axis) / np.abs(axis).sum())


def test_poses_and_weak_motions_arrive_as_python_sent_them(run):
    n = 4
    rng = np.random.default_rng(3)
    poses = np.tile(np.eye(4), (n, 1, 1))
    poses[:, :3, :3] = Rotation.random(n, random_state=0).as_matrix()
    poses[:, :3, 3] = rng.normal(size=(n, 3))
    axes = Rotation.random(n, random_state=1).as_matrix()
    std = rng.uniform(0.01, 1, (n, 3))
    weak = WeakMotions(axes, std, 1 / std, std > 0.5, axes, std, 1 / std, std < 0.5)
    track = PoseTrack("dcreg", "DCReg", 3, np.array([0, 5, 6, 9]), poses, weak)
    payload = poses_payload([track], group="g", rev=1, offsets=np.zeros((2, 3)))
    found = run(
        "pose_tracks",
        """(() => {
            const [track] = m.decodePoses(new Uint8Array(a)).members;
            const index = track.at(8);
            return { index, title: track.title, pose: track.pose(index), weak: track.weak(index) };
        })()""",
        as_list(payload),
    )
    assert (found["index"], found["title"]) == (2, "DCReg")
    np.testing.assert_allclose(np.reshape(found["pose"], (4, 4), order="F"), poses[2], atol=1e-6)
    for j, direction in enumerate(found["weak"]["translation"]):
        np.testing.assert_allclose(direction["axis"], axes[2, j], atol=1e-4)
        assert direction["flagged"] == bool(std[2, j] > 0.5)
        assert direction["std"] == pytest.approx(std[2, j], rel=1e-6)


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("DCReg", "DCReg"),
        ("FCN-SR: solution remapping, full condition number", "FCN-SR"),
        ("DCReg variant: truncated PCG", "truncated PCG"),
        ("GICP by small_gicp 1.0.1", "GICP by small_gicp 1.0.1"),
    ],
)
def test_a_method_is_called_by_its_code_or_by_what_tells_it_apart(run, title, short):
    assert run("names", "m.shortName(a)", title) == short


def test_pairs_join_the_moved_source_point_and_its_partner(run):
    rng = np.random.default_rng(4)
    points, partners, offsets = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=(2, 3))
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.random(random_state=5).as_matrix(), rng.normal(size=3)
    payload = pairs_payload(points, partners, group="pairs", view="v", slot=1, cursor=4, offsets=offsets)
    found = run(
        "cloud_feeds",
        """(async () => {
            const { group } = await import("/bus.js");
            const { pairSegments } = await import("/cloud_overlays.js");
            m.pairs.render({ parentElement: document.body, data: new Uint8Array(a.payload) });
            const { ends, cursor, view } = group("pairs").store.get("pairs.1");
            return [Array.from(pairSegments(ends, a.pose)), cursor, view];
        })()""",
        {"payload": as_list(payload), "pose": display_pose(T, offsets).ravel(order="F").tolist()},
    )
    expected = np.hstack([points @ T[:3, :3].T + T[:3, 3], partners]) - np.tile(offsets[1], 2)
    # float32 ends, a few units long
    np.testing.assert_allclose(np.reshape(found[0], (3, 6)), expected, atol=1e-5)
    assert found[1:] == [4, "v"]


@pytest.mark.parametrize("chosen", [False, True])
def test_a_view_that_becomes_narrow_looks_from_farther(run, chosen):
    script = """(async () => {
        const root = document.createElement("div");
        root.style.height = "100px";
        const style = document.createElement("style");
        style.textContent = ".is-stage, .is-canvas { width: 100%; height: 100%; display: block }";
        document.body.append(root, style);
        const stage = new m.Stage(root, { label: "test" });
        stage.colour({ view: "#ffffff", muted: "#888888", text: "#000000" });
        const { camera } = stage.scene;
        const wait = () => new Promise((resolve) => setTimeout(resolve, 120));
        const fit = () => camera.fitDistance(half, stage.scene.aspect);
        const seen = () => [camera.state.distance, fit(), camera.state.azimuth];
        const half = [5, 1, 1];
        root.style.width = "300px";
        stage.show("narrow " + a, { centre: [0, 0, 0], half, radius: Math.hypot(...half) });
        await wait();
        if (a) for (const key of ["ArrowLeft", "+"]) stage.key(key, () => stage.remember());
        const wide = seen();
        root.style.width = "100px";
        await wait();
        const narrow = seen();
        stage.dispose();
        root.remove();
        style.remove();
        return [wide, narrow];
    })()"""
    (wide, wide_fit, azimuth), (narrow, narrow_fit, kept) = run("stage", script, chosen)
    assert narrow_fit > 1.5 * wide_fit
    assert narrow / narrow_fit == pytest.approx(wide / wide_fit, rel=1e-9)
    assert (wide == pytest.approx(wide_fit, rel=1e-9)) != chosen
    assert kept == azimuth


def test_sliding_moves_along_the_weakest_flagged_direction(run):
    direction = {"axis": [0, 0, 1], "std": 0.1, "condition": 20, "flagged": True}
    held = {"axis": [1, 0, 0], "std": 1, "condition": 900, "flagged": False}
    weak = {"translation": [held, direction, held], "rotation": [held, held, held]}
    slide = "m.slidingMotion(a, [0, 0, 0], 10)"
    forth, back = run("cloud_overlays", f"[{slide}.motion(1), {slide}.motion(-1)]", weak)
    assert forth[12:14] == [0, 0]
    assert forth[14] > 0
    assert back[14] == -forth[14]
    assert run("cloud_overlays", slide, {"translation": [held], "rotation": [held]}) is None


PLAYER = """(async () => {
    const { group } = await import("/bus.js");
    const player = new m.Player("test " + Math.random());
    const seen = () => group(player.id).k;
    const data = (count, more = {}) => ({
        run: "r1", ks: Int32Array.from({ length: count }, (_, k) => 2 * k), running: true, follow: false,
        start: null, ...more,
    });
    %s
})()"""


def test_the_player_plays_behind_a_running_method_at_its_own_pace(run):
    script = (
        PLAYER
        % """
        player.take(data(1));
        const log = [player.playing, seen()];
        player.take(data(30));
        player.advance(0.5); log.push(seen());
        player.speed = 4; player.advance(0.5); log.push(seen());
        player.advance(5); log.push(seen(), player.playing);
        player.take(data(40, { running: false })); player.advance(9); player.advance(0.1);
        log.push(seen(), player.playing);
        return log;
    """
    )
    # 0.5 s at 10 iterates a second are 5 iterates, of which every second k is recorded
    assert run("transport", script) == [True, 0, 10, 50, 58, True, 78, False]


def test_follow_stays_at_the_newest_and_a_step_by_hand_ends_it(run):
    script = (
        PLAYER
        % """
        player.take(data(3, { follow: true })); player.pause();
        player.followNewest(true);
        player.take(data(9));
        const log = [seen()];
        player.step(-1); player.take(data(12)); log.push(seen(), player.follow);
        return log;
    """
    )
    assert run("transport", script) == [16, 14, False]


def test_a_recording_rests_at_its_start_and_a_new_run_rewinds(run):
    script = (
        PLAYER
        % """
        player.take(data(20, { running: false, start: 13 }));
        const log = [seen(), player.playing];
        player.step(Infinity); log.push(seen());
        player.take(data(5, { run: "r2" })); log.push(seen(), player.playing);
        player.pause();
        return log;
    """
    )
    assert run("transport", script) == [12, False, 38, 0, True]


def test_a_click_in_a_chart_moves_the_player(run):
    script = (
        PLAYER
        % """
        const { setCursor } = await import("/bus.js");
        player.take(data(20)); setCursor(player.id, 7, "figure");
        return [player.ks[player.index], player.playing];
    """
    )
    assert run("transport", script) == [6, False]


SCENE = """(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { style: "width: 200px; height: 100px" });
    document.body.append(canvas);
    const scene = new m.Scene(canvas, { drawn() {}, lost() {} });
    scene.settings.background = "#ffffff";
    scene.settings.fog = 0;
    scene.camera.frame({ centre: [0, 0, 0], half: [1, 1, 1], radius: 1 }, 2, { keepAngles: true });
    const { identity } = await import("/matrix.js");
    const pixel = (x, y) => {
        scene.draw();
        const out = new Uint8Array(4);
        const { gl, ratio } = scene;
        gl.readPixels(x * ratio, canvas.height - 1 - y * ratio, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, out);
        return [...out.subarray(0, 3)];
    };
    try { %s } finally { scene.dispose(); canvas.remove(); }
})()"""


def test_a_point_is_drawn_where_it_is_projected_and_can_be_picked(run):
    script = (
        SCENE
        % """
        scene.setCloud("a", { positions: new Float32Array([0.3, 0.1, 0.2, -0.9, 0.5, -0.4]) });
        scene.set("a", { kind: "points", cloud: "a", size: 8, colour: "#ff0000" });
        const { x, y } = scene.project([0.3, 0.1, 0.2]);
        const picked = scene.pick(x + 2, y);
        return [pixel(Math.round(x), Math.round(y)), pixel(2, 2), picked.index, picked.layer];
    """
    )
    assert run("scene", script) == [[255, 0, 0], [255, 255, 255], 0, "a"]


def test_sixteen_bit_positions_are_decoded_on_the_graphics_card(run):
    script = (
        SCENE
        % """
        const positions = new Uint16Array([65535, 0, 32768]);
        scene.setCloud("q", { positions, offset: [-1, 0.25, -1], extent: [2, 1, 2] });
        scene.set("q", { kind: "points", cloud: "q", size: 8, colour: "#0000ff" });
        const at = scene.pointAt("q", 0, identity());
        const { x, y } = scene.project(at);
        return [at, pixel(Math.round(x), Math.round(y))];
    """
    )
    at, colour = run("scene", script)
    np.testing.assert_allclose(at, [1, 0.25, 0], atol=2e-5)
    assert colour == [0, 0, 255]


def test_scalars_are_looked_up_in_the_palette(run):
    script = (
        SCENE
        % """
        const scalars = new Uint8Array([0, 255]);
        scene.setCloud("s", { positions: new Float32Array([0, 0, 0.5, 0, 0, -0.5]), scalars });
        scene.setPalette("scalar", ["#000000", "#00ff00"], "#ff00ff");
        scene.set("s", { kind: "points", cloud: "s", size: 8, mode: "scalar" });
        const at = (z) => {
            const p = scene.project([0, 0, z]);
            return pixel(Math.round(p.x), Math.round(p.y));
        };
        return [at(0.5), at(-0.5)];
    """
    )
    assert run("scene", script) == [[255, 0, 255], [0, 255, 0]]


def test_lines_and_arrow_heads_are_drawn_over_the_points(run):
    script = (
        SCENE
        % """
        const line = { colour: "#ff0000", size: 4, onTop: true };
        scene.set("l", { kind: "segments", data: new Float32Array([0, 0, -0.8, 0, 0, 0.8]), ...line });
        scene.set("h", { kind: "heads", data: new Float32Array([0, 0, 0.8, 0, 0, 0]), ...line });
        const at = (z, off) => {
            const p = scene.project([0, 0, z]);
            return pixel(Math.round(p.x) + off, Math.round(p.y) + 8);
        };
        const middle = scene.project([0, 0, 0]);
        return [pixel(Math.round(middle.x), Math.round(middle.y)), at(0.8, 3), at(0, 6)];
    """
    )
    # beside the shaft it is white, beside it at the tip there is the head
    assert run("scene", script) == [[255, 0, 0], [255, 0, 0], [255, 255, 255]]


def test_a_lost_context_comes_back_with_everything_drawn(run):
    script = (
        SCENE
        % """
        scene.setCloud("a", { positions: new Float32Array([0, 0, 0]) });
        scene.set("a", { kind: "points", cloud: "a", size: 8, colour: "#ff0000" });
        const { x, y } = scene.project([0, 0, 0]);
        const once = { once: true };
        const event = (name) => new Promise((resolve) => canvas.addEventListener(name, resolve, once));
        const lost = event("webglcontextlost");
        scene.lostContext.loseContext();
        await lost;
        scene.draw();
        const back = event("webglcontextrestored");
        await new Promise((resolve) => setTimeout(resolve, 50));
        scene.restore();
        await back;
        return pixel(Math.round(x), Math.round(y));
    """
    )
    assert run("scene", script) == [255, 0, 0]


def test_two_hundred_thousand_points_a_cloud_are_drawn_without_an_error(run):
    script = (
        SCENE
        % """
        for (const name of ["a", "b"]) {
            const positions = Float32Array.from({ length: 600_000 }, () => 2 * Math.random() - 1);
            scene.setCloud(name, { positions });
            scene.set(name, { kind: "points", cloud: name, size: 2 });
        }
        const { translation } = await import("/matrix.js");
        for (let i = 0; i < 3; i += 1) { scene.set("a", { model: translation([i, 0, 0]) }); scene.draw(); }
        return scene.gl.getError();
    """
    )
    assert run("scene", script) == 0


def test_the_cursor_marks_each_curve_at_the_shown_iterate(run):
    script = """(() => {
        const host = document.createElement("div");
        const overlay = new m.CursorOverlay(host);
        overlay.colour({ muted: "#888", panel: "#fff" });
        const axis = (offset, length, scale) => ({ _offset: offset, _length: length, d2p: (v) => v * scale });
        const gd = { _fullLayout: { xaxis: axis(40, 200, 10), yaxis: axis(5, 100, 1) } };
        const traces = [
            { x: [0, 0.5, 1], y: [10, 20, 30], customdata: [0, 5, 10] },
            { x: [0, 5, 10], y: [50, 60, NaN] },
            { x: [0], y: [70], visible: "legendonly" },
        ];
        overlay.draw(gd, traces, 7);
        const place = (c) => [+c.getAttribute("cx"), +c.getAttribute("cy")];
        const marks = [...host.querySelectorAll("circle")].map(place);
        return [marks, host.querySelectorAll("line").length];
    })()"""
    assert run("figure_cursor", script) == [[[45, 25], [90, 65]], 2]
