"""Levenberg-Marquardt ICP: Gauss-Newton with a damping that is raised until a step pays.

Levenberg 1944, Marquardt 1963; for ICP with held partners as in small_gicp (Koide 2024).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate
from core.registration.alignment import align, retract
from core.registration.cures import Solver, named_solver
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS, PlaneSettings
from core.registration.solvers import SituatedTreatment, Situation, Step
from core.registry import Scalar, Scale, method, param

#: The error may rise by so much relatively: at a minimum it does by rounding.
ROUNDING = 1e-12
SMALLEST_DAMPING = 1e-300


@method(
    "levenberg_marquardt",
    lab="registration",
    title="Levenberg–Marquardt ICP",
    source="Levenberg 1944, Quart. Appl. Math. 2; Marquardt 1963, J. SIAM 11(2); Koide 2024, small_gicp, "
    "Journal of Open Source Software 9(100)",
    assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
    example="room",
    scalars={
        **SCALARS,
        "damping": Scalar("damping μ", "", Scale.LOG),
        "trials": Scalar("trial steps"),
    },
    colour=13,
    order=45,
)
@dataclass(frozen=True)
class LevenbergMarquardt(PlaneSettings):
    """Point-to-plane ICP with (H + μ D) δ = g, D = I or diag H.

    1. H, g as in point-to-plane ICP; E = ½ Σ w r² with partners and weights w held.
    2. Solve for δ; if E(T·Exp(δ)) ≤ E(T) take the step and set μ ← μ/10, else μ ← 10 μ and try again.
    3. Match again.

    Notes
    -----
    μ bounds the length of a step, not its sum: iterated, a weak direction still drifts to where plain ICP
    puts it, only more slowly. So damping is no cure for degeneracy.

    With D = I the same μ is added to rad⁻² and m⁻². With the default start (1e-3, small_gicp's) damping is
    negligible unless a step fails. A small step ends the run also if it is small because of μ.

    The weights of a robust kernel are held during the trials, which bounds the robust error from above. The
    LOAM model's error includes its weight.

    References
    ----------
    Levenberg 1944; Marquardt 1963 for D = diag H; small_gicp for the schedule.
    """

    damping: float = param(
        1e-3, low=1e-12, high=1e9, log=True, label="first damping", doc="μ of the first trial"
    )
    damping_factor: float = param(
        10.0, low=1.5, high=100.0, log=True, advanced=True, doc="μ is divided or multiplied by this"
    )
    damping_matrix: str = param(
        "identity", choices={"identity": "I (Levenberg)", "diagonal": "diag H (Marquardt)"}, advanced=True,
        doc="D; with the diagonal of H the ratio of radians to metres does not matter",
    )  # fmt: skip
    trials: int = param(10, low=1, high=50, advanced=True, doc="trials before an iteration gives up")

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system and the damping; see `core.registration.alignment.align`."""
        if not (self.damping > 0.0 and self.damping_factor > 1.0 and self.trials >= 1):
            raise ValueError("damping must be positive, damping_factor above 1, trials at least 1")
        treatment = _Damped(self, named_solver(self.solver))
        return align(problem, self, treatment, correspondence=self.correspondence)


class _Damped(SituatedTreatment):
    """The damping of one run."""

    def __init__(self, settings: LevenbergMarquardt, solve: Solver) -> None:
        self._settings, self._solve = settings, solve
        self._damping = settings.damping

    def treat(self, H: Array, g: Array, situation: Situation) -> Step:
        """Return the first trial step that does not raise the error."""
        settings, pairs = self._settings, situation.pairs()
        D = np.diag(np.diag(H)) if settings.damping_matrix == "diagonal" else np.eye(6)
        error = pairs.error_at(situation.T)
        for trial in range(1, settings.trials + 1):
            used = self._damping
            delta = self._solve(H + used * D, g)
            if np.isfinite(delta).all():
                trial_error = pairs.error_at(retract(situation.T, delta, settings.update))
                if trial_error <= error * (1.0 + ROUNDING):
                    self._damping = max(used / settings.damping_factor, SMALLEST_DAMPING)
                    return Step(delta, scalars={"damping": used, "trials": float(trial)})
            self._damping *= settings.damping_factor
        return Step(
            np.zeros(6),
            scalars={"damping": self._damping, "trials": float(settings.trials)},
            obstacle=f"none of {settings.trials} damped steps lowers the error",
        )
