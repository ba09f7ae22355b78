"""Messages and charts of the registration lab, from traces alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.registration.degeneracy import MOTIONS, analyse_history
from core.registration.metrics import error_by_axis, pose_error
from core.registration.residual_distribution import ResidualDistribution
from core.registration.settings import SCALARS
from core.registry import Scalar, Scale
from core.run import MemberView
from core.trace import TraceView
from pages.figures import convergence, style
from pages.figures.cloud import PoseTrack, WeakMotions
from pages.figures.style import FigureDict

STEPS = {
    "step_translation": ("translation [m]", "translation"),
    "step_rotation": ("rotation [rad]", "rotation"),
}
CONDITIONS = {
    "condition_translation": ("translation", "translation"),
    "condition_rotation": ("rotation", "rotation"),
    "condition_full": ("full H", "context"),
}


def plane_hessians(view: TraceView) -> tuple[Array, Array]:
    """Return the kept k (n,) and the point-to-plane Hessians (n, 6, 6) at them."""
    kept = view.kept
    found = [view.snapshots[int(k)] for k in kept]
    return kept, np.array([s.get("plane_hessian", s["H"]) for s in found]).reshape(-1, 6, 6)


def pose_track(member: MemberView, residual_scale: float | None) -> PoseTrack:
    """Return the poses of a method and what its Hessians say about weak motions.

    Parameters
    ----------
    residual_scale : standard deviation of a residual [m]; the RMS distance of each iterate where it is not
        known yet.
    """
    view, spec = member.view, member.recipe.method_spec
    kept, H = plane_hessians(view)
    usable = np.isfinite(H).all(axis=(1, 2))
    kept, H = kept[usable], H[usable]
    scale = view.scalars["rmse"][np.searchsorted(view.k, kept)] if residual_scale is None else residual_scale
    poses = np.array([view.snapshots[int(k)]["x"] for k in kept]).reshape(-1, 4, 4)
    return PoseTrack(
        key=member.recipe.method,
        title=spec.title,
        index=spec.colour,
        k=kept,
        poses=poses,
        weak=_weak_motions(H, np.broadcast_to(scale, kept.shape)) if len(kept) else None,
    )


def _weak_motions(H: Array, residual_scale: Array) -> WeakMotions:
    history = analyse_history(H)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = residual_scale[:, None, None] / np.sqrt(np.maximum(history.aligned, 0.0))
        condition = history.eigenvalues[:, :, 2:] / np.maximum(history.aligned, 1e-12)
    axes = np.swapaxes(history.vectors, 2, 3)  # rows: one direction an axis
    return WeakMotions(
        translation_axes=axes[:, 1],
        translation_std=deviation[:, 1],
        translation_condition=condition[:, 1],
        translation_flagged=history.mask[:, 3:],
        rotation_axes=axes[:, 0],
        rotation_std=deviation[:, 0],
        rotation_condition=condition[:, 0],
        rotation_flagged=history.mask[:, :3],
    )


def rmse(members: Sequence[MemberView], x_axis: str, points: int) -> FigureDict:
    """RMS point-to-plane distance of every method."""
    return convergence.race(members, "rmse", Scalar("RMSE", "m", Scale.LOG), x_axis, points)


def conditions(member: MemberView, x_axis: str, points: int) -> FigureDict:
    """Condition numbers of the two Schur complements and of the whole Hessian."""
    return convergence.lines(member.view, CONDITIONS, Scalar("κ", "", Scale.LOG), x_axis, points)


def steps(member: MemberView, x_axis: str, points: int) -> FigureDict:
    """Length of every step, translation [m] and rotation [rad]."""
    return convergence.lines(member.view, STEPS, Scalar("step", "m, rad", Scale.LOG), x_axis, points)


def pairs(members: Sequence[MemberView], x_axis: str, points: int) -> FigureDict:
    """Share of the source points that have a partner."""
    return convergence.race(members, "fitness", SCALARS["fitness"], x_axis, points)


def pcg_residuals(view: TraceView, k: int) -> FigureDict:
    """Residual of the 6×6 solve at the kept iterate nearest to `k`, per PCG iteration."""
    residuals = np.asarray(view.snapshot("pcg_residuals", k), dtype=float)
    shown = np.where(residuals > 0, residuals, np.nan)
    curve = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": np.arange(len(shown)),
        "y": shown,
        "name": "‖r‖ / max(1, ‖g‖)",
        "hovertemplate": "iteration %{x}: %{y:.3e}",
        "line": {"width": 2},
        "meta": style.method_meta(0),
    }
    x = {"title": {"text": f"PCG iteration at k = {view.nearest(k)}"}, "dtick": 1}
    return style.figure([curve], x, style.axis(Scalar("‖r‖ / max(1, ‖g‖)", "", Scale.LOG)))


#: Rows of the table that follows the cursor.
TABLE_ROWS = (
    {"key": "rmse", "label": "RMSE [m]", "help": SCALARS["rmse"].label},
    {"key": "fitness", "label": "pairs", "format": "percent1", "help": SCALARS["fitness"].label},
    {"key": "step_translation", "label": "step [m]", "help": SCALARS["step_translation"].label},
    {"key": "step_rotation", "label": "step [rad]", "help": SCALARS["step_rotation"].label},
    {"key": "translation_error", "label": "error [m]", "help": "translation, against the true pose"},
    {"key": "rotation_error", "label": "error [°]", "help": "rotation, against the true pose"},
)


def table_rows(truth: Array | None) -> list[dict[str, str]]:
    """Return the rows that have values: errors only where the true pose is known."""
    rows = TABLE_ROWS if truth is not None else TABLE_ROWS[:-2]
    return [{"format": "sig3", **row} for row in rows]


def table_member(member: MemberView, truth: Array | None) -> tuple[str, NDArray[Any], dict[str, Array]]:
    """Return a method's title, its kept k (n,) and its columns (n,) for the table."""
    view = member.view
    kept = view.kept
    rows = np.searchsorted(view.k, kept)
    columns = {name: view.scalars[name][rows] for name in SCALARS if name in view.scalars}
    if truth is not None:
        errors = np.array([pose_error(view.snapshots[int(k)]["x"], truth) for k in kept]).reshape(-1, 2)
        columns |= {"translation_error": errors[:, 0], "rotation_error": np.degrees(errors[:, 1])}
    return member.recipe.method_spec.title, kept, columns


def degeneracy_timeline(member: MemberView) -> FigureDict:
    """How weakly each of the six motions is held at every kept iterate; flagged ones are marked."""
    kept, H = plane_hessians(member.view)
    usable = np.isfinite(H).all(axis=(1, 2))
    kept, H = kept[usable], H[usable]
    history = analyse_history(H)
    conditions = history.eigenvalues[:, :, 2:] / np.maximum(history.aligned, 1e-12)
    logarithms = np.log10(np.clip(conditions.reshape(-1, 6), 1.0, 1e6)).T
    rows, columns = np.nonzero(history.mask.T)
    heat = {
        "type": "heatmap", "x": kept, "y": list(MOTIONS), "z": logarithms, "zmin": 0.0, "zmax": 3.0,
        "colorscale": [[0, "role:muted@0.06"], [1, "role:weak@0.75"]], "showscale": False, "ygap": 2,
        "customdata": np.minimum(conditions.reshape(-1, 6).T, 1e30),
        "hovertemplate": "k = %{x}, %{y}: λ_max/λ = %{customdata:.3g}<extra></extra>",
    }  # fmt: skip
    flags = {
        "type": "scatter", "mode": "markers", "x": kept[columns], "y": [MOTIONS[row] for row in rows],
        "name": "flagged as weak", "marker": {"size": 5, "color": "role:weak"}, "hoverinfo": "skip",
    }  # fmt: skip
    figure = style.figure(
        [heat, flags],
        {"title": {"text": convergence.X_AXES["iterations"]}},
        {"autorange": "reversed", "type": "category"},
    )
    figure["layout"]["hovermode"] = "closest"
    return figure


def errors_by_axis(members: Sequence[MemberView], truth: Array, block: int) -> FigureDict:
    """Signed error of each method's newest pose by axis, in the true source frame.

    Parameters
    ----------
    block : 0 rotation [degrees], 1 translation [m].
    """
    data = []
    for member in members:
        spec = member.recipe.method_spec
        error = error_by_axis(member.view.last("x"), truth)[3 * block : 3 * block + 3]
        data.append(
            {
                "type": "bar", "name": spec.title, "x": list(MOTIONS[3 * block : 3 * block + 3]),
                "y": np.degrees(error) if block == 0 else error,
                "hovertemplate": "%{x}: %{y:.3g} " + ("°", "m")[block],
                "meta": style.method_meta(spec.colour),
            }
        )  # fmt: skip
    figure = style.figure(data, {"type": "category"}, {"zeroline": True})
    figure["layout"] |= {"barmode": "group", "bargap": 0.4}
    return figure


def residual_histogram(found: ResidualDistribution) -> FigureDict:
    """Draw the counts of the residuals [mm] with the Gaussian of their robust scale."""
    centres = 1e3 * 0.5 * (found.edges[:-1] + found.edges[1:])
    bars = {
        "type": "bar", "name": "residuals", "x": centres, "y": found.counts,
        "meta": style.role_meta("source"), "hovertemplate": "%{x:.3g} mm: %{y}",
    }  # fmt: skip
    gauss = {
        "type": "scatter", "mode": "lines", "name": "Gaussian of the robust scale", "x": centres,
        "y": found.expected, "hoverinfo": "skip", "meta": style.role_meta("reference"),
    }  # fmt: skip
    figure = style.figure(
        [bars, gauss],
        {"title": {"text": "point-to-plane residual [mm]"}},
        {"title": {"text": "points"}},
    )
    figure["layout"]["bargap"] = 0.05
    return figure
