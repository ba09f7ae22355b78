"""NPSDO: a multilevel operator with kernels learned from the picture of the obstacles proposes directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate, Preparation
from core.poisson.conjugate_directions import SCALARS, conjugate_directions, kept_param
from core.poisson.learned.fitting import Fitted, learned_operator, weights_param
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "npsdo",
    lab="poisson",
    title="NPSDO",
    source="Lan, Gueidon, Kaneda, Panetta & Teran 2024, A Neural-Preconditioned Poisson Solver for Mixed "
    "Dirichlet and Neumann Boundary Conditions, ICML",
    assumes="a grid with the boundary that the network was trained on; obstacles may be new to it",
    example="disc",
    scalars=SCALARS,
    colour=14,
    order=110,
)
@dataclass(frozen=True)
class Npsdo:
    """DCDM's loop with a network that is linear in r and knows where air, fluid and solids are.

    Down and up through levels, each cell's 3^d kernel is made by a small convolution of the picture of cells.

    Notes
    -----
    The default weights are the scale-shared variant of this app: all coarse levels have the same ones, so the
    number of levels follows the grid and the count of steps hardly depends on it. The paper trains weights
    for each level; choose ``weights=poisson_c4`` on a box to see what that changes. The kernels depend on the
    grid alone and are made before the first step; one step then costs about seven applications of A.

    References
    ----------
    Lan et al. 2024, Sec. 4, Alg. 1.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param(200)
    k: int = kept_param()
    weights: str = weights_param()

    def prepare(self, problem: LinearSystem) -> Preparation[Fitted]:
        """Find weights that fit the grid and make its kernels."""
        return (yield from learned_operator(problem, ("stencil",), self.weights))

    def iterate(self, problem: Fitted) -> Iterator[Iterate]:
        """Yield the iterates with residual, proposed and conjugate direction."""
        return conjugate_directions(
            problem.system, problem.operator, rtol=self.rtol, max_iterations=self.max_iterations, k=self.k
        )
