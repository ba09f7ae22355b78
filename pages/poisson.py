"""One grid, six solvers, every iterate: the Poisson lab's page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core import registry
from core.run import RunView
from pages.ui import explain, exports
from pages.ui.live import engine_controls, live_panel
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
from pages.ui.poisson_scaling import scaling_tab
from pages.ui.poisson_tabs import (
    conjugacy_tab,
    data_tab,
    draw_claim,
    how_tab,
    levels_tab,
    race_tab,
    spectrum_tab,
)
from pages.ui.poisson_training import training_tab
from pages.ui.poisson_views import Selection, draw_fields, draw_live, of_run, selection_controls, shown_now
from pages.ui.session import follow_controls, lab_state

TABS = ("Race", "Spectrum", "Levels", "Conjugacy", "Scaling", "Training", "How it works", "Data")
lab = registry.lab(LAB)
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
shown = shown_now(state)

head, actions = st.columns([5, 2], vertical_alignment="center")
with head:
    st.html(f'<h1 class="it-title">{lab.title}</h1><p class="it-tagline">{lab.tagline}.</p>')
with actions, st.container(horizontal=True, horizontal_alignment="right"):
    explain.experiments_popover(LAB)
    if recipes:
        exports.link_popover(recipes, (SHARED,))
    exports.export_popover(shown.members if shown else (), None, ())
for message in state.ignored or ():
    st.warning(message, icon=":material/link_off:")

bar = st.container(border=True, key="run_bar")
thing, numbers = st.columns([11, 9])
selection = Selection("residual", ())
with thing:
    view_slot = st.container(key="thing")
    words = st.container(key="words")
with view_slot:
    if recipes and recipes[0].problem == "painted" and painting():
        painter()
    elif shown is not None and shown.members:
        selection = selection_controls(shown)
        draw_fields(shown, selection)
    else:
        with st.container(border=True):
            st.caption("The grid stands here as soon as it is made.")
draw_claim(shown)
tabs = dict(zip(TABS, st.tabs(TABS, key="tab", on_change="rerun", bind="query-params"), strict=True))
opened = next((name for name, tab in tabs.items() if tab.open), TABS[0])
with tabs[opened]:
    following = st.container(key="following")


def draw(view: RunView, problem: Any) -> None:
    """Put the newest state into the page's places."""
    if problem is None:
        return
    newest = of_run(state, view, problem)
    k = draw_live(newest, selection, view_slot, words, numbers)
    if k is not None and opened == "Levels":
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

with tabs[opened]:
    if opened == "How it works":
        how_tab(shown, recipes)
    elif opened == "Scaling":
        scaling_tab(recipes)
    elif opened == "Training":
        training_tab(recipes)
    elif shown is None or not shown.results:
        st.caption("What was found stands here when the run has ended.")
    elif opened == "Race":
        race_tab(shown)
    elif opened == "Spectrum":
        spectrum_tab(shown)
    elif opened == "Conjugacy":
        conjugacy_tab(shown)
    elif opened == "Data":
        data_tab(shown)
