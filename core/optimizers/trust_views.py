"""What gradient-normalized smoothness shows of a step and of a run, whichever Hessian it takes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from core.iterate import Array
from core.optimizers.landscape import Landscape
from core.optimizers.overlays import Arrow, Marks, Outline, Overlay
from core.optimizers.panels import Course, Panel, Points, along_kept
from core.trace import Snapshot, TraceView

#: Rings of the quadratic model: its level through the iterate, and those of 5/9 and 8/9 of the promised fall.
RINGS = (1 / 3, 2 / 3, 1.0)


class TrustViews:
    """Views of a method that records ``regularization`` = [γ, λ, ‖g‖_*], ``rejected`` and ``hessian``."""

    def overlays(self, snapshot: Snapshot) -> Iterator[Overlay]:
        """Yield the ball of trust, the trials, and Newton's step and model where H is positive definite."""
        x, g, H = snapshot["x"], snapshot["gradient"], snapshot["hessian"]
        gamma = float(snapshot["regularization"][0])
        yield Outline("ball of radius γ", x, gamma * unit_ball(snapshot.get("metric", np.eye(len(x)))))
        yield Marks("rejected trials", snapshot["rejected"], "refused")
        yield Marks("accepted trial", (x + snapshot["step"])[None], hollow=False)
        try:
            ball = unit_ball(H)
        except np.linalg.LinAlgError:
            return
        newton = -ball @ (ball.T @ g)
        yield Arrow("Newton step", newton)
        promised = math.sqrt(max(-float(g @ newton), 0.0))
        yield Outline("quadratic model", x + newton, promised * ball, "model", RINGS)

    def panels(self, problem: Landscape, view: TraceView, k: int) -> Iterator[Panel]:
        """Yield the trials of every step and what the linear solves brought."""
        trials = along_kept(view, lambda s: 1.0 + len(s["rejected"]) if "rejected" in s else None)
        yield Course("trials", "Trials of a step", trials, words=(
            "A trial is one factorisation, one loss and one gradient; γ halves at every one but the last."
        ))  # fmt: skip
        what = "f" if problem.minimum is None else "f − f*"
        gap = view.scalars["loss"] - (problem.minimum or 0.0)
        yield Points(
            "gap_over_solves", f"{what} against linear solves", view.scalars["solves"],
            np.where(gap > 0, gap, np.nan), "linear solves", what, joined=True, log_y=True,
        )  # fmt: skip


def unit_ball(B: Array) -> Array:
    """Return A with √(hᵀBh) = 1 for every h = A u of a unit vector u, so that A Aᵀ = B⁻¹.

    Raises
    ------
    numpy.linalg.LinAlgError
        If B is not positive definite.
    """
    return np.asarray(np.linalg.inv(np.linalg.cholesky(B)).T)
