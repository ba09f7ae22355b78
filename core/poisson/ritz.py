"""What the coefficients of a CG run tell: Ritz values, condition, error bounds, energy errors.

CG is the Lanczos process in disguise: its α and β hold the tridiagonal matrix T of A (of M A with a
preconditioner) in the Krylov space, and T's eigenvalues, the Ritz values, move towards those of A.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import eigh_tridiagonal

from core.iterate import Array
from core.trace import TraceView


def lanczos_matrix(alpha: Array, beta: Array) -> tuple[Array, Array]:
    """Return diagonal (m,) and off-diagonal (m − 1,) of the Lanczos matrix.

    T_kk = 1/α_k + β_{k−1}/α_{k−1}, T_{k,k+1} = √β_k / α_k.

    Parameters
    ----------
    alpha : (m,) step lengths. beta : at least m − 1 of the ratios that follow each step.
    """
    m = len(alpha)
    off = np.sqrt(beta[: m - 1]) / alpha[: m - 1] if m > 1 else np.empty(0)
    diagonal = 1.0 / alpha
    diagonal[1:] += beta[: m - 1] / alpha[: m - 1]
    return diagonal, off


def ritz_values(alpha: Array, beta: Array) -> Array:
    """Return the m Ritz values of a CG run, ascending."""
    if not len(alpha):
        return np.empty(0)
    diagonal, off = lanczos_matrix(alpha, beta)
    return np.asarray(eigh_tridiagonal(diagonal, off, eigvals_only=True)) if len(off) else diagonal


def coefficients(view: TraceView, k: int | None = None) -> tuple[Array, Array]:
    """Return α and β of the first k steps from a CG method's trace (all by default)."""
    steps = len(view) - 1 if k is None else min(k, len(view) - 1)
    alpha, beta = view.scalars["alpha"][1 : steps + 1], view.scalars["beta"][1 : steps + 1]
    usable = int(np.isfinite(alpha).sum())
    return alpha[:usable].copy(), beta[:usable].copy()


def ritz_history(view: TraceView, ks: Array) -> list[Array]:
    """Return the Ritz values after each of the steps `ks`."""
    return [ritz_values(*coefficients(view, int(k))) for k in ks]


def chebyshev_bound(condition: float, k: Array) -> Array:
    """Return 2 ((√κ − 1)/(√κ + 1))^k: CG's energy error after k steps is at most this times the first one."""
    return 2.0 * (1.0 - 2.0 / (math.sqrt(condition) + 1.0)) ** np.asarray(k, float)


def condition_estimate(view: TraceView, k: int | None = None) -> float:
    """Return largest over smallest Ritz value after k steps; 1 before the first.

    Infinite where a Ritz value is not positive: rounding does that in a singular system's null space.
    """
    values = ritz_values(*coefficients(view, k))
    if not len(values):
        return 1.0
    return float(values[-1] / values[0]) if values[0] > 0.0 else math.inf


def energy_error(view: TraceView) -> Array:
    """Return ‖x* − x_k‖_A for each k of a finished CG run, as far as the run went.

    Each step lowers the squared error by α_k ρ_k (Hestenes & Stiefel 1952, Thm 6:1), so the sum over the
    steps still to come is what is left, apart from the error of the last iterate.

    Returns
    -------
    (n,) array; the last entry is 0 by construction.
    """
    alpha, rho = view.scalars["alpha"], view.scalars["rho"]
    drop = np.zeros(len(view))
    drop[:-1] = np.nan_to_num(alpha[1:] * rho[:-1])
    return np.asarray(np.sqrt(np.cumsum(drop[::-1])[::-1]))
