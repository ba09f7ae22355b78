"""One grid, six solvers, every iterate: the Poisson lab's page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.run import RunView
from pages.ui import explain
from pages.ui.frame import heading, open_tab
from pages.ui.live import engine_controls, live_panel
from pages.ui.look import draw_claim
from pages.ui.mask_painter import painter, painting
from pages.ui.poisson_controls import (
    LAB,
    NEEDED,
    SHARED,
    computes_at_once,
    empty_sentence,
    ignored_in_link,
    poisson_controls,
)
from pages.ui.poisson_generalisation import generalisation_tab
from pages.ui.poisson_next import next_steps
from pages.ui.poisson_operators import operators_tab
from pages.ui.poisson_plume import plume_tab
from pages.ui.poisson_scaling import scaling_tab
from pages.ui.poisson_space import is_in_space, share_control, surfaces
from pages.ui.poisson_tabs import (
    conjugacy_tab,
    data_tab,
    levels_tab,
    race_tab,
    spectrum_tab,
)
from pages.ui.poisson_training import training_tab
from pages.ui.poisson_views import Selection, Shown, draw_fields, draw_live, selection_controls
from pages.ui.session import follow_controls, lab_state

TABS = (
    "Race",
    "Spectrum",
    "Levels",
    "Conjugacy",
    "Operators",
    "Scaling",
    "Plume",
    "Training",
    "How it works",
    "Data",
)
state = lab_state(LAB)
asked = dict(st.query_params)

with st.sidebar:
    recipes = poisson_controls()
    engine = engine_controls()
if state.ignored is None:
    state.ignored = ignored_in_link(asked)
follow_controls(
    state,
    recipes,
    engine,
    recorded=False,
    from_link=asked.get("p") not in NEEDED,
    at_once=computes_at_once(recipes),
)
shown = Shown.now(state)

heading(LAB, state, recipes, shown, shared=(SHARED,))

bar = st.container(border=True, key="run_bar")
thing, numbers = st.columns([11, 9])
selection = Selection("residual", ())
with thing:
    view_slot = st.container(key="thing")
    words = st.container(key="words")
    if shown is not None:
        next_steps()
    space = st.container(key="space")
with view_slot:
    if recipes and recipes[0].problem == "painted" and painting():
        painter()
    elif shown is not None and shown.members:
        selection = selection_controls(shown)
        draw_fields(shown, selection)
    else:
        with st.container(border=True):
            st.caption("The grid stands here as soon as it is made.")
share = 0.0
if is_in_space(shown):
    with space:
        share = share_control()
draw_claim(shown)
opened, tab = open_tab(TABS)
with tab:
    following = st.container(key="following")


def draw(view: RunView, problem: Any) -> None:
    """Put the newest state into the page's places."""
    if problem is None:
        return
    newest = Shown.at(state, view, problem)
    k = draw_live(newest, selection, view_slot, words, numbers)
    # what the page was drawn without has no place to go; when the run has ended, the page is drawn again
    if k is None or shown is None or shown.moving:
        return
    if is_in_space(newest):
        with space:
            surfaces(newest, selection, share, k)
    if opened == "Levels":
        with following:
            levels_tab(newest, k)


with bar:
    live_panel(
        state,
        recipes,
        shown.view if shown else None,
        draw,
        engine,
        empty=empty_sentence(asked.get("p", "")) if not recipes else "Starting",
    )

with tab:
    if opened == "How it works":
        explain.how_it_works(recipes)
        explain.claims(LAB)
    elif opened == "Scaling":
        scaling_tab(recipes)
    elif opened == "Plume":
        plume_tab(recipes)
    elif opened == "Training":
        training_tab(recipes)
        generalisation_tab(recipes)
    elif shown is None or not shown.results:
        st.caption("What was found stands here when the run has ended.")
    elif opened == "Race":
        race_tab(shown)
    elif opened == "Spectrum":
        spectrum_tab(shown)
    elif opened == "Conjugacy":
        conjugacy_tab(shown)
    elif opened == "Operators":
        operators_tab(shown)
    elif opened == "Data":
        data_tab(shown)
