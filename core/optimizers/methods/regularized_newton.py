"""Two other ways to damp Newton's method: a cubic model, and a damping by a power of the gradient's norm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import brentq

from core.iterate import Array, Iterate, Status
from core.optimizers.explanation import Line, Number, Step
from core.optimizers.landscape import Landscape
from core.optimizers.steps import ROUNDING, SCALARS, MinimumBudget, Oracle, Recorder
from core.optimizers.training import check_hessian_size
from core.registry import Scalar, Scale, method, param

#: Trials before a step is given up.
TRIALS = 60
NEWTON_SCALARS = SCALARS | {
    "constant": Scalar("constant of the model", scale=Scale.LOG),
    "damping": Scalar("λ", scale=Scale.LOG),
    "solves": Scalar("linear solves"),
}


@dataclass(frozen=True)
class Settings(MinimumBudget):
    """Parameters that both share."""

    constant: float = param(
        1.0, low=1e-5, high=1e5, log=True, label="H₀", doc="the model's constant at the start"
    )

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, H = step["x"], step["gradient"], step["hessian"]
        damping = float(step["regularization"][1])
        numbers: dict[str, Number] = {"H": H, "damping": damping, "g": g}
        h: Array = np.asarray(-np.linalg.solve(H + damping * np.eye(len(x)), g), dtype=np.float64)
        yield Line("h", r"-\left(<H> + <damping> I\right)^{-1} <g>", numbers, h, "damped Newton step")
        yield Line("x_", "<x> + <h>", {"x": x, "h": h}, x + h)


def cubic_step(H: Array, g: Array, constant: float) -> tuple[Array, float]:
    """Return the global minimiser Δ of ⟨g,Δ⟩ + ½ΔᵀHΔ + (M/6)‖Δ‖³ and its damping (M/2)‖Δ‖.

    Δ = −(H + (M/2) r I)⁻¹ g with r = ‖Δ‖ and H + (M/2) r I ⪰ 0: one equation in r. Where g has no part along
    the lowest eigenvector (the hard case), that vector is added until the lengths agree.

    Parameters
    ----------
    constant : M > 0.

    References
    ----------
    Nesterov & Polyak 2006, Cubic regularization of Newton method and its global performance, Sec. 5.
    """
    values, vectors = np.linalg.eigh(H)
    along = vectors.T @ g
    scale = float(np.linalg.norm(g))

    def excess(r: float) -> float:
        return float(np.linalg.norm(along / (values + 0.5 * constant * r))) - r

    lowest = max(0.0, -2.0 * float(values[0]) / constant)
    low = lowest + 1e-12 * (1.0 + lowest)
    with np.errstate(divide="ignore", over="ignore"):
        if excess(low) <= 0:
            damping = 0.5 * constant * lowest
            rest = np.where(
                values + damping > 1e-10 * (1 + abs(values[0])), along / (values + damping + 1e-300), 0.0
            )
            missing = math.sqrt(max(0.0, lowest**2 - float(rest @ rest)))
            rest[0] += missing
            return np.asarray(-vectors @ rest), damping
        high = low + 1.0
        while excess(high) > 0:
            high = 2 * high
        r = float(brentq(excess, low, high, xtol=1e-15 * max(1.0, scale), rtol=1e-14, maxiter=200))
    damping = 0.5 * constant * r
    return np.asarray(-vectors @ (along / (values + damping))), damping


def shifted_step(H: Array, g: Array, damping: float) -> Array | None:
    """Return −(H + λI)⁻¹g, or None where that matrix is not positive definite."""
    try:
        factor = cho_factor(H + damping * np.eye(len(g)), check_finite=False)
    except LinAlgError:
        return None
    return np.asarray(-cho_solve(factor, g, check_finite=False))


class Rule(Protocol):
    """How a method tries and judges a step.

    Attributes
    ----------
    up, down : what the constant is multiplied by after a rejected and after an accepted trial.
    floor : below which it does not fall.
    """

    up: float
    down: float
    floor: float

    def trial(self, H: Array, g: Array, constant: float) -> tuple[Array | None, float]:
        """Return a step (None = there is none) and its damping λ."""
        ...

    def accepts(
        self, H: Array, g: Array, step: Array, f: float, f_new: float, g_new: Array, c: float, damping: float
    ) -> bool:
        """Whether the trial made the progress that the model promised."""
        ...


class _Cubic:
    up, down, floor = 2.0, 0.5, 1e-10

    def trial(self, H: Array, g: Array, constant: float) -> tuple[Array | None, float]:
        return cubic_step(H, g, constant)

    def accepts(
        self, H: Array, g: Array, step: Array, f: float, f_new: float, g_new: Array, c: float, damping: float
    ) -> bool:
        cube = float(np.linalg.norm(step)) ** 3
        return f_new <= f + float(g @ step) + 0.5 * float(step @ H @ step) + c * cube / 6


class _SuperUniversal:
    up, down, floor = 4.0, 0.25, 1e-5

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha

    def trial(self, H: Array, g: Array, constant: float) -> tuple[Array | None, float]:
        damping = constant * float(np.linalg.norm(g)) ** self._alpha
        return shifted_step(H, g, damping), damping

    def accepts(
        self, H: Array, g: Array, step: Array, f: float, f_new: float, g_new: Array, c: float, damping: float
    ) -> bool:
        return float(-g_new @ step) >= float(g_new @ g_new) / (4 * damping)


def _descend(settings: Settings, landscape: Landscape, rule: Rule) -> Iterator[Iterate]:
    oracle, minimum = Oracle(landscape), landscape.minimum
    recorder = Recorder(oracle, settings)
    constant, solves, x = settings.constant, 0, landscape.start.copy()
    f, g = oracle.both(x)
    while True:
        status, note = recorder.end(x, f, g)
        if status is Status.RUNNING and minimum is not None and f - minimum < settings.gap:
            status, note = Status.CONVERGED, f"f − f* = {f - minimum:.3g}"
        elif status is Status.RUNNING and not g.any():
            status, note = Status.CONVERGED, "the gradient is zero"
        extra = {"constant": constant, "damping": math.nan, "solves": float(solves)}
        if status is not Status.RUNNING:
            yield recorder.item(x, f, g, math.nan, {}, oracle.work(), status, note, extra)
            return
        work, H, rejected = oracle.work(), oracle.hessian(x), list[Array]()
        found: tuple[Array, float, float, Array] | None = None
        for _ in range(TRIALS):
            step, damping = rule.trial(H, g, constant)
            solves += 1
            if step is not None:
                f_new, g_new = oracle.both(x + step)
                usable = math.isfinite(f_new) and bool(np.isfinite(g_new).all())
                lost = usable and abs(f - f_new) <= ROUNDING * max(1.0, abs(f)) and g_new @ g_new <= g @ g
                if usable and (lost or rule.accepts(H, g, step, f, f_new, g_new, constant, damping)):
                    found = step, damping, f_new, g_new
                    break
                rejected.append(x + step)
            constant *= rule.up
        if found is None:
            note = f"no trial made progress at k = {recorder.k}; the constant rose to {constant:.1g}"
            yield recorder.item(x, f, g, math.nan, {}, work, Status.BREAKDOWN, note, extra)
            return
        step, damping, f_new, g_new = found
        extra |= {"constant": constant, "damping": damping}
        arrays = {
            "step": step, "preconditioned": -step, "hessian": H,
            "rejected": np.array(rejected).reshape(-1, len(x)),
            "regularization": np.array([constant, damping]),
        }  # fmt: skip
        yield recorder.item(x, f, g, math.nan, arrays, work, extra=extra)
        constant = max(constant * rule.down, rule.floor)
        x, f, g = x + step, f_new, g_new


@method(
    "cubic_newton", lab="optimizers", title="Cubic Newton", example="rosenbrock", colour=31, order=48,
    source="Nesterov & Polyak 2006, Cubic regularization of Newton method and its global performance, "
    "Mathematical Programming 108", assumes="gradients without noise", scalars=NEWTON_SCALARS,
)  # fmt: skip
@dataclass(frozen=True)
class CubicNewton(Settings):
    """The minimum of a quadratic model plus (M/6)‖Δ‖³; M doubles until the model is above f, then halves."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield points and terms of the accepted steps; arrays as in `core.optimizers.methods.gns.Gns`.

        Raises
        ------
        ValueError
            If the Hessian would be too large.
        """
        check_hessian_size(problem.n)
        return _descend(self, problem, _Cubic())


@method(
    "super_universal_newton", lab="optimizers", title="Super-universal Newton", example="rosenbrock",
    source="Doikov, Mishchenko & Nesterov 2024, Super-Universal Regularized Newton Method, SIAM J. Optim.",
    colour=32,
    assumes="gradients without noise", scalars=NEWTON_SCALARS, order=49,
)  # fmt: skip
@dataclass(frozen=True)
class SuperUniversalNewton(Settings):
    """x⁺ = x − (∇²f + λI)⁻¹ g with λ = H‖g‖^α, accepted if ⟨g⁺, −Δ⟩ ≥ ‖g⁺‖²/(4λ).

    H is a quarter after a step and four times as large after a rejection.
    """

    alpha: float = param(1.0, low=0.0, high=1.0, label="α", doc="power of the gradient's norm in the damping")

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield points and terms of the accepted steps; arrays as in `core.optimizers.methods.gns.Gns`.

        Raises
        ------
        ValueError
            If the Hessian would be too large.
        """
        check_hessian_size(problem.n)
        return _descend(self, problem, _SuperUniversal(self.alpha))
