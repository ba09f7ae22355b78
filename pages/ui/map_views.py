"""Analyses that sweep two of the six motions: their controls, their own run, their map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core import registry
from core.errors import InputError
from core.recipe import Recipe, make
from core.registration.pose_grid import project_trace
from core.registry import Value
from core.run import Limits, MemberView, RunView
from core.trace import Snapshot
from pages.figures import maps
from pages.ui import components
from pages.ui.controls import parameter_controls
from pages.ui.live import live_panel
from pages.ui.session import LabState, current_run, lab_state

LAB = "registration"
#: Settings that an analysis takes over from the method on the page.
SHARED = ("max_distance", "kernel", "kernel_scale")
MAP_HEIGHT = 460
#: Cursor group of the page: its iterates move on the surface.
GROUP = "registration"
MAP, SURFACE = "map", "surface"


def basin_tab(recipes: Sequence[Recipe], engine: tuple[float, Limits]) -> None:
    """Draw the basin of attraction: the starts from which a method reaches the pose that it should."""
    st.markdown(
        "Each cell is a start, displaced from the true pose (or from the pose reached, where no true pose is "
        "known) by two motions. The chosen method aligns from every one of them."
    )
    _analysis("basin_map", "basin", recipes, engine, maps.BASIN, ())


def landscape_tab(
    recipes: Sequence[Recipe], engine: tuple[float, Limits], members: Sequence[MemberView]
) -> None:
    """Draw the objective over two motions, with the paths of the methods on the page."""
    st.markdown(
        "The objective around the final pose, partners searched anew at each pose. A flat valley is a motion "
        "that the geometry does not hold. The lines are the iterates above, seen in these two motions."
    )
    _analysis("objective_landscape", "landscape", recipes, engine, maps.LANDSCAPE, members)


def _analysis(
    method: str,
    prefix: str,
    recipes: Sequence[Recipe],
    engine: tuple[float, Limits],
    quantities: Sequence[maps.Quantity],
    members: Sequence[MemberView],
) -> None:
    spec, state = registry.method_spec(LAB, method), lab_state(f"{LAB}.{prefix}")
    # the map first: on a phone what stands first is on top
    view_slot, controls = st.columns([13, 5])
    with controls:
        values = parameter_controls(spec, prefix, skip=SHARED)
        asked = _recipe(method, recipes, values)
    run = current_run(state)
    shown = run.poll() if run is not None and run.problem is not None else None
    with view_slot:
        titles = {quantity.title: quantity for quantity in quantities}
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            chosen = st.segmented_control(
                "colour", list(titles), default=quantities[0].title, key=f"{prefix}.quantity",
                label_visibility="collapsed", required=True,
            )  # fmt: skip
            form = _form(prefix) if prefix == "landscape" else MAP
        bar, place = st.container(key=f"{prefix}_bar"), st.container(key=f"{prefix}_map")

    def draw(view: RunView, problem: Any) -> None:
        with place:
            _draw(prefix, state, view, problem, titles[str(chosen)], members, form)

    with bar:
        live_panel(
            state, asked, shown, draw, (0.0, engine[1]), key=prefix,
            empty="Press Run to compute the map; it fills in from coarse to fine.",
        )  # fmt: skip
    if run is not None and asked and tuple(asked) != run.recipes:
        st.caption("The settings have changed since this map was computed: press Run to compute it anew.")


def _form(prefix: str) -> str:
    """Draw the choice between the map and the 3-D surface."""
    chosen = st.segmented_control(
        "view", [MAP, SURFACE], default=MAP, key=f"{prefix}.view", bind="query-params",
        label_visibility="collapsed", required=True,
    )  # fmt: skip
    return str(chosen)


def _recipe(method: str, recipes: Sequence[Recipe], values: Mapping[str, Value]) -> tuple[Recipe, ...]:
    """Return the analysis of the pair on the page, with the distances and kernel of its first method."""
    if not recipes:
        return ()
    first = recipes[0]
    taken = {name: first.method_params[name] for name in SHARED if name in first.method_params}
    try:
        return (make(LAB, first.problem, method, first.problem_params, {**values, **taken}, first.seed),)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return ()


def _draw(
    prefix: str,
    state: LabState,
    view: RunView,
    problem: Any,
    quantity: maps.Quantity,
    members: Sequence[MemberView],
    form: str,
) -> None:
    trace = view.members[0].view
    if not len(trace):
        return
    snapshot = trace.snapshots[int(trace.kept[-1])]
    paths = []
    for member in members:
        if len(member.view):
            spec = member.recipe.method_spec
            paths.append((spec.title, spec.colour, project_trace(problem, trace, member.view)))
    if form == SURFACE:
        _draw_surface(f"{prefix}.surface", snapshot, quantity, paths, f"{state.run_key}.{quantity.key}")
    else:
        components.live_figure(
            f"{prefix}.figure",
            maps.pose_map(snapshot, quantity, paths),
            group=f"{LAB}.{prefix}",
            run=f"{state.run_key}.{quantity.key}",
            title=quantity.title.capitalize(),
            cursor=False,
            height=MAP_HEIGHT,
        )
    done, total = trace.scalars["done"][-1], snapshot["first"].size * snapshot["second"].size
    st.progress(min(1.0, float(done) / total), text=_summary(prefix, trace, int(done), total))


def _draw_surface(
    key: str, snapshot: Snapshot, quantity: maps.Quantity, paths: Sequence[maps.TitledPath], view: str
) -> None:
    surface, tracks = maps.pose_surface(snapshot, quantity, paths, view=view, group=GROUP)
    components.surface_geometry(key, surface, MAP_HEIGHT)
    components.surface_paths(f"{key}.paths", tracks)
    if paths:
        away = max(float(path.left_translation[-1]) for _, _, path in paths)
        turned = max(float(path.left_rotation[-1]) for _, _, path in paths)
        st.caption(
            "The balls are the iterates at the cursor above, seen in these two motions and set on the "
            f"surface. In the other four motions the last poses are up to {1000 * away:.3g} mm and "
            f"{np.degrees(turned):.2g}° away from it."
        )


def _summary(prefix: str, trace: Any, done: int, total: int) -> str:
    if prefix == "basin":
        succeeded = int(np.nansum(trace.snapshots[int(trace.kept[-1])]["success"]))
        return f"{succeeded} of {done} starts succeed; {done} of {total} done"
    return f"{done} of {total} poses done"
