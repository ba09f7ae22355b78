"""What the Poisson page shows of a run: fields, the race, the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from core.iterate import Array, Status
from core.poisson.fast_transform import box_modes
from core.poisson.fingerprint import reference_solution
from core.poisson.system import AIR, FLUID, GridSystem, LinearSystem
from core.run import MemberView
from pages.figures import field
from pages.figures import poisson as figures
from pages.ui import components
from pages.ui.controls import choice, iterate_in_link
from pages.ui.look import Look
from pages.ui.status import finding, member_sentence, seconds_text

GROUP = "poisson"
#: What the fields may show, and what the numbers are.
QUANTITIES = {
    "residual": "Residual b − A x",
    "direction": "Direction of the step that led here",
    "error": "Error x* − x, against a solution to rounding",
    "solution": "Solution x",
}
#: Names of snapshots where they differ.
SNAPSHOTS = {"solution": "x"}
#: Heights [px] of the race and of the Ritz values.
RACE_HEIGHT, RITZ_HEIGHT = 280, 220


class Shown(Look[LinearSystem]):
    """A race of solvers with what the page derives from it."""

    LAB = "poisson"

    @property
    def rhs_norm(self) -> float:
        """Norm of the right-hand side."""
        return float(np.linalg.norm(self.problem.b))

    @property
    def reference(self) -> Array | None:
        """The solution to rounding on a grid, None for a matrix of one's own."""
        problem = self.problem
        if not isinstance(problem, GridSystem):
            return None
        return self.kept("reference", lambda: reference_solution(problem))


# The thing: two fields.


@dataclass(frozen=True, slots=True)
class Selection:
    """What the fields show.

    Attributes
    ----------
    quantity : one of `QUANTITIES`.
    chosen : places of the two methods among the run's members.
    axis, index : the slice of a 3-D grid.
    """

    quantity: str
    chosen: tuple[int, ...]
    axis: int = 0
    index: int = 0


def selection_controls(shown: Shown) -> Selection:
    """Ask what the fields show, of which two methods, and where a 3-D grid is cut."""
    members = shown.members
    options = {str(i + 1): name for i, name in enumerate(figures.labels(members))}
    right = next((str(i + 1) for i, m in enumerate(members) if m.recipe.method == "multigrid_pcg"), "")
    is_grid = isinstance(shown.problem, GridSystem)
    with st.container(horizontal=True, key="field_controls", vertical_alignment="bottom"):
        names = [q for q in QUANTITIES if is_grid or q != "error"]
        quantity = st.segmented_control(
            "Field", names, default="error" if is_grid else "residual", key="field",
            bind="query-params", required=True,
            label_visibility="collapsed",
        )  # fmt: skip
    first, second = st.columns(2)
    with first:
        left = choice("Left field", options, "1", "left", hide=True)
    with second:
        right = choice("Right field", options, right or str(len(options)), "right", hide=True)
    chosen = tuple(dict.fromkeys(int(name) - 1 for name in (left, right)))
    axis = index = 0
    shape = shown.problem.grid.shape if isinstance(shown.problem, GridSystem) else ()
    if len(shape) == 3:
        with first:
            axis = int(
                choice(
                    "Slice across",
                    {str(a): f"slice across axis {a}" for a in range(3)},
                    "0",
                    "axis",
                    hide=True,
                )
            )
        with second:
            index = st.slider(
                "cell", 0, shape[axis] - 1, shape[axis] // 2, key=f"slice{axis}", label_visibility="collapsed"
            )
    return Selection(str(quantity), chosen, axis, index)


def plane(values: NDArray[Any], selection: Selection) -> NDArray[Any]:
    """Return what is drawn of a field: itself, a slice of it, a vector wrapped into rows."""
    if values.ndim == 3:
        values = np.take(values, selection.index, axis=selection.axis)
    elif values.ndim == 1:
        width = int(np.ceil(np.sqrt(len(values))))
        rows = -(-len(values) // width)
        values = np.pad(values.astype(float), (0, rows * width - len(values))).reshape(rows, width)
    step = field.stride_of(values.shape)
    return values[::step, ::step]


def flags_of(problem: LinearSystem) -> NDArray[np.integer[Any]]:
    """Return the kinds of cells; of a matrix all rows count as fluid, and what fills the last row as air."""
    if isinstance(problem, GridSystem):
        return problem.grid.flags
    n = problem.unknowns
    width = int(np.ceil(np.sqrt(n)))
    kinds = np.full(-(-n // width) * width, AIR, np.int8)
    kinds[:n] = FLUID
    return kinds


def values_at(shown: Shown, member: MemberView, k: int, quantity: str) -> Array:
    """Return a quantity of a method at a kept iterate, in the shape of the problem."""
    snapshot = member.view.snapshots[k]
    if quantity == "error":
        reference = shown.reference
        return snapshot["x"] if reference is None else _projected(shown.problem, reference - snapshot["x"])
    name = SNAPSHOTS.get(quantity, quantity)
    return snapshot[name] if name in snapshot else np.zeros_like(snapshot["x"])


def _projected(problem: LinearSystem, error: Array) -> Array:
    """Return an error without the constant that a part without air leaves open."""
    if not problem.singular or not isinstance(problem, GridSystem):
        return error
    v = problem.embed(error)
    problem.grid.components.project(v)
    return problem.extract(v)


def _panels(shown: Shown, selection: Selection, *, newest_only: bool) -> list[field.Panel]:
    flags = plane(flags_of(shown.problem), selection)
    names, colours = figures.labels(shown.members), figures.indices(shown.members)
    budget = field.BUDGET // max(len(selection.chosen), 1)
    panels = []
    for m in selection.chosen:
        member = shown.members[m]
        ks = member.view.kept
        ks = ks[-1:] if newest_only else ks[field.chosen_frames(len(ks), 2 * flags.size, budget)]
        frames = np.array(
            [plane(values_at(shown, member, int(k), selection.quantity), selection) for k in ks], dtype=float
        )
        panels.append(field.Panel(names[m], colours[m], ks, frames, flags))
    return panels


def _view(shown: Shown, selection: Selection, rev: str) -> field.View:
    shape = shown.problem.grid.shape if isinstance(shown.problem, GridSystem) else ()
    axes = [name for a, name in enumerate("ijl"[: len(shape) or 2]) if len(shape) < 3 or a != selection.axis]
    full = flags_of(shown.problem)
    sizes = [n for a, n in enumerate(full.shape) if full.ndim < 3 or a != selection.axis]
    return field.View(
        GROUP, rev, QUANTITIES[selection.quantity], field.stride_of(sizes) if full.ndim > 1 else 1,
        (axes[0], axes[1]), {"run": shown.run, "running": shown.moving},
    )  # fmt: skip


def draw_fields(shown: Shown, selection: Selection) -> None:
    """Mount the two fields with their frames; outside the live fragment, because it is megabytes."""
    rev = f"{shown.run}.{shown.view.revision}.{selection}"
    panels = _panels(shown, selection, newest_only=shown.moving)
    components.fields("fields", field.fields_payload(panels, _view(shown, selection, rev)))


# The numbers and the words: all that follows a run.


def draw_live(
    shown: Shown, selection: Selection, thing: DeltaGenerator, words: DeltaGenerator, numbers: DeltaGenerator
) -> int | None:
    """Mount everything that follows the run; always the same components in the same order.

    Returns the iterate where the cursor rests, None while the run moves.
    """
    members = shown.members
    with thing:
        panels = _panels(shown, selection, newest_only=True) if shown.moving else []
        rev = f"{shown.run}.{shown.view.revision}.{selection}"
        components.newest_fields("fields.newest", field.fields_payload(panels, _view(shown, selection, rev)))
        kept = [m.view.kept for m in members] or [np.zeros(1, np.int64)]
        ks = np.unique(np.concatenate(kept))
        start = iterate_in_link()
        k = components.transport(
            "transport", group=GROUP, run=shown.run, ks=ks, running=shown.moving, start=start
        )
        if k is not None and not shown.moving:
            st.query_params["k"] = str(k)
    with words:
        _words(shown)
    with numbers:
        _draw_numbers(shown, selection)
    if shown.moving:
        return None
    return k if k is not None else int(ks[-1]) if start is None else start


def _draw_numbers(shown: Shown, selection: Selection) -> None:
    members = shown.members
    points = figures.LIVE_POINTS if shown.moving else figures.FINAL_POINTS
    with st.container(horizontal=True, vertical_alignment="center", key="race_controls"):
        x_axis = st.segmented_control(
            "x axis of the race", list(figures.X_AXES), default="iterations", key="x", bind="query-params",
            label_visibility="collapsed", required=True,
        )  # fmt: skip
        bound = st.toggle(
            "bound", key="bound", bind="query-params",
            help="what Chebyshev polynomials promise for the residual of plain CG: "
            "2√κ ((√κ − 1) / (√κ + 1))ᵏ, with κ from the Ritz values so far",
        )  # fmt: skip
    live = {"group": GROUP, "run": shown.run}
    components.live_figure(
        "race", figures.race(members, shown.rhs_norm, str(x_axis), points, bound=bool(bound)),
        title="Residual ‖b − A x‖ / ‖b‖", height=RACE_HEIGHT, **live,
    )  # fmt: skip
    standings = figures.standings_payload(
        members, shown.rhs_norm, group=GROUP, points=points // 2, ended=not shown.moving
    )
    components.standings("standings", standings, len(members))
    chosen = [m for m in selection.chosen if m < len(members)]
    spectrum = known_spectrum(shown) if any(members[m].recipe.method == "cg" for m in chosen) else None
    steps = 16 if shown.moving else figures.RITZ_STEPS
    ritz = shown.cached(("ritz", tuple(chosen)), lambda: figures.ritz(members, chosen, spectrum, steps))
    components.live_figure("ritz", ritz, title="Ritz values", height=RITZ_HEIGHT, **live)


def known_spectrum(shown: Shown) -> Array | None:
    """Return the eigenvalues of A in ascending order where they are known in closed form."""
    problem = shown.problem
    if not isinstance(problem, GridSystem) or problem.grid.weights is not None:
        return None
    modes = box_modes(problem)
    if int(np.prod([s.stop - s.start for s in modes.box])) != problem.unknowns:
        return None
    values = np.sort(modes.eigenvalues().ravel())
    return values[values > 1e-12 * values[-1]]


def _words(shown: Shown) -> None:
    """Say how the race went, in sentences with numbers."""
    if shown.moving:
        finding((), ["Who needed what stands here when the race is over."])
        return
    members, names = shown.members, figures.labels(shown.members)
    reached = [(m, n) for m, n in zip(members, names, strict=True) if m.view.status is Status.CONVERGED]
    parts = [
        _needed(m, n, first=i == 0)
        for i, (m, n) in enumerate(sorted(reached, key=lambda mn: _seconds(mn[0])))
    ]
    sentences = ["; ".join(parts) + "."] if parts else []
    sentences += [winners(reached)] if len(reached) > 1 else []
    muted = [
        f"{member_sentence(m)}." for m in members if m.view.status not in (Status.CONVERGED, Status.RUNNING)
    ]
    muted += [*getattr(shown.problem, "notes", ())]
    finding(sentences, muted, warns=any(figures.tone(m) == "failed" for m in members))


def _seconds(member: MemberView) -> float:
    return float(member.view.seconds[-1]) + member.setup_seconds


def _needed(member: MemberView, name: str, *, first: bool) -> str:
    count, work = int(member.view.k[-1]), float(member.view.work["units"][-1])
    time = seconds_text(_seconds(member))
    if first:
        plural = "" if count == 1 else "s"
        return f"{name} needed {count} iteration{plural}, {work:.0f} work units, {time}"
    return f"{name} {count}, {work:.0f}, {time}"


def winners(reached: Sequence[tuple[MemberView, str]]) -> str:
    """Say who wins by each of the three counts; a count does not know the others."""

    def best(value: Callable[[MemberView], float]) -> str:
        return min(reached, key=lambda mn: value(mn[0]))[1]

    by = {
        "iterations": best(lambda m: float(m.view.k[-1])),
        "work": best(lambda m: float(m.view.work["units"][-1])),
        "seconds": best(_seconds),
    }
    if len(set(by.values())) == 1:
        return f"{by['seconds']} wins in iterations, in work and in seconds (set-up included)."
    return (
        f"Fewest iterations: {by['iterations']}. Least work: {by['work']}. "
        f"Fastest here, set-up included: {by['seconds']}."
    )
