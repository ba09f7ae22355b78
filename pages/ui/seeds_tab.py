"""The tab Over seeds: every method at its own best rate, from several seeds, with the band between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core import registry
from core.errors import InputError
from core.iterate import Array
from core.optimizers.methods.comparison import LAYERS, Comparison, in_one_form
from core.optimizers.training import Training
from core.optimizers.training_experiments import beats
from core.recipe import Recipe, make
from core.run import Limits, RunView, State
from pages.figures import recording, seeds
from pages.ui import components, explain
from pages.ui.compared import METHOD, PREFIX, TAKEN, names_of, posed
from pages.ui.controls import parameter_controls
from pages.ui.optimizer_controls import LAB, Asked, catch_up, put, settings_text
from pages.ui.optimizer_maps import analysis
from pages.ui.session import follow_controls, lab_state
from pages.ui.status import finding

HEIGHT, RATES_HEIGHT = 330, 230


def seeds_tab(asked: Asked, engine: tuple[float, Limits]) -> None:
    """Compare the methods of the page at equal budgets of tuning, over seeds."""
    st.markdown(
        "Every method is trained once at each rate of the same grid, then from further seeds (other first "
        "weights, other batches) at its best rate. What differs by less than the seeds do is no difference."
    )
    place, controls = st.columns([13, 5])
    with controls:
        spec = registry.method_spec(LAB, METHOD)
        values = parameter_controls(spec, PREFIX, skip=TAKEN)
        with st.expander("What this is"):
            explain.method_explanation(spec)
    quantities = list(seeds.QUANTITIES)
    if isinstance(asked.landscape, Training) and not asked.landscape.classes:
        quantities.pop()
    with place:
        quantity = str(
            st.segmented_control(
                "quantity", quantities, default="held-out loss", key="seeds.quantity", required=True,
                label_visibility="collapsed",
            )
        )  # fmt: skip
    recipe = _recipe(asked, values)
    if recipe is not None and posed(recipe) is not None:
        # an experiment was asked for by its link: it computes at once
        limits = (0.0, engine[1])
        follow_controls(
            lab_state(f"{LAB}.{PREFIX}"), (recipe,), limits, recorded=False, from_link=True, at_once=True
        )

    def draw(view: RunView, _: Any) -> None:
        _draw(view, quantity, asked)
        catch_up()

    analysis(PREFIX, [recipe], engine, place, draw, "Press Run to compare; stop whenever you like.")


def _recipe(asked: Asked, values: Any) -> Recipe | None:
    """Return the comparison of the page's methods; None while something is refused."""
    able = [r for r in asked.recipes if "lr" in r.method_params and r.method != "lbfgs"]
    if not able:
        st.caption("No chosen method has a learning rate.")
        return None
    entries = [f"{r.method} {settings_text(r, ('lr', 'steps'))}" for r in able]
    try:
        methods = in_one_form("; ".join(dict.fromkeys(entries)))
        first = able[0]
        return make(
            LAB, first.problem, METHOD, first.problem_params, {**values, "methods": methods}, first.seed
        )
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return None


def _draw(view: RunView, quantity: str, asked: Asked) -> None:
    (member,) = view.members
    trace = member.view
    if not len(trace):
        return
    comparison: Comparison = member.recipe.build_method()
    names, colours = names_of(comparison.entries(), LAB)
    table, best = trace.last("x"), trace.last("best")
    column = seeds.QUANTITIES[quantity]
    if view.state is State.FINISHED:
        experiment = posed(member.recipe)
        if experiment is not None:
            result = registry.lab(LAB).result(None, trace)
            explain.claim_card(experiment, recording.finding(experiment, [member], [result]), "just now")
    run = f"{lab_state(f'{LAB}.{PREFIX}').run_key}.{quantity}"
    curves = trace.last("curves")[..., column]
    components.live_figure(
        "seeds.bands", seeds.bands(names, colours, trace.last("curve_steps"), curves),
        group=f"{LAB}.{PREFIX}", run=run, cursor=False, height=HEIGHT,
        title=f"{quantity.capitalize()}: mean and range over the seeds, each at its best rate",
    )  # fmt: skip
    tried = table[:, : comparison.rates]
    components.live_figure(
        "seeds.tried", seeds.rates(names, colours, tried, 1 + column, best[:, 0, 0]),
        group=f"{LAB}.{PREFIX}", run=f"{run}.rates", cursor=False, height=RATES_HEIGHT,
        title=f"{quantity.capitalize()} at the end for every rate of the grid, first seed",
    )  # fmt: skip
    total = len(names) * (comparison.rates + comparison.seeds - 1)
    done = int(trace.scalars["runs"][-1])
    st.progress(min(1.0, done / total), text=f"{done} of {total} trainings done")
    st.dataframe(_ends(names, best), hide_index=True, width="stretch")
    if view.state.ended:
        finding(_sentences(names, best, comparison.seeds))
        _take(asked, comparison, best)


def _ends(names: list[str], best: Array) -> pd.DataFrame:
    rows = []
    for name, runs in zip(names, best, strict=True):
        row = {"method": name, "best rate": f"{runs[0, 0]:.3g}" if np.isfinite(runs[0, 0]) else "–"}
        for title, layer in zip(seeds.QUANTITIES, LAYERS[1:], strict=True):
            values = runs[:, LAYERS.index(layer)]
            values = values[~np.isnan(values)]
            row[title] = (
                f"{values.mean():.4g} ({values.min():.4g} to {values.max():.4g})" if len(values) else "–"
            )
        rows.append(row | {"seeds": str(int(np.isfinite(runs[:, 0]).sum()))})
    return pd.DataFrame(rows)


def _sentences(names: list[str], best: Array, count: int) -> list[str]:
    """Say which method has the lowest held-out loss, and which ones the seeds do not tell from it."""
    losses = best[..., LAYERS.index("validation_loss")]
    whole = [i for i in range(len(names)) if np.isfinite(losses[i]).all()]
    if len(whole) < 2 or count < 2:
        return ["A verdict needs two methods or more and two seeds or more of each."]
    order = sorted(whole, key=lambda i: losses[i].mean())
    first = order[0]
    same = [names[i] for i in order[1:] if not beats(losses[first], losses[i])]
    said = f"{names[first]} has the lowest held-out loss on average, {losses[first].mean():.3g}"
    if not same:
        return [f"{said}, and by more than the seeds differ."]
    return [f"{said}; {', '.join(same)} cannot be told from it by these seeds."]


def _take(asked: Asked, comparison: Comparison, best: Array) -> None:
    """Offer the best rates to the race, where it has the same methods."""
    keys = [key for key, _ in comparison.entries()]
    able = [(s, r) for s, r in zip(asked.slots, asked.recipes, strict=True) if r.method in keys]
    if [r.method for _, r in able] != keys:
        return
    found = {
        f"{slot}.lr": float(f"{rate:.3g}")
        for (slot, _), rate in zip(able, best[:, 0, 0], strict=True)
        if np.isfinite(rate)
    }
    st.button(
        "Race at these rates", on_click=put, args=(found,), icon=":material/flag:", key="seeds.use",
        help="puts each method's best rate into the sidebar",
    )  # fmt: skip
