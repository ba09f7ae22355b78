"""The tab Updates: each method's step as a matrix."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from core.optimizers.update_matrices import Update, Weight, fullest, spread_over, update, weights
from core.run import MemberView
from pages.figures import optimizers as figures
from pages.figures import updates as charts
from pages.ui import components
from pages.ui.controls import choice
from pages.ui.look import Look
from pages.ui.status import finding

HEIGHT = 260
#: Steps of a method whose rank is drawn.
DRAWN = 50


def updates_tab(shown: Look[Any], k: int | None, group: str) -> None:
    """Draw the updates at the cursor and along the run.

    Parameters
    ----------
    shown : a run whose problem has matrices.
    k : where the cursor rests; None while the run moves.
    group : whose cursor the charts follow.
    """
    if k is None or any(len(m.view.kept) < 2 for m in shown.members):
        st.caption("Updates are taken apart when the run is over.")
        return
    known = weights(shown.problem)
    titles = {str(i): f"{w.name}, {w.rows} × {w.columns}" for i, w in enumerate(known)}
    with st.container(width=280):
        weight = known[int(choice("Matrix", titles, str(fullest(known)), "updates.of"))]
    members = shown.members
    found = [
        shown.kept(("update", m, weight.name, k), partial(update, member.view, weight, k))
        for m, member in enumerate(members)
    ]
    left, right = st.columns(2)
    with left:
        components.live_figure(
            "updates.values", charts.singular_values(members, found), group=f"{group}.updates",
            run=f"{shown.run}.{weight.name}", cursor=False, height=HEIGHT,
            title="Singular values of the update at the cursor, over the largest",
        )  # fmt: skip
    with right:
        along = [_along(shown, m, member, weight) for m, member in enumerate(members)]
        components.live_figure(
            "updates.ranks", charts.ranks(members, along), group=group, run=f"{shown.run}.{weight.name}",
            height=HEIGHT,
            title=f"Effective rank of the update; {min(weight.rows, weight.columns)} is all directions alike",
        )  # fmt: skip
    names = figures.labels(members)
    st.dataframe(_table(names, members, found), hide_index=True, width="stretch")
    there = [(n, u) for n, u in zip(names, found, strict=True) if u is not None and u.values[0] > 0]
    if len(there) > 1 and min(weight.rows, weight.columns) > 1:
        finding([_words(there, weight)])


def _along(shown: Look[Any], number: int, member: MemberView, weight: Weight) -> list[Update]:
    found = []
    for k in spread_over(member.view.kept, DRAWN):
        one = shown.kept(
            ("update", number, weight.name, int(k)), partial(update, member.view, weight, int(k))
        )
        if one is not None:
            found.append(one)
    return found


def _table(names: list[str], members: list[MemberView], found: list[Update | None]) -> pd.DataFrame:
    rows = []
    for name, member, one in zip(names, members, found, strict=True):
        if one is None:
            continue
        row = {
            "method": name,
            "steps": f"{one.k} to {one.k + one.steps}",
            "largest σ": f"{one.values[0]:.3g}",
            "condition σ₁/σₙ": f"{one.condition:.3g}",
            "stable rank ‖U‖²/σ₁²": f"{one.stable_rank:.3g}",
            "effective rank": f"{one.effective_rank:.3g}",
            "RMS of an entry": f"{one.rms:.3g}",
        }
        rate = member.recipe.method_params.get("lr")
        if isinstance(rate, float):
            row["RMS over the rate"] = f"{one.rms / (rate * one.steps):.3g}"
        rows.append(row)
    return pd.DataFrame(rows)


def _words(there: list[tuple[str, Update]], weight: Weight) -> str:
    fullest = max(there, key=lambda pair: pair[1].effective_rank)
    thinnest = min(there, key=lambda pair: pair[1].effective_rank)
    return (
        f"The update of {weight.name} has {fullest[1].effective_rank:.3g} effective directions of "
        f"{min(weight.rows, weight.columns)} with {fullest[0]} and {thinnest[1].effective_rank:.3g} with "
        f"{thinnest[0]}: the more, the more evenly a step moves all directions of the matrix."
    )
