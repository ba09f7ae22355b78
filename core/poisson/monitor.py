"""What all solvers of the lab share: stopping on the true residual, counters, statuses, items.

A recursive residual drifts away from b − A x by rounding. So the residual is recomputed at k = 0, at every
50th step, at the last one and whenever the recursion claims that the tolerance is reached; only a recomputed
one ends a run as converged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from core.iterate import Array, Iterate, Lazy, Status, Work
from core.poisson.system import LinearSystem
from core.registry import Scalar, Scale, param

#: Steps between two recomputed residuals.
RECOMPUTE_EVERY = 50
#: A residual this many times the first one has diverged.
GROWTH = 1e8
#: A true residual this many times the recursive one is worth a sentence.
DRIFT = 10.0
#: Residuals above this share of ‖b‖ are not taken for rounding.
SMALL = 1e-9
#: A run stalls when this many steps improved the residual by less than this share.
STALL_STEPS, STALL_SHARE = 50, 0.01
#: … or when this many times it was rounding, or far above the recursion, and did not even halve.
FALSE_CLAIMS = 3

RESIDUALS: Mapping[str, Scalar] = {
    "residual_norm": Scalar("‖b − A x‖₂", scale=Scale.LOG),
    "recursive_residual_norm": Scalar("‖r‖₂ of the recursion", scale=Scale.LOG),
}


def rtol_param() -> float:
    """Declare the relative tolerance."""
    declared: float = param(
        1e-6, low=1e-14, high=0.5, log=True, label="tolerance",
        doc="stop when the true residual is at most this times the norm of the right-hand side",
    )  # fmt: skip
    return declared


def limit_param(default: int = 2000) -> int:
    """Declare the iteration limit."""
    declared: int = param(
        default, low=1, high=100_000, log=True, label="iteration limit", doc="stop after this many iterations"
    )
    return declared


class Monitor:
    """Judges and records one run.

    Parameters
    ----------
    system : whose b and A define the true residual.
    stalls : whether a plateau of the residual ends the run. Krylov methods may rest long before they fall,
        stationary ones do not.

    Attributes
    ----------
    operator, preconditioner : applications so far; methods add theirs.
    units : multiply-adds so far, in applications of A.
    residual : newest residual norm, true where it was due.
    """

    def __init__(
        self, system: LinearSystem, rtol: float, max_iterations: int, *, stalls: bool = False
    ) -> None:
        self.system = system
        self.rhs_norm = norm(system.b)
        self.tolerance = rtol * self.rhs_norm
        self.max_iterations = max_iterations
        self.operator = self.preconditioner = 0
        self.units = 0.0
        self.residual = math.inf
        self.note = ""
        self._stalls = stalls
        self._initial = 0.0
        self._claims = 0
        self._claimed = math.inf
        self._history: list[float] = []
        self._scratch = system.zeros()

    def applied(self, times: int = 1) -> None:
        """Count applications of A."""
        self.operator += times
        self.units += times

    def preconditioned(self, units: float) -> None:
        """Count one application of a preconditioner that costs as much as `units` applications of A."""
        self.preconditioner += 1
        self.units += units

    def true_residual(self, x: Array, r: Array) -> float:
        """Set r = b − A x (null space removed) and return its norm; one application."""
        self.system.apply(x, self._scratch)
        r[:] = self.system.b
        r -= self._scratch
        self.system.project(r)
        self.applied()
        return norm(r)

    def observe_true(self, k: int, x: Array, r: Array) -> Status:
        """Recompute r = b − A x and judge step k by it; for methods without a recursion."""
        self.residual = self.true_residual(x, r)
        if k == 0:
            self._initial = self.residual
        if self.residual <= self.tolerance:
            return Status.CONVERGED
        return self._judge(k, not math.isfinite(self.residual) or self.residual > GROWTH * self._initial)

    def _judge(self, k: int, diverged: bool) -> Status:
        """Return the status of a step that did not converge."""
        if diverged:
            self.note = f"residual {self.residual:.2e} at k = {k}, {self._initial:.2e} at the start"
            return Status.DIVERGED
        if self._stalls and self._rests():
            return Status.STALLED
        return Status.MAX_ITERATIONS if k >= self.max_iterations else Status.RUNNING

    def observe(self, k: int, x: Array, r: Array, recursive: float) -> Status:
        """Judge step k; r is replaced by the true residual where that is due.

        Parameters
        ----------
        recursive : norm of r as the method's recursion has it. At k = 0 there is no recursion yet: r must be
            b − A x, which is b at no cost where x = 0.
        """
        diverged = not math.isfinite(recursive) or (k > 0 and recursive > GROWTH * self._initial)
        claim, drifted = recursive <= self.tolerance, False
        self.residual = recursive
        if k == 0 or k % RECOMPUTE_EVERY == 0 or k >= self.max_iterations or claim or diverged:
            if k > 0:
                self.residual = self.true_residual(x, r)
            drifted = self.residual > DRIFT * recursive or self._is_rounding(x)
            if self.residual > DRIFT * recursive:
                self.note = (
                    f"residual drift: the recursion says {recursive:.2e} at k = {k}, true is "
                    f"{self.residual:.2e}; it was replaced"
                )
            if claim and self.residual <= self.tolerance:
                return Status.CONVERGED
        if k == 0:
            self._initial = self.residual
        if (claim or drifted) and self._claimed_in_vain():
            self.note = f"rounding: the true residual stays at {self.residual:.2e}"
            return Status.STALLED
        return self._judge(k, diverged or not math.isfinite(self.residual))

    def _is_rounding(self, x: Array) -> bool:
        """Whether the residual is what rounding makes of A x alone: eps ‖A‖ ‖x‖."""
        if self.residual > SMALL * self.rhs_norm:
            return False
        largest = 2.0 * float(self.system.diagonal_values().max())
        return self.residual <= 2.0 * float(np.finfo(float).eps) * largest * norm(x)

    def _claimed_in_vain(self) -> bool:
        self._claims = self._claims + 1 if self.residual > 0.5 * self._claimed else 0
        self._claimed = self.residual
        return self._claims >= FALSE_CLAIMS

    def _rests(self) -> bool:
        self._history.append(self.residual)
        if len(self._history) <= STALL_STEPS:
            return False
        before, now = self._history[-STALL_STEPS - 1], min(self._history[-STALL_STEPS:])
        if now > (1.0 - STALL_SHARE) * before:
            self.note = f"the residual fell by less than {STALL_SHARE:.0%} in {STALL_STEPS} steps"
            return True
        return False

    def item(
        self,
        k: int,
        x: Array,
        scalars: Mapping[str, float],
        arrays: Mapping[str, Array],
        status: Status = Status.RUNNING,
        note: str = "",
    ) -> Iterate:
        """Return step k as an item: x and `arrays` (vectors of the system) are copied only if asked for."""
        extract = self.system.extract

        def lazy(v: Array) -> Lazy:
            return lambda: extract(v)

        return Iterate(
            k, lazy(x), {"residual_norm": self.residual, **scalars}, {n: lazy(v) for n, v in arrays.items()},
            Work(operator=self.operator, preconditioner=self.preconditioner, units=self.units),
            status, note or (self.note if status.terminal else ""),
        )  # fmt: skip


def norm(v: Array) -> float:
    """Return ‖v‖₂; infinity where it overflows."""
    return math.sqrt(v @ v)
