"""The page of trainings without a browser."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.ui import session
from pages.ui.training_controls import tasks, trainers
from tests.pages.test_optimizers_page import ABSURD, checked, expect_defaults, follow, html, opened, words

SHELL = Path(__file__).parents[2] / "pages" / "shell.py"
TWO = {"m": "sgd", "m2": "adam", "m3": "none", "m4": "none", "m5": "none", "m6": "none", "steps": "20"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Return the app as one visitor sees it."""
    owner = str(tmp_path)
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {session.OWNER_COOKIE: owner}))
    return AppTest.from_file(SHELL, default_timeout=60)


def open_page(app: AppTest, **query: str) -> AppTest:
    app.run()
    for key, value in query.items():
        app.query_params[key.replace("__", ".")] = value
    return over(checked(app.switch_page("training.py").run()))


def over(app: AppTest, seconds: float = 40.0) -> AppTest:
    """Look at the page, as its timer does, until the training is over."""
    end = time.monotonic() + seconds
    while not any('class="it-finding' in body and "training is over" not in body for body in html(app)):
        assert time.monotonic() < end, html(app)
        time.sleep(0.05)
        checked(app.run())
    return app


def test_the_first_race_trains_by_itself_and_shows_the_control_of_diffgrad(app: AppTest) -> None:
    open_page(app)
    said = words(app)
    assert "Held-out samples told right" in said
    assert "Adam, half rate and diffGrad go the same way here" in said
    assert app.number_input(key="m.lr").value == pytest.approx(0.03)


@pytest.mark.parametrize("query", ABSURD[1::2], ids=lambda q: q["steps"][:9])
def test_a_link_with_absurd_values_gets_the_defaults(app: AppTest, query: dict[str, str]) -> None:
    opened(app, "training.py", {**TWO, **query})
    expect_defaults(app)
    follow(app, {**TWO, "m.lr": "0.01"})
    assert app.number_input(key="steps").value == 20
    follow(app, query)
    expect_defaults(app)


def test_a_regression_speaks_of_errors_in_the_target_s_unit(app: AppTest) -> None:
    open_page(app, p="dp_regression", p__samples="200", **TWO | {"m2": "lbfgs"})
    assert "Root mean square error of target" in words(app)


def test_a_method_that_a_task_refuses_is_left_out_with_the_reason(app: AppTest) -> None:
    open_page(app, p="char_lm", **TWO | {"m2": "tract", "steps": "2"})
    assert [i.value for i in app.info if "TrAct is left out" in i.value]


def test_every_task_offers_methods_that_it_does_not_refuse(app: AppTest) -> None:
    assert set(tasks()) >= {"digits_mlp", "digits_cnn", "rotated_digits", "char_lm", "dp_regression", "table"}
    assert "nonlinear_cg" in trainers("digits_mlp")
    assert "nonlinear_cg" not in trainers("char_lm")
    assert {"nexus", "tract", "diff2"} <= set(trainers("digits_mlp"))


def test_a_link_sets_what_it_names_and_defaults_where_it_names_nothing(app: AppTest) -> None:
    open_page(app, p="digits_mlp", **TWO | {"m__lr": "0.05", "m2__beta1": "0.5", "p__batch": "32"})
    assert app.number_input(key="m2.beta1").value == pytest.approx(0.5)
    # another race by a link on the same page: its widgets are there already
    app.query_params.clear()
    for key, value in (TWO | {"m.lr": "0.01", "steps": "10"}).items():
        app.query_params[key] = value
    over(checked(app.run()))
    values = {key: app.number_input(key=key).value for key in ("m.lr", "m2.beta1", "p.batch", "steps")}
    assert values == {"m.lr": 0.01, "m2.beta1": 0.9, "p.batch": 64, "steps": 10}


ANALYSES = {
    "seeds": (
        "Over seeds",
        {"seeds.rates": "2", "seeds.seeds": "2", "seeds.steps": "4"},
        "lowest held-out loss",
    ),
    "around": ("Loss around it", {"around.resolution": "5"}, "at the trained network"),
    "way": ("Loss around it", {"around.picture": "plane of the way", "way.resolution": "5"}, "A random walk"),
    "line": ("Loss around it", {"around.picture": "line from the start"}, "arrier"),
    "spectrum": ("Curvature", {"spectrum.lanczos_steps": "6"}, "larger than a tenth of the largest"),
    "sharpness": (
        "Curvature",
        {"curvature.picture": "largest curvature along the way", "sharpness.resolution": "3"},
        "The largest curvature",
    ),
}


@pytest.mark.parametrize("prefix", ANALYSES)
def test_every_analysis_runs_and_says_what_it_found(app: AppTest, prefix: str) -> None:
    tab, query, said = ANALYSES[prefix]
    small = TWO | {"p": "dp_regression", "p.samples": "100", "steps": "6", "tab": tab} | query
    open_page(app, **small)
    checked(app.button(key=f"{prefix}.go").click().run())
    end = time.monotonic() + 40.0
    while not any('class="it-finding' in body and said in body for body in html(app)):
        assert time.monotonic() < end, html(app)
        time.sleep(0.05)
        checked(app.run())


def test_updates_are_taken_apart_at_the_cursor(app: AppTest) -> None:
    open_page(app, p="dp_regression", p__samples="100", **TWO | {"tab": "Updates", "k": "3"})
    (table,) = (t.value for t in app.dataframe if "effective rank" in t.value)
    assert list(table["steps"]) == ["3 to 4", "3 to 4"]
