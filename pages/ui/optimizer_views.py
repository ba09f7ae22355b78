"""What the optimizer page shows of a race: the landscape with the paths, the numbers, the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.optimizers.landscape import Landscape
from core.run import MemberView
from pages.figures import landscape as maps
from pages.figures import optimizers as figures
from pages.figures import roster, sphere, surface
from pages.ui import components
from pages.ui.controls import choice, iterate_in_link
from pages.ui.look import Look
from pages.ui.optimizer_controls import catch_up, put
from pages.ui.status import finding, seconds_text

GROUP = "optimizers"
#: Heights [px] of the landscape, of the loss and of the two charts below it.
THING_HEIGHT, LOSS_HEIGHT, SMALL_HEIGHT = 590, 250, 150
#: Seconds in which a race is played, at least ten steps a second.
PLAYED_IN = 12.0
#: Share of the first gap to the minimum that counts as having arrived, and distance from a minimum.
ARRIVED, NEAR = 1e-6, 1e-2


class Shown(Look[Landscape]):
    """A race of optimizers with what the page derives from it."""

    LAB = "optimizers"


# The thing: the landscape.


@dataclass(frozen=True, slots=True)
class Selection:
    """How the landscape is drawn.

    Attributes
    ----------
    form : "map" or "surface"; "sphere" or "lengths".
    arrows_of : member whose terms are drawn at the cursor, and whose step is explained; None = nobody's.
    """

    form: str = "map"
    arrows_of: int | None = None


def is_drawn(landscape: Landscape) -> bool:
    """Whether there is a landscape to look at: one or two variables."""
    return len(landscape.window) in (1, 2)


def forms(landscape: Landscape) -> tuple[str, ...]:
    """Return the ways in which a landscape can be looked at, where there are several."""
    if len(landscape.window) == 2:
        return ("map", "surface")
    return ("sphere", "lengths") if sphere.is_sphere(landscape) else ()


def selection_controls(shown: Shown) -> Selection:
    """Ask for map or surface, and whose arrows are drawn."""
    options = {"none": "no arrows"}
    options |= {str(i + 1): f"arrows of {name}" for i, name in enumerate(figures.labels(shown.members))}
    possible = forms(shown.problem)
    form = possible[0] if possible else "map"
    with st.container(
        horizontal=True, key="thing_controls", vertical_alignment="center", horizontal_alignment="distribute"
    ):
        if possible:
            key = "view" if "map" in possible else "rays.view"
            form = str(
                st.segmented_control(
                    "view", possible, default=form, key=key, bind="query-params",
                    label_visibility="collapsed", required=True,
                )
            )  # fmt: skip
        if "map" in possible:
            with st.container(width=260):
                asked = choice("Arrows of", options, "1", "arrows", hide=True)
        else:
            asked = "1"
    return Selection(form, int(asked) - 1 if asked.isdecimal() else None)


def ground(shown: Shown, *, beyond: bool = True) -> maps.Plane:
    """Return the landscape on a grid; computed once for a run."""
    return shown.kept(("ground", beyond), lambda: maps.plane(shown.problem, beyond=beyond))


def set_start(*point: float) -> None:
    """Make a clicked place the start."""
    put({"p.start": ",".join(f"{value:.4g}" for value in point)})


def draw_thing(shown: Shown, selection: Selection) -> None:
    """Mount the landscape with the paths so far."""
    problem, members = shown.problem, shown.members
    live = {"group": GROUP, "run": f"{shown.problem.formula}.{shown.problem.window}", "height": THING_HEIGHT}
    if maps.is_curve(problem):
        components.live_figure(
            "curve", maps.curve(problem, members), title="f(x), a dot an iterate: click sets the start",
            label="The function and the iterates on it", on_point=lambda x, _: set_start(x), **live,
        )  # fmt: skip
    elif selection.form == "sphere":
        payload = shown.kept("sphere", lambda: sphere.payload(problem, GROUP))
        components.sphere("sphere", payload, THING_HEIGHT)
        rev = f"{shown.run}.{shown.view.revision}"
        components.surface_paths("sphere.paths", sphere.paths_payload(members, group=GROUP, rev=rev))
    elif not is_drawn(problem):
        lengths = [np.linalg.norm(maps.position(m.view)[1], axis=1) for m in members]
        kept = [np.searchsorted(m.view.k, maps.position(m.view)[0]) for m in members]
        columns = []
        for member, length, at in zip(members, lengths, kept, strict=True):
            column = np.full(len(member.view), np.nan)
            column[at] = length
            columns.append(column)
        figure = figures.race(members, columns, "steps", figures.FINAL_POINTS, log=False)
        title = f"Length ‖x‖ of the {problem.n} unknowns"
        title += "" if sphere.is_sphere(problem) else "; too many to draw the landscape itself"
        components.live_figure("lengths", figure, title=title, **live | {"run": shown.run})
    elif selection.form == "surface":
        _draw_surface(shown)
    else:
        of = selection.arrows_of
        figure = shown.cached(("contours", of), lambda: maps.contours(ground(shown), problem, members, of))
        components.live_figure(
            "contours", figure, title="Click sets the start", on_point=set_start,
            label="Contour lines of the landscape and the paths of the methods", **live,
        )  # fmt: skip
    catch_up()


def _draw_surface(shown: Shown) -> None:
    problem = shown.problem
    low = ground(shown, beyond=False)
    values, floor = low.values, low.floor
    lifted = values if floor is None else values - floor
    title = "f"
    if floor is not None and problem.minimum is not None:
        # lifted a little, so that the logarithm has no funnel at the minimum
        title = f"f − f* + {problem.minimum - floor:.2g}"
    payload = shown.cached(
        "surface",
        lambda: surface.surface_payload(
            low.x, low.y, lifted, view=f"{problem.formula}.{problem.window}", group=GROUP, x_title="x",
            y_title="y", z_title=title, log=floor is not None,
        ),
    )  # fmt: skip
    components.surface_geometry("surface", payload, THING_HEIGHT)
    tracks = []
    members = shown.members
    for member, name, index in zip(members, figures.labels(members), roster.indices(members), strict=True):
        ks, points = maps.position(member.view)
        inside = (points >= [low.x[0], low.y[0]]) & (points <= [low.x[-1], low.y[-1]])
        points = np.where(inside.all(axis=1, keepdims=True), points, np.nan)
        tracks.append(surface.SurfaceTrack(name, index, ks, points[:, 0], points[:, 1]))
    rev = f"{shown.run}.{shown.view.revision}"
    components.surface_paths("surface.paths", surface.paths_payload(tracks, group=GROUP, rev=rev))


# The numbers and the words: all that follows a run.


def draw_live(
    shown: Shown, selection: Selection, thing: DeltaGenerator, words: DeltaGenerator, numbers: DeltaGenerator
) -> int | None:
    """Mount everything that follows the run; always the same components in the same order.

    Returns the iterate where the cursor rests, None while the run moves.
    """
    members = shown.members
    with thing:
        draw_thing(shown, selection)
        kept = [m.view.kept for m in members] or [np.zeros(1, np.int64)]
        ks = np.unique(np.concatenate(kept))
        start = iterate_in_link()
        k = components.transport(
            "transport", group=GROUP, run=shown.run, ks=ks, running=shown.moving, start=start,
            rate=max(10.0, len(ks) / PLAYED_IN),
        )  # fmt: skip
        if k is not None and not shown.moving:
            st.query_params["k"] = str(k)
    with words:
        _words(shown)
    with numbers:
        _draw_numbers(shown)
    rests_at = k if k is not None else start if start is not None else int(ks[-1])
    return None if shown.moving else rests_at


def _draw_numbers(shown: Shown) -> None:
    members, problem = shown.members, shown.problem
    points = figures.LIVE_POINTS if shown.moving else figures.FINAL_POINTS
    x_axis = str(
        st.segmented_control(
            "x axis of the charts", figures.LANDSCAPE_AXES, default="steps", key="x", bind="query-params",
            label_visibility="collapsed", required=True,
        )
    )  # fmt: skip
    live = {"group": GROUP, "run": f"{shown.run}.{x_axis}"}
    losses = [figures.gap(m, problem) for m in members]
    log = problem.minimum is not None or all(bool((loss > 0).all()) for loss in losses)
    components.live_figure(
        "loss", figures.race(members, losses, x_axis, points, log=log), title=figures.gap_title(problem),
        height=LOSS_HEIGHT, **live,
    )  # fmt: skip
    components.standings(
        "standings", figures.standings_payload(members, group=GROUP, points=points, ended=not shown.moving),
        len(members),
    )  # fmt: skip
    if maps.is_curve(problem):
        places = [_places(m) for m in members]
        components.live_figure(
            "second", figures.race(members, places, x_axis, points, log=False, legend=False),
            title="Where it is: x", height=SMALL_HEIGHT + 40, **live,
        )  # fmt: skip
    else:
        slopes = [m.view.scalars["grad_norm"] for m in members]
        components.live_figure(
            "second", figures.race(members, slopes, x_axis, points, legend=False), title="Gradient norm ‖∇f‖",
            height=SMALL_HEIGHT, **live,
        )  # fmt: skip
    steps = [m.view.scalars["step_norm"] for m in members]
    components.live_figure(
        "third", figures.race(members, steps, x_axis, points, legend=False),
        title="Length of the last step", height=SMALL_HEIGHT, **live,
    )  # fmt: skip


def _places(member: MemberView) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return x of every iterate of one variable; NaN where it was not kept."""
    ks, points = maps.position(member.view)
    column = np.full(len(member.view), np.nan)
    column[np.searchsorted(member.view.k, ks)] = points[:, 0]
    return column


def _words(shown: Shown) -> None:
    """Say how the race went, in sentences with numbers."""
    if shown.moving:
        finding((), ["Who arrived where stands here when the race is over."])
        return
    sentences = shown.cached("words", lambda: race_sentences(shown.members, shown.problem))
    finding(sentences, warns=any(roster.tone(m) == "failed" for m in shown.members))


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a method had closed the gap to the minimum."""

    name: str
    steps: int
    evaluations: int
    seconds: float


def arrivals(members: Sequence[MemberView], landscape: Landscape) -> tuple[list[Arrival], list[str]]:
    """Return who brought the gap below `ARRIVED` of its start, and what stands about the others."""
    there, others = [], []
    for member, name in zip(members, figures.labels(members), strict=True):
        gaps = figures.gap(member, landscape)
        below = np.flatnonzero(gaps <= ARRIVED * gaps[0]) if landscape.minimum is not None else np.array([])
        if len(below):
            at = int(below[0])
            there.append(
                Arrival(
                    name, int(member.view.k[at]), int(figures.evaluations(member)[at]),
                    float(member.view.seconds[at]),
                )
            )  # fmt: skip
        elif roster.tone(member) == "failed":
            others.append(f"{name} failed: {member.view.note}")
        else:
            others.append(f"{name} {_number(gaps[np.isfinite(gaps)][-1])}")
    return sorted(there, key=lambda a: a.evaluations), others


def race_sentences(members: Sequence[MemberView], landscape: Landscape) -> list[str]:
    """Say who arrived, who won by which count, and where the others stand."""
    there, others = arrivals(members, landscape)
    sentences = []
    if there:
        parts = [_needed(arrival, first=i == 0) for i, arrival in enumerate(there)]
        sentences.append(f"To a millionth of the first gap: {'; '.join(parts)}.")
    if len(there) > 1:
        sentences.append(_winners(there))
    if others:
        what = "Loss over the minimum" if landscape.minimum else "Loss"
        lead = "Not there at the end" if there else what + " at the end"
        sentences.append(f"{lead}: {'; '.join(others)}.")
    return sentences + _places_reached(members, landscape)


def _needed(arrival: Arrival, *, first: bool) -> str:
    count = f"{arrival.steps} steps, {arrival.evaluations} evaluations, {seconds_text(arrival.seconds)}"
    short = f"{arrival.steps}, {arrival.evaluations}, {seconds_text(arrival.seconds)}"
    return f"{arrival.name} needed {count}" if first else f"{arrival.name} {short}"


def _winners(there: Sequence[Arrival]) -> str:
    by = {
        "steps": min(there, key=lambda a: a.steps).name,
        "evaluations": min(there, key=lambda a: a.evaluations).name,
        "seconds": min(there, key=lambda a: a.seconds).name,
    }
    if len(set(by.values())) == 1:
        return f"{by['steps']} wins in steps, in evaluations and in seconds."
    return (
        f"Fewest steps: {by['steps']}. Fewest evaluations: {by['evaluations']}. "
        f"Fastest here: {by['seconds']}."
    )


def _places_reached(members: Sequence[MemberView], landscape: Landscape) -> list[str]:
    """Say who ended where, where there is a choice of minima."""
    if landscape.n > 2 or (landscape.n == 2 and len(landscape.minima) < 2 and landscape.minimum is not None):
        return []
    groups: list[tuple[Any, list[str]]] = []
    for member, name in zip(members, figures.labels(members), strict=True):
        if roster.tone(member) == "failed":
            continue
        x = np.atleast_1d(member.view.snapshots[int(member.view.kept[-1])]["x"])
        found = next((g for g in groups if np.linalg.norm(g[0] - x) < NEAR), None)
        if found is None:
            groups.append((x, [name]))
        else:
            found[1].append(name)
    parts = [f"{_and(names)} end{'s' if len(names) == 1 else ''} at {_point(x)}" for x, names in groups]
    return [f"{'; '.join(parts)}."] if parts else []


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _point(x: Any) -> str:
    numbers = ", ".join(f"{value:.3f}".replace("-", "−") for value in x)
    return f"x = {numbers}" if len(x) == 1 else f"({numbers})"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
