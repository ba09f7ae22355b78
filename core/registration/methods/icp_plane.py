"""Point-to-plane ICP: each source point is drawn to the plane of its nearest target point.

Chen & Medioni 1992. The step is plain Gauss-Newton; nothing is done about weak directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate
from core.registration.alignment import align
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS, PlaneSettings
from core.registration.solvers import direct
from core.registry import method


@method(
    "icp_plane",
    lab="registration",
    title="Point-to-plane ICP",
    source="Chen & Medioni 1992, Object modelling by registration of multiple range images, Image and Vision "
    "Computing 10(3)",
    assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
    example="room",
    scalars=SCALARS,
    colour=1,
    order=20,
)
@dataclass(frozen=True)
class IcpPlane(PlaneSettings):
    """Iterated closest points with distances to tangent planes, by Gauss-Newton.

    E(T) = ½ Σ w (n·(R p + t − q))² over pairs of source points p and nearest target points q with normal n;
    with ñ = Rᵀn the row of p is J = [(p × ñ)ᵀ, ñᵀ], and T ← T·Exp(δ) with (Σ w JᵀJ) δ = −Σ w Jᵀ r.

    Notes
    -----
    A direction that the planes do not constrain gives H an eigenvalue near zero; noise in points and normals
    keeps it from being zero, so the step along that direction is noise divided by a small number. On an
    exactly singular H the default solver leaves the direction untouched.

    Chen & Medioni weigh all pairs alike (``kernel=l2``). The default here is a Cauchy kernel, because real
    scans hold moving things and hidden surfaces; for comparisons with other programs set it to ``l2``.

    References
    ----------
    Chen & Medioni 1992; Pomerleau et al. 2015, A review of point cloud registration algorithms for mobile
    robotics, for the variants.
    """

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose and its system at k = 0, 1, …; see `core.registration.alignment.align`."""
        return align(problem, self, direct(self.solver), correspondence=self.correspondence)
