"""The smoke plume through the page: in space, on its own pressure, stopped, refused."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.pages.test_poisson_page import app as app
from tests.pages.test_poisson_page import open_poisson
from tests.pages.test_training import statuses, until

TWO = {"tab": "Plume", "m": "cg", "m2": "multigrid_pcg", **{f"m{i}": "none" for i in range(3, 7)}}


def go(app: AppTest, frames: int, side: int, dim: int = 2) -> None:
    app.number_input(key="plume.frames").set_value(frames).run()
    app.number_input(key=f"plume.n{dim}").set_value(side).run()
    app.button(key="plume.go").click().run()


def test_in_space_and_on_its_own_pressure_every_solver_has_its_row(app: AppTest) -> None:
    open_poisson(app, {**TWO, "p.dim": "3", "p.n": "8", "m.rtol": "0.1"})
    app.session_state["plume.advance"] = "own pressure"
    app.run()
    go(app, 4, 12, 3)
    until(app, lambda: "Done: 4 frames" in statuses(app)[1])
    (table,) = (d.value for d in app.dataframe if "smoke at the end [cells]" in d.value)
    assert list(table["solver"]) == ["CG", "multigrid-PCG"]
    assert list(table["frames"]) == [4, 4]
    # each went its own way: two plumes side by side
    assert app.selectbox(key="plume_left").value != app.selectbox(key="plume_right").value
    assert "outcome" not in table


def test_a_plume_can_be_stopped_and_what_it_has_stays(app: AppTest) -> None:
    open_poisson(app, {**TWO, "p.n": "16"})
    go(app, 300, 64)
    until(app, lambda: any("Running: frame" in s for s in statuses(app)))
    app.button(key="plume.stop").click().run()
    until(app, lambda: "Stopped" in statuses(app)[1])


def test_a_matrix_has_no_smoke_and_says_so(app: AppTest) -> None:
    open_poisson(app, {**TWO, "m2": "none", "p": "model_matrix", "p.elements": "4"})
    app.button(key="plume.go").click().run()
    until(app, lambda: any("a grid, which a smoke simulation needs" in e.value for e in app.error), 20.0)
