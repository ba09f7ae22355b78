"""DCDM: a convolutional network proposes each direction."""

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
    "dcdm",
    lab="poisson",
    title="DCDM",
    source="Kaneda, Akar, Chen, Kala, Hyde & Teran 2023, A Deep Conjugate Direction Method for Iteratively "
    "Solving Linear Systems, ICML",
    assumes="a grid with the boundary that the network was trained on; obstacles may be new to it",
    example="box",
    scalars=SCALARS,
    colour=12,
    order=120,
)
@dataclass(frozen=True)
class Dcdm:
    """A network f looks at the residual and proposes a direction, which is made conjugate to the last k.

    q = f(r/‖r‖), q −= Σ p_j (q·A p_j / p_j·A p_j), x += q (q·r / q·A q), r = b − A x.

    Notes
    -----
    Because of the exact step only the line along which f points matters, not its length nor its sign, and the
    energy error falls with every step whatever f says. The network sees neither obstacles nor boundary: they
    enter through A alone. What it knows reaches as far as its convolutions do, about 22 cells in the paper's
    network for 64 cells a side, so on larger grids more steps are needed. One step costs as much arithmetic
    as thousands of CG steps, which the work units count.

    References
    ----------
    Kaneda et al. 2023, Alg. 1. The official code makes the inner products with the direction before any is
    subtracted (classical Gram-Schmidt); here they are made one after the other, which rounds less.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param(200)
    k: int = kept_param()
    weights: str = weights_param()

    def prepare(self, problem: LinearSystem) -> Preparation[Fitted]:
        """Find weights that fit the grid and put their network on it."""
        return (yield from learned_operator(problem, ("direction",), self.weights))

    def iterate(self, problem: Fitted) -> Iterator[Iterate]:
        """Yield the iterates with residual, proposed and conjugate direction."""
        return conjugate_directions(
            problem.system, problem.operator, rtol=self.rtol, max_iterations=self.max_iterations, k=self.k
        )
