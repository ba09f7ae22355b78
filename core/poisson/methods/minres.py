"""MINRES: the smallest residual in the Krylov space, also where A is only semidefinite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Iterate, Status
from core.poisson.monitor import RESIDUALS, Monitor, limit_param, norm, rtol_param
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "minres",
    lab="poisson",
    title="MINRES",
    source="Paige & Saunders 1975, Solution of sparse indefinite systems of linear equations, SIAM J. Numer. "
    "Anal. 12",
    assumes="A symmetric",
    example="disc",
    scalars=RESIDUALS,
    colour=6,
    order=110,
)
@dataclass(frozen=True)
class Minres:
    """Minimise ‖b − A x‖₂ over the Krylov space by Lanczos vectors and Givens rotations.

    Notes
    -----
    The residual falls with every step and is never larger than that of CG; CG has the smaller error in the
    energy norm. A need not be definite: the rotations replace the factorisation that CG hides in its α.
    Stopping looks at the true residual, not at an estimate of ‖A‖ ‖x‖ as in other implementations.

    References
    ----------
    Paige & Saunders 1975, Sec. 6; Saad 2003, Iterative Methods for Sparse Linear Systems, Sec. 6.5.3.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()

    def iterate(self, problem: LinearSystem) -> Iterator[Iterate]:
        """Yield the iterates with the true residual of each snapshot and the direction that led there."""
        return self._loop(problem)

    def _loop(self, system: LinearSystem) -> Iterator[Iterate]:
        monitor = Monitor(system, self.rtol, self.max_iterations)
        x, r = np.zeros(system.size), system.b.copy()
        v_old, v = np.zeros(system.size), r.copy()
        w_old, w = np.zeros(system.size), np.zeros(system.size)
        q = np.zeros(system.size)
        arrays = {"residual": r, "direction": w}
        phi = norm(r)
        status = monitor.observe(0, x, r, phi)
        yield monitor.item(0, x, {"recursive_residual_norm": abs(phi)}, arrays, status)
        beta = phi
        v /= beta or 1.0
        # the two newest rotations
        c_old, s_old, c, s = 1.0, 0.0, 1.0, 0.0
        k = 0
        while status is Status.RUNNING:
            k += 1
            # Lanczos: beta_{k+1} v_{k+1} = A v_k - alpha v_k - beta_k v_{k-1}
            system.apply(v, q)
            monitor.applied()
            if k > 1:
                q -= beta * v_old
            alpha = float(np.dot(v, q))
            q -= alpha * v
            if system.singular:
                system.project(q)
            beta_new = norm(q)
            # the new column of T, turned by the two newest rotations
            epsilon = s_old * beta if k > 1 else 0.0
            delta_bar = c_old * beta if k > 1 else 0.0
            delta = c * delta_bar + s * alpha
            gamma_bar = -s * delta_bar + c * alpha
            gamma = math.hypot(gamma_bar, beta_new)
            if gamma == 0.0:
                note = f"the Krylov space is exhausted at k = {k} and A is singular on it"
                yield monitor.item(
                    k, x, {"recursive_residual_norm": abs(phi)}, arrays, Status.BREAKDOWN, note
                )
                return
            c_old, s_old, c, s = c, s, gamma_bar / gamma, beta_new / gamma
            # w_{k} = (v_k - delta w_{k-1} - epsilon w_{k-2}) / gamma, in the oldest one's memory
            w_old *= -epsilon
            w_old -= delta * w
            w_old += v
            w_old /= gamma
            newest = w_old.copy()
            w_old[:] = w
            w[:] = newest
            x += (c * phi) * w
            # r_k = s² r_{k-1} + phi_{k+1} c v_{k+1}
            r *= s * s
            phi *= -s
            if beta_new > 0.0:
                r += (phi * c / beta_new) * q
            v_old[:], v[:] = v, q
            v /= beta_new or 1.0
            beta = beta_new
            status = monitor.observe(k, x, r, abs(phi))
            yield monitor.item(k, x, {"recursive_residual_norm": abs(phi)}, arrays, status)
