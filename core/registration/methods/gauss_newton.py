"""Gauss-Newton with each linear solver: what "no treatment" means where H is singular.

The three differ only on (nearly) singular systems, which is where degenerate registration happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.iterate import Iterate
from core.registration.alignment import align
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS, SOLVER_NAMES, PlaneSettings
from core.registration.solvers import direct
from core.registry import method, param


def _solver(name: str) -> Any:
    return param(
        name,
        choices={name: SOLVER_NAMES[name]},
        advanced=True,
        doc="what solves H δ = g; fixed for this method",
    )


@dataclass(frozen=True)
class _GaussNewton(PlaneSettings):
    """Point-to-plane ICP with H δ = g solved as it stands."""

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose and its system at k = 0, 1, …; see `core.registration.alignment.align`."""
        return align(problem, self, direct(self.solver), correspondence=self.correspondence)


@method(
    "gn_eigen",
    lab="registration",
    title="Gauss–Newton, eigenvalues",
    source="Chen & Medioni 1992, Image and Vision Computing 10(3); Penrose 1955, A generalized inverse for "
    "matrices, Math. Proc. Cambridge Phil. Soc. 51(3)",
    assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
    example="room",
    scalars=SCALARS,
    colour=10,
    order=40,
)
@dataclass(frozen=True)
class GaussNewtonEigen(_GaussNewton):
    """Point-to-plane ICP, δ = Σ v (vᵀg)/λ over eigenpairs of H with λ > 1e-12·λ_max.

    On an exactly singular H this is the solution of least norm: a motion that nothing holds is zero. "Least"
    compares radians with metres, which matters only where a null direction mixes both.

    Notes
    -----
    Noise in points and normals keeps λ of an unobservable direction far above 1e-12·λ_max: on real scans the
    full step is taken along it, as with the other solvers.

    References
    ----------
    Penrose 1955.
    """

    solver: str = _solver("eigen")


@method(
    "gn_ldlt",
    lab="registration",
    title="Gauss–Newton, LDLᵀ",
    source="Bunch & Kaufman 1977, Some stable methods for calculating inertia and solving symmetric linear "
    "systems, Math. Comp. 31",
    assumes="surfaces that are locally flat, a start within about max_distance of the solution, H regular",
    example="room",
    scalars=SCALARS,
    colour=11,
    order=41,
)
@dataclass(frozen=True)
class GaussNewtonLdlt(_GaussNewton):
    """Point-to-plane ICP, H = P L D Lᵀ Pᵀ with symmetric pivoting.

    The solver of Open3D and small_gicp. On an exactly singular H a pivot is zero and the run stops; next to
    that, the null components of δ are rounding divided by rounding.

    Notes
    -----
    Open3D does not look at the pivots: on a singular system it goes on with whatever comes out.

    References
    ----------
    Bunch & Kaufman 1977.
    """

    solver: str = _solver("ldlt")


@method(
    "gn_qr",
    lab="registration",
    title="Gauss–Newton, pivoted QR",
    source="Businger & Golub 1965, Linear least squares solutions by Householder transformations, Numerische "
    "Mathematik 7",
    assumes="surfaces that are locally flat, a start within about max_distance of the solution, H regular",
    example="room",
    scalars=SCALARS,
    colour=12,
    order=42,
)
@dataclass(frozen=True)
class GaussNewtonQr(_GaussNewton):
    """Point-to-plane ICP, H P = Q R with column pivoting.

    What DCReg's implementation compares with under the name NONE. The diagonal of R shows the rank, but is
    not used: on an exactly singular H the run stops.

    References
    ----------
    Businger & Golub 1965.
    """

    solver: str = _solver("qr")
