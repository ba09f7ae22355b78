"""The optimizer lab's page without a browser."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import registry
from pages.ui import session
from pages.ui.optimizer_controls import landscapes

SHELL = Path(__file__).parents[2] / "pages" / "shell.py"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Return the app as one visitor sees it."""
    owner = str(tmp_path)
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {session.OWNER_COOKIE: owner}))
    return AppTest.from_file(SHELL, default_timeout=60)


def open_lab(app: AppTest, **query: str) -> AppTest:
    app.run()
    for key, value in query.items():
        app.query_params[key.replace("__", ".")] = value
    return over(checked(app.switch_page("optimizers.py").run()))


def checked(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].message
    return app


def over(app: AppTest, seconds: float = 40.0) -> AppTest:
    """Look at the page, as its timer does, until the race is over."""
    end = time.monotonic() + seconds
    while not any('class="it-finding' in body and "when the race is over" not in body for body in html(app)):
        assert time.monotonic() < end, html(app)
        time.sleep(0.05)
        checked(app.run())
    return app


def html(app: AppTest) -> list[str]:
    return [element.proto.body for element in app.get("html")]


def words(app: AppTest) -> str:
    (found,) = (body for body in html(app) if 'class="it-finding' in body)
    return found


ONE = {"m2": "none", "m3": "none", "m4": "none", "m5": "none", "m6": "none"}


def test_the_first_race_runs_by_itself_and_says_who_arrived(app: AppTest) -> None:
    open_lab(app)
    said = words(app)
    assert "To a millionth of the first gap: L-BFGS needed" in said or "GNS needed" in said
    assert "Not there at the end" in said
    assert app.number_input(key="m2.lr").value == pytest.approx(2e-4)


def test_a_term_of_the_formulas_is_drawn_over_the_race(app: AppTest) -> None:
    open_lab(app, **ONE | {"m": "diffgrad", "m2": "adam", "p": "diffgrad_f1"}, tab="Explain")
    term = app.selectbox(key="term")
    assert term.value == "xi"
    assert {"momentum", "squared gradient", "friction"} <= set(term.options)
    checked(term.set_value("v_").run())


def test_the_card_of_f1_says_that_half_the_rate_does_the_same(app: AppTest) -> None:
    query = {"p": "diffgrad_f1", "m": "diffgrad", "m2": "adam", "m3": "adam_half"}
    query |= {f"{slot}__{name}": value for slot in ("m", "m2", "m3")
              for name, value in (("lr", "0.1"), ("beta1", "0.95"), ("steps", "299"))}  # fmt: skip
    open_lab(app, **query, m4="none", m5="none", m6="none")
    (card,) = (body for body in html(app) if "Measured just now" in body)
    assert "halving Adam's rate" in card.replace("&#x27;", "'")
    assert "it-fails" in card
    said = words(app)
    assert "diffGrad and Adam, half rate end at x = −0.3" in said
    assert "Adam ends at x = 0.200" in said


def test_a_method_that_refuses_a_point_is_left_out_with_its_reason(app: AppTest) -> None:
    open_lab(app, **ONE | {"m": "adam", "m2": "muon"})
    (note,) = (info.value for info in app.info)
    assert note.startswith("Muon is left out: ")
    assert "Adam" in words(app)


def test_methods_that_coincide_on_a_point_are_called_so(app: AppTest) -> None:
    open_lab(app, **ONE | {"m": "adamp", "m2": "sgdp", "m3": "conda"})
    assert [info.value.split(":")[0] for info in app.info] == [
        "On a plain point AdamP is Adam",
        "On a plain point SGDP is SGD with momentum",
        "On a plain point Conda is Adam",
    ]


#: What no field can hold: out of bounds, no number, endless, more digits than Python reads.
ABSURD = [
    {"steps": "1000000", "seed": "-1", "m.lr": "1e99", "m.steps": "1e400"},
    {"steps": "inf", "seed": "1e400", "m.lr": "inf", "delay": "-inf", "limit": "infinity"},
    {"steps": "abc", "seed": "nan", "m.lr": "x", "delay": "x"},
    {"steps": "9" * 5000, "seed": "9" * 5000, "m.lr": "9" * 5000, "k": "9" * 5000},
]


@pytest.mark.parametrize("query", ABSURD, ids=lambda q: q["steps"][:9])
def test_a_link_with_absurd_values_gets_the_defaults(app: AppTest, query: dict[str, str]) -> None:
    opened(app, "optimizers.py", {**ONE, **query})
    expect_defaults(app)


@pytest.mark.parametrize("query", ABSURD, ids=lambda q: q["steps"][:9])
def test_so_does_one_that_is_followed_on_the_page(app: AppTest, query: dict[str, str]) -> None:
    opened(app, "optimizers.py", {**ONE, "steps": "7", "m.lr": "0.01"})
    assert app.number_input(key="steps").value == 7
    follow(app, query)
    expect_defaults(app)


def opened(app: AppTest, page: str, query: dict[str, str]) -> AppTest:
    app.run()
    for key, value in query.items():
        app.query_params[key] = value
    return checked(app.switch_page(page).run())


def follow(app: AppTest, query: dict[str, str]) -> None:
    for key in ("steps", "seed", "m.lr"):
        if key in app.query_params:
            del app.query_params[key]
    for key, value in query.items():
        app.query_params[key] = value
    checked(app.run())


def expect_defaults(app: AppTest) -> None:
    assert app.number_input(key="steps").value is None
    assert app.number_input(key="seed").value == 0
    spec = registry.method_spec("optimizers", app.session_state["m"])
    assert app.number_input(key="m.lr").value == next(p.default for p in spec.parameters if p.name == "lr")
    assert app.number_input(key="delay").value == 0
    assert app.number_input(key="limit").value == 120


@pytest.mark.parametrize(
    "formula", ["__import__('os').system('id')", "x.__class__", "lambda: 0", "(x)(y)", "x" * 5000]
)
def test_a_formula_that_is_no_formula_is_refused_in_place(app: AppTest, formula: str) -> None:
    open_lab(app, **ONE | {"m": "adam", "p": "formula"})
    before = words(app)
    app.text_input(key="p.formula").set_value(formula)
    checked(app.run())
    assert any("formula" in error.value for error in app.error)
    assert words(app) == before


def test_every_landscape_opens(app: AppTest) -> None:

    open_lab(app, **ONE | {"m": "sgd"})
    for problem in landscapes().values():
        app.selectbox(key="p").set_value(problem.key)
        over(checked(app.run()))


def test_another_method_does_not_inherit_the_rate(app: AppTest) -> None:
    open_lab(app)
    app.selectbox(key="m2").set_value("adagrad")
    over(checked(app.run()))
    assert app.number_input(key="m2.lr").value == pytest.approx(0.3)


def progress(app: AppTest) -> list[Any]:
    return [element.proto for element in app.get("progress")]


def run_analysis(app: AppTest, key: str) -> AppTest:
    checked(app.button(key=f"{key}.go").click().run())
    end = time.monotonic() + 40
    while not any("Done, " in body for body in html(app) if 'role="status"' in body):
        assert time.monotonic() < end, [body for body in html(app) if 'role="status"' in body]
        time.sleep(0.1)
        checked(app.run())
    return app


def test_tuning_gives_every_method_the_same_number_of_runs_and_takes_over_the_rates(app: AppTest) -> None:
    open_lab(app, **ONE | {"m": "adam", "m2": "rmsprop", "m3": "gns"}, tab="Tuning")
    app.number_input(key="tune.evaluations").set_value(6)
    app.number_input(key="tune.steps").set_value(20)
    checked(app.run())
    run_analysis(app, "tune")
    table = next(f.value for f in app.dataframe if "best rate" in f.value)
    assert list(table["runs"]) == [6, 6]
    rate = float(table["best rate"][0])
    checked(app.button(key="tune.use").click().run())
    assert app.number_input(key="m.lr").value == pytest.approx(rate, rel=1e-3)


def test_the_map_of_starts_and_the_phase_diagram_are_computed(app: AppTest) -> None:
    open_lab(app, **ONE | {"m": "adam", "p": "himmelblau"}, tab="Start map")
    app.number_input(key="starts.resolution").set_value(8)
    app.number_input(key="starts.steps").set_value(30)
    checked(app.run())
    run_analysis(app, "starts")
    assert any("of the starts" in bar.text for bar in progress(app))


def test_the_map_of_gamma_is_there_for_a_method_that_has_one(app: AppTest) -> None:
    open_lab(app, **ONE | {"m": "adam", "p": "himmelblau"})
    assert "γ map" not in [tab.label for tab in app.tabs]
    open_lab(app, **ONE | {"m": "gns", "p": "himmelblau"}, tab="γ map")
    # those Hessians that the landscape has
    assert len(app.selectbox(key="smooth.hessian").options) == 4
    app.number_input(key="smooth.resolution").set_value(8)
    checked(app.run())
    run_analysis(app, "smooth")
    assert any(bar.text.startswith("median γ") for bar in progress(app))


@pytest.mark.parametrize("method", ["sgd", "adam", "gns", "lbfgs", "newton_cg", "nonlinear_cg"])
def test_the_phase_diagram_offers_axes_that_the_method_has(app: AppTest, method: str) -> None:
    open_lab(app, **ONE | {"m": method}, tab="Phase diagram")
    assert not app.error, app.error[0].value
    assert app.button(key="phase.go").disabled is False


def test_gallery_and_methods_load_no_torch() -> None:
    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        f"app = AppTest.from_file({str(SHELL)!r}, default_timeout=60).run()\n"
        "assert not app.switch_page('about.py').run().exception\n"
        "assert not app.switch_page('home.py').run().exception\n"
        "print(sorted({'torch', 'open3d'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=SHELL.parents[1], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
