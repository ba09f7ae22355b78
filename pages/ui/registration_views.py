"""What the registration page shows of a run: the 3-D view, the curves, the words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import registry
from core.io.pointcloud import PointCloud
from core.iterate import Array
from core.recipe import Recipe
from core.registration.metrics import pose_error
from core.registration.problem import ScanPair
from core.registration.report import NOTHING_WEAK
from core.run import MemberView
from pages.figures import convergence, recording
from pages.figures import registration as figures
from pages.figures.cloud import poses_payload
from pages.figures.recording import Geometry, Recording
from pages.ui import components
from pages.ui.controls import iterate_in_link
from pages.ui.explain import claim_card
from pages.ui.look import Look
from pages.ui.session import LabState
from pages.ui.status import finding

LAB = "registration"
#: Cursor group of the page.
GROUP = "registration"
#: How the 3-D view shows two methods.
LAYOUTS = ("one view", "side by side")
#: Methods that take no step, or a bounded one, along the motions that they flag.
KEEPS_START = {"xicp", "me_sr", "me_tsvd", "fcn_sr", "cn_sr", "dcreg_anchored"}
#: Points of a cloud that are sent to the browser.
DISPLAY_POINTS = 100_000


class Shown(Look[ScanPair | None]):
    """A run or a recording with its clouds."""

    LAB = "registration"

    @classmethod
    def recorded(cls, found: Recording) -> Self:
        """Return a look at a recording."""
        kept = {"geometry": found.geometry}
        return cls(found.key, found.view, None, kept, {"results": found.results})

    @property
    def geometry(self) -> Geometry:
        """The clouds as the browser gets them."""
        problem = self.problem
        assert problem is not None or "geometry" in self.of_run
        return self.kept("geometry", lambda: _geometry(problem, self.run))

    @property
    def poses(self) -> list[Array]:
        """Newest (4, 4) pose of every member."""
        return [m.view.last("x") for m in self.members]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the scans."""
        return self.problem.notes if self.problem is not None else ()


def shown_now(state: LabState, recipes: Sequence[Recipe]) -> Shown | None:
    """Return what the page shows: the session's run, else the recording of what the controls ask for."""
    found = recording.find(recipes)
    return Shown.now(state) or (None if found is None else Shown.recorded(found))


def visible(cloud: PointCloud) -> Array:
    """Return the points that are measurements: no-returns stand at the origin."""
    return cloud.points[np.any(cloud.points != 0.0, axis=1)]


def _geometry(problem: ScanPair, run: str) -> Geometry:
    source, target = visible(problem.source), visible(problem.target)
    return Geometry.of(source, target, problem, view=run, group=GROUP, limit=DISPLAY_POINTS)


def draw_geometry(shown: Shown | None) -> None:
    """Mount one 3-D view or two; outside the live fragment, because the clouds are megabytes."""
    if shown is None:
        with st.container(height=components.VIEW_HEIGHT, border=True):
            st.markdown("Choose two scans in the sidebar: a simulated pair, or two files of your own.")
        return
    beside = len(shown.view.members) == 2 and _layout() == LAYOUTS[1]
    # the same path for the first view in both layouts: its message does not travel again
    views = st.columns(2 if beside else 1, gap="small")
    with views[0]:
        components.cloud_geometry("cloud", shown.geometry.payload)
    if beside:
        with views[1]:
            components.cloud_companion("cloud.companion", group=GROUP)


def _layout() -> str:
    return str(
        st.segmented_control(
            "3-D view of two methods",
            LAYOUTS,
            default=LAYOUTS[0],
            key="view",
            bind="query-params",
            label_visibility="collapsed",
            required=True,
        )
    )


def draw_live(
    shown: Shown, thing: DeltaGenerator, words: DeltaGenerator, numbers: DeltaGenerator
) -> int | None:
    """Mount everything that follows the run or the cursor; always the same components in the same order.

    Returns the iterate where the cursor rests, None while the run moves.
    """
    members, moving = shown.members, shown.moving
    with thing:
        mount_poses("cloud", shown, group=GROUP)
        ks = max((m.view.kept for m in members), key=len, default=np.zeros(1, dtype=np.int64))
        start = iterate_in_link() if shown.problem is not None else int(ks[len(ks) // 3])
        k = components.transport("transport", group=GROUP, run=shown.run, ks=ks, running=moving, start=start)
        if k is not None and not moving:
            st.query_params["k"] = str(k)
    with words:
        _words(shown)
    with numbers:
        _draw_numbers(shown, members, convergence.LIVE_POINTS if moving else convergence.FINAL_POINTS)
    return None if moving else int(ks[-1]) if k is None else k


def mount_poses(key: str, shown: Shown | recording.Recording, *, group: str) -> None:
    """Send all poses so far, with the weak motions at each, to the 3-D view of a group."""
    scale = shown.results[0].get("residual_scale") if shown.results else None
    tracks = [figures.pose_track(m, scale) for m in shown.view.members if len(m.view)]
    rev = f"{key}.{shown.view.revision}"
    geometry = shown.geometry
    components.cloud_pose(
        f"{key}.pose",
        poses_payload(tracks, group=group, rev=rev, offsets=geometry.offsets, anchor=geometry.anchor),
    )


def _draw_numbers(shown: Shown, members: Sequence[MemberView], points: int) -> None:
    x_axis = st.segmented_control(
        "x axis of the charts",
        list(convergence.X_AXES),
        default="iterations",
        key="x",
        bind="query-params",
        label_visibility="collapsed",
        required=True,
    )
    live = {"group": GROUP, "run": shown.run}
    components.live_figure(
        "rmse", figures.rmse(members, str(x_axis), points), title="RMSE, point to plane [m]", **live
    )
    components.live_figure(
        "condition",
        figures.conditions(members[0], str(x_axis), points),
        title=f"Condition number κ, {members[0].recipe.method_spec.title}",
        **live,
    )
    components.shares("shares", group=GROUP)
    truth = shown.geometry.truth
    components.table(
        "table",
        group=GROUP,
        rows=figures.table_rows(truth),
        members=[figures.table_member(m, truth) for m in members],
    )


def _words(shown: Shown) -> None:
    """Say what was found, in sentences with numbers."""
    if not shown.results:
        finding((), ["What was found stands here when the run has ended."])
        return
    weak = shown.results[0]["weak"]
    sentences = [direction["sentence"] for direction in weak] or [NOTHING_WEAK]
    if weak:
        sentences.append(_what_helps(shown))
    finding(sentences, _fit_sentences(shown), warns=bool(weak))


def _what_helps(shown: Shown) -> str:
    """Say which of the methods shown keep the start along weak motions, and what to try."""
    titles = {
        m.recipe.method: m.recipe.method_spec.title.removeprefix("DCReg variant: ") for m in shown.members
    }
    names = {key: title.split(":")[0] for key, title in titles.items()}
    losing = " and ".join(name for key, name in names.items() if key not in KEEPS_START)
    keeping = " and ".join(name for key, name in names.items() if key in KEEPS_START)
    lost = (
        f"Along a weak motion the full step is taken by {losing}: the start is lost there." if losing else ""
    )
    helps = "which helps where the start is good and harms where it is not"
    if keeping:
        return f"{lost} The start is kept along what is flagged by {keeping}, {helps}.".strip()
    return f"{lost} Compare with X-ICP, ME-SR or the anchored Schur-MAP: they keep it, {helps}."


def _fit_sentences(shown: Shown) -> list[str]:
    """Say how well every method's pose fits, and how far two methods are apart."""
    sentences = []
    for member, result in zip(shown.members, shown.results, strict=False):
        parts = [f"{100 * result['fitness']:.0f} % of the source points have a partner"]
        if result["rmse"] is not None:
            parts.append(f"RMSE {1000 * result['rmse']:.3g} mm")
        if "translation_error" in result:
            off = f"{1000 * result['translation_error']:.3g} mm and {result['rotation_error']:.2g}°"
            parts.append(f"{off} from the true pose")
        sentences.append(f"{member.recipe.method_spec.title}: {', '.join(parts)}.")
    if len(shown.poses) == 2:
        moved, turned = pose_error(*shown.poses)
        sentences.append(f"The two poses differ by {moved:.1e} m and {np.degrees(turned):.1e}°.")
        if _fit_misleads(shown.results):
            sentences.append(
                "The smaller RMSE belongs to the pose that is farther from the true one: along a motion that "
                "the geometry does not hold, scan patterns may fit better at a wrong place."
            )
    return sentences


def _fit_misleads(results: Sequence[dict[str, Any]]) -> bool:
    """Whether the clearly better fit of two has the clearly larger error of position."""
    if any(r["rmse"] is None or "translation_error" not in r for r in results):
        return False
    better, worse = sorted(results, key=lambda r: r["rmse"])
    fits_better = better["rmse"] < 0.95 * worse["rmse"]
    return bool(fits_better and better["translation_error"] > 2.0 * worse["translation_error"])


def draw_claims(shown: Shown | None) -> None:
    """Draw the lab's other claims, each with what its recording shows."""
    st.subheader("What is claimed, and what is measured here")
    for experiment in registry.experiments(LAB):
        found = recording.load(experiment.key, LAB)
        if found is not None and (shown is None or shown.run != found.key):
            claim_card(
                experiment,
                recording.finding(experiment, found.view.members, found.results),
                "recorded earlier",
            )
