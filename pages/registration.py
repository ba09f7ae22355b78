"""Scan pairs, degeneracy, iterates in 3-D: the registration lab's page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.run import RunView
from pages.figures import recording
from pages.ui import explain, report
from pages.ui.detail_views import (
    RESIDUAL,
    colour_choice,
    compare_tab,
    data_tab,
    matrices_tab,
    pose_tab,
    residuals_tab,
    send_details,
)
from pages.ui.detection import detection_table
from pages.ui.frame import heading, open_tab
from pages.ui.live import engine_controls, live_panel
from pages.ui.look import draw_claim
from pages.ui.map_views import basin_tab, landscape_tab
from pages.ui.registration_views import (
    Shown,
    draw_claims,
    draw_geometry,
    draw_live,
    shown_now,
)
from pages.ui.scan_controls import LAB, OWN_SCANS, ignored_in_link, scan_controls
from pages.ui.sequence_views import sequence_tab
from pages.ui.session import follow_controls, lab_state

TABS = (
    "Compare",
    "Pose",
    "Matrices",
    "Basin of attraction",
    "Objective landscape",
    "Residuals",
    "Sequence",
    "How it works",
    "Data",
)
state = lab_state(LAB)
asked = dict(st.query_params)

with st.sidebar:
    recipes = scan_controls()
    engine = engine_controls()
if state.ignored is None:
    state.ignored = ignored_in_link(asked)
follow_controls(
    state,
    recipes,
    engine,
    recorded=recording.find(recipes) is not None,
    from_link=bool(asked) and asked.get("p") != OWN_SCANS,
)
shown = shown_now(state, recipes)

heading(LAB, state, recipes, shown, offers=report.downloads(shown))

bar = st.container(border=True, key="run_bar")
thing, numbers = st.columns([13, 7])
with thing:
    view_slot = st.container(key="thing")
    words = st.container(key="words")
with view_slot:
    draw_geometry(shown)
draw_claim(shown)
opened, tab = open_tab(TABS)
with tab:
    colour = colour_choice(shown) if opened == "Residuals" else RESIDUAL
    following = st.container(key="following")


def draw(view: RunView, problem: Any) -> None:
    """Put the newest state into the page's places."""
    newest = Shown.at(state, view, problem) if problem is not None else shown
    if newest is None:
        return
    k = draw_live(newest, view_slot, words, numbers)
    if k is None:
        return
    with view_slot:
        send_details(newest, k, colour)
    with following:
        if opened == "Matrices":
            matrices_tab(newest, k)
        elif opened == "Residuals":
            residuals_tab(newest, k)


with bar:
    live_panel(state, recipes, shown.view if shown else None, draw, engine)

with tab:
    has_results = shown is not None and bool(shown.results)
    if opened == "How it works":
        explain.how_it_works(recipes)
        draw_claims(shown)
        detection_table()
    elif opened == "Basin of attraction":
        basin_tab(recipes, engine)
    elif opened == "Objective landscape":
        landscape_tab(recipes, engine, shown.members if shown is not None else ())
    elif opened == "Sequence":
        sequence_tab(engine)
    elif shown is None or not has_results:
        st.caption("What was found stands here when the run has ended.")
    elif opened == "Compare":
        compare_tab(shown)
    elif opened == "Pose":
        pose_tab(shown)
    elif opened == "Data":
        data_tab(shown)
