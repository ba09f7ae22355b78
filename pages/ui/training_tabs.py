"""The tabs below a race of trainings: how each ended, the methods, the numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.optimizers.weight_steps import explain_weights, unit
from pages.figures import optimizers as figures
from pages.figures import tables
from pages.ui.controls import choice
from pages.ui.explanations import draw_explanation
from pages.ui.training_views import Trainings


def ends_tab(shown: Trainings) -> None:
    """Draw the table of how every training ended."""
    training = shown.problem
    rows = []
    for member, name, result in zip(shown.members, figures.labels(shown.members), shown.results, strict=True):
        row = {
            "method": name,
            "training loss": _text(result["train_loss"]),
            "held-out loss": _text(result["validation_loss"]),
        }
        if training.classes:
            accuracy = result["accuracy"]
            row["held-out accuracy"] = "–" if accuracy is None else f"{accuracy:.1%}"
        seconds = float(member.view.seconds[-1])
        row |= {
            "‖gradient‖ of the batch": _text(result["grad_norm"]),
            "steps": str(result["steps"]),
            "passes over the data": f"{figures.passes(member)[-1]:.3g}",
            "time [s]": f"{seconds:.2f}",
            "ms a step": f"{1e3 * seconds / max(1, result['steps']):.2f}",
            "outcome": member.view.note or member.view.status.value,
        }
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
    batch = training.batch or len(training.function)
    st.caption(
        f"Same data, first weights and batches for all: {len(training.function):,} samples to train on, "
        f"{batch} a step, {len(training.held_out):,} held out, {training.n:,} parameters in single "
        "precision. A rate decides much: the tab Over seeds gives each method its best one."
    )


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def explain_tab(shown: Trainings, k: int | None) -> None:
    """Draw the formulas of the step under the cursor with its numbers, for the weights of one unit."""
    members, training = shown.members, shown.problem
    if k is None or not members:
        st.caption("The step under the cursor stands here when the training is over.")
        return
    names = figures.labels(members)
    with st.container(width=280):
        number = int(choice("Method", {str(i): name for i, name in enumerate(names)}, "0", "explained"))
    member, name = members[number], names[number]
    try:
        found = explain_weights(member.recipe.build_method(), training, member.view, k)
    except ValueError as error:
        st.caption(f"{name}: {error}.")
        return
    part, hint = unit(training), "Choose the step with the player. "
    if len(np.ravel(found.lines[-1].value)) == training.n:
        part, hint = slice(None), hint + "All parameters of the network, one after the other."
    else:
        hint += f"The first row of “{training.network.names[0]}”; all other weights are treated alike."
    following = member.view.snapshots.get(found.k + 1)
    draw_explanation(found, name, hint, None if following is None else following["x"][part])


def numbers_tab(shown: Trainings) -> None:
    """Draw the tables of iterates."""
    for member, name in zip(shown.members, figures.labels(shown.members), strict=True):
        with st.expander(f"{name}: {len(member.view)} iterates, recipe {member.recipe.hash()}"):
            st.dataframe(tables.iterates(member), hide_index=True)
