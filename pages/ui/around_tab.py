"""The tab Loss around it: planes through a trained network and the line from its start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.run import Limits, RunView
from core.trace import TraceView
from pages.figures import around
from pages.figures.roster import distinct
from pages.ui import components
from pages.ui.optimizer_controls import LAB, Asked
from pages.ui.optimizer_maps import analysis
from pages.ui.session import lab_state
from pages.ui.status import finding
from pages.ui.trained_choice import Trainer, all_trainers, analysis_recipe, shared_recipe, trainer_choice
from pages.ui.training_views import GROUP

Engine = tuple[float, Limits]
HEIGHT, SHARES_HEIGHT = 470, 190
#: Titles of the axes by prefix.
AXES = {"around": around.RANDOM_AXES, "way": around.WAY_AXES, "ways": around.WAYS_AXES}
MAP, SURFACE = "map", "surface"
#: What may be looked at: what the page calls it → analysis, prefix of its widgets.
PICTURES = {
    "random plane": ("loss_surface", "around"),
    "plane of the way": ("trajectory_plane", "way"),
    "plane of all ways": ("shared_plane", "ways"),
    "line from the start": ("loss_line", "line"),
}


def around_tab(asked: Asked, engine: Engine) -> None:
    """Look at the loss around a trained network."""
    st.markdown(
        "The network is trained as above, then its loss on 256 training samples is measured at other "
        "parameters. A picture has two of thousands of directions: what looks narrow in it may be wide in "
        "others."
    )
    place, controls = st.columns([13, 5])
    with place, st.container(horizontal=True, horizontal_alignment="distribute", key="around_choice"):
        picture = str(
            st.segmented_control(
                "picture", list(PICTURES), default=next(iter(PICTURES)), key="around.picture",
                bind="query-params", label_visibility="collapsed", required=True,
            )
        )  # fmt: skip
        form = MAP
        if picture != "line from the start":
            form = str(
                st.segmented_control(
                    "form", [MAP, SURFACE], default=MAP, key="around.form", bind="query-params",
                    label_visibility="collapsed", required=True,
                )
            )  # fmt: skip
    key, prefix = PICTURES[picture]
    with controls:
        if prefix == "ways":
            trainers = tuple(all_trainers(asked))
            recipe = shared_recipe(key, prefix, trainers)
        else:
            trainer = trainer_choice(asked, prefix)
            trainers = () if trainer is None else (trainer,)
            recipe = analysis_recipe(key, prefix, trainer)

    def draw(view: RunView, _: Any) -> None:
        trace = view.members[0].view
        if not len(trace):
            return
        if prefix == "line":
            _draw_line(trace, prefix)
        else:
            _draw_plane(view, trace, prefix, form, trainers)

    analysis(
        prefix, [recipe], engine, place, draw, "Press Run: the picture fills in from coarse to fine.",
    )  # fmt: skip


def _draw_plane(view: RunView, trace: TraceView, prefix: str, form: str, trainers: Sequence[Trainer]) -> None:
    snapshot = trace.snapshots[int(trace.kept[-1])]
    axes = AXES[prefix]
    names = [trainer.name for trainer in trainers] or ["the training"]
    colours = distinct([trainer.colour for trainer in trainers]) or [0]
    run = f"{lab_state(f'{LAB}.{prefix}').run_key}"
    group = f"{LAB}.{prefix}" if prefix == "around" else GROUP
    if form == SURFACE:
        components.surface_geometry(
            f"{prefix}.surface", around.surface(snapshot, axes, view=run, group=group), HEIGHT
        )
        components.surface_paths(
            f"{prefix}.ball",
            around.balls(snapshot, names, colours, group=group, rev=f"{run}.{view.revision}"),
        )
    else:
        components.live_figure(
            f"{prefix}.figure", around.plane(snapshot, axes, names, colours), group=group, run=run,
            title="Loss on 256 training samples", height=HEIGHT, on_point=lambda _x, _y: None,
        )  # fmt: skip
    values = snapshot["x"][..., 0]
    done, total = int(np.isfinite(values).sum()), values.size
    st.progress(done / total, text=f"{done:,} of {total:,} points done")
    if prefix == "way":
        _draw_shares(trace, run)
    elif prefix == "ways":
        _draw_shared(trace, run, names)
    elif done:
        finding(
            [f"The loss is {trace.scalars['loss'][-1]:.3g} at the trained network and up to "
             f"{np.nanmax(values):.3g} in this window; {_near(values, trace):.0%} of it is below ten times "
             "the loss at the network."]
        )  # fmt: skip


def _near(values: Any, trace: TraceView) -> float:
    known = values[np.isfinite(values)]
    return float((known < 10.0 * trace.scalars["loss"][-1]).mean())


def _draw_shares(trace: TraceView, run: str) -> None:
    explained, walk = trace.last("explained"), trace.last("random_walk")
    components.live_figure(
        "way.shares", around.shares(explained, walk), group=f"{LAB}.shares", run=run, cursor=False,
        title="Share of the way's variance by direction", height=SHARES_HEIGHT,
    )  # fmt: skip
    points, off = len(trace.last("steps")), trace.last("off")
    length = float(np.linalg.norm(trace.last("way")[0]))
    finding(
        [f"These two directions have {explained[:2].sum():.1%} of the variance of {points} saved points. A "
         f"random walk of as many points has {walk[:2].sum():.1%} in its own two: only what is more than "
         "that says something of the training.",
         f"The way is up to {off.max():.3g} off this plane; start and end are {length:.3g} apart in it. "
         "Larger dots are further off."]
    )  # fmt: skip


def _draw_shared(trace: TraceView, run: str, names: Sequence[str]) -> None:
    explained, walk, offs = trace.last("explained"), trace.last("random_walk"), trace.last("offs")
    count, points = offs.shape
    components.live_figure(
        "ways.shares", around.shares(explained, walk, count), group=f"{LAB}.shares", run=run, cursor=False,
        title="Share of the ways' variance by direction", height=SHARES_HEIGHT,
    )  # fmt: skip
    ends = ", ".join(
        f"{name} {loss:.3g}, {off:.3g} off the plane"
        for name, loss, off in zip(names, trace.last("losses"), offs[:, -1], strict=False)
    )
    finding(
        [f"These two directions have {explained[:2].sum():.1%} of the variance of {count} ways of {points} "
         f"saved points. As many random walks from one start have {walk[:2].sum():.1%} in their own two.",
         f"Losses at the ends: {ends}. Colours under a point are the loss in the plane, not at the network: "
         "the larger a dot, the further its network is off the plane."]
    )  # fmt: skip


def _draw_line(trace: TraceView, prefix: str) -> None:
    table = trace.last("x")
    components.live_figure(
        "line.figure", around.line(table), group=f"{LAB}.{prefix}",
        run=lab_state(f"{LAB}.{prefix}").run_key, cursor=False, height=HEIGHT,
        title="Loss on the straight line from the first parameters to the trained ones",
    )  # fmt: skip
    done = int(np.isfinite(table[:, 1]).sum())
    st.progress(done / len(table), text=f"{done} of {len(table)} points done")
    if done == len(table):
        barrier = float(trace.scalars["barrier"][-1])
        said = "No barrier: nowhere on the way is the training loss above that of the higher end."
        if barrier > 0:
            said = f"On the way the training loss rises {barrier:.3g} above the higher end: a barrier."
        finding([said, "The training itself takes no straight way; see the plane of the way."])
