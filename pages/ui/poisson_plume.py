"""The Poisson lab's smoke plume: each frame's pressure equation solved by every chosen solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import InputError
from core.iterate import Status
from core.poisson.smoke_solver import frame_seconds, read_solver, solver_text
from core.poisson.system import GridSystem
from core.recipe import Recipe, make
from core.run import Limits, MemberView, RunView
from pages.figures import field, plume, roster
from pages.figures import poisson as figures
from pages.ui import components
from pages.ui.controls import choice
from pages.ui.live import is_moving, live_panel
from pages.ui.poisson_views import Selection, flags_of, plane
from pages.ui.session import current_run, lab_state

LAB, METHOD, KEY = "poisson", "smoke_series", "plume"
GROUP = f"{LAB}.{KEY}"
#: Computing time of all solvers together [s]; bytes of the frames of one.
LIMITS = Limits(seconds=300.0, snapshot_bytes=2**26)
#: Frames and cells a side at first; cells that a grid may have, frames that may be asked for.
FRAMES, SIDE, MAX_CELLS, MOST = 60, 96, 2**20, 300
HEIGHT = 300


@dataclass(frozen=True, slots=True)
class _Solver:
    """A solver of the plume as what names and colours are made for."""

    recipe: Recipe


def plume_tab(recipes: Sequence[Recipe]) -> None:
    """Draw the simulation: its controls, the smoke, what each frame cost."""
    st.markdown(
        "Smoke rises, and at every frame a pressure must make the flow free of divergence: the same grid, "
        "another right-hand side. Each solver chosen at the side gets each frame's system, starts from 0, "
        "and is set up once for the grid."
    )
    asked = _controls(recipes)
    state = lab_state(GROUP)
    run = current_run(state)
    shown = run.poll() if run is not None and isinstance(run.problem, GridSystem) else None
    bar = st.container(key="plume_bar")
    smoke, curves = st.columns([9, 11])
    with smoke:
        selection = Selection("smoke", ())
        if run is not None and shown is not None:
            selection = _selection(shown, run.problem, own=_goes_own_way(shown))
            _draw_smoke(shown, run.problem, state.run_key, selection)
        below = st.container(key="plume_cursor")
    with curves:
        quantity = st.segmented_control(
            "Quantity", list(plume.QUANTITIES), default="iterations", key="plume.quantity",
            bind="query-params", required=True, label_visibility="collapsed",
        )  # fmt: skip
        place = st.container(key="plume_curves")

    def draw(view: RunView, problem: Any) -> None:
        members = [m for m in view.members if len(m.view) > 1]
        if not members or not isinstance(problem, GridSystem):
            below.empty()
            place.caption("Each frame's numbers stand here from the first one on.")
            return
        moving = is_moving(view)
        with below:
            newest = _panels(view, problem, selection, newest_only=True) if moving else []
            rev = f"{state.run_key}.{view.revision}"
            about = _about(state.run_key, rev, problem, selection, moving=moving)
            components.newest_fields("plume.newest", field.fields_payload(newest, about))
            ks = np.unique(np.concatenate([m.view.kept for m in members]))
            components.transport(
                "plume.transport", group=GROUP, run=state.run_key, ks=ks, running=moving, follow=True,
            )  # fmt: skip
        names, colours = _roster(members)
        with place:
            components.live_figure(
                "plume.curves", plume.per_frame(members, names, colours, str(quantity)), group=GROUP,
                run=f"{state.run_key}.{quantity}", height=HEIGHT,
                title=plume.QUANTITIES[str(quantity)].capitalize(),
            )  # fmt: skip
            st.dataframe(_table(members, names), hide_index=True, width="stretch", key="plume.table")

    with bar:
        live_panel(
            state, asked, shown, draw, (0.0, LIMITS), key=KEY,
            empty="Press Run: the curves and the smoke fill in frame by frame."
            if asked
            else "Choose a solver, and a problem on a grid.",
        )  # fmt: skip


def _controls(recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
    """Draw what a simulation needs beside problem and solvers; returns its recipes."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="plume_settings"):
        frames = st.number_input("Frames", 1, MOST, FRAMES, key="plume.frames", width=110)
        params = dict(recipes[0].problem_params) if recipes else {}
        if "n" in params:
            most = int(MAX_CELLS ** (1.0 / int(params["dim"])) + 1e-9)
            first = SIDE if int(params["dim"]) == 2 else SIDE // 4
            params["n"] = int(
                st.number_input(
                    "Cells a side",
                    8,
                    most,
                    first,
                    key=f"plume.n{params['dim']}",
                    width=130,
                    help="of the plume alone; the race above keeps its own",
                )
            )
        own = st.segmented_control(
            "Goes on with", ("one pressure", "own pressure"), default="one pressure",
            key="plume.advance", required=True,
            help="one pressure: all solvers get the same right-hand sides. Own pressure: each solver has a "
            "simulation of its own: a loose tolerance (at the side) leaves divergence, which makes smoke or "
            "swallows it.",
        )  # fmt: skip
    found = []
    try:
        for recipe in recipes:
            values = {
                "solver": solver_text(recipe), "frames": int(frames),
                "advance": "own" if own == "own pressure" else "reference",
            }  # fmt: skip
            if "rtol" in recipe.method_params:
                values["rtol"] = recipe.method_params["rtol"]
            found.append(make(LAB, recipe.problem, METHOD, params, values, recipe.seed, files=True))
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return ()
    return tuple(found)


def _goes_own_way(view: RunView) -> bool:
    return view.members[0].recipe.method_params["advance"] == "own"


def _roster(members: Sequence[MemberView]) -> tuple[list[str], list[int]]:
    """Return names and colours of the solvers, the same as in the race."""
    entrants = []
    for member in members:
        r = member.recipe
        spec, values = read_solver(str(r.method_params["solver"]), float(r.method_params["rtol"]))
        entrants.append(_Solver(make(LAB, r.problem, spec.key, r.problem_params, values, r.seed, files=True)))
    return figures.labels(entrants), roster.indices(entrants)


def _selection(view: RunView, problem: GridSystem, *, own: bool) -> Selection:
    """Ask whose smoke is drawn, where every solver has its own, and where a 3-D grid is cut."""
    members = view.members
    chosen: tuple[int, ...] = (0,)
    if own and len(members) > 1:
        options = dict(enumerate(_roster(members)[0]))
        texts = {str(i): name for i, name in options.items()}
        left, right = st.columns(2)
        with left:
            a = choice("Smoke of", texts, "0", "plume_left", hide=True)
        with right:
            b = choice("Smoke of", texts, str(len(members) - 1), "plume_right", hide=True)
        chosen = tuple(dict.fromkeys((int(a), int(b))))
    shape = problem.grid.shape
    return Selection("smoke", chosen, len(shape) - 1, shape[-1] // 2)


def _draw_smoke(view: RunView, problem: GridSystem, run: str, selection: Selection) -> None:
    """Mount the smoke with its frames; outside the live fragment, because it is megabytes."""
    moving = is_moving(view)
    rev = f"{run}.{view.revision}.{selection}"
    panels = _panels(view, problem, selection, newest_only=moving)
    about = _about(run, rev, problem, selection, moving=moving)
    components.fields("plume.smoke", field.fields_payload(panels, about))


def _panels(
    view: RunView, problem: GridSystem, selection: Selection, *, newest_only: bool
) -> list[field.Panel]:
    flags = plane(flags_of(problem), selection)
    names, colours = _roster(view.members)
    own = _goes_own_way(view)
    panels = []
    for m in selection.chosen:
        trace = view.members[m].view
        ks = trace.kept
        budget = field.BUDGET // len(selection.chosen)
        ks = ks[-1:] if newest_only else ks[field.chosen_frames(len(ks), 2 * flags.size, budget)]
        frames = np.array([plane(trace.snapshots[int(k)]["x"], selection) for k in ks], dtype=float)
        frames = frames.reshape(len(ks), *flags.shape)
        title, index = (names[m], colours[m]) if own else ("smoke", -1)
        panels.append(field.Panel(title, index, ks, frames, flags))
    return panels


def _about(run: str, rev: str, problem: GridSystem, selection: Selection, *, moving: bool) -> field.View:
    sizes = problem.grid.shape[:2]
    return field.View(
        GROUP,
        rev,
        "Smoke",
        field.stride_of(sizes),
        ("i", "j"),
        {"run": run, "running": moving},
    )


def _table(members: Sequence[MemberView], names: Sequence[str]) -> pd.DataFrame:
    rows = []
    for member, name in zip(members, names, strict=True):
        view = member.view
        iterations = view.scalars["iterations"][1:]
        rows.append(
            {
                "solver": name,
                "frames": len(iterations),
                "iterations a frame": f"{iterations.mean():.1f} ({iterations.min():.0f} to "
                f"{iterations.max():.0f})",
                "set-up [ms]": round(1e3 * member.setup_seconds, 1),
                "a frame [ms]": round(1e3 * float(np.nanmean(frame_seconds(view)[1:])), 2),
                "smoke at the end [cells]": round(float(view.scalars["smoke"][-1]), 1),
                "outcome": "" if view.status in (Status.RUNNING, Status.CONVERGED) else view.note,
            }
        )
    table = pd.DataFrame(rows)
    return table if table["outcome"].any() else table.drop(columns="outcome")
