"""A solver inside a fluid loop: the same grid at every frame, another right-hand side."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core import registry
from core.errors import InputError
from core.iterate import Array, Iterate, Preparation, Status, Work
from core.poisson.system import GridSystem, make_system
from core.recipe import Recipe
from core.registry import MethodSpec, Value
from core.trace import TraceView


@dataclass(frozen=True, slots=True, eq=False)
class FrameSolution:
    """What a solver made of one frame.

    Attributes
    ----------
    pressure : in the shape of the grid.
    seconds : of the solver's own thread, without set-up.
    """

    pressure: Array
    last: Iterate
    rhs_norm: float
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether the tolerance was reached."""
        return self.last.status is Status.CONVERGED


def read_solver(text: str, tolerance: float) -> tuple[MethodSpec, dict[str, Value]]:
    """Return the method and the parameters of "METHOD NAME=VALUE …".

    Parameters
    ----------
    tolerance : its `rtol`, where it has one and the text names none.

    Raises
    ------
    InputError
        If there is no such solver, or it has no such parameter.
    """
    key, *assignments = text.split() or [""]
    spec = registry.method_spec("poisson", key)
    if spec.kind != "solver":
        raise InputError("-m solver", "a solver", f"{key}, a {spec.kind}")
    values: dict[str, object] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise InputError("-m solver", "METHOD NAME=VALUE …", repr(assignment))
        values[name] = value
    if any(p.name == "rtol" for p in spec.parameters):
        values.setdefault("rtol", tolerance)
    return spec, registry.values(registry.instantiate(spec, values, "-m solver: "))


def solver_text(recipe: Recipe) -> str:
    """Return the text that `read_solver` reads: what differs from the defaults, but for the tolerance."""
    spec, values = recipe.method_spec, recipe.method_params
    changed = [
        f"{p.name}={values[p.name]}"
        for p in spec.parameters
        if p.name != "rtol" and values[p.name] != p.default
    ]
    return " ".join([spec.key, *changed])


@dataclass(frozen=True, slots=True, eq=False)
class FrameSolver:
    """A method that is set up once for a grid and then solves one frame after the other.

    Attributes
    ----------
    system : its own; the right-hand side changes from frame to frame.
    prepared : what the method iterates on, made from `system`.
    """

    system: GridSystem
    method: Any
    prepared: Any

    def solve(self, source: Array) -> FrameSolution:
        """Solve for one right-hand side (grid shape)."""
        # the set-up holds this very system, and iterating reads its right-hand side anew
        self.system.b[:] = make_system(self.system.grid, source).b
        start = time.thread_time()
        for last in self.method.iterate(self.prepared):
            end = last
        seconds = time.thread_time() - start
        x = end.x() if callable(end.x) else end.x
        return FrameSolution(x, end, float(np.linalg.norm(self.system.b)), seconds)


def frame_solver(
    given: GridSystem, spec: MethodSpec, values: Mapping[str, Value]
) -> Preparation[FrameSolver]:
    """Set a method up on the grid of a system; what it refuses there it refuses here."""
    system = dataclasses.replace(given, b=given.b.copy(), x_true=None, mean_kept=False)
    method = spec.cls(**values)
    prepared = (yield from method.prepare(system)) if hasattr(method, "prepare") else system
    return FrameSolver(system, method, prepared)


def add_work(a: Work, b: Work) -> Work:
    """Return the sum of two counts."""
    return Work(*(x + y for x, y in zip(dataclasses.astuple(a), dataclasses.astuple(b), strict=True)))


def summary(view: TraceView) -> dict[str, Any]:
    """Return what a simulation came to: frames, iterations in all and at most, solver's seconds, smoke.

    JSON-ready. Seconds are those of the frames that were kept.
    """
    iterations = view.scalars["iterations"][1:]
    seconds = frame_seconds(view)[1:]
    return {
        "frames": len(iterations),
        "iterations": [int(n) for n in iterations],
        "iterations_total": int(iterations.sum()),
        "iterations_most": int(iterations.max(initial=0)),
        "seconds": [round(float(s), 6) if np.isfinite(s) else None for s in seconds],
        "setup_seconds": view.setup_seconds,
        "smoke": float(view.scalars["smoke"][-1]),
    }


def frame_seconds(view: TraceView) -> Array:
    """Return the solver's seconds of every frame, NaN for one whose snapshot was not kept."""
    found = np.full(len(view), np.nan)
    for row, k in enumerate(view.k):
        if int(k) in view.snapshots:
            found[row] = view.snapshots[int(k)]["solve_seconds"][0]
    return found
