"""Point-to-point ICP: each source point is drawn to its nearest target point.

Besl & McKay 1992. Here by Gauss-Newton or in closed form, with the same loop as the point-to-plane methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate
from core.registration.alignment import align
from core.registration.pose_step import closed_form
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS, AlignmentSettings
from core.registration.solvers import direct
from core.registry import inherited, method, param


@method(
    "icp_point",
    lab="registration",
    title="Point-to-point ICP",
    source="Besl & McKay 1992, A method for registration of 3-D shapes, IEEE TPAMI 14(2)",
    assumes="a start within about max_distance of the solution, and overlap of most of the source",
    example="room",
    scalars=SCALARS,
    colour=2,
    order=30,
)
@dataclass(frozen=True)
class IcpPoint(AlignmentSettings):
    """Iterated closest points with distances between points, by Gauss-Newton or in closed form.

    E(T) = ½ Σ w ‖q − (R p + t)‖² over pairs of source points p and nearest target points q, with
    J = [R [p]×, −R] and T ← T·Exp(δ), (Σ w JᵀJ) δ = −Σ w Jᵀ (q − R p − t).

    Notes
    -----
    Two scans never hit the same points, so the distance between partners has a floor set by their spacing,
    and sliding along a wall costs as much as leaving it: convergence is slow. Its H has N·I as translation
    block and is regular for any points that are not on a line: it cannot tell a room from an endless plane.
    The recorded condition numbers are those of this H; the result's are point-to-plane, as for every method.
    The recorded rmse is point-to-plane, as for every method; it is not what is minimised here.

    ``step=svd`` minimises Σ w ‖q − (R p + t)‖² exactly for the pairs and weights at hand: with the centroids
    p̄, q̄ and Σ w (q − q̄)(p − p̄)ᵀ = U D Vᵀ, R = U diag(1, 1, det(U Vᵀ)) Vᵀ and t = q̄ − R p̄. Besl & McKay find
    the same rotation by quaternions. The fixed points are those of Gauss-Newton, and near them the steps
    agree to second order; the recorded H and g are those of Gauss-Newton, and ``solver`` is not used.

    References
    ----------
    Besl & McKay 1992. Kabsch 1976, Acta Crystallographica A32; Umeyama 1991, IEEE TPAMI 13(4), for the closed
    form and the sign of the determinant.
    """

    # distances between points measure the spacing of the scan: a kernel that suits planes would drop them all
    kernel: str = inherited(AlignmentSettings, "kernel", default="l2")

    step: str = param(
        "gauss_newton",
        choices={"gauss_newton": "Gauss-Newton", "svd": "closed form (SVD)"},
        doc="how the pairs at hand give the next pose",
    )

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose and its system at k = 0, 1, …; see `core.registration.alignment.align`."""
        if self.step == "svd":
            return closed_form(problem, self)
        if self.step != "gauss_newton":
            raise ValueError(f"step must be gauss_newton or svd, not {self.step!r}")
        return align(problem, self, direct(self.solver), factor="point")
