"""Gradient-Normalized Smoothness: Newton steps, exact or not, damped by what the last ones were worth.

Semenov et al. 2025, Gradient-Normalized Smoothness for Optimization with Approximate Hessians, arXiv
2506.13710. γ is the radius within which g + H h is trusted to predict the gradient relative to ‖g‖.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from core.iterate import Array, Iterate, Status
from core.optimizers.explanation import Line, Number, Step
from core.optimizers.landscape import Landscape
from core.optimizers.smoothness import HESSIANS, check_hessian
from core.optimizers.steps import ROUNDING, SCALARS, MinimumBudget, Oracle, Recorder
from core.optimizers.training import check_hessian_size
from core.optimizers.trust_views import TrustViews
from core.registry import Scalar, Scale, method, param

SOURCE = (
    "Semenov et al. 2025, Gradient-Normalized Smoothness for Optimization with Approximate Hessians, "
    "arXiv 2506.13710"
)
#: λ = ‖g‖/(γ + GUARD): keeps λ finite; the smallest γ; trials before a step is given up.
GUARD, GAMMA_MIN, TRIALS = 1e-8, 1e-9, 40

GNS_SCALARS = SCALARS | {
    "gamma": Scalar("γ", scale=Scale.LOG),
    "damping": Scalar("λ", scale=Scale.LOG),
    "solves": Scalar("linear solves"),
}


@dataclass(frozen=True)
class Settings(TrustViews, MinimumBudget):
    """Parameters and views that all variants share."""

    gamma: float = param(1.0, low=1e-3, high=1e3, log=True, label="γ₀", doc="radius of trust at the start")


@method(
    "gns", lab="optimizers", title="Gradient-normalized smoothness", source=SOURCE, example="rosenbrock",
    assumes="gradients without noise", scalars=GNS_SCALARS, colour=15, order=15,
)  # fmt: skip
@dataclass(frozen=True)
class Gns(Settings):
    """x⁺ = x − (H + λB)⁻¹ g with λ = ‖g‖_*/γ; γ doubles after every step and halves at every rejection.

    A trial is accepted if f − f⁺ ≥ ‖g⁺‖²_*/(8λ), the progress that the theory promises within the radius of
    trust. H may be cheaper than the Hessian: what it misses only makes γ smaller.

    Notes
    -----
    Differs from the authors' code where that would go on with an undefined point: a Cholesky factorisation
    that fails and a trial whose loss is not finite are rejections, and forty rejections end the run. Where
    f − f⁺ drowns in rounding, a trial is accepted if the gradient shrinks, and the run ends otherwise. The
    code uses one ε for the tolerance and for the guard of γ; here they are two.
    """

    hessian: str = param(
        "exact", choices=HESSIANS, doc="what H is; Gauss–Newton and Fisher where the landscape has them"
    )  # fmt: skip

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield points and terms of the accepted steps.

        Yields
        ------
        Arrays: ``gradient``, ``step``, ``rejected`` (trials, n) points, ``hessian`` (n, n) as used,
        ``regularization`` = [γ, λ, ‖g‖_*], and ``metric`` B unless it is I.

        Raises
        ------
        ValueError
            If the landscape has no such Hessian, or one that is too large.
        """
        check_hessian(problem, self.hessian)
        check_hessian_size(problem.n)
        return self._loop(problem)

    def _hessian(self, oracle: Oracle) -> Callable[[Array], Array]:
        if self.hessian == "exact":
            return oracle.hessian
        if self.hessian == "diagonal":
            return lambda x: np.diag(np.diag(oracle.hessian(x)))
        if self.hessian == "zero":
            return lambda x: np.zeros((len(x), len(x)))
        return lambda x: oracle.approximation(self.hessian, x)

    def _loop(self, landscape: Landscape) -> Iterator[Iterate]:
        oracle, minimum = Oracle(landscape), landscape.minimum
        recorder, hessian = Recorder(oracle, self), self._hessian(oracle)
        B = landscape.metric
        dual = _dual_norm(B)
        metric = np.eye(landscape.n) if B is None else B
        gamma, solves, x = self.gamma, 0, landscape.start.copy()
        f, g = oracle.both(x)
        status, note = recorder.end(x, f, g)
        while True:
            norm = dual(g)
            if status is Status.RUNNING and minimum is not None and f - minimum < self.gap:
                status, note = Status.CONVERGED, f"f − f* = {f - minimum:.3g}"
            elif status is Status.RUNNING and norm == 0.0:
                status, note = Status.CONVERGED, "the gradient is zero"
            extra = {"gamma": gamma, "damping": norm / (gamma + GUARD), "solves": float(solves)}
            if status is not Status.RUNNING:
                yield recorder.item(x, f, g, math.nan, {}, oracle.work(), status, note, extra)
                return
            work = oracle.work()
            H = _symmetric(hessian(x))
            rejected: list[Array] = []
            verdict: bool | None = None
            while verdict is None and len(rejected) < TRIALS and gamma >= GAMMA_MIN:  # one trial a turn
                damping = norm / (gamma + GUARD)
                step = _solve(H + damping * metric, g)
                solves += 1
                if step is not None:
                    f_new, g_new = oracle.both(x + step)
                    verdict = _judge(f, f_new, norm, dual(g_new), damping)
                if verdict is None:
                    gamma /= 2
                    if step is not None:
                        rejected.append(x + step)
            if not verdict or step is None:
                status, note = Status.CONVERGED, "differences of the loss are rounding"
                if verdict is None:
                    status = Status.BREAKDOWN
                    note = f"no trial made progress at k = {recorder.k}; γ fell to {gamma:.1g}"
                yield recorder.item(x, f, g, math.nan, {}, work, status, note, extra)
                return
            extra |= {"gamma": gamma, "damping": damping}
            arrays = {
                "step": step, "hessian": H,
                "rejected": np.array(rejected).reshape(-1, len(x)),
                "regularization": np.array([gamma, damping, norm]),
            } | ({} if B is None else {"metric": B.copy()})  # fmt: skip
            yield recorder.item(x, f, g, math.nan, arrays, work, extra=extra)
            gamma = max(2 * gamma, GAMMA_MIN)
            x = x + step
            f, g = f_new, g_new
            status, note = recorder.end(x, f, g)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        x, g, H = step["x"], step["gradient"], step["hessian"]
        gamma, _, norm = (float(v) for v in step["regularization"])
        B: Array = step.arrays.get("metric", np.eye(len(x)))
        damping = norm / (gamma + GUARD)
        numbers: dict[str, Number] = {"norm": norm, "gamma": gamma, "eps": GUARD}
        yield Line("damping", r"\frac{<norm>}{<gamma> + <eps>}", numbers, damping, "damping from the radius")
        numbers = {"H": H, "damping": damping, "B": B, "g": g}
        h: Array = np.asarray(-np.linalg.solve(H + damping * B, g), dtype=np.float64)
        yield Line("h", r"-\left(<H> + <damping> <B>\right)^{-1} <g>", numbers, h, "damped Newton step")
        yield Line("x_", "<x> + <h>", {"x": x, "h": h}, x + h)


def _dual_norm(B: Array | None) -> Callable[[Array], float]:
    """Return ‖s‖_* = √(sᵀB⁻¹s); ValueError if B is not positive definite."""
    if B is None:
        return lambda s: math.sqrt(float(s @ s))
    try:
        factor = cho_factor(B)
    except LinAlgError:
        raise ValueError("the metric B is not positive definite") from None
    return lambda s: math.sqrt(max(float(s @ cho_solve(factor, s)), 0.0))


def _symmetric(H: Array) -> Array:
    """Return H; ValueError if it is not symmetric, as a factorisation would not tell."""
    gap, size = float(np.abs(H - H.T).max()), float(np.abs(H).max())
    # a Hessian that is a small difference of large matrices is symmetric to fewer digits than it has
    if gap > 1e-6 * size:
        raise ValueError(f"the Hessian is not symmetric: H and Hᵀ differ by {gap / size:.1g} of its size")
    return H


def _solve(A: Array, g: Array) -> Array | None:
    """Return −A⁻¹g, or None if A is not positive definite: then the trial counts as rejected."""
    try:
        return np.asarray(-cho_solve(cho_factor(A, check_finite=False), g, check_finite=False))
    except LinAlgError:
        return None


def _judge(f: float, f_new: float, norm: float, norm_new: float, damping: float) -> bool | None:
    """Return True to accept a trial, None to reject it, False if progress can no longer be told."""
    if not (math.isfinite(f_new) and math.isfinite(norm_new)):
        return None
    if abs(f - f_new) <= ROUNDING * max(1.0, abs(f)):
        return norm_new <= norm
    return True if f - f_new >= norm_new**2 / (8 * damping) else None


@method(
    "gns_gauss_newton", lab="optimizers", title="GNS with Gauss–Newton", source=SOURCE, example="rosenbrock",
    assumes="a landscape with a Gauss–Newton matrix", scalars=GNS_SCALARS, colour=16, order=16,
)  # fmt: skip
@dataclass(frozen=True)
class GnsGaussNewton(Settings):
    """Gradient-normalized smoothness whose H leaves out the residuals' own curvature."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield what `Gns` yields with ``hessian=gauss_newton``."""
        return self._gns().iterate(problem)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        return self._gns().explain(step)

    def _gns(self) -> Gns:
        return Gns(self.steps, self.rtol, self.gap, self.gamma, "gauss_newton")


@method(
    "gns_zero", lab="optimizers", title="GNS without Hessian", source=SOURCE, example="booth",
    scalars=GNS_SCALARS, colour=17, order=17,
)  # fmt: skip
@dataclass(frozen=True)
class GnsZero(Settings):
    """Gradient-normalized smoothness with H = 0: a normalized gradient, the control for what H adds."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield what `Gns` yields with ``hessian=zero``."""
        return self._gns().iterate(problem)

    def explain(self, step: Step) -> Iterator[Line]:
        """Yield the formulas of a step with their numbers."""
        return self._gns().explain(step)

    def _gns(self) -> Gns:
        return Gns(self.steps, self.rtol, self.gap, self.gamma, "zero")
