"""Charts of updates as matrices: their singular values at a step, their rank over the steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.optimizers.update_matrices import Update
from core.run import MemberView
from pages.figures import optimizers, style
from pages.figures.roster import indices
from pages.figures.style import FigureDict

#: Singular values below this share of the largest one are rounding.
SMALLEST = 1e-8


def singular_values(members: Sequence[MemberView], updates: Sequence[Update | None]) -> FigureDict:
    """Draw the singular values of every method's update over its largest one."""
    data = []
    for name, index, found in zip(optimizers.labels(members), indices(members), updates, strict=True):
        if found is None or not found.values[0] > 0:
            continue
        shares = found.values / found.values[0]
        shares = shares[shares > SMALLEST]
        data.append(
            {"type": "scatter", "mode": "lines", "x": np.arange(1, len(shares) + 1), "y": shares,
             "name": name, "line": style.method_line(index), "meta": style.method_meta(index),
             "hovertemplate": "σ %{x}: %{y:.3g} σ₁"}
        )  # fmt: skip
    return style.figure(
        data, {"title": {"text": "number of the singular value"}}, {"type": "log", "exponentformat": "power"}
    )


def ranks(members: Sequence[MemberView], updates: Sequence[Sequence[Update]]) -> FigureDict:
    """Draw the effective rank of every method's updates over the steps."""
    data = []
    for name, index, found in zip(optimizers.labels(members), indices(members), updates, strict=True):
        ks = np.array([u.k for u in found])
        data.append(
            {"type": "scatter", "mode": "lines", "x": ks, "y": np.array([u.effective_rank for u in found]),
             "customdata": ks, "name": name, "line": style.method_line(index),
             "meta": style.method_meta(index), "hovertemplate": "k = %{customdata}: %{y:.3g}",
             "showlegend": False}
        )  # fmt: skip
    return style.figure(data, {"title": {"text": "step k"}}, {"rangemode": "tozero"})
