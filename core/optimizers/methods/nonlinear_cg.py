"""Nonlinear conjugate gradients: five formulas for how much of the last direction is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate, Status
from core.optimizers.explanation import Line, Number, Step
from core.optimizers.landscape import Landscape
from core.optimizers.line_search import strong_wolfe
from core.optimizers.steps import SCALARS, Budget, Oracle, Recorder
from core.registry import Scalar, method, param


def coefficient(name: str, g: Array, g_old: Array, d: Array) -> float:
    """Return β of d⁺ = −g + β d with y = g − g_old; 0, a plain gradient step, where it is undefined.

    fr ‖g‖²/‖g_old‖² · pr max(0, gᵀy/‖g_old‖²) · hs gᵀy/dᵀy · dy ‖g‖²/dᵀy ·
    hz max{(y − 2d‖y‖²/dᵀy)ᵀg/dᵀy, −1/(‖d‖ min(0.01, ‖g_old‖))}
    """
    y = g - g_old
    old, along = float(g_old @ g_old), float(d @ y)
    if name in ("fr", "pr"):
        top = float(g @ g) if name == "fr" else max(0.0, float(g @ y))
        return top / old if old > 0 else 0.0
    if along == 0.0:
        return 0.0
    if name == "hs":
        return float(g @ y) / along
    if name == "dy":
        return float(g @ g) / along
    beta = float((y - 2 * d * (float(y @ y) / along)) @ g) / along
    return max(beta, -1.0 / (float(np.linalg.norm(d)) * min(0.01, math.sqrt(old))))


@method(
    "nonlinear_cg",
    lab="optimizers",
    title="Nonlinear conjugate gradients",
    source="Fletcher & Reeves 1964; Polak & Ribière 1969; Hestenes & Stiefel 1952; Dai & Yuan 1999; Hager & "
    "Zhang 2005, A new conjugate gradient method with guaranteed descent, SIAM J. Optim. 16(1)",
    assumes="gradients without noise",
    example="rosenbrock",
    scalars=SCALARS | {"beta": Scalar("β")},
    colour=18,
    order=30,
)
@dataclass(frozen=True)
class NonlinearCg(Budget):
    """d ← −g + β d,  x ← x + α d with α from a strong Wolfe line search (c₁ = 10⁻⁴).

    On a quadratic with exact searches all five formulas are linear conjugate gradients, which end after n
    steps. Elsewhere they differ in how soon they forget a direction that has become useless.

    Notes
    -----
    Restarts with −g when the new direction does not descend, every n steps, and (not for Hager–Zhang) when
    successive gradients are far from orthogonal, |gᵀg_old| ≥ 0.1‖g‖² (Powell's test). A search that fails is
    repeated along −g; if that fails too the run ends.
    """

    formula: str = param(
        "pr",
        choices={"fr": "Fletcher–Reeves", "pr": "Polak–Ribière +", "hs": "Hestenes–Stiefel", "dy": "Dai–Yuan",
                 "hz": "Hager–Zhang"},
        doc="formula for β",
    )  # fmt: skip
    curvature: float = param(
        0.1, low=1e-3, high=0.45, label="c₂", advanced=True, doc="slope left by a search"
    )
    rtol: float = param(
        1e-8, low=0.0, high=0.1, advanced=True,
        doc="end when the gradient's norm is below this share of its first value; 0 = use all steps",
    )  # fmt: skip

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield points and directions.

        Yields
        ------
        Arrays: ``gradient``, ``step``, ``direction`` d, ``momentum`` = β d_old, ``preconditioned`` = g,
        ``gradient_before``, ``direction_before``, ``search`` = [α, β].
        """
        return self._loop(problem)

    def _loop(self, landscape: Landscape) -> Iterator[Iterate]:
        oracle = Oracle(landscape)
        recorder = Recorder(oracle, self)
        x = landscape.start.copy()
        f, g = oracle.both(x)
        g_old, d_old = np.zeros_like(g), np.zeros_like(g)
        since, alpha, slope_old = 0, math.nan, math.nan
        while True:
            status, note = recorder.end(x, f, g)
            norm = math.sqrt(float(g @ g))
            if status is Status.RUNNING and norm == 0.0:
                status, note = Status.CONVERGED, "the gradient is zero"
            work = oracle.work()
            if status is not Status.RUNNING:
                yield recorder.item(x, f, g, alpha, {}, work, status, note, {"beta": math.nan})
                return
            beta = 0.0 if since == 0 else coefficient(self.formula, g, g_old, d_old)
            is_far = self.formula != "hz" and abs(float(g @ g_old)) >= 0.1 * norm**2
            if since % landscape.n == 0 or is_far or not float((-g + beta * d_old) @ g) < 0:
                beta = 0.0
            d = -g + beta * d_old
            slope = float(g @ d)
            # the last step would have lowered the loss to first order by as much
            first = min(1.0, 1.0 / norm) if since == 0 else min(alpha * slope_old / slope, 1e3 * alpha)
            found = strong_wolfe(oracle.both, x, d, f, g, first, c2=self.curvature)
            if found is None and beta != 0.0:
                beta, d = 0.0, -g
                slope = -(norm**2)
                found = strong_wolfe(oracle.both, x, d, f, g, min(1.0, 1.0 / norm), c2=self.curvature)
            if found is None:
                note = f"no step along −g lowers the loss at k = {recorder.k}"
                yield recorder.item(x, f, g, alpha, {}, work, Status.BREAKDOWN, note, {"beta": math.nan})
                return
            alpha = found.alpha
            arrays = {
                "step": alpha * d, "direction": d.copy(), "momentum": beta * d_old,
                "preconditioned": g.copy(),
                "gradient_before": g_old.copy(), "direction_before": d_old.copy(),
                "search": np.array([alpha, beta]),
            }  # fmt: skip
            yield recorder.item(x, f, g, alpha, arrays, work, extra={"beta": beta})
            x = x + alpha * d
            f, g_old, g, d_old, slope_old = found.f, g, found.gradient, d, slope
            since += 1

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, g_old, d_old = (step[n] for n in ("x", "gradient", "gradient_before", "direction_before"))
        alpha, beta = (float(v) for v in step["search"])
        d = -g
        if beta != 0.0:
            y = g - g_old
            yield Line("y", "<g> - <g_old>", {"g": g, "g_old": g_old}, y, "change of the gradient")
            template = {
                "fr": r"\frac{\|<g>\|^2}{\|<g_old>\|^2}",
                "pr": r"\max\left(0, \frac{<g>^T <y>}{\|<g_old>\|^2}\right)",
                "hs": r"\frac{<g>^T <y>}{<d_old>^T <y>}",
                "dy": r"\frac{\|<g>\|^2}{<d_old>^T <y>}",
                "hz": r"\frac{\left(<y> - 2 <d_old> \|<y>\|^2 / <d_old>^T <y>\right)^T <g>}{<d_old>^T <y>}",
            }[self.formula]
            numbers: dict[str, Number] = {"g": g, "g_old": g_old, "y": y, "d_old": d_old}
            yield Line("beta", template, numbers, beta, "share of the last direction")
            d = -g + beta * d_old
            yield Line("d", "-<g> + <beta> <d_old>", {"g": g, "beta": beta, "d_old": d_old}, d, "direction")
        else:
            yield Line("d", "-<g>", {"g": g}, d, "a start, or a restart")
        yield Line("x_", "<x> + <alpha> <d>", {"x": x, "alpha": alpha, "d": d}, x + alpha * d)
