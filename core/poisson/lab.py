"""The Poisson lab: one grid, every solver on the very same system."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from core.poisson.smoke_solver import summary
from core.poisson.system import LinearSystem
from core.registry import LabSpec, register_lab
from core.trace import TraceView


def result(problem: LinearSystem, view: TraceView) -> dict[str, Any]:
    """Return how good the newest kept solution is, recomputed; of trainings and simulations their numbers.

    Returns
    -------
    JSON-ready, of a solver: ``residual_norm`` = ‖b − A x‖₂ and ``rhs_norm`` = ‖b‖₂ (null space's part removed
    from both, None if not finite), ``unknowns``, ``removed`` (share of b's norm that lay outside A's range),
    ``setup_seconds`` and ``solve_seconds`` (the method's own time).
    """
    if "smoke" in view.scalars:
        return summary(view)
    if "loss" in view.scalars:
        return {name: column[-1].item() for name, column in view.scalars.items() if np.isfinite(column[-1])}
    x = problem.embed(view.last("x"))
    r = np.zeros(problem.size)
    problem.apply(x, r)
    np.subtract(problem.b, r, out=r)
    norm = float(np.linalg.norm(r))
    return {
        "residual_norm": norm if np.isfinite(norm) else None,
        "rhs_norm": float(np.linalg.norm(problem.b)),
        "unknowns": problem.unknowns,
        "removed": problem.removed,
        "setup_seconds": view.setup_seconds,
        "solve_seconds": float(view.seconds[-1]),
    }


def solution(problem: LinearSystem, view: TraceView) -> dict[str, bytes]:
    """Return the newest kept solution, or smoke, as ``x.npy``: on the cells of a grid, zero off the fluid."""
    if "loss" in view.scalars:
        return {}
    file = io.BytesIO()
    np.save(file, view.last("x"), allow_pickle=False)
    return {"x.npy": file.getvalue()}


register_lab(
    LabSpec(
        key="poisson",
        title="Poisson",
        tagline="Race every solver on one grid and see which frequencies each one kills",
        yardstick="residual_norm",
        declares=(
            "problem",
            "files",
            "model_matrices",
            "experiments",
            "learned.experiments",
            "learned.factor_experiment",
        ),
        result=result,
        artefacts=solution,
    )
)
