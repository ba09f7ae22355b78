"""The registration lab: two scans or many, and what the geometry does not tell about their motion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.iterate import Array
from core.registration.correspondences import residuals
from core.registration.degeneracy import analyse_degeneracy
from core.registration.metrics import pose_error, residual_scale
from core.registration.pose_grid import summary
from core.registration.problem import Level, ScanPair
from core.registration.report import finite_or_none, weak_directions
from core.registration.sequence import ScanSequence
from core.registration.sequence_result import sequence_result
from core.registry import LabSpec, register_lab
from core.trace import TraceView


def result(problem: ScanPair | ScanSequence, view: TraceView) -> dict[str, Any]:
    """Return what a run found: a pose, or a path (see `sequence_result`)."""
    return sequence_result(problem, view) if isinstance(problem, ScanSequence) else pair_result(problem, view)


def pair_result(problem: ScanPair, view: TraceView) -> dict[str, Any]:
    """Return the newest pose, how well it fits, and which motions are weak.

    Parameters
    ----------
    problem : the pair that was aligned.
    view : trace of a method; the newest kept item is judged.

    Returns
    -------
    JSON-ready: ``T_target_source`` (4 lists of 4, user's frames), ``rmse`` [m], ``fitness``,
    ``correspondences``, ``mask`` (roll, pitch, yaw, x, y, z as 0 or 1), ``condition`` (``rotation``,
    ``translation``, ``full``), ``weak`` (see `core.registration.report.WeakDirection.as_dict`),
    ``residual_scale`` [m] (robust standard deviation of the residuals), and where the
    true pose is known ``translation_error`` [m] and ``rotation_error`` [degrees]. None stands for infinity.

    Notes
    -----
    Mask, condition and weak directions come from the unweighted point-to-plane Hessian at that pose for
    every method: point-to-point ICP has a Hessian that is regular in any scene, and a robust kernel weighs
    the evidence by its own scale. The method's recorded condition numbers are those of its own system.
    """
    k = int(view.kept[-1])
    if "centre" in view.snapshots[k]:  # an analysis: a grid of poses, none of which is its answer
        return summary(view)
    snapshot, at = view.snapshots[k], int(np.flatnonzero(view.k == k)[0])
    T = snapshot["x"]
    scalars = {name: float(column[at]) for name, column in view.scalars.items()}
    level = problem.levels[-1 - int(scalars["level"])]
    answer: dict[str, Any] = {
        "T_target_source": T.tolist(),
        "rmse": finite_or_none(scalars["rmse"]),
        "fitness": scalars["fitness"],
        "correspondences": int(scalars["correspondences"]),
    }
    H = snapshot.get("plane_hessian", snapshot["H"])
    answer |= _observability(
        H, problem.to_internal(T), level, answer["correspondences"], scalars["max_distance"]
    )
    if problem.T_true is not None:
        translation, rotation = pose_error(T, problem.T_true)
        answer |= {"translation_error": translation, "rotation_error": math.degrees(rotation)}
    return answer


def _observability(H: Array, T: Array, level: Level, pairs: int, max_distance: float) -> dict[str, Any]:
    """Return mask, condition numbers and weak directions; nothing is known without a pair."""
    if not pairs or not np.isfinite(H).all():
        conditions = dict.fromkeys(("rotation", "translation", "full"))
        return {"mask": "111111", "condition": conditions, "weak": [], "residual_scale": None}
    degeneracy = analyse_degeneracy(H)
    scale = residual_scale(residuals(level.source, level.target, T, max_distance))
    weak = weak_directions(
        degeneracy,
        residual_scale=scale,
        correspondences=pairs,
        lever=math.sqrt(float((level.source**2).sum(axis=1).mean())),
    )
    return {
        "mask": degeneracy.mask_text,
        "condition": {
            "rotation": finite_or_none(degeneracy.condition_rotation),
            "translation": finite_or_none(degeneracy.condition_translation),
            "full": finite_or_none(degeneracy.condition_full),
        },
        "weak": [direction.as_dict() for direction in weak],
        "residual_scale": finite_or_none(scale),
    }


register_lab(
    LabSpec(
        key="registration",
        title="Registration",
        tagline="Slide one scan onto another and see which motions the geometry leaves open",
        yardstick="rmse",
        declares=("problem", "sequence", "scenes", "scene_builder", "paper_cylinder", "experiments"),
        result=result,
    )
)
