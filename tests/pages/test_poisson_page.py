"""The Poisson page without a browser: every problem draws, links, uploads, tabs."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from scipy import io as matrix_market
from scipy import sparse
from streamlit.testing.v1 import AppTest

from core import registry
from pages.ui import session
from pages.ui.explain import experiment_query
from tests.pages.test_pages import SHELL, checked, html, settle, status

QUICK = {"m": "cg", "m2": "multigrid_pcg", "m3": "none", "m4": "none", "m5": "none", "p.n": "16"}


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """Return the app as one visitor sees it."""
    owner = str(tmp_path)
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {session.OWNER_COOKIE: owner}))
    return AppTest.from_file(SHELL, default_timeout=60)


def open_poisson(app: AppTest, query: dict[str, str]) -> AppTest:
    app.run()
    for key, value in query.items():
        app.query_params[key] = value
    return checked(app.switch_page("poisson.py").run())


def finding(app: AppTest) -> str:
    (body,) = (body for body in html(app) if body.startswith('<div class="it-finding'))
    return body


def upload(app: AppTest, slot: str, name: str, content: bytes) -> AppTest:
    box = app.file_uploader(key=f"upload.poisson.{slot}")
    box.set_value([(name, content, "application/octet-stream")])
    return checked(app.run())


def mtx(matrix: Any) -> bytes:
    stream = io.BytesIO()
    matrix_market.mmwrite(stream, sparse.coo_matrix(matrix), symmetry="general")
    return stream.getvalue()


def laplacian(n: int) -> sparse.csr_matrix:
    ones = np.ones(n)
    return sparse.diags([-ones[1:], 2.1 * ones, -ones[1:]], [-1, 0, 1]).tocsr()


def test_the_first_open_races_by_itself(app: AppTest) -> None:
    open_poisson(app, {})
    assert settle(app, "methods reached their tolerance") == "All 5 methods reached their tolerance"
    words = finding(app)
    for name in ("CG", "MIC-PCG", "NPSDO", "multigrid-PCG", "PyAMG SA-CG"):
        assert name in words
    assert "Fewest iterations: multigrid-PCG." in words


@pytest.mark.parametrize("problem", ["box", "open_box", "disc", "walls", "maze", "blobs"])
@pytest.mark.parametrize("dim", ["2", "3"])
def test_every_generated_problem_draws(app: AppTest, problem: str, dim: str) -> None:
    open_poisson(app, {**QUICK, "p": problem, "p.dim": dim, "p.n": "12"})
    settle(app, "reached its tolerance")
    assert "needed" in finding(app)


@pytest.mark.parametrize(
    "tab",
    ["Race", "Spectrum", "Levels", "Conjugacy", "Operators", "Scaling", "Plume", "How it works", "Data"],
)
def test_every_tab_draws(app: AppTest, tab: str) -> None:
    open_poisson(app, {"tab": tab, "p.n": "16"})
    settle(app, "reached their tolerance")
    checked(app.run())


@pytest.mark.parametrize(
    "tab", ["Race", "Spectrum", "Levels", "Conjugacy", "Operators", "Scaling", "Plume", "Data"]
)
def test_no_tab_needs_a_grid(app: AppTest, tab: str) -> None:
    open_poisson(
        app, {"p": "matrix", "m": "cg", "m2": "ic_pcg", "m3": "none", "m4": "none", "m5": "none", "tab": tab}
    )
    upload(app, "matrix", "tri.mtx", mtx(laplacian(50)))
    checked(app.run())
    settle(app, "Ready")
    app.button(key="run.go").click().run()
    settle(app, "reached its tolerance")
    assert "needed" in finding(app)


def test_the_next_steps_race_the_same_solvers_on_another_grid(app: AppTest) -> None:
    open_poisson(app, {})
    settle(app, "methods reached their tolerance")
    first = finding(app)
    checked(app.button(key="next.0").click().run())
    end = time.monotonic() + 30.0
    while finding(app) == first or "work units" not in finding(app):
        assert time.monotonic() < end, status(app)
        checked(app.run())
    assert app.number_input(key="p.n").value == 128
    assert "multigrid-PCG" in finding(app)
    checked(app.button(key="next.3").click().run())
    assert app.selectbox(key="p").value == "painted"


def test_the_matrix_of_generalisation_fills_in_and_stops(app: AppTest) -> None:
    open_poisson(app, {**QUICK, "tab": "Training"})
    settle(app, "reached its tolerance")
    checked(app.button(key="generalisation.go").click().run())
    end = time.monotonic() + 30.0
    while not any(int(run) > 3 for body in html(app) for run in re.findall(r"Run (\d+) of 66", body)):
        assert time.monotonic() < end
        checked(app.run())
    checked(app.button(key="generalisation.stop").click().run())
    assert any("Stopped after" in body for body in html(app))


class TestLinks:
    def test_what_cannot_be_used_is_said(self, app: AppTest) -> None:
        open_poisson(app, {**QUICK, "m2": "quantum", "p.n": "many", "m.blocks": "3"})
        warnings = " ".join(w.value for w in app.warning)
        assert "ignored ?m2=quantum" in warnings
        assert "?p.n" in warnings
        assert "has no parameter blocks" in warnings

    def test_two_of_a_kind_are_told_apart(self, app: AppTest) -> None:
        open_poisson(app, {**QUICK, "m": "mic_pcg", "m2": "mic_pcg", "m2.tau": "1.0"})
        settle(app, "reached its tolerance")
        assert "MIC-PCG (share of fill τ 0.97)" in finding(app)
        assert "MIC-PCG (share of fill τ 1)" in finding(app)

    @pytest.mark.parametrize("experiment", registry.experiments("poisson"), ids=lambda e: e.key)
    def test_an_experiment_shows_its_verdict(self, app: AppTest, experiment: Any) -> None:
        open_poisson(app, experiment_query(experiment))
        end = time.monotonic() + 60.0
        while not any("Measured just now" in body and experiment.claim in body for body in html(app)):
            assert time.monotonic() < end, status(app)
            time.sleep(0.05)
            checked(app.run())


class TestUploads:
    def ask(self, app: AppTest) -> AppTest:
        return open_poisson(
            app, {"p": "matrix", "m": "cg", "m2": "none", "m3": "none", "m4": "none", "m5": "none"}
        )

    def test_without_a_file_the_page_says_what_is_missing(self, app: AppTest) -> None:
        self.ask(app)
        assert status(app) == "Choose a matrix to begin."

    def test_a_matrix_that_is_not_symmetric_is_refused_and_the_good_one_stays(self, app: AppTest) -> None:
        self.ask(app)
        upload(app, "matrix", "good.mtx", mtx(laplacian(30)))
        skew = laplacian(30).tolil()
        skew[0, 5] = 3.0
        upload(app, "matrix", "skew.mtx", mtx(skew))
        (error,) = app.error
        assert "a symmetric matrix" in error.value
        assert "good.mtx stays loaded" in error.value

    def test_a_huge_matrix_is_refused_before_it_is_read(self, app: AppTest) -> None:
        self.ask(app)
        head = b"%%MatrixMarket matrix coordinate real symmetric\n90000000 90000000 900000000\n1 1 2.0\n"
        upload(app, "matrix", "huge.mtx", head)
        (error,) = app.error
        assert "huge.mtx" in error.value
        assert "rows" in error.value

    def test_a_grid_method_says_why_it_refuses_a_matrix(self, app: AppTest) -> None:
        open_poisson(
            app, {"p": "matrix", "m": "multigrid_pcg", "m2": "none", "m3": "none", "m4": "none", "m5": "none"}
        )
        upload(app, "matrix", "good.mtx", mtx(laplacian(30)))
        for _ in range(40):
            checked(app.run())
            if app.error:
                break
        assert "geometric multigrid" in app.error[0].value

    def test_a_painted_mask_makes_a_grid(self, app: AppTest) -> None:
        query = {"p": "painted", "m": "cg", "m2": "none", "m3": "none", "m4": "none", "m5": "none"}
        open_poisson(app, query)
        flags = np.full((20, 24), 2, np.int8)
        flags[8:12, 8:12] = 1
        stream = io.BytesIO()
        np.save(stream, flags)
        settle(app, "reached its tolerance")  # what the page painted for a first visitor
        upload(app, "mask", "mask.npy", stream.getvalue())
        settle(app, "reached its tolerance")
        app.run()
        assert "cannot be painted on" in " ".join(c.value for c in app.caption)
