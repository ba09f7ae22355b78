"""The tab Turn: the task of the page in turned coordinates, for every method of the race."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core import registry
from core.iterate import Array
from core.optimizers.methods.turned_task import LAYERS, TurnedTask
from core.optimizers.outcomes import ALL
from core.recipe import Recipe
from core.run import RunView, State
from pages.figures import recording, turning
from pages.ui import components, explain
from pages.ui.compared import TAKEN, TURN_PREFIX, TURNED, names_of, turned_experiment
from pages.ui.controls import parameter_controls
from pages.ui.optimizer_controls import LAB, Asked, analysis_of, catch_up, settings_text
from pages.ui.optimizer_maps import Engine, analysis
from pages.ui.session import follow_controls, lab_state
from pages.ui.status import finding

LOSS_HEIGHT, ERROR_HEIGHT = 300, 230
#: A path that turns with its task up to this share of the way it made is said to turn with it.
EQUIVARIANT = 1e-6


def turning_tab(asked: Asked, engine: Engine) -> None:
    """Run every method of the page on its landscape turned by 0° to 90°."""
    st.markdown(
        "The same task in other coordinates: f(Qᵀx) from Qx₀. A method that knows only angles and lengths "
        "ends at Q times the same point; one that scales each coordinate for itself does not."
    )
    place, controls = st.columns([13, 5])
    with controls:
        values = parameter_controls(registry.method_spec(LAB, TURNED), TURN_PREFIX, skip=(*TAKEN, "steps"))
    recipe = _recipe(asked, values)
    if recipe is not None and turned_experiment(recipe) is not None:
        # an experiment was asked for by its link: it computes at once
        follow_controls(
            lab_state(f"{LAB}.{TURN_PREFIX}"), (recipe,), (0.0, engine[1]), recorded=False, from_link=True,
            at_once=True,
        )  # fmt: skip

    def draw(view: RunView, _: Any) -> None:
        _draw(view)
        catch_up()

    analysis(TURN_PREFIX, [recipe], engine, place, draw, "Press Run to turn the task.")


def _recipe(asked: Asked, values: Any) -> Recipe | None:
    """Return the turned task of the page's methods; None while something is refused."""
    able = [r for r in asked.recipes if r.method in ALL]
    if not able:
        st.caption("Choose a method in the sidebar.")
        return None
    first = able[0]
    entries = [f"{r.method} {settings_text(r, ('steps',)).replace(', ', ',')}".strip() for r in able]
    params = {**values, "methods": "; ".join(dict.fromkeys(entries)), "steps": first.method_params["steps"]}
    return analysis_of(first, TURNED, params)


def _draw(view: RunView) -> None:
    (member,) = view.members
    trace = member.view
    if not len(trace):
        return
    task: TurnedTask = member.recipe.build_method()
    names, colours = names_of(task.entries(), LAB)
    table, degrees = trace.last("x"), trace.last("degrees")
    if view.state is State.FINISHED and (experiment := turned_experiment(member.recipe)) is not None:
        result = registry.lab(LAB).result(None, trace)
        explain.claim_card(experiment, recording.finding(experiment, [member], [result]), "just now")
    run = lab_state(f"{LAB}.{TURN_PREFIX}").run_key
    for layer, title, height in (
        ("loss", f"Loss after {task.steps} steps", LOSS_HEIGHT),
        ("path_error", "Difference of the ends, turned back", ERROR_HEIGHT),
    ):
        components.live_figure(
            f"turn.{layer}", turning.over_angles(names, colours, degrees, table, layer),
            group=f"{LAB}.{TURN_PREFIX}", run=f"{run}.{layer}", cursor=False, height=height, title=title,
        )  # fmt: skip
    st.caption("‖Qᵀx(angle) − x(0°)‖ at the end, over the way that was made at 0°.")
    done = int(trace.scalars["runs"][-1])
    total = table.shape[0] * table.shape[1]
    st.progress(done / total, text=f"{done} of {total} runs done")
    if view.state.ended and done == total:
        finding(_sentences(names, table))
        st.dataframe(_rows(names, table), hide_index=True, width="stretch")


def _rows(names: list[str], table: Array) -> pd.DataFrame:
    rows = []
    for name, of_method in zip(names, table, strict=True):
        losses, errors = of_method[:, LAYERS.index("loss")], of_method[:, LAYERS.index("path_error")]
        known = losses[np.isfinite(losses)]
        rows.append(
            {
                "method": name,
                "lowest loss": f"{known.min():.3g}" if len(known) else "–",
                "highest loss": f"{known.max():.3g}" if len(known) == len(losses) else "diverged",
                "largest difference of the ends": f"{np.nanmax(errors):.2g}" if len(known) else "–",
            }
        )
    return pd.DataFrame(rows)


def _sentences(names: list[str], table: Array) -> list[str]:
    """Say whose paths turn with the task."""
    errors = np.nan_to_num(table[..., LAYERS.index("path_error")], nan=np.inf).max(axis=1)
    with_it = [name for name, error in zip(names, errors, strict=True) if error <= EQUIVARIANT]
    others = [name for name, error in zip(names, errors, strict=True) if error > EQUIVARIANT]
    said = []
    if with_it:
        said.append(f"Turned with the task, up to rounding: {', '.join(with_it)}.")
    if others:
        said.append(f"Ended elsewhere at other angles: {', '.join(others)}.")
    return said
