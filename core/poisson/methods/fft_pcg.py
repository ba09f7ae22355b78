"""CG preconditioned with the direct solver of the same box without obstacles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate, Preparation, Progress
from core.poisson.fast_transform import EmptyBox, empty_box
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.preconditioners import on_grid
from core.poisson.system import LinearSystem
from core.registry import method


@method(
    "fft_pcg",
    lab="poisson",
    title="FFT-preconditioned CG",
    source="Concus & Golub 1973, Use of fast direct methods for the efficient numerical solution of "
    "nonseparable elliptic equations, SIAM J. Numer. Anal. 10",
    assumes="a grid with a constant coefficient and few obstacles",
    example="disc",
    scalars=SCALARS,
    colour=15,
    order=90,
)
@dataclass(frozen=True)
class FftPcg:
    """CG where M solves the empty box exactly: embed the residual, transform, divide, transform back.

    Notes
    -----
    A and the empty box's operator differ on the surface of the obstacles only, so the count depends on that
    surface and hardly on the grid. Without obstacles one step is enough.

    References
    ----------
    Concus & Golub 1973; see `core.poisson.fast_transform`.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()

    def prepare(self, problem: LinearSystem) -> Preparation[EmptyBox]:
        """Make the transforms."""
        yield Progress("transforms")
        return empty_box(on_grid(problem, "a fast transform"), exact=False)

    def iterate(self, problem: EmptyBox) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )
