"""Charts of a sequence: the path from above, and where along it the geometry was weak."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.iterate import Array
from core.registration.sequence import ScanSequence
from core.registry import Scalar, Scale
from core.run import MemberView
from core.trace import TraceView
from pages.figures import convergence, style
from pages.figures.style import FigureDict

#: Points of the map in the chart.
MAP_POINTS = 12_000


def path_from_above(
    view: TraceView, truth: Array | None, alignment: Array | None, points: Array | None
) -> FigureDict:
    """Draw x and y of every pose [m], in the frame of the first scan.

    Parameters
    ----------
    truth : (N, 4, 4) true poses of the scans, in a world of their own.
    alignment : (4, 4) this world to that of the true poses, as for the absolute error; before it is known
        the first poses are laid onto each other.
    points : (M, 2) the scans' points placed by the poses, or None while the run moves.
    """
    kept = view.kept
    poses = np.stack([view.snapshots[int(k)]["x"] for k in kept])
    weak = np.array([view.snapshots[int(k)]["mask"].any() for k in kept])
    data: list[dict[str, Any]] = []
    if points is not None:
        data.append(
            {
                "type": "scattergl", "mode": "markers", "name": "points",
                "x": points[:, 0], "y": points[:, 1], "hoverinfo": "skip",
                "marker": {"size": 1.5, "color": "role:muted@0.45"},
            }
        )  # fmt: skip
    if truth is not None:
        onto = np.linalg.inv(truth[kept[0]] if alignment is None else alignment)
        true = (onto @ truth)[:, :2, 3]
        data.append(
            _line(true[:, 0], true[:, 1], np.arange(len(true)), "true path", style.role_meta("truth"), "dot")
        )
    data.append(_line(poses[:, 0, 3], poses[:, 1, 3], kept, "odometry", style.role_meta("source"), "solid"))
    data.append(
        {
            "type": "scatter", "mode": "markers", "name": "a motion is weak", "x": poses[weak, 0, 3],
            "y": poses[weak, 1, 3], "customdata": kept[weak],
            "hovertemplate": "scan %{customdata}: a motion is weak",
            "marker": {"size": 6, "color": "role:weak"},
        }
    )  # fmt: skip
    figure = style.figure(
        data,
        {"title": {"text": "x [m]"}, "rangemode": "normal"},
        {"title": {"text": "y [m]"}, "scaleanchor": "x", "scaleratio": 1},
    )
    figure["layout"]["hovermode"] = "closest"
    return figure


def _line(x: Array, y: Array, k: Array, name: str, meta: dict[str, Any], dash: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines+markers", "name": name, "x": x, "y": y, "customdata": k,
        "hovertemplate": "scan %{customdata}: %{x:.3f}, %{y:.3f} m", "line": {"width": 2, "dash": dash},
        "marker": {"size": 4}, "meta": meta,
    }  # fmt: skip


def map_points(problem: ScanSequence, view: TraceView) -> Array:
    """Return (M, 2) points of the placed scans from above, M at most `MAP_POINTS`."""
    kept = [int(k) for k in view.kept]
    share = max(1, MAP_POINTS // len(kept))
    placed = []
    for k in kept:
        points = problem.frames[k].points
        step = max(1, len(points) // share)
        T = view.snapshots[k]["x"]
        placed.append((points[::step] @ T[:3, :3].T + T[:3, 3])[:share, :2])
    return np.concatenate(placed)


def fit(member: MemberView, points: int) -> FigureDict:
    """RMS point-to-plane distance of every scan to what it was aligned to."""
    return convergence.race([member], "rmse", Scalar("RMSE", "m", Scale.LOG), "iterations", points)


def iterations(member: MemberView, points: int) -> FigureDict:
    """How many iterations every scan took."""
    return convergence.race([member], "iterations", Scalar("iterations"), "iterations", points)
