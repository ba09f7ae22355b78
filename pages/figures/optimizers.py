"""Charts and messages of the optimizer lab, from traces alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.optimizers.landscape import Landscape
from core.registry import Scalar, Scale
from core.run import MemberView
from pages.figures import roster, style
from pages.figures.pack import decimate, pack
from pages.figures.roster import indices, tone
from pages.figures.style import FigureDict

#: What the x axis may show: key → axis title.
X_AXES = {
    "steps": "step k",
    "evaluations": "evaluations of f or its gradient",
    "passes": "passes over the training data",
    "seconds": "CPU time [s]",
}
#: Those of a landscape, and those of a training, whose gradients are of more or fewer samples.
LANDSCAPE_AXES, TRAINING_AXES = ("steps", "evaluations", "seconds"), ("steps", "passes", "seconds")
#: Points of a curve while a run is live, and when it stands.
LIVE_POINTS, FINAL_POINTS = 250, 1200
#: Names short enough for a legend of six.
SHORT = {
    "adam_half": "Adam, half rate",
    "gns": "GNS",
    "gns_gauss_newton": "GNS, Gauss–Newton",
    "gns_zero": "GNS, no Hessian",
    "sgd": "SGD",
    "nonlinear_cg": "nonlinear CG",
    "lbfgs": "L-BFGS",
    "trust_ncg": "trust CG",
    "trust_krylov": "trust Krylov",
    "trust_exact": "trust exact",
}
#: Columns of the table at the cursor.
COLUMNS = (
    {"key": "k", "label": "k", "title": "steps done", "format": "int"},
    {"key": "loss", "label": "f", "title": "value of the landscape", "format": "sig3"},
    {"key": "grad_norm", "label": "‖∇f‖", "title": "norm of the gradient", "format": "sig3"},
    {"key": "step_norm", "label": "‖step‖", "title": "length of the step that led here", "format": "sig3"},
    {"key": "evaluations", "label": "evals", "title": "evaluations so far", "format": "int"},
)


def labels(members: Sequence[MemberView]) -> list[str]:
    """Return a short name of every method."""
    return roster.labels(members, SHORT)


def evaluations(member: MemberView) -> NDArray[Any]:
    """Return how often f or its gradient was asked for; both at one point count once."""
    return np.maximum(member.view.work["evaluation"], member.view.work["gradient"])


def x_values(member: MemberView, x_axis: str) -> NDArray[Any]:
    """Return the column that the x axis shows."""
    if x_axis == "evaluations":
        return evaluations(member)
    if x_axis == "passes":
        return passes(member)
    return member.view.seconds if x_axis == "seconds" else member.view.k


def passes(member: MemberView) -> Array:
    """Return how often a training has gone through all its data, forwards and back."""
    return np.asarray(member.view.work["units"]) / 2.0


def gap(member: MemberView, landscape: Landscape) -> Array:
    """Return the loss over the minimum where that is known, else the loss."""
    return np.asarray(member.view.scalars["loss"] - (landscape.minimum or 0.0), dtype=float)


def gap_title(landscape: Landscape) -> str:
    """Say what `gap` is."""
    if landscape.minimum is None:
        return "Loss f"
    return "Loss f" if landscape.minimum == 0 else f"Loss over the minimum, f − ({landscape.minimum:.5g})"


def race(
    members: Sequence[MemberView],
    columns: Sequence[Array],
    x_axis: str,
    points: int,
    *,
    log: bool = True,
    legend: bool = True,
    sparse: bool = False,
) -> FigureDict:
    """Draw one curve a method, and a mark where it ended.

    Parameters
    ----------
    columns : the numbers of each method, one for each of its iterates.
    sparse : recorded now and then: lines go on through what is missing.
    """
    data, ends = [], []
    for member, name, index, column in zip(members, labels(members), indices(members), columns, strict=True):
        y = np.where(np.isfinite(column) & ((column > 0) | (not log)), column, np.nan)
        x = np.asarray(x_values(member, x_axis), dtype=float)
        there = np.flatnonzero(np.isfinite(y)) if sparse else np.arange(len(y))
        keep = there[decimate(x[there], y[there], points)]
        data.append(
            {
                "type": "scatter", "mode": "lines" if len(keep) > 1 else "markers", "x": x[keep],
                "y": y[keep], "customdata": member.view.k[keep], "name": name,
                "hovertemplate": "k = %{customdata}: %{y:.4g}", "line": style.method_line(index),
                "meta": style.method_meta(index),
                "showlegend": legend,
            }
        )  # fmt: skip
        known = keep[np.isfinite(y[keep])]
        if tone(member) == "failed" and len(known):
            ends.append((x[known[-1]], y[known[-1]]))
    if ends:
        data.append(
            {
                "type": "scatter", "mode": "markers", "x": np.array([x for x, _ in ends]),
                "y": np.array([y for _, y in ends]), "marker": {"symbol": "x", "size": 8}, "name": "",
                "hoverinfo": "skip", "showlegend": False, "meta": {"role": "weak", "cursor": False},
            }
        )  # fmt: skip
    scale = style.axis(Scalar("", scale=Scale.LOG)) if log else {}
    return style.figure(data, {"title": {"text": X_AXES[x_axis]}}, scale)


def recorded(member: MemberView) -> dict[str, NDArray[Any]]:
    """Return every recorded number of a method, and its evaluations."""
    return dict(member.view.scalars) | {"evaluations": evaluations(member)}


def standings_payload(
    members: Sequence[MemberView],
    *,
    group: str,
    points: int,
    ended: bool,
    columns: Sequence[Mapping[str, str]] = COLUMNS,
    read: Callable[[MemberView], Mapping[str, NDArray[Any]]] = recorded,
) -> bytes:
    """Encode the table of ``assets/standings.js``: numbers of every method over k.

    Parameters
    ----------
    columns : of the table, k first.
    read : returns the numbers of a method, each with a value for every iterate.
    """
    arrays: dict[str, NDArray[Any]] = {}
    heads: list[Mapping[str, Any]] = []
    for number, (member, name, index) in enumerate(
        zip(members, labels(members), indices(members), strict=True)
    ):
        view = member.view
        keep = decimate(view.k.astype(float), view.scalars["loss"], points)
        numbers = read(member)
        arrays[f"{number}.k"] = view.k[keep].astype(np.int32)
        for column in columns[1:]:
            values = np.asarray(numbers[column["key"]], dtype=float)[keep]
            arrays[f"{number}.{column['key']}"] = values
        # all steps made is how most descents end: no reason to mark them
        how = "" if tone(member) == "limit" else tone(member)
        heads.append({"title": name, "index": index, "ended": ended or view.status.terminal, "tone": how})
    return pack(arrays, {"group": group, "members": heads, "columns": list(columns)})
