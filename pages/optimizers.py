"""One landscape, six optimizers, every step: the optimizer lab's page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.optimizers.turning import refusal
from core.optimizers.update_matrices import weights
from core.run import RunView
from pages.ui import explain
from pages.ui.frame import heading, open_tab
from pages.ui.inside_tab import inside_tab
from pages.ui.live import engine_controls, live_panel
from pages.ui.look import draw_claim
from pages.ui.optimizer_controls import (
    DEFAULT_PROBLEM,
    FIRST,
    LAB,
    OUT_OF_DATE,
    SET_BY_US,
    first_query,
    ignored_in_link,
    landscapes,
    last_query,
    methods,
    optimizer_controls,
)
from pages.ui.optimizer_maps import phase_tab, starts_tab, tuning_tab
from pages.ui.optimizer_tabs import data_tab, explain_tab, race_tab
from pages.ui.optimizer_views import GROUP, Selection, Shown, draw_live, selection_controls
from pages.ui.session import follow_controls, lab_state, pending_run, promote
from pages.ui.smoothness_tab import smoothness_tab
from pages.ui.turning_tab import turning_tab
from pages.ui.updates_tab import updates_tab

TABS = (
    "Race",
    "Explain",
    "Inside",
    "Tuning",
    "Start map",
    "Phase diagram",
    "γ map",
    "Turn",
    "How it works",
    "Data",
)
#: Seconds that the page waits for a race before it goes on without it: most are over by then.
AT_ONCE, AT_LEISURE = 0.3, 1.0
state = lab_state(LAB)
query = dict(st.query_params)
# a click is heard in the fragment, which asks for this run; heard here, it needs no other one
st.session_state.pop(OUT_OF_DATE, None)
if not query:
    # rates that suit the first landscape are no defaults: the address names them, and those of who comes back
    last = last_query(state.recipes) if state.recipes else first_query()
    st.switch_page("optimizers.py", query_params=last)

with st.sidebar:
    asked = optimizer_controls()
    engine = engine_controls()
if state.ignored is None:
    state.ignored = ignored_in_link(query, landscapes(), DEFAULT_PROBLEM, methods(), FIRST)
follow_controls(state, asked.recipes, engine, recorded=False, from_link=True, at_once=True)
pending = pending_run(state)
if pending is not None:
    # a rerun on the heels of this one would overtake the message that brings new values to the sidebar
    pending.join(AT_LEISURE if st.session_state.pop(SET_BY_US, False) else AT_ONCE)
    promote(state, pending)
shown = Shown.now(state)

heading(LAB, state, asked.recipes, shown, shared=())
for note in asked.notes:
    st.info(note, icon=":material/info:")

bar = st.container(border=True, key="run_bar")
draw_claim(shown)
thing, numbers = st.columns([11, 9])
selection = Selection()
with thing:
    view_slot = st.container(key="thing")
    words = st.container(key="words")
with view_slot:
    if shown is not None and shown.members:
        selection = selection_controls(shown)
# the map of γ says something to those who race a method that has one
records_gamma = any("gamma" in recipe.method_spec.scalars for recipe in asked.recipes)
turns = asked.landscape is not None and not refusal(asked.landscape)
offered = {"γ map": records_gamma, "Turn": turns}
opened, tab = open_tab([name for name in TABS if offered.get(name, True)])
with tab:
    following = st.container(key="following")


def draw(view: RunView, problem: Any) -> None:
    """Put the newest state into the page's places."""
    if problem is None:
        return
    newest = Shown.at(state, view, problem)
    k = draw_live(newest, selection, view_slot, words, numbers)
    if opened == "Explain":
        with following:
            explain_tab(newest, selection, k)
    elif opened == "Inside":
        with following:
            inside_tab(newest, k, GROUP)
            if k is not None and any(min(w.rows, w.columns) > 1 for w in weights(problem)):
                st.subheader("The steps as matrices")
                updates_tab(newest, k, GROUP)


with bar:
    empty = "Choose an optimizer to begin."
    live_panel(state, asked.recipes, shown.view if shown else None, draw, engine, empty=empty)

with tab:
    if opened == "How it works":
        explain.how_it_works(asked.recipes)
        explain.claims(LAB)
    elif opened == "Tuning":
        tuning_tab(asked, engine)
    elif opened == "Start map":
        starts_tab(asked, engine)
    elif opened == "Phase diagram":
        phase_tab(asked, engine)
    elif opened == "γ map":
        smoothness_tab(asked, engine, shown)
    elif opened == "Turn":
        turning_tab(asked, engine)
    elif shown is None or not shown.results:
        st.caption("What was found stands here when the race is over.")
    elif opened == "Race":
        race_tab(shown)
    elif opened == "Data":
        data_tab(shown)
