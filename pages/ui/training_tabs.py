"""The tabs below a race of trainings: how each ended, the methods, the numbers."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.figures import optimizers as figures
from pages.figures import tables
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


def numbers_tab(shown: Trainings) -> None:
    """Draw the tables of iterates."""
    for member, name in zip(shown.members, figures.labels(shown.members), strict=True):
        with st.expander(f"{name}: {len(member.view)} iterates, recipe {member.recipe.hash()}"):
            st.dataframe(tables.iterates(member), hide_index=True)
