"""The tabs below the registration view: comparison, matrices, residuals."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.comparison import compare
from core.iterate import Array
from core.registration.annotated_matrices import annotated_matrices
from core.registration.contributions import plane_rows, point_contributions, whole_motion
from core.registration.degeneracy import MOTIONS, analyse_degeneracy
from core.registration.pair_sample import sample_pairs
from core.registration.problem import ScanPair
from core.registration.residual_distribution import residual_distribution
from core.run import MemberView
from core.trace import TraceView
from pages.figures import convergence, tables
from pages.figures import registration as figures
from pages.figures.cloud import display_sample, pairs_payload, scalars_payload, shares_payload
from pages.ui import components
from pages.ui.matrices import matrix_panels
from pages.ui.pose import pose_panel
from pages.ui.registration_views import DISPLAY_POINTS, GROUP, Shown, visible
from pages.ui.scan_controls import use_as_start
from pages.ui.status import finding

#: What the source's points can be coloured by: residual, or what each point adds to a direction.
RESIDUAL = "residual"


def compare_tab(shown: Shown) -> None:
    """Draw what tells two methods apart, and the charts of single ones."""
    members = shown.members
    live = {"group": GROUP, "run": shown.run}
    points = convergence.FINAL_POINTS
    if len(members) == 2:
        finding([_difference(members)])
    left, middle, right = st.columns(3)
    with left:
        components.live_figure(
            "steps", figures.steps(members[0], "iterations", points),
            title=f"Length of each step, {members[0].recipe.method_spec.title}", **live,
        )  # fmt: skip
        components.live_figure(
            "timeline", figures.degeneracy_timeline(members[0]),
            title=f"Weak motions, {members[0].recipe.method_spec.title}", **live,
        )  # fmt: skip
    truth = shown.geometry.truth
    with middle:
        components.live_figure(
            "pairs", figures.pairs(members, "iterations", points),
            title="Share of points with a partner", **live,
        )  # fmt: skip
        if truth is not None:
            components.live_figure(
                "error.translation", figures.errors_by_axis(members, truth, 1),
                title="Translation error by axis [m]", cursor=False, **live,
            )  # fmt: skip
    with right:
        _inner_solve(shown, members)
        if truth is not None:
            components.live_figure(
                "error.rotation", figures.errors_by_axis(members, truth, 0),
                title="Rotation error by axis [°]", cursor=False, **live,
            )  # fmt: skip


def _inner_solve(shown: Shown, members: list[MemberView]) -> None:
    for member in members:
        k = int(member.view.kept[-1])
        if "pcg_residuals" in member.view.snapshots[k]:
            components.live_figure(
                "pcg", figures.pcg_residuals(member.view, k), title="Residual of the 6×6 solve",
                group=GROUP, run=shown.run, cursor=False,
            )  # fmt: skip
            return


def _difference(members: list[MemberView]) -> str:
    """Say where the curves part and how they end."""
    a, b = members
    names = [m.recipe.method_spec.title for m in members]
    found = compare(a.view, b.view, "rmse")
    counts = [int(m.view.k[-1]) for m in members]
    ends = (
        f"{counts[0]} and {counts[1]} iterations, {a.view.seconds[-1]:.3g} s and {b.view.seconds[-1]:.3g} s"
    )
    if found.equal:
        return f"{names[0]} and {names[1]} have the same RMSE at every iterate they share; {ends}."
    lead = (
        f"{names[0]} has the smaller RMSE for the first time at k = {found.first_lead}"
        if found.first_lead is not None
        else f"{names[0]} never has the smaller RMSE"
    )
    crossings = ", ".join(str(k) for k in found.crossings[:8])
    changed = f"; the leader changes at k = {crossings}" if crossings else ""
    return f"{lead}{changed}. Final RMSE: {found.final_ratio:.4g} times that of {names[1]}; {ends}."


def matrices_tab(shown: Shown, k: int | None) -> None:
    """Draw Hessian, Schur complements and eigenvectors of the first method at an iterate."""
    view = shown.members[0].view
    at = int(view.kept[-1]) if k is None else view.nearest(k)
    snapshot = view.snapshots[at]
    H = snapshot.get("plane_hessian", snapshot["H"])
    if np.isfinite(H).all():
        matrix_panels(annotated_matrices(H), at)
    else:
        st.caption("The normal equations of this iterate are not finite.")


def colour_choice(shown: Shown | None) -> str:
    """Ask what the source is coloured by; returns `RESIDUAL` or one of `MOTIONS`."""
    if shown is None or shown.problem is None:
        return RESIDUAL
    return st.selectbox(
        "Colour the source by",
        [RESIDUAL, *MOTIONS],
        format_func=lambda key: (
            "residual, point to plane" if key == RESIDUAL else f"what holds {key}: each point's share"
        ),
        key="colour",
        help="which points hold a motion: those without colour could be missing and it would be as weak",
    )


def residuals_tab(shown: Shown, k: int | None) -> None:
    """Draw the residuals of the first method's pose at an iterate."""
    problem, view = shown.problem, shown.members[0].view
    if problem is None:
        st.caption("A recording has no scans to measure: press Run.")
        return
    at = int(view.kept[-1]) if k is None else view.nearest(k)
    level = problem.levels[-1]
    rows = plane_rows(level.source, level.target, problem.to_internal(view.snapshot("x", at)), _reach(view))
    if not np.isfinite(rows.residuals).any():
        st.caption("No point has a partner at this iterate.")
        return
    found = residual_distribution(rows.residuals)
    components.live_figure(
        "histogram", figures.residual_histogram(found), group=GROUP, run=shown.run,
        title=f"Residuals at k = {at}", cursor=False, height=260,
    )  # fmt: skip
    st.caption(
        f"{found.matched:,} points have a partner, {found.unmatched:,} do not. Median "
        f"{1e3 * found.median:.2g} mm, robust scale {1e3 * found.scale:.3g} mm; "
        f"{found.below + found.above:,} residuals lie outside the chart."
    )


def send_details(shown: Shown, k: int, colour: str) -> None:
    """Send what the 3-D views show of every method while the cursor rests: colours of the source, pairs."""
    problem = shown.problem
    if problem is None:
        if shown.geometry.scalars:
            components.cloud_scalars("cloud.scalars.0", shown.geometry.scalars)
        return
    points = visible(problem.source)
    points = points[display_sample(len(points), DISPLAY_POINTS)] - problem.source_offset
    for slot, member in enumerate(shown.members):
        if not len(member.view):
            continue
        T = problem.to_internal(member.view.snapshot("x", member.view.nearest(k)))
        components.cloud_scalars(
            f"cloud.scalars.{slot}", _colours(shown, slot, k, colour, points, problem, T)
        )
        components.cloud_pairs(f"cloud.pairs.{slot}", _pairs(shown, slot, k, problem, T))


def _colours(
    shown: Shown, slot: int, k: int, colour: str, points: Array, problem: ScanPair, T: Array
) -> bytes:
    member = shown.members[slot]
    at = member.view.nearest(k)
    rows = plane_rows(points, problem.levels[-1].target, T, _reach(member.view))
    sent = {
        "group": GROUP, "rev": f"{shown.run}.{at}.{colour}", "member": member.recipe.method, "k": at,
        "slot": slot,
    }  # fmt: skip
    if colour == RESIDUAL:
        return scalars_payload(rows.residuals, **sent)
    values = point_contributions(rows, _motion(member, at, MOTIONS.index(colour)))
    return shares_payload(values, label=f"what holds {colour}", **sent)


def _pairs(shown: Shown, slot: int, k: int, problem: ScanPair, T: Array) -> bytes:
    view = shown.members[slot].view
    level = problem.levels[-1]
    reach = float(view.scalars["max_distance"][np.searchsorted(view.k, view.nearest(k))])
    points, partners = sample_pairs(level.source, level.target, T, reach)
    return pairs_payload(
        points + problem.source_offset, partners + problem.target_offset,
        group=GROUP, view=shown.run, slot=slot, cursor=k, offsets=shown.geometry.offsets,
    )  # fmt: skip


def _motion(member: MemberView, k: int, motion: int) -> Array:
    """Return the whole motion (6,) of the direction named after a motion."""
    snapshot = member.view.snapshots[k]
    H = snapshot.get("plane_hessian", snapshot["H"])
    block, axis = divmod(motion, 3)
    return whole_motion(H, block, analyse_degeneracy(H).vectors[block][:, axis])


def _reach(view: TraceView) -> float:
    return float(view.scalars["max_distance"][-1])


def pose_tab(shown: Shown) -> None:
    """Draw every method's final pose, ready to copy, and let it be the next start."""
    for i, (member, result) in enumerate(zip(shown.members, shown.results, strict=True)):
        st.markdown(f"**{member.recipe.method_spec.title}**")
        pose = np.array(result["T_target_source"])
        pose_panel(pose, f"pose{i}")
        st.button("Use as the start", on_click=use_as_start, args=(pose,), key=f"pose{i}.start")


def data_tab(shown: Shown) -> None:
    """Draw the table of iterates and what was noted about the scans."""
    for member in shown.members:
        st.markdown(f"**{member.recipe.method_spec.title}**")
        st.dataframe(tables.iterates(member), hide_index=True)
    for note in shown.notes:
        st.caption(note)
