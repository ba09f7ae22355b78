"""Cures: how the step is made once a detector has said which directions are weak.

Each is a function of H, g and a `Weakness`; without a weak direction each is the plain Gauss-Newton step. In
the detector's basis δ = M y with y = F δ; W are the weak directions, K the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment, lsq_linear

from core.iterate import Array, Iterate
from core.registration.alignment import align
from core.registration.detectors import ALL, DETECTORS, ZERO, Thresholds, Weakness, detect
from core.registration.problem import ScanPair
from core.registration.settings import PlaneSettings
from core.registration.solvers import SOLVERS, SituatedTreatment, Situation, Step
from core.registry import Scalar, param

#: What every cure records beside `core.registration.alignment.SCALARS`.
CURE_SCALARS = {"weak": Scalar("weak directions")}

#: Turns H, g, what the detector found and where that was into a step.
Cure = Callable[[Array, Array, Weakness, Situation], Step]
Solver = Callable[[Array, Array], Array]


def detector_param(default: str) -> Any:
    """Declare the parameter `detector` with the one that a method's name stands for."""
    return param(
        default, choices=DETECTORS, doc="which directions are called weak; any detector goes with any cure"
    )


@dataclass(frozen=True)
class CureSettings(Thresholds, PlaneSettings):
    """The settings of a method that is a detector and a cure."""

    detector: str = detector_param("schur")
    detect_at: str = param(
        "every", label="detect at", advanced=True,
        choices={"every": "every iteration", "first": "the first iteration only"},
        doc="first: what is weak at the start stays weak, as in the LOAM family",
    )  # fmt: skip

    def align_with(self, problem: ScanPair, cure: Cure) -> Iterator[Iterate]:
        """Run the shared loop with this detector and a cure; ValueError if a setting makes no sense."""
        if self.detector not in DETECTORS or self.detect_at not in ("every", "first"):
            raise ValueError(f"unknown detector {self.detector!r} or detect_at {self.detect_at!r}")
        self.check()
        return align(problem, self, _Cured(self, cure), correspondence=self.correspondence)


class _Cured(SituatedTreatment):
    """A detector and a cure at work in one run."""

    def __init__(self, settings: CureSettings, cure: Cure) -> None:
        self._settings, self._cure = settings, cure
        self._first: Weakness | None = None

    def treat(self, H: Array, g: Array, situation: Situation) -> Step:
        """Detect, cure, and record what was found."""
        found = self._first
        if found is None:
            found = detect(self._settings.detector, H, self._settings, situation.pairs)
            if self._settings.detect_at == "first":
                self._first = found
        step = self._cure(H, g, found, situation)
        return Step(
            step.delta,
            step.products,
            {"weak": float(found.weak.sum()), **step.scalars},
            {
                "mask": found.mask.astype(np.float64),
                "weak_flags": found.weak.astype(np.float64),
                "motions": found.motions.copy(),
                "strengths": found.strengths.copy(),
                **{name: values.copy() for name, values in found.details.items()},
                **step.arrays,
            },
            step.obstacle or self._obstacle(found, step.delta, g, situation),
        )

    def _obstacle(self, found: Weakness, delta: Array, g: Array, situation: Situation) -> str:
        """Return why there is no step where the detector left none."""
        if not found.weak.all() or delta.any() or not g.any():
            return ""
        text = "all six directions are called weak, which leaves no step"
        pairs = len(situation.pairs()) if self._settings.detector == "xicp" else 0
        if 0 < pairs < 3.0 * self._settings.enough:
            # a translation of a room gets about a third of the pairs
            text += (
                f"; X-ICP's thresholds are made for more pairs ({pairs} here, 3 × enough = "
                f"{3.0 * self._settings.enough:.0f}): lower them or the voxel size,"
            )
        return text


# --- projection and constraints -------------------------------------------------------------------------


def remap(H: Array, g: Array, found: Weakness, solve: Solver) -> Array:
    """Return M_K F_K δ_u with δ_u = H⁻¹g: solve, then zero the weak coordinates (solution remapping)."""
    kept = ~found.weak
    return np.asarray(found.motions[:, kept] @ (found.functionals[kept] @ solve(H, g)))


def truncate(H: Array, g: Array, found: Weakness) -> Array:
    """Return Σ v (vᵀg)/λ over eigenpairs of H without the weak ones (truncated SVD).

    For a detector that judges in another basis than eigenvectors of H, each weak f_i stands for the
    eigenvector with the largest |f_i·v|, each taken once.
    """
    if found.blocks == (ALL,):  # MᵀHM = diag(strengths): the basis itself
        V, values, weak = found.motions, found.strengths, found.weak
    else:
        values, V = np.linalg.eigh(H)
        weak = np.zeros(6, dtype=bool)
        parallel = np.abs(found.functionals[found.weak] @ V)
        weak[linear_sum_assignment(-parallel)[1]] = True
    kept = ~weak & (values > ZERO * values.max())
    return np.asarray(V[:, kept] @ ((V[:, kept].T @ g) / values[kept]))


def constrain(H: Array, g: Array, found: Weakness) -> Array:
    """Return the minimiser of ½δᵀHδ − gᵀδ under F_W δ = c (equality constraints), c = `found.values`.

    In y the constraint is y_W = c, so the rest is a smaller system, (M_KᵀHM_K) y_K = M_Kᵀ(g − H M_W c): the
    KKT system without its multipliers. Where it is singular the least y_K is taken.
    """
    K, W = found.motions[:, ~found.weak], found.motions[:, found.weak]
    fixed = W @ found.values[found.weak]
    free = np.linalg.pinv(K.T @ H @ K, rcond=ZERO, hermitian=True) @ (K.T @ (g - H @ fixed))
    return np.asarray(fixed + K @ free)


def bound(H: Array, g: Array, found: Weakness, limits: Array) -> Array:
    """Return the minimiser of ½δᵀHδ − gᵀδ under |f_i·δ| ≤ limits_i (6,) for weak i (inequality).

    As box-constrained least squares, with LLᵀ = MᵀHM and Lᵀy ≈ L⁻¹Mᵀg.
    """
    if not found.weak.any():
        return constrain(H, g, found)
    A = found.motions.T @ H @ found.motions
    scale = 1.0 / np.sqrt(np.maximum(np.diag(A), np.finfo(float).tiny))
    L = np.linalg.cholesky(scale[:, None] * A * scale + ZERO * np.eye(6))
    rhs = np.linalg.solve(L, scale * (found.motions.T @ g))
    limit = np.where(found.weak, limits / scale, np.inf)
    y = scale * lsq_linear(L.T, rhs, (-limit, limit), method="bvls").x
    return np.asarray(found.motions @ y)


# --- priors ---------------------------------------------------------------------------------------------


def clamped(found: Weakness, target: float) -> Array:
    """Return λ̃ (6,): max(λ, λ_max/target) for weak directions, λ elsewhere, λ_max within the block."""
    raised = found.information.copy()
    for block in found.blocks:
        floor = float(found.information[block].max()) / target
        raised[block] = np.where(found.weak[block], np.maximum(raised[block], floor), raised[block])
    return raised


def prior(found: Weakness, target: float) -> Array:
    """Return Γ = Fᵀ diag(λ̃ − λ) F (6, 6): what weak directions lack up to λ_max/target (DCReg, Thm 4)."""
    lacking = clamped(found, target) - found.information
    return np.asarray(found.functionals.T @ (lacking[:, None] * found.functionals))


def preconditioner(found: Weakness, target: float) -> Array:
    """Return P = M diag(1/λ̃) Mᵀ (6, 6); for Schur's basis that of DCReg."""
    raised = clamped(found, target)
    floored = np.maximum(raised, max(ZERO * float(raised.max()), np.finfo(float).tiny))
    return np.asarray(found.motions @ (found.motions.T / floored[:, None]))


def truncated_pcg(H: Array, g: Array, P: Array, iterations: int) -> tuple[Array, Array]:
    """Return δ after some steps of preconditioned conjugate gradients from 0, and ‖r‖ after each of them.

    Parameters
    ----------
    P : (6, 6) ≈ H⁻¹.
    iterations : at most so many; fewer where r is rounding or a curvature is not positive.

    Returns
    -------
    δ (6,) and residual norms (n + 1,), n the steps made.
    """
    delta, r = np.zeros(6), g.copy()
    z = P @ r
    p, rz = z, float(r @ z)
    norms = [float(np.linalg.norm(r))]
    for _ in range(iterations):
        Hp = H @ p
        curvature = float(p @ Hp)
        if not (curvature > 0.0 and rz > 0.0) or norms[-1] <= 1e-15 * norms[0]:
            break
        alpha = rz / curvature
        delta = delta + alpha * p
        r = r - alpha * Hp
        norms.append(float(np.linalg.norm(r)))
        z = P @ r
        rz, previous = float(r @ z), rz
        p = z + rz / previous * p
    return delta, np.array(norms)


def named_solver(name: str) -> Solver:
    """Return the solver `name`; ValueError if there is none."""
    if name not in SOLVERS:
        raise ValueError(f"the solver must be one of {', '.join(SOLVERS)}, not {name!r}")
    return SOLVERS[name]
