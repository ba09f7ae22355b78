"""DCReg: decoupled detection of weak directions, and a linear solve that is preconditioned by it.

Hu et al., arXiv 2509.06285. Symbols: S_R, S_t Schur complements of H, V, Λ their eigenvectors and values,
κ_th = `condition_threshold`, κ_tg = `condition_target`, P ≈ H⁻¹ the preconditioner.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from core.iterate import Iterate
from core.registration.alignment import align
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS, PlaneSettings
from core.registration.solvers import SOLVERS, solve_dcreg
from core.registry import Scalar, inherited, method, param


@method(
    "dcreg",
    lab="registration",
    title="DCReg",
    source="Hu et al. 2025, DCReg: Decoupled Characterization for Efficient Degenerate LiDAR Registration, "
    "arXiv 2509.06285",
    assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
    example="room",
    scalars={
        **SCALARS,
        "pcg_iterations": Scalar("PCG iterations"),
        "pcg_fallback": Scalar("direct solve took over"),
    },
    colour=0,
    order=10,
)
@dataclass(frozen=True)
class DCReg(PlaneSettings):
    """Point-to-plane ICP whose 6x6 systems are analysed by Schur complements and solved by PCG.

    1. H, g as in point-to-plane ICP.
    2. S_R = H_RR − H_Rt H_tt⁺ H_tR and S_t = H_tt − H_tR H_RR⁺ H_Rt, with eigenvectors V and eigenvalues λ.
    3. Each eigenvector is named after the axis (roll, pitch, yaw; x, y, z) it is closest to.
    4. An axis is flagged if λ_max/λ > κ_th within its block.
    5. λ̃ = max(λ, λ_max/κ_tg) on flagged axes, λ elsewhere; P = blkdiag(V_R Λ̃_R⁻¹ V_Rᵀ, V_t Λ̃_t⁻¹ V_tᵀ).
    6. H δ = g by conjugate gradients with preconditioner P, from 0, to ‖r‖ ≤ pcg_rtol·max(1, ‖g‖);
       on breakdown a direct solve.

    Notes
    -----
    P changes the path of PCG, not its limit: with the default tolerance δ is the Gauss-Newton step, weak
    directions included, and the pose is that of point-to-plane ICP. What DCReg adds is the detection: S_R and
    S_t are the inverse marginal covariances of rotation and translation, so they depend neither on the ratio
    of metres to radians nor, for S_R, on the place of the origin.

    Where paper and published code differ:

    - Clamping: the code assigns λ_max/κ_tg to a flagged λ, which would lower it if κ_tg > κ_th; here the
      paper's max() is taken. They agree for κ_tg ≤ κ_th.
    - Gram-Schmidt after naming the axes: in the paper; omitted in the code and here, since permuted columns
      of an orthonormal matrix are orthonormal.
    - Contributions: |v|/Σ|v| in the paper's figures, v² in the code; both are offered by `Degeneracy`.
    - A singular H_RR or H_tt: the code flags all six motions and solves by QR. Here the block is
      pseudo-inverted, so that on a perfect plane just x, y and yaw are flagged.
    - Breakdown of PCG: the code tests |pᵀHp| and |rᵀz| against 1e-20, which depends on units and number of
      points; here both have to be positive.
    - Correspondences: the code fits a plane to five points (``correspondence=loam``) and moves the pose by
      ``update=so3``. Those two settings reproduce its published numbers.

    References
    ----------
    Hu et al., arXiv 2509.06285, and the implementation that its authors published in 2026.
    """

    solver: str = inherited(
        PlaneSettings, "solver", default="qr", label="fallback solver", doc="takes over where PCG breaks down"
    )
    condition_threshold: float = param(
        10.0, low=1.01, high=10_000.0, log=True, label="κ threshold",
        doc="a direction is flagged if the strongest of its block is more than this many times stronger",
    )  # fmt: skip
    condition_target: float = param(
        10.0, low=1.01, high=10_000.0, log=True, label="κ target", advanced=True,
        doc="flagged eigenvalues are raised to the largest divided by this, in the preconditioner only",
    )  # fmt: skip
    pcg_rtol: float = param(
        1e-6, low=1e-14, high=0.1, log=True, label="PCG tolerance", advanced=True,
        doc="PCG stops when ‖r‖ ≤ this · max(1, ‖g‖)",
    )  # fmt: skip
    pcg_max_iterations: int = param(
        10, low=6, high=100, label="PCG iterations", advanced=True,
        doc="limit of PCG iterations, after which the fallback solver takes over",
    )  # fmt: skip

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose, its system and PCG's residuals; see `core.registration.alignment.align`."""
        if not (self.condition_threshold > 1.0 and self.condition_target > 1.0):
            raise ValueError(
                "condition_threshold and condition_target must exceed 1: λ_max/λ is never smaller"
            )
        treatment = partial(
            solve_dcreg,
            condition_threshold=self.condition_threshold,
            condition_target=self.condition_target,
            rtol=self.pcg_rtol,
            max_iterations=self.pcg_max_iterations,
            fallback=SOLVERS[self.solver],
        )
        return align(problem, self, treatment, correspondence=self.correspondence)
