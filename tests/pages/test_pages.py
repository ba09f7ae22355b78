"""Every page without a browser: Streamlit's AppTest runs the script, here are the clicks."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import registry
from core.io.pointcloud import write_ply
from pages.ui import session
from pages.ui.explain import experiments

SHELL = Path(__file__).parents[2] / "pages" / "shell.py"
PAGES = ("home.py", "registration.py", "poisson.py", "about.py")
#: Bytes of one message; the clouds travel once, everything else at every look at a run.
GEOMETRY_BYTES, TICK_BYTES = 4_000_000, 40_000


@pytest.fixture
def visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return who visits; the cookie stays the same from run to run of the script."""
    owner = str(tmp_path)
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {session.OWNER_COOKIE: owner}))
    return owner


@pytest.fixture
def app(visitor: str) -> AppTest:
    """Return the app as this visitor sees it."""
    return AppTest.from_file(SHELL, default_timeout=60)


def open_lab(app: AppTest, **query: str) -> AppTest:
    app.run()
    for key, value in query.items():
        app.query_params[key.replace("__", ".")] = value
    return checked(app.switch_page("registration.py").run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].message
    return app


def html(app: AppTest) -> list[str]:
    return [element.proto.body for element in app.get("html")]


def status(app: AppTest) -> str:
    """Return the sentence of the run's status line; an analysis in a tab has another, further down."""
    line, *_ = (body for body in html(app) if 'role="status"' in body)
    return line.split("<span>")[-1].split("</span>")[0]


def settle(app: AppTest, wanted: str, *, without: bool = False, seconds: float = 60.0) -> str:
    """Look at the run, as the page's timer does, until the status line says what is wanted (or no more)."""
    end = time.monotonic() + seconds
    while (wanted in status(app)) is without:
        assert time.monotonic() < end, status(app)
        time.sleep(0.05)
        checked(app.run())
    return status(app)


def corner(offset: float = 0.0, seed: int = 0) -> bytes:
    """Return a PLY of three walls that meet."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.5, 6.0, (3000, 3))
    points[np.arange(3000), np.arange(3000) % 3] = 0.0
    stream = io.BytesIO()
    write_ply(stream, points - 3.0 + offset)
    return stream.getvalue()


def upload(app: AppTest, slot: str, name: str, content: bytes) -> AppTest:
    app.file_uploader(key=f"upload.{slot}").set_value([(name, content, "application/octet-stream")])
    return checked(app.run())


def widgets(app: AppTest) -> list[tuple[str, str]]:
    """Return key and URL parameter of every widget that Streamlit binds."""
    kinds = (app.number_input, app.toggle, app.text_input, app.text_area)
    return [(w.key or "", w.proto.query_param_key) for kind in kinds for w in kind]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(app: AppTest, page: str) -> None:
    app.run()
    checked(app.switch_page(page).run())
    assert any("<h1" in body for body in html(app)) or app.title


def test_every_method_and_problem_is_on_the_page_of_methods(app: AppTest) -> None:
    app.run()
    checked(app.switch_page("about.py").run())
    labels = [expander.label for expander in app.expander]
    for lab in registry.labs():
        for method in registry.methods(lab.key):
            assert f"{method.title} ({method.key})" in labels
        for problem in registry.problems(lab.key):
            assert f"{problem.title} ({problem.key})" in labels


def test_the_gallery_asks_every_question_and_gives_a_verdict(app: AppTest) -> None:
    app.run()
    cards = [body for body in html(app) if '<h2 class="it-card-title"' in body]
    assert len(cards) == sum(len(experiments(lab.key)) for lab in registry.labs())
    # labs without recordings link to what they compute at once
    recorded = [card for card in cards if "it-chip" in card and "it-thumbnail" in card]
    assert len(recorded) == len(registry.experiments("registration"))


def test_the_lab_shows_a_recording_first(app: AppTest) -> None:
    open_lab(app)
    assert status(app).startswith("Recorded earlier: ")
    assert not app.button(key="run.go").disabled
    assert app.button(key="run.pause").disabled
    assert app.button(key="run.stop").disabled


def test_run_computes_what_the_recording_shows(app: AppTest) -> None:
    open_lab(app)
    recorded = status(app)
    app.button(key="run.go").click().run()
    settle(app, "Recorded", without=True)
    computed = settle(app, "reached its tolerance")
    iterations = recorded.split("tolerance after ")[1].split()[0]
    assert f"DCReg reached its tolerance after {iterations} iterations" in computed
    assert any("weakly constrained" in body for body in html(app))


def test_a_better_fit_at_a_worse_place_is_pointed_out(app: AppTest) -> None:
    open_lab(app, p="corridor", m="icp_plane", m2="xicp")
    settle(app, "reached its tolerance")
    assert any("farther from the true one" in body for body in html(app))


def test_a_step_stops_after_one_iterate_and_stop_ends_the_run(app: AppTest) -> None:
    open_lab(app, p="room", m2="none", m__rtol_translation="1e-14", m__rtol_rotation="1e-14", m__kernel="l1")
    settle(app, "after 100 iterations")
    app.number_input(key="m.max_iterations").set_value(50).run()
    settle(app, "Ready")
    app.button(key="run.step").click().run()
    assert "at k = 1" in settle(app, "Paused")
    app.button(key="run.step10").click().run()
    settle(app, "at k = 11")
    assert not app.button(key="run.stop").disabled
    app.button(key="run.stop").click().run()
    settle(app, "what was computed stays")
    assert app.button(key="run.stop").disabled


def test_a_link_computes_at_once(app: AppTest) -> None:
    open_lab(app, p="tunnel", m="icp_plane", m2="none", m__max_iterations="3")
    assert "stopped at its iteration limit after 3 iterations" in settle(
        app, "stopped at its iteration limit"
    )


def test_parameters_of_problem_and_methods_are_bound_to_the_address(app: AppTest) -> None:
    open_lab(app)
    bound = dict(widgets(app))
    specs = {
        "p": registry.problem_spec("registration", "corridor"),
        "m": registry.method_spec("registration", "dcreg"),
    }
    for prefix, spec in specs.items():
        for parameter in spec.parameters:
            key = f"{prefix}.{parameter.name}"
            if parameter.choices:
                # the option's key goes into the address, not its title
                box, other = app.selectbox(key=key), [c for c in parameter.choices if c != parameter.default]
                checked(box.set_value(other[0]).run())
                assert app.query_params[key] in (other[0], [other[0]])
            else:
                assert bound[key] == key


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"m": "nosuch"}, "ignored ?m=nosuch"),
        ({"p": "nowhere"}, "ignored ?p=nowhere"),
        ({"m__colour": "red"}, "ignored ?m.colour=red"),
        ({"m__max_iterations": "abc"}, "?m.max_iterations"),
        ({"m__max_iterations": "-3"}, "?m.max_iterations"),
        ({"p__source": "/etc/passwd"}, "ignored ?p.source"),
    ],
)
def test_what_a_link_asks_in_vain_is_said(app: AppTest, query: dict[str, str], sentence: str) -> None:
    open_lab(app, **query)
    assert any(sentence in warning.value for warning in app.warning), [w.value for w in app.warning]
    assert not app.button(key="run.go").disabled or "Running" in status(app)


def test_number_controls_work_at_both_ends_of_their_range(app: AppTest) -> None:
    open_lab(app, p="room")
    keys = [number.key for number in app.number_input]
    assert len(keys) > 10
    for key in keys:
        number = app.number_input(key=key)
        default = number.value
        for value in (number.min, number.max, default):
            if value is not None:
                checked(app.number_input(key=key).set_value(value).run())
                assert not app.error, (key, value, app.error[0].value)


def test_every_choice_and_switch_can_be_taken(app: AppTest) -> None:
    open_lab(app, p="room", m2="none")
    for key in [box.key for box in app.selectbox]:
        before = app.selectbox(key=key).value
        for option in app.selectbox(key=key).options:
            checked(app.selectbox(key=key).select(option).run())
        checked(app.selectbox(key=key).set_value(before).run())
    for key in [toggle.key for toggle in app.toggle]:
        checked(app.toggle(key=key).set_value(not app.toggle(key=key).value).run())


def test_the_start_sliders_write_the_pose(app: AppTest) -> None:
    open_lab(app, p="room")
    for axis, unit in zip(("x", "y", "z", "roll", "yaw"), "mmm°°", strict=True):
        slider = app.slider(key=f"start.{axis}")
        for value in (slider.min, slider.max, 0.25):
            checked(app.slider(key=f"start.{axis}").set_value(value).run())
            text = app.text_area(key="p.initial").value
            assert f"{value:g}" in text.split(), (axis, unit, text)


def test_a_pose_that_cannot_be_read_is_refused_with_its_place(app: AppTest) -> None:
    open_lab(app, p="room")
    checked(app.text_area(key="p.initial").set_value("1 2 three").run())
    assert len(app.error) == 1
    assert "initial" in app.error[0].value
    assert app.button(key="run.go").disabled


def test_messages_to_the_browser_stay_small(app: AppTest) -> None:
    open_lab(app)
    sizes = {e.proto.component_name: len(e.proto.bytes) for e in app.get("bidi_component")}
    assert 0 < sizes.pop("iterscope_cloud_geometry") < GEOMETRY_BYTES
    assert sum(sizes.values()) < TICK_BYTES, sizes


class TestOwnScans:
    def test_nothing_is_computed_before_both_are_there(self, app: AppTest) -> None:
        open_lab(app, p="scans")
        assert status(app) == "Choose two scans to begin."
        assert app.button(key="run.go").disabled
        upload(app, "source", "moving.ply", corner())
        assert app.button(key="run.go").disabled
        assert any("moving.ply" in body for body in html(app))

    def test_two_scans_are_aligned(self, app: AppTest) -> None:
        open_lab(app, p="scans", m2="none")
        app.session_state["tab"] = "Pose"
        upload(app, "source", "moving.ply", corner(0.04))
        upload(app, "target", "still.ply", corner())
        settle(app, "Ready")
        app.button(key="run.go").click().run()
        settle(app, "DCReg reached its tolerance")
        poses = [code.value for code in app.code if code.value.startswith("# T_target_source")]
        T = np.loadtxt(io.StringIO(poses[0]))
        np.testing.assert_allclose(T[:3, 3], -0.04, atol=2e-3)

    def test_a_broken_file_is_named_and_the_loaded_one_stays(self, app: AppTest, visitor: str) -> None:
        open_lab(app, p="scans")
        upload(app, "source", "good.ply", corner())
        upload(app, "source", "cut.ply", corner()[:-999])
        assert len(app.error) == 1
        assert "cut.ply" in app.error[0].value
        assert app.error[0].value.endswith("good.ply stays loaded.")
        assert session.uploads().get(visitor)["source"].name == "good.ply"

    def test_swapping_exchanges_the_files(self, app: AppTest, visitor: str) -> None:
        open_lab(app, p="scans")
        upload(app, "source", "a.ply", corner(0.04))
        upload(app, "target", "b.ply", corner())
        checked(app.button(key="swap").click().run())
        files = session.uploads().get(visitor)
        assert (files["source"].name, files["target"].name) == ("b.ply", "a.ply")

    def test_scans_are_found_again_by_a_second_session_of_the_same_browser(self, app: AppTest) -> None:
        open_lab(app, p="scans")
        upload(app, "source", "a.ply", corner())
        again = open_lab(AppTest.from_file(SHELL, default_timeout=60), p="scans")
        assert any("a.ply" in body for body in html(again))

    def test_a_new_scan_may_replace_one_that_a_run_has_used(self, app: AppTest) -> None:
        open_lab(app, p="scans", m2="none")
        upload(app, "source", "first.ply", corner(0.04))
        upload(app, "target", "still.ply", corner())
        settle(app, "Ready")
        app.button(key="run.go").click().run()
        settle(app, "reached its tolerance")
        upload(app, "source", "second.ply", corner(0.03, seed=1))
        settle(app, "Ready")
        app.button(key="run.go").click().run()
        settle(app, "reached its tolerance")

    def test_a_scan_of_few_points_is_refused_in_one_sentence(self, app: AppTest) -> None:
        open_lab(app, p="scans", m2="none")
        upload(app, "source", "tiny.xyz", b"0 0 0\n1 0 0\n0 1 0\n")
        upload(app, "target", "still.ply", corner())
        for _ in range(200):
            if app.error:
                break
            time.sleep(0.05)
            checked(app.run())
        assert len(app.error) == 1
        assert "tiny.xyz" in app.error[0].value
