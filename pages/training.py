"""Small networks trained by up to six optimizers at once: the optimizer lab's second page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from core.run import RunView
from pages.ui import explain
from pages.ui.around_tab import around_tab
from pages.ui.curvature_tab import curvature_tab
from pages.ui.frame import heading, open_tab
from pages.ui.inside_tab import inside_tab
from pages.ui.live import engine_controls, live_panel
from pages.ui.look import draw_claim
from pages.ui.optimizer_controls import LAB, OUT_OF_DATE, first_query, ignored_in_link, last_query
from pages.ui.seeds_tab import seeds_tab
from pages.ui.session import follow_controls, lab_state, pending_run, promote
from pages.ui.training_controls import (
    DEFAULT_PROBLEM,
    FIRST,
    empty_sentence,
    first_settings,
    is_quick,
    tasks,
    trainers,
    training_controls,
)
from pages.ui.training_tabs import ends_tab, explain_tab, numbers_tab
from pages.ui.training_views import GROUP, Trainings, draw_training
from pages.ui.updates_tab import updates_tab

PAGE = "training"
TABS = (
    "Race",
    "Over seeds",
    "Explain",
    "Inside",
    "Updates",
    "Loss around it",
    "Curvature",
    "How it works",
    "Data",
)
#: Bytes of the saved parameters of a method, and seconds that the page waits for the first of a run.
SNAPSHOT_BYTES, AT_ONCE = 2**25, 0.1
state = lab_state(PAGE)
query = dict(st.query_params)
st.session_state.pop(OUT_OF_DATE, None)
if not query:
    first = first_settings(first_query(DEFAULT_PROBLEM, FIRST))
    st.switch_page("training.py", query_params=last_query(state.recipes) if state.recipes else first)

with st.sidebar:
    asked = training_controls()
    delay, limits = engine_controls()
    engine = (delay, replace(limits, snapshot_bytes=SNAPSHOT_BYTES))
if state.ignored is None:
    state.ignored = ignored_in_link(
        query, tasks(), DEFAULT_PROBLEM, trainers(query.get("p", DEFAULT_PROBLEM)), FIRST
    )
follow_controls(state, asked.recipes, engine, recorded=False, from_link=True, at_once=is_quick(asked))
pending = pending_run(state)
if pending is not None:
    pending.join(AT_ONCE)
    promote(state, pending)
shown = Trainings.now(state)

heading(LAB, state, asked.recipes, shown, shared=(), page=PAGE)
for note in asked.notes:
    st.info(note, icon=":material/info:")

bar = st.container(border=True, key="run_bar")
draw_claim(shown)
thing, numbers = st.columns([11, 9])
with thing:
    view_slot = st.container(key="thing")
    words = st.container(key="words")
opened, tab = open_tab(TABS)
with tab:
    following = st.container(key="following")


def draw(view: RunView, problem: Any) -> None:
    """Put the newest state into the page's places."""
    if problem is None:
        return
    newest = Trainings.at(state, view, problem)
    k = draw_training(newest, view_slot, words, numbers)
    if opened == "Updates":
        with following:
            updates_tab(newest, k, GROUP)
    elif opened == "Explain":
        with following:
            explain_tab(newest, k)
    elif opened == "Inside":
        with following:
            inside_tab(newest, k, GROUP)


with bar:
    live_panel(state, asked.recipes, shown.view if shown else None, draw, engine, empty=empty_sentence())

with tab:
    if opened == "How it works":
        explain.how_it_works(asked.recipes)
        explain.claims(LAB, PAGE)
    elif opened == "Over seeds":
        seeds_tab(asked, engine)
    elif opened == "Loss around it":
        around_tab(asked, engine)
    elif opened == "Curvature":
        curvature_tab(asked, engine)
    elif shown is None or not shown.results:
        st.caption("What was found stands here when the training is over.")
    elif opened == "Race":
        ends_tab(shown)
    elif opened == "Data":
        numbers_tab(shown)
