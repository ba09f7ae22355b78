"""The tabs below the race: energy errors, spectra, levels of multigrid, conjugacy, the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.iterate import drain
from core.poisson.algebraic_multigrid import AlgebraicMultigrid
from core.poisson.conjugacy import conjugacy
from core.poisson.fingerprint import fingerprint
from core.poisson.multigrid import Multigrid
from core.poisson.system import GridSystem
from core.run import MemberView
from pages.figures import field, tables
from pages.figures import poisson as figures
from pages.ui import components
from pages.ui.controls import choice
from pages.ui.poisson_views import GROUP, Selection, Shown, plane

#: Iterates of a method in its fingerprint, directions in the table of conjugacy.
FINGERPRINT_STEPS, DIRECTIONS = 72, 40
#: Unknowns up to which eigenbases and hierarchies are computed again for a tab.
MAX_UNKNOWNS = 2**20
#: Levels of algebraic multigrid that are drawn below the finest.
AMG_LEVELS = 3


def race_tab(shown: Shown) -> None:
    """Draw the energy error of the CG methods with the bound of each, and who leads by what."""
    members = shown.members
    left, right = st.columns([3, 2])
    with left:
        x_axis = str(st.session_state.get("x") or "iterations")
        components.live_figure(
            "energy", figures.energy(members, x_axis, figures.FINAL_POINTS), group=GROUP, run=shown.run,
            title="Error in the energy norm ‖x* − x‖_A over its start; dotted: Chebyshev bound", height=320,
        )  # fmt: skip
        st.caption(
            "CG makes this error as small as its space allows at every step, so it never rises. The bound "
            "takes κ from the Ritz values; CG does better once the outermost eigenvalues are found."
        )
    with right:
        st.dataframe(_summary(shown), hide_index=True, width="stretch")
        st.caption("Residuals are recomputed from the final x; seconds are the method's own.")


def _summary(shown: Shown) -> pd.DataFrame:
    rows = []
    for member, name, result in zip(
        shown.members, figures.labels(shown.members), shown.results, strict=False
    ):
        view, norm = member.view, result["residual_norm"]
        rows.append(
            {
                "method": name,
                "iterations": int(view.k[-1]),
                "work": round(float(view.work["units"][-1]), 1),
                "set-up [ms]": round(1e3 * member.setup_seconds, 2),
                "solve [ms]": round(1e3 * float(view.seconds[-1]), 2),
                "‖b − A x‖ / ‖b‖": f"{norm / (result['rhs_norm'] or 1.0):.2e}" if norm is not None else "∞",
                "outcome": view.status.value,
            }
        )
    return pd.DataFrame(rows)


def spectrum_tab(shown: Shown) -> None:
    """Draw what is left of the error by frequency and iteration, one map a method."""
    problem, reference = shown.problem, _reference(shown)
    if reference is None or not isinstance(problem, GridSystem):
        st.caption("A matrix of your own has no grid, and so no frequencies. Ritz values stand above.")
        return
    st.caption(
        "What is left of the error, by eigenvalue of the empty box (bottom smooth, top rough), over the "
        "iterations: dark is gone. Smoothers and incomplete factors clear the top first, coarse grids the "
        "bottom; CG takes both ends and then works inwards."
    )
    columns = st.columns(3)
    for m, (member, name) in enumerate(zip(shown.members, figures.labels(shown.members), strict=True)):
        ks, edges, shares = shown.cached(
            ("fingerprint", m), lambda v=member: _fingerprint(problem, v, reference)
        )
        with columns[m % 3]:
            components.live_figure(
                f"fingerprint.{m}", figures.fingerprint(ks, edges, shares), group=GROUP, run=shown.run,
                title=name, label=f"Error of {name} by eigenvalue and iteration", height=260,
            )  # fmt: skip


def _reference(shown: Shown) -> NDArray[np.float64] | None:
    return shown.reference if shown.problem.unknowns <= MAX_UNKNOWNS else None


def _fingerprint(
    problem: GridSystem, member: MemberView, reference: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    view = member.view
    ks = view.kept
    ks = ks[np.unique(np.rint(np.linspace(0, len(ks) - 1, min(len(ks), FINGERPRINT_STEPS))).astype(int))]
    first = np.zeros_like(reference)
    snapshots = [first, *(view.snapshots[int(k)]["x"] for k in ks)]
    edges, shares = fingerprint(problem, snapshots, reference, bins=28)
    # a bin without an eigenvalue joins the one below it
    held = shares[0] > 0
    edges = np.append(edges[:-1][held], edges[-1])
    return ks, edges, shares[1:, held] / shares[0, held]


def levels_tab(shown: Shown, k: int | None) -> None:
    """Draw the grids of multigrid: right-hand side and correction of each; aggregates of algebraic ones."""
    problem = shown.problem
    able = {
        str(i): name
        for i, (m, name) in enumerate(zip(shown.members, figures.labels(shown.members), strict=True))
        if m.recipe.method in ("multigrid", "multigrid_pcg", "pyamg_sa", "pyamg_rs")
    }
    if not able or not isinstance(problem, GridSystem) or problem.unknowns > MAX_UNKNOWNS:
        st.caption("Choose a multigrid method on a grid to see its levels.")
        return
    number = int(choice("Hierarchy of", able, next(iter(able)), "hierarchy"))
    member = shown.members[number]
    hierarchy = shown.cached(
        ("hierarchy", number), lambda: drain(member.recipe.build_method().prepare(problem))
    )
    if isinstance(hierarchy, AlgebraicMultigrid):
        _aggregates(shown, hierarchy)
    else:
        _geometric(
            shown, member, hierarchy, int(member.view.kept[-1]) if k is None else member.view.nearest(k)
        )


def _grids(table: Sequence[dict[str, float]], units: float, complexity: float) -> None:
    frame = pd.DataFrame(table).rename(columns={"row": "entries a row", "share": "share of all entries"})
    frame.insert(0, "level", range(len(frame)))
    st.dataframe(frame.round(3), hide_index=True)
    st.caption(f"Operator complexity {complexity:.2f}; one cycle costs {units:.1f} applications of A.")


def _geometric(shown: Shown, member: MemberView, hierarchy: Multigrid, k: int) -> None:
    problem = hierarchy.system
    r, z = problem.embed(member.view.snapshots[k]["residual"]), np.zeros(problem.size)
    hierarchy.apply(r, z)
    st.caption(
        f"One cycle applied to the residual at k = {k}: what each grid was asked to solve (upper row) and "
        "what it gave back as a correction (lower row). Coarse grids see only what is smooth on finer ones."
    )
    upper, lower = [], []
    for depth, (level, (b, x)) in enumerate(zip(hierarchy.levels, hierarchy.fields(), strict=True)):
        chosen = Selection("residual", (), 0, level.shape[0] // 2)
        flags = plane(level.flags, chosen)
        note = " × ".join(str(n) for n in level.shape)
        for row, values, what in ((upper, b, "right-hand side"), (lower, x, "correction")):
            frame = plane(values, chosen)[None].astype(float)
            row.append(field.Panel(f"{depth}: {what}", -1, np.zeros(1, np.int64), frame, flags, note=note))
    for name, row in (("upper", upper), ("lower", lower)):
        view = field.View(
            "", f"{shown.run}.{k}.{name}", "Right-hand sides" if name == "upper" else "Corrections"
        )
        components.fields(f"levels.{name}", field.fields_payload(row, view))
    table = hierarchy.table()
    _grids(table, hierarchy.units, 1.0 / table[0]["share"])


def _aggregates(shown: Shown, hierarchy: AlgebraicMultigrid) -> None:
    table = hierarchy.table()
    flags = _flags(shown)
    chosen = Selection("residual", (), 0, flags.shape[0] // 2)
    what = "of the cells" if hierarchy.is_splitting else "aggregates"
    panels = [
        field.Panel(
            f"level {level}", -1, np.zeros(1, np.int64),
            plane(hierarchy.groups(level), chosen)[None].astype(float), plane(flags, chosen), "groups",
            note=f"{table[level]['unknowns']:,} {what}",
        )
        for level in range(1, min(len(table), 1 + AMG_LEVELS))
    ]  # fmt: skip
    if not panels:
        st.caption("The matrix is small enough to be solved at once: there is no coarser level.")
        return
    left, right = st.columns([3, 2])
    with left:
        view = field.View(
            "", f"{shown.run}.{id(hierarchy)}", "What the grid becomes, found from the matrix alone"
        )
        components.fields("aggregates", field.fields_payload(panels, view))
        st.caption(
            "Green: cells that are still unknowns of the level; red: the others."
            if hierarchy.is_splitting
            else "Cells of one colour share one unknown of the level; their borders follow the walls."
        )
    with right:
        _grids(table, hierarchy.units, hierarchy.operator_complexity())


def _flags(shown: Shown) -> NDArray[np.int8]:
    assert isinstance(shown.problem, GridSystem)
    return shown.problem.grid.flags


def conjugacy_tab(shown: Shown) -> None:
    """Draw how far the directions of a method are from being conjugate."""
    able = {
        str(i): name
        for i, (m, name) in enumerate(zip(shown.members, figures.labels(shown.members), strict=True))
        if "direction" in m.view.snapshots[int(m.view.kept[-1])] and len(m.view.kept) > 2
    }
    if not able:
        st.caption("No chosen method keeps its directions.")
        return
    number = int(choice("Directions of", able, next(iter(able)), "directions"))
    view = shown.members[number].view
    ks = view.kept[view.kept > 0]
    ks = ks[np.unique(np.rint(np.linspace(0, len(ks) - 1, min(len(ks), DIRECTIONS))).astype(int))]
    products = shown.cached(
        ("conjugacy", number),
        lambda: conjugacy(shown.problem, [view.snapshots[int(k)]["direction"] for k in ks]),
    )
    components.live_figure(
        "conjugacy", figures.conjugacy(ks, products), group=GROUP, run=shown.run, cursor=False, height=380,
        title="|pᵢ·A pⱼ| over the lengths",
    )  # fmt: skip
    worst = float((products - np.diag(np.diag(products))).max(initial=0.0))
    st.caption(
        f"Exact arithmetic would leave the diagonal alone. Largest entry beside it: {worst:.1e}. Rounding "
        "brings directions back once a Ritz value has settled; that costs iterations."
    )


def data_tab(shown: Shown) -> None:
    """Draw the table of iterates and what was noted about the system."""
    st.caption(
        f"{shown.problem.unknowns:,} unknowns, ‖b‖ = {shown.rhs_norm:.6g}. Share of b outside A's range, "
        f"removed: {shown.problem.removed:.2%}."
    )
    for note in getattr(shown.problem, "notes", ()):
        st.caption(note)
    for member, name in zip(shown.members, figures.labels(shown.members), strict=True):
        with st.expander(f"{name}: {len(member.view)} iterates, recipe {member.recipe.hash()}"):
            st.dataframe(tables.iterates(member), hide_index=True)
