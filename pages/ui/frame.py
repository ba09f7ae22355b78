"""What every lab's page has: a heading with its menus, tabs that the address remembers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import registry
from core.recipe import Recipe
from pages.ui import explain, exports
from pages.ui.look import Look
from pages.ui.session import LabState


def heading(
    lab: str,
    state: LabState,
    recipes: Sequence[Recipe],
    shown: Look[Any] | None,
    *,
    shared: Collection[str] | None = None,
    offers: Sequence[exports.Download] = (),
    page: str = "",
) -> None:
    """Draw a page's title, its menus, and what of the address was not understood.

    Parameters
    ----------
    shared : see `exports.link`.
    offers : files beside those that every run gives.
    page : a page of the lab beside its main one.
    """
    spec = registry.lab(lab)
    title, tagline = explain.MORE_PAGES.get(page, (spec.title, spec.tagline))
    head, actions = st.columns([5, 2], vertical_alignment="center")
    with head:
        st.html(f'<h1 class="it-title">{title}</h1><p class="it-tagline">{tagline}.</p>')
    with actions, st.container(horizontal=True, horizontal_alignment="right"):
        explain.experiments_popover(lab, page or lab)
        if recipes:
            exports.link_popover(recipes, shared)
        exports.export_popover(shown.members if shown else (), offers)
    for message in state.ignored or ():
        st.warning(message, icon=":material/link_off:")


def open_tab(names: Sequence[str]) -> tuple[str, DeltaGenerator]:
    """Draw tabs; returns the name of the open one, which alone is filled, and its place."""
    tabs = dict(zip(names, st.tabs(names, key="tab", on_change="rerun", bind="query-params"), strict=True))
    opened = next((name for name, tab in tabs.items() if tab.open), names[0])
    return opened, tabs[opened]
