"""The tabs below the race: who needed what, a step explained, the methods, the numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from core.iterate import Array
from core.optimizers.explanation import explain as explain_step
from core.optimizers.explanation import term_histories
from core.trace import Snapshot
from pages.figures import optimizers as figures
from pages.figures import tables
from pages.ui import components
from pages.ui.controls import choice
from pages.ui.explanations import draw_explanation
from pages.ui.optimizer_views import GROUP, Selection, Shown


def race_tab(shown: Shown) -> None:
    """Draw the table of how every method ended."""
    rows = []
    for member, name, result in zip(shown.members, figures.labels(shown.members), shown.results, strict=True):
        rows.append(
            {
                "method": name,
                "loss": _text(result["loss"]),
                "best loss": _text(result["best_loss"]),
                "‖gradient‖": _text(result["grad_norm"]),
                "distance to the minimum": _text(result["distance_to_minimum"]),
                "steps": result["steps"],
                "evaluations": result["evaluations"],
                "time [ms]": round(1e3 * float(member.view.seconds[-1]), 1),
                "outcome": member.view.note or member.view.status.value,
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    st.caption(
        "Same landscape, same start, float64 for all. A rate decides much: the Tuning tab finds each one's "
        "best one with the same number of runs."
    )


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def explain_tab(shown: Shown, selection: Selection, k: int | None) -> None:
    """Draw the formulas of the step under the cursor with its numbers."""
    members = shown.members
    if k is None or not members:
        st.caption("The step under the cursor stands here when the race is over.")
        return
    number = min(selection.arrows_of or 0, len(members) - 1)
    member, name = members[number], figures.labels(members)[number]
    try:
        found = explain_step(member.recipe.build_method(), member.view, k)
    except ValueError as error:
        st.caption(f"{name}: {error}.")
        return
    hint = "Choose the method above the landscape, the step with the player. Colours are those of the arrows."
    draw_explanation(found, name, hint, _following(member.view.snapshots, found.k, slice(None)))
    _term_over_the_race(shown, number)


def _following(snapshots: Mapping[int, Snapshot], k: int, part: slice) -> Array | None:
    following = snapshots.get(k + 1)
    return None if following is None else np.atleast_1d(following["x"])[part]


def _term_over_the_race(shown: Shown, explained: int) -> None:
    """Draw one term of the formulas for every method that has it, over the whole race."""
    members = shown.members
    histories = shown.cached(
        "terms", lambda: [term_histories(m.recipe.build_method(), m.view) for m in members]
    )
    options = {name: history.words for history in reversed(histories) for name, history in history.items()}
    if not options:
        return
    own = [name for name in histories[explained] if name in options]
    # what only this method has says most about it
    rare = sorted(own or options, key=lambda name: sum(name in history for history in histories))
    name = choice("A term over the whole race", options, rare[0], "term")
    has = [i for i, history in enumerate(histories) if name in history]
    columns = [histories[i][name].values for i in has]
    known = np.concatenate([c[np.isfinite(c)] for c in columns])
    wide = bool((known > 0).all() and known.max(initial=0.0) > 20 * known.min(initial=np.inf))
    x_axis = str(st.session_state.get("x") or "steps")
    components.live_figure(
        "term.history",
        figures.race([members[i] for i in has], columns, x_axis, figures.FINAL_POINTS, log=wide, sparse=True),
        group=GROUP, run=f"{shown.run}.{x_axis}.{name}", height=240,
        title=f"{options[name].capitalize()}: mean size over the coordinates",
    )  # fmt: skip


def data_tab(shown: Shown) -> None:
    """Draw the tables of iterates."""
    problem = shown.problem
    if problem.formula:
        st.code(f"f = {problem.formula}", language=None, wrap_lines=True)
    for member, name in zip(shown.members, figures.labels(shown.members), strict=True):
        with st.expander(f"{name}: {len(member.view)} iterates, recipe {member.recipe.hash()}"):
            st.dataframe(tables.iterates(member), hide_index=True)
