"""The tab γ map: how far the linear model of the gradient can be trusted, at every point of a landscape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from core import registry
from core.errors import InputError
from core.optimizers.landscape import Landscape
from core.recipe import Recipe, make
from core.run import MemberView, RunView
from pages.figures import optimizer_maps as charts
from pages.ui import components
from pages.ui.controls import parameter_controls
from pages.ui.optimizer_controls import LAB, Asked, catch_up
from pages.ui.optimizer_maps import MAP_HEIGHT, Engine, analysis
from pages.ui.optimizer_views import GROUP, Shown, set_start
from pages.ui.session import lab_state

KEY, PREFIX = "smoothness_map", "smooth"


def smoothness_tab(asked: Asked, engine: Engine, shown: Shown | None) -> None:
    """Map γ(x), with the paths of the race over it."""
    landscape = asked.landscape
    if landscape is None or len(landscape.window) != 2 or landscape.noise > 0:
        st.caption("A map of γ needs a landscape of two variables without noise.")
        return
    st.markdown(
        "γ(x) is the radius of the largest ball around x in which ∇f(x) + H h predicts the gradient. "
        "Gradient-normalized smoothness finds such a radius by trials: compare its ball at the cursor."
    )
    place, controls = st.columns([13, 5])
    with controls:
        values = parameter_controls(_spec(landscape), PREFIX)
    first = asked.recipes[0]
    try:
        recipe = make(LAB, first.problem, KEY, first.problem_params, values, first.seed)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return

    def draw(view: RunView, problem: Any) -> None:
        member = view.members[0]
        if not len(member.view):
            return
        snapshot = member.view.snapshots[int(member.view.kept[-1])]
        raced = [m for m in (shown.members if shown is not None else ()) if _same_ground(m, member.recipe)]
        trusting = [i for i, m in enumerate(raced) if "gamma" in m.view.scalars]
        components.live_figure(
            "smooth.figure", charts.smoothness(snapshot, problem, raced, next(iter(trusting), None)),
            group=GROUP, run=lab_state(f"{LAB}.{PREFIX}").run_key, height=MAP_HEIGHT + 60,
            title="Radius of trust γ(x), and the paths on it", on_point=set_start,
        )  # fmt: skip
        st.progress(float(np.isfinite(snapshot["x"]).mean()), text=_said(member))
        catch_up()

    analysis(PREFIX, [recipe], engine, place, draw, "Press Run to map γ, coarse to fine.")


def _spec(landscape: Landscape) -> registry.MethodSpec:
    """Return the map's parameters with those Hessians that the landscape has."""
    spec = registry.method_spec(LAB, KEY)
    able = ("exact", *landscape.approximations, "diagonal", "zero")
    return replace(
        spec,
        parameters=tuple(
            replace(p, choices={k: v for k, v in p.choices.items() if k in able}) if p.choices else p
            for p in spec.parameters
        ),
    )


def _same_ground(raced: MemberView, mapped: Recipe) -> bool:
    """Whether a race was on the landscape that the map is of, from wherever."""
    recipe = raced.recipe
    params = [{k: v for k, v in r.problem_params.items() if k != "start"} for r in (recipe, mapped)]
    return (recipe.problem, recipe.seed, params[0]) == (mapped.problem, mapped.seed, params[1])


def _said(member: MemberView) -> str:
    """Say what the map holds so far."""
    share, radius = (float(member.view.scalars[name][-1]) for name in ("share", "radius"))
    if not np.isfinite(radius):
        return "beginning"
    at_cap = f"; at {share:.0%} of the points it is all of the window" if share > 0 else ""
    return f"median γ {radius:.3g}{at_cap}"
