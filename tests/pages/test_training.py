"""Training through the page: run, stop, go on from the checkpoint, race with the weights."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core.recipe import make
from core.run import Run
from tests.pages.test_pages import checked, html
from tests.pages.test_poisson_page import app as app
from tests.pages.test_poisson_page import open_poisson

#: Steps in all, and those before the stop: enough to win, a third of the preset's.
STEPS, STOP = 1000, 300


def statuses(app: AppTest) -> list[str]:
    return [body.split("<span>")[-1].split("</span>")[0] for body in html(app) if 'role="status"' in body]


def until(app: AppTest, found: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, statuses(app)
        time.sleep(0.3)
        checked(app.run())


def test_a_training_is_stopped_goes_on_and_wins_over_cg_on_an_unseen_grid(app: AppTest) -> None:
    open_poisson(app, {"tab": "Training", "p.n": "32", "m": "cg", **{f"m{i}": "none" for i in range(2, 7)}})
    app.number_input(key="train.steps").set_value(STEPS).run()
    app.button(key="train.go").click().run()
    until(
        app,
        lambda: "at k = " in statuses(app)[1] and int(statuses(app)[1].split("k = ")[1].split()[0]) > STOP,
    )
    app.button(key="train.stop").click().run()
    until(app, lambda: "Stopped" in statuses(app)[1])
    stopped_at = int(
        next(m.value for m in app.markdown if "Weights of step" in m.value).strip("*").split()[-1]
    )
    assert STOP <= stopped_at < STEPS
    app.button(key="train.on").click().run()
    until(app, lambda: f"{STEPS} of {STEPS} steps" in statuses(app)[1])
    app.button(key="train.race").click().run()
    weights = app.text_input(key="m2.weights").value
    assert app.selectbox(key="m2").value == "npsdo"
    ends = []
    for method, values in (("cg", {}), ("npsdo", {"weights": weights})):
        view = Run([make("poisson", "disc", method, {"n": 128}, values)]).inline().view().members[0].view
        assert view.status.name == "CONVERGED"
        ends.append(int(view.k[-1]))
    assert ends[1] < ends[0] / 5
