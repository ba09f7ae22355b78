"""Quasi-Newton, Newton and trust-region methods of `scipy.optimize.minimize`, with SciPy's own stop rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate
from core.optimizers.landscape import Landscape
from core.optimizers.peers import iterate_minimize
from core.optimizers.steps import SCALARS, Budget
from core.registry import method

BY_SCIPY = "; by scipy.optimize.minimize"
CONN = "Conn, Gould & Toint 2000, Trust Region Methods" + BY_SCIPY
SMOOTH = "gradients without noise"


@method(
    "bfgs", lab="optimizers", title="BFGS", example="rosenbrock", assumes=SMOOTH, scalars=SCALARS, colour=19,
    source="Broyden, Fletcher, Goldfarb & Shanno 1970" + BY_SCIPY, order=41,
)  # fmt: skip
@dataclass(frozen=True)
class Bfgs(Budget):
    """A Hessian built up from changes of the gradient, and a line search."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield SciPy's iterates; see `core.optimizers.peers.iterate_minimize`."""
        return iterate_minimize("BFGS", self, problem)


@method(
    "lbfgsb", lab="optimizers", title="L-BFGS-B", example="rosenbrock", assumes=SMOOTH, scalars=SCALARS,
    source="Byrd, Lu, Nocedal & Zhu 1995, A limited memory algorithm, SIAM J. Sci. Comput. 16(5)" + BY_SCIPY,
    colour=20, order=42,
)  # fmt: skip
@dataclass(frozen=True)
class Lbfgsb(Budget):
    """BFGS from the last ten steps alone."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield SciPy's iterates; see `core.optimizers.peers.iterate_minimize`."""
        return iterate_minimize("L-BFGS-B", self, problem)


@method(
    "newton_cg", lab="optimizers", title="Newton-CG", example="rosenbrock", assumes=SMOOTH, scalars=SCALARS,
    source="Dembo & Steihaug 1983, Truncated-Newton algorithms" + BY_SCIPY, colour=21, order=43,
)  # fmt: skip
@dataclass(frozen=True)
class NewtonCg(Budget):
    """Newton's equations solved by conjugate gradients, stopped at negative curvature."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield SciPy's iterates; see `core.optimizers.peers.iterate_minimize`."""
        return iterate_minimize("Newton-CG", self, problem)


@method(
    "trust_ncg", lab="optimizers", title="Trust region, CG", example="rosenbrock", assumes=SMOOTH,
    source="Steihaug 1983" + BY_SCIPY, scalars=SCALARS, colour=22, order=44,
)  # fmt: skip
@dataclass(frozen=True)
class TrustNcg(Budget):
    """A quadratic model within a radius, minimised by conjugate gradients up to its edge."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield SciPy's iterates; see `core.optimizers.peers.iterate_minimize`."""
        return iterate_minimize("trust-ncg", self, problem)


@method(
    "trust_krylov", lab="optimizers", title="Trust region, Krylov", example="rosenbrock", assumes=SMOOTH,
    source="Gould, Lucidi, Roma & Toint 1999, Solving the trust-region subproblem using the Lanczos method"
    + BY_SCIPY, scalars=SCALARS, colour=23, order=45,
)  # fmt: skip
@dataclass(frozen=True)
class TrustKrylov(Budget):
    """A quadratic model within a radius, minimised in Krylov spaces, edge included."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield SciPy's iterates; see `core.optimizers.peers.iterate_minimize`."""
        return iterate_minimize("trust-krylov", self, problem)


@method(
    "trust_exact", lab="optimizers", title="Trust region, exact", example="rosenbrock", assumes=SMOOTH,
    source=CONN, scalars=SCALARS, colour=24, order=46,
)  # fmt: skip
@dataclass(frozen=True)
class TrustExact(Budget):
    """A quadratic model within a radius, minimised exactly by factorisations."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield SciPy's iterates; see `core.optimizers.peers.iterate_minimize`."""
        return iterate_minimize("trust-exact", self, problem)


@method(
    "dogleg", lab="optimizers", title="Dogleg", example="booth", scalars=SCALARS, colour=25, order=47,
    source="Powell 1970, A new algorithm for unconstrained optimization" + BY_SCIPY,
    assumes="Hessians that are positive definite",
)  # fmt: skip
@dataclass(frozen=True)
class Dogleg(Budget):
    """A path of two pieces, down the gradient and then towards Newton's point, cut at a radius."""

    def iterate(self, problem: Landscape) -> Iterator[Iterate]:
        """Yield SciPy's iterates; see `core.optimizers.peers.iterate_minimize`."""
        return iterate_minimize("dogleg", self, problem)
