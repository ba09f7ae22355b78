"""The analyses of the optimizer lab: tuning, the map of starts, the phase diagram; each its own run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core import registry
from core.optimizers.outcomes import ALL, TUNABLE
from core.recipe import Recipe
from core.registry import MethodSpec, Parameter, Value
from core.run import Limits, RunView
from pages.figures import optimizer_maps as charts
from pages.figures import roster
from pages.figures.optimizers import SHORT
from pages.ui import components
from pages.ui.controls import choice, parameter_controls
from pages.ui.live import live_panel
from pages.ui.optimizer_controls import LAB, Asked, analysis_of, catch_up, put, settings_text
from pages.ui.optimizer_views import set_start
from pages.ui.session import current_run, lab_state

Engine = tuple[float, Limits]
MAP_HEIGHT = 470
#: What an analysis asks for in another way.
TAKEN = ("method", "settings")


def tuning_tab(asked: Asked, engine: Engine) -> None:
    """Find the best rate of every method on the page with the same number of runs."""
    st.markdown(
        "Every method with a learning rate gets the same number of runs from the start above: a grid of "
        "rates first, then runs beside the best one so far. Compare methods at their own best rates only."
    )
    place, controls = st.columns([13, 5])
    with controls:
        values = parameter_controls(registry.method_spec(LAB, "lr_tuning"), "tune", skip=TAKEN)
    recipes = [
        _recipe("lr_tuning", recipe, values, ("lr", "steps"))
        for recipe in asked.recipes
        if recipe.method in TUNABLE
    ]
    slots = [s for s, recipe in zip(asked.slots, asked.recipes, strict=True) if recipe.method in TUNABLE]
    if not recipes:
        st.caption("No chosen method has a learning rate.")
        return

    def draw(view: RunView, _: Any) -> None:
        members = [m for m in view.members if len(m.view)]
        names = [_name(str(m.recipe.method_params["method"])) for m in members]
        colours = _colours([str(m.recipe.method_params["method"]) for m in members])
        logs = [m.view.snapshots[int(m.view.kept[-1])]["x"] for m in members]
        criterion = str(members[0].recipe.method_params["criterion"]) if members else "loss"
        components.live_figure(
            "tune.figure", charts.tuning(list(zip(names, colours, logs, strict=True)), criterion),
            group=f"{LAB}.tune", run=lab_state(f"{LAB}.tune").run_key, cursor=False, height=MAP_HEIGHT - 90,
            title="Final loss" if criterion == "loss" else "Final distance to the minimum",
        )  # fmt: skip
        done = [int(np.isfinite(log[:, 0]).sum()) for log in logs]
        total = sum(len(log) for log in logs)
        st.progress(sum(done) / max(total, 1), text=f"{sum(done)} of {total} runs done")
        rates = [float(m.view.scalars["best_lr"][-1]) for m in members]
        rows = [
            {"method": name, "best rate": f"{rate:.3g}", "loss there": f"{m.view.scalars['loss'][-1]:.4g}",
             "runs": count, "steps a run": int(m.recipe.method_params["steps"])}
            for name, rate, m, count in zip(names, rates, members, done, strict=True)
        ]  # fmt: skip
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")
        is_of_page = [m.recipe.method_params["method"] for m in members] == [
            recipe.method_params["method"] for recipe in recipes if recipe is not None
        ]
        if view.state.ended and is_of_page:
            found = {
                f"{slot}.lr": float(f"{rate:.3g}")
                for slot, rate in zip(slots, rates, strict=True)
                if np.isfinite(rate)
            }
            st.button(
                "Race at these rates", on_click=put, args=(found,), icon=":material/flag:", key="tune.use",
                help="puts each method's best rate into the sidebar",
            )  # fmt: skip
        with st.expander("Every run"):
            tables = [
                pd.DataFrame(log, columns=["rate", "loss", "distance to the minimum", "evaluations"]).assign(
                    method=name
                )
                for name, log in zip(names, logs, strict=True)
            ]
            st.dataframe(pd.concat(tables).dropna(subset=["rate"]), hide_index=True)
        catch_up()

    analysis("tune", recipes, engine, place, draw, "Press Run to try the rates; stop whenever you like.")


def starts_tab(asked: Asked, engine: Engine) -> None:
    """Map which minimum is reached from where."""
    st.markdown(
        "Every point is a start; its colour says where the method ends. A click takes it into the race."
    )
    place, controls = st.columns([13, 5])
    with controls:
        recipe = _method(asked, "starts")
        if recipe is None:
            return
        values = parameter_controls(registry.method_spec(LAB, "start_map"), "starts", skip=TAKEN)
        layer = st.segmented_control(
            "colour", list(charts.STARTS), default="which minimum", key="starts.layer", required=True
        )
    landscape = asked.landscape

    def draw(view: RunView, _: Any) -> None:
        trace = view.members[0].view
        if not len(trace):
            return
        snapshot = trace.snapshots[int(trace.kept[-1])]
        minima = snapshot.get("minima", landscape.minima if landscape is not None else np.empty((0, 2)))
        components.live_figure(
            "starts.figure", charts.starts(snapshot, str(layer), minima), group=f"{LAB}.starts",
            run=f"{lab_state(f'{LAB}.starts').run_key}.{layer}", title=str(layer).capitalize(), cursor=False,
            height=MAP_HEIGHT, on_point=set_start,
        )  # fmt: skip
        done = np.isfinite(snapshot["x"][..., 2]).mean()
        share = float(trace.scalars["share"][-1])
        st.progress(
            float(max(done, share)), text=trace.note or f"{share:.0%} of the starts are at a minimum so far"
        )
        catch_up()

    analysis(
        "starts", [_recipe("start_map", recipe, values, ("steps",))], engine, place, draw,
        "Press Run to start from everywhere.",
    )  # fmt: skip


def phase_tab(asked: Asked, engine: Engine) -> None:
    """Map where in the plane of two hyper-parameters a method works."""
    st.markdown(
        "A run for every pair of two hyper-parameters. Crosses diverged: their edge is the edge of stability."
    )
    place, controls = st.columns([13, 5])
    with controls:
        recipe = _method(asked, "phase")
        if recipe is None:
            return
        spec = phase_spec(recipe.method_spec)
        prefix = f"phase-{recipe.method}"
        values = parameter_controls(spec, prefix, skip=TAKEN)
        layer = st.segmented_control(
            "colour", list(charts.PHASES), default="final loss", key="phase.layer", required=True
        )
    axes = (str(values["x_name"]), str(values["y_name"]))
    taken = (*axes, "steps")

    def draw(view: RunView, _: Any) -> None:
        member = view.members[0]
        if not len(member.view):
            return
        params, trace = member.recipe.method_params, member.view
        snapshot = trace.snapshots[int(trace.kept[-1])]
        figure = charts.phases(
            snapshot, str(layer), (str(params["x_name"]), str(params["y_name"])),
            (params["x_scale"] == "log", params["y_scale"] == "log"),
        )  # fmt: skip
        components.live_figure(
            "phase.figure", figure, group=f"{LAB}.phase",
            run=f"{lab_state(f'{LAB}.phase').run_key}.{layer}", title=str(layer).capitalize(), cursor=False,
            height=MAP_HEIGHT,
        )  # fmt: skip
        losses = snapshot["x"][..., 0]
        done = int((~np.isnan(losses)).sum())
        text = f"{done} of {losses.size} runs done"
        if np.isfinite(losses).any():
            row, column = np.unravel_index(int(np.nanargmin(losses)), losses.shape)
            text += (
                f"; lowest loss {losses[row, column]:.3g} at {params['x_name']} = "
                f"{snapshot['x_axis'][column]:.3g}, {params['y_name']} = {snapshot['y_axis'][row]:.3g}"
            )
        st.progress(done / losses.size, text=text)

    analysis(
        "phase", [_recipe("phase_diagram", recipe, values, taken)], engine, place, draw,
        "Press Run to fill the diagram from coarse to fine.",
    )  # fmt: skip


def phase_spec(method: MethodSpec) -> MethodSpec:
    """Return the phase diagram's parameters with names and ranges that suit a method."""
    spec = registry.method_spec(LAB, "phase_diagram")
    numbers = [p for p in method.parameters if p.type in (int, float) and p.name != "steps"]
    names = [p.name for p in numbers]
    x = next((p for p in numbers if p.name == "lr"), numbers[0])
    liked = ("momentum", "beta1", "alpha", "history", "gamma", "rtol")
    y = next((p for name in liked for p in numbers if p.name == name and p is not x), numbers[-1])
    defaults: dict[str, Value] = {}
    for axis, parameter in (("x", x), ("y", y)):
        low, high, scale = _range(parameter)
        defaults |= {f"{axis}_name": parameter.name, f"{axis}_low": low, f"{axis}_high": high,
                     f"{axis}_scale": scale}  # fmt: skip
    adapted = []
    for parameter in spec.parameters:
        changed = replace(parameter, default=defaults.get(parameter.name, parameter.default))
        if parameter.name in ("x_name", "y_name"):
            changed = replace(changed, choices={name: name for name in names})
        adapted.append(changed)
    return replace(spec, parameters=tuple(adapted))


def _range(parameter: Parameter) -> tuple[float, float, str]:
    """Return sensible edges of an axis."""
    default = float(parameter.default)
    low = float(parameter.low) if parameter.low is not None else -np.inf
    high = float(parameter.high) if parameter.high is not None else np.inf
    if low >= 0 and high <= 1 and default >= 0.5:
        return low, min(high, 0.98), "linear"
    if default > 0:
        return max(low, default / 30), min(high, default * 30), "log"
    return max(low, 1e-8), min(high, 0.1), "log"


def _method(asked: Asked, prefix: str) -> Recipe | None:
    """Ask which of the page's methods is looked at."""
    able = {f"{i}": r for i, r in enumerate(asked.recipes, 1) if r.method in ALL}
    if not able:
        st.caption("Choose a method in the sidebar.")
        return None
    titles = {key: _name(recipe.method) for key, recipe in able.items()}
    return able[choice("Method", titles, next(iter(able)), f"{prefix}.of")]


def _recipe(analysis: str, recipe: Recipe, values: Mapping[str, Value], taken: Sequence[str]) -> Any:
    """Return the analysis of a method with its settings on the page; None while something is refused."""
    own = {"method": recipe.method, "settings": settings_text(recipe, taken)}
    return analysis_of(recipe, analysis, {**values, **own})


def analysis(
    prefix: str,
    recipes: Sequence[Recipe | None],
    engine: Engine,
    place: Any,
    draw: Callable[[RunView, Any], None],
    empty: str,
) -> None:
    """Draw an analysis that is a run of its own: its controls, its state, its picture.

    Parameters
    ----------
    prefix : of its widgets; names its run.
    recipes : what Run computes; None stands for one that was refused.
    place : container for everything.
    draw : puts a look at the run into the page.
    """
    state = lab_state(f"{LAB}.{prefix}")
    ready = tuple(recipe for recipe in recipes if recipe is not None)
    run = current_run(state)
    shown = run.poll() if run is not None and run.problem is not None else None
    with place:
        bar, below = st.container(key=f"{prefix}_bar"), st.container(key=f"{prefix}_map")

    def put(view: RunView, problem: Any) -> None:
        with below:
            draw(view, problem)

    with bar:
        live_panel(state, ready, shown, put, (0.0, engine[1]), key=prefix, empty=empty)
    if run is not None and ready and ready != run.recipes:
        with place:
            st.caption("The settings have changed since this was computed: press Run to compute it anew.")


def _name(method: str) -> str:
    return SHORT.get(method, registry.method_spec(LAB, method).title)


def _colours(methods: Sequence[str]) -> list[int]:
    return roster.distinct([registry.method_spec(LAB, method).colour for method in methods])
