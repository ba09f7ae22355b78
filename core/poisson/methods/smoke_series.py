"""A smoke plume frame by frame, and what a solver makes of each frame's pressure equation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from core.iterate import Iterate, Preparation, Progress, Status, Work
from core.poisson.monitor import rtol_param
from core.poisson.preconditioners import on_grid
from core.poisson.smoke import Pressure, SmokePlume
from core.poisson.smoke_solver import FrameSolver, add_work, frame_solver, read_solver
from core.poisson.system import Grid, LinearSystem
from core.registry import Scalar, Scale, method, param

SCALARS: Mapping[str, Scalar] = {
    "residual_norm": Scalar("‖b − A x‖₂ where the solver stopped", scale=Scale.LOG),
    "iterations": Scalar("iterations of the frame"),
    "rhs_norm": Scalar("‖b‖₂ = divergence before", scale=Scale.LOG),
    "divergence": Scalar("divergence after, over that before", scale=Scale.LOG),
    "smoke": Scalar("smoke in all", unit="cells"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A grid and the solver that was set up for it."""

    grid: Grid
    solver: FrameSolver


@method(
    "smoke_series",
    lab="poisson",
    title="Smoke plume, frame by frame",
    source="Fedkiw, Stam & Jensen 2001, Visual simulation of smoke, SIGGRAPH",
    assumes="a grid with a constant coefficient",
    example="disc",
    scalars=SCALARS,
    colour=20,
    kind="simulation",
    order=210,
)
@dataclass(frozen=True)
class SmokeSeries:
    """Every frame of a smoke simulation asks for a pressure; one solver answers, from x = 0 each time.

    An iterate is a frame, its x the smoke. The solver is set up once, for the grid. The simulation goes on
    with the pressure of multigrid-preconditioned CG to 1e-6, so that all solvers get the same right-hand
    sides, or with the solver's own: then a loose tolerance leaves divergence in the flow, which makes smoke
    or swallows it.

    References
    ----------
    Bridson 2015, Fluid Simulation for Computer Graphics, ch. 5.
    """

    solver: str = param("multigrid_pcg", doc="the solver, with parameters that differ: METHOD NAME=VALUE …")
    frames: int = param(60, low=1, high=500, doc="frames of the simulation")
    rtol: float = rtol_param()
    advance: str = param(
        "reference", choices={"reference": "one accurate pressure", "own": "the solver's own pressure"},
        label="goes on with", doc="whose pressure makes the velocity free of divergence",
    )  # fmt: skip

    def prepare(self, problem: LinearSystem) -> Preparation[Prepared]:
        """Set the solver up."""
        given = on_grid(problem, "a smoke simulation")
        SmokePlume(given.grid)  # refuses what it cannot simulate
        spec, values = read_solver(self.solver, self.rtol)
        yield Progress(f"set-up of {spec.title}")
        return Prepared(given.grid, (yield from frame_solver(given, spec, values)))

    def iterate(self, problem: Prepared) -> Iterator[Iterate]:
        """Yield the state before the first frame and after every frame."""
        return self._frames(problem)

    def _frames(self, p: Prepared) -> Iterator[Iterate]:
        work = Work()
        plume, pressure = SmokePlume(p.grid), Pressure(p.grid)
        scalars = {"residual_norm": 0.0, "iterations": 0.0, "rhs_norm": 0.0, "divergence": 0.0, "smoke": 0.0}
        missed: list[int] = []
        yield Iterate(0, plume.density.copy(), scalars, {"solve_seconds": np.zeros(1)})
        for frame in range(1, self.frames + 1):
            source = plume.advance()
            found = p.solver.solve(source)
            work = add_work(work, found.last.work)
            if not found.converged:
                missed.append(frame)
            finite = bool(np.isfinite(found.pressure).all())
            if finite:
                plume.project(pressure.solve(source) if self.advance == "reference" else found.pressure)
            status, note = self._status(frame, missed, found.last, finite)
            size = found.rhs_norm
            left = float(np.linalg.norm(plume.divergence()))
            yield Iterate(
                frame, plume.density.copy(),
                {
                    "residual_norm": found.last.scalars["residual_norm"], "iterations": float(found.last.k),
                    "rhs_norm": size, "divergence": left / size if size > 0.0 else 0.0,
                    "smoke": float(plume.density.sum()),
                },
                {"solve_seconds": np.array([found.seconds])}, work, status, note,
            )  # fmt: skip
            if status.terminal:
                return

    def _status(self, frame: int, missed: list[int], last: Iterate, finite: bool) -> tuple[Status, str]:
        if not finite:
            return Status.DIVERGED, f"frame {frame}: {last.note or last.status.value}"
        if frame < self.frames:
            return Status.RUNNING, ""
        if not missed:
            return Status.CONVERGED, ""
        return Status.MAX_ITERATIONS, (
            f"{len(missed)} of {self.frames} frames ended before the tolerance, the first at {missed[0]}"
        )
