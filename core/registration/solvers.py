"""How H δ = g is solved at each iteration: four linear solvers with one signature.

All agree to rounding while H is well conditioned. They differ on a singular H: the eigenvalue pseudo-inverse
leaves unobservable motions at zero, LDLᵀ and QR return any solution or a non-finite one, PCG stops inside the
Krylov space of g.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from scipy.linalg.lapack import dgeqp3, dormqr, dsysv, dtrtrs

from core.iterate import Array
from core.registration.evidence import Pairs
from core.registration.kernels.schur import SOLUTION_HEAD, dcreg_solve, eigen_solve

#: Eigenvalues below this fraction of the largest count as zero.
EIGENVALUE_CUTOFF = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A solution of H δ = g.

    Attributes
    ----------
    delta : (6,) twist [omega, v]; not finite if the solver failed.
    products : matrix-vector products with H that were made.
    scalars, arrays : what the solver wants recorded.
    obstacle : why there is no step (`delta` is zero), in words; ends the run.
    """

    delta: Array
    products: int = 0
    scalars: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    arrays: Mapping[str, Array] = field(default_factory=lambda: MappingProxyType({}))
    obstacle: str = ""


#: Turns normal equations (H, g) into a step; a detector, a cure and a solver combine into one.
Treatment = Callable[[Array, Array], Step]


@dataclass(frozen=True, slots=True, eq=False)
class Situation:
    """Where a system was made, for treatments that look at more than H and g.

    Attributes
    ----------
    T, T_start : (4, 4) present pose and start of the run, internal frames.
    pairs : makes the pairs behind the system.
    """

    T: Array
    T_start: Array
    pairs: Callable[[], Pairs]


class SituatedTreatment(ABC):
    """A treatment that may look at pairs and poses and may remember; one object serves one run."""

    @abstractmethod
    def treat(self, H: Array, g: Array, situation: Situation) -> Step:
        """Turn normal equations (H, g) into a step."""


def solve_eigen(H: Array, g: Array) -> Array:
    """Return the solution of least norm, Σ v (vᵀg)/λ over λ > 1e-12·λ_max (rad and m weigh the same)."""
    return np.asarray(eigen_solve(H, g, EIGENVALUE_CUTOFF))


def solve_ldlt(H: Array, g: Array) -> Array:
    """Return the solution by LDLᵀ with symmetric pivoting (Bunch-Kaufman); NaN if a pivot is exactly zero."""
    _, _, delta, info = dsysv(H, g, lower=1)
    return np.asarray(delta) if info == 0 else np.full(6, math.nan)


def solve_qr(H: Array, g: Array) -> Array:
    """Return the solution by QR with column pivoting; NaN if a diagonal of R is exactly zero."""
    qr, pivots, tau, _, _ = dgeqp3(H)
    rotated, _, _ = dormqr("L", "T", qr, tau, g[:, None], 6)
    solution, info = dtrtrs(qr, rotated)
    delta = np.full(6, math.nan)
    if info == 0:
        delta[pivots - 1] = solution[:, 0]
    return delta


SOLVERS: Mapping[str, Callable[[Array, Array], Array]] = MappingProxyType(
    {"eigen": solve_eigen, "ldlt": solve_ldlt, "qr": solve_qr}
)


def direct(solver: str) -> Treatment:
    """Return the plain Gauss-Newton treatment: solve, nothing else.

    Parameters
    ----------
    solver : a key of `SOLVERS`.
    """
    solve = SOLVERS[solver]
    return lambda H, g: Step(solve(H, g))


def solve_dcreg(
    H: Array,
    g: Array,
    *,
    condition_threshold: float,
    condition_target: float,
    rtol: float,
    max_iterations: int,
    fallback: Callable[[Array, Array], Array],
) -> Step:
    """Solve by conjugate gradients, preconditioned by the Schur complements with weak directions clamped.

    P = blkdiag(V_R Λ̃_R⁻¹ V_Rᵀ, V_t Λ̃_t⁻¹ V_tᵀ), λ̃ = max(λ, λ_max/condition_target) where λ_max/λ exceeds
    condition_threshold, else λ. P changes PCG's path and not its limit: the step is that of Gauss-Newton.

    Parameters
    ----------
    rtol : stop when ‖r‖ ≤ rtol·max(1, ‖g‖).
    max_iterations : at least 6 are made, the dimension of the system.
    fallback : takes over when PCG breaks down or does not get there.

    References
    ----------
    DCReg, arXiv 2509.06285; its published implementation for the stop rule and the fallback.
    """
    packed = dcreg_solve(H, g, condition_threshold, condition_target, rtol, max_iterations)
    iterations, fell_back = int(packed[6]), packed[7] > 0.5
    return Step(
        fallback(H, g) if fell_back else packed[:6],
        iterations,
        {"pcg_iterations": float(iterations), "pcg_fallback": float(fell_back)},
        {"pcg_residuals": packed[SOLUTION_HEAD:]},
    )
