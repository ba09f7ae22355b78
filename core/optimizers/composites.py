"""Landscapes of any dimension with structure that a Hessian can be approximated by.

Functions of a linear map (log-sum-exp, logistic loss) and powers of a residual's norm. Beside the exact
Hessian each has a Gauss–Newton or Fisher matrix, the approximations that the theory of gradient-normalized
smoothness is about (Semenov et al. 2025, Gradient-Normalized Smoothness for Optimization with Approximate
Hessians).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, logsumexp, softmax

from core.errors import InputError
from core.iterate import Array, Preparation, Progress
from core.optimizers.expression import Formula
from core.optimizers.landscape import Landscape, parse_start
from core.registry import param, problem

Window = tuple[tuple[float, float], ...]


class _Both:
    """What follows from value and gradient."""

    def value(self, x: Array) -> Any:
        raise NotImplementedError

    def gradient(self, x: Array) -> Array:
        raise NotImplementedError

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return f and ∇f at one point."""
        return float(self.value(x)), self.gradient(x)


class LogSumExp(_Both):
    """f = μ log Σ exp((⟨aᵢ, x⟩ − bᵢ)/μ).

    Parameters
    ----------
    A, b : (m, n) rows aᵢ and (m,) offsets.
    mu : the smoothing μ > 0; towards 0 f becomes the largest of the affine functions.
    """

    def __init__(self, A: Array, b: Array, mu: float) -> None:
        self.A, self.b, self.mu = A, b, mu

    def _exponents(self, x: Array) -> Array:
        return np.asarray((x @ self.A.T - self.b) / self.mu)

    def value(self, x: Array) -> Any:
        """Return f (...)."""
        return self.mu * logsumexp(self._exponents(x), axis=-1)

    def gradient(self, x: Array) -> Array:
        """Return Aᵀπ with π = softmax of the exponents."""
        return np.asarray(softmax(self._exponents(x), axis=-1) @ self.A)

    def hessian(self, x: Array) -> Array:
        """Return (Aᵀdiag(π)A − (Aᵀπ)(Aᵀπ)ᵀ)/μ."""
        g = self.gradient(x)
        return self.gauss_newton(x) - g[..., :, None] * g[..., None, :] / self.mu

    def gauss_newton(self, x: Array) -> Array:
        """Return Aᵀdiag(π)A/μ, the Hessian without its negative part."""
        weights = softmax(self._exponents(x), axis=-1)
        return np.asarray(np.einsum("mi,...m,mj->...ij", self.A, weights, self.A, optimize=True) / self.mu)


class Logistic(_Both):
    """f = (1/N) Σ log(1 + exp(−yᵢ⟨aᵢ, x⟩)).

    Parameters
    ----------
    signed : (N, n) rows yᵢaᵢ.
    """

    def __init__(self, signed: Array) -> None:
        self.signed = signed

    def value(self, x: Array) -> Any:
        """Return f (...)."""
        return -log_expit(x @ self.signed.T).mean(axis=-1)

    def gradient(self, x: Array) -> Array:
        """Return −Mᵀs/N with s = σ(−M x)."""
        return np.asarray(-expit(-(x @ self.signed.T)) @ self.signed / len(self.signed))

    def _weighted(self, weights: Array) -> Array:
        products = np.einsum("mi,...m,mj->...ij", self.signed, weights, self.signed, optimize=True)
        return np.asarray(products / len(self.signed))

    def hessian(self, x: Array) -> Array:
        """Return Mᵀdiag(s(1−s))M/N."""
        s = expit(-(x @ self.signed.T))
        return self._weighted(s * (1 - s))

    def fisher(self, x: Array) -> Array:
        """Return Mᵀdiag(s²)M/N, the mean of the samples' gradients' outer products."""
        return self._weighted(expit(-(x @ self.signed.T)) ** 2)


class NormPower(_Both):
    """f = ‖u(x)‖ᵖ/p.

    Parameters
    ----------
    residuals : one formula a residual, of the variables x0, x1, …
    n : number of variables.
    p : power, from 2.
    """

    def __init__(self, residuals: list[str], n: int, p: float) -> None:
        names = [f"x{i}" for i in range(n)]
        self._residuals = [Formula(text, names) for text in residuals]
        self.p = p

    def _parts(self, x: Array) -> tuple[Array, Array, Array]:
        """Return u (..., m), J (..., m, n) and ‖u‖ (..., 1, 1)."""
        u = np.stack([np.asarray(r.value(x)) for r in self._residuals], axis=-1)
        J = np.stack([r.gradient(x) for r in self._residuals], axis=-2)
        return u, J, np.linalg.norm(u, axis=-1)[..., None, None]

    def value(self, x: Array) -> Any:
        """Return f (...)."""
        u = np.stack([np.asarray(r.value(x)) for r in self._residuals], axis=-1)
        return np.linalg.norm(u, axis=-1) ** self.p / self.p

    def gradient(self, x: Array) -> Array:
        """Return ‖u‖^(p−2) Jᵀu."""
        u, J, norm = self._parts(x)
        return np.asarray(norm[..., 0] ** (self.p - 2) * (u[..., None, :] @ J)[..., 0, :])

    def fisher(self, x: Array) -> Array:
        """Return (p−2)‖u‖^(p−4)(Jᵀu)(Jᵀu)ᵀ, which is (p−2)‖u‖^(−p) ∇f ∇fᵀ; zero for p = 2."""
        u, J, norm = self._parts(x)
        g = (u[..., None, :] @ J)[..., 0, :]
        # at u = 0 the product is 0 for every p > 2, whatever the power
        power = (self.p - 2) * np.where(norm > 0, norm, 1.0) ** (self.p - 4)
        return np.asarray(power * g[..., :, None] * g[..., None, :])

    def gauss_newton(self, x: Array) -> Array:
        """Return ‖u‖^(p−2)JᵀJ plus the Fisher term: the Hessian without the residuals' own curvature."""
        _, J, norm = self._parts(x)
        return np.asarray(norm ** (self.p - 2) * np.swapaxes(J, -1, -2) @ J + self.fisher(x))

    def hessian(self, x: Array) -> Array:
        """Return the Gauss–Newton matrix plus ‖u‖^(p−2) Σ uᵢ ∇²uᵢ."""
        u, _, norm = self._parts(x)
        second = np.stack([r.hessian(x) for r in self._residuals], axis=-3)
        curvature = (u[..., :, None, None] * second).sum(axis=-3)
        return np.asarray(self.gauss_newton(x) + norm ** (self.p - 2) * curvature)


def _window(n: int, half: float) -> Window:
    return ((-half, half),) * n if n <= 2 else ()


@problem("lse", lab="optimizers", title="Log-sum-exp", order=60)
@dataclass(frozen=True)
class LogSumExpProblem:
    """A smoothed maximum of affine functions, with its minimum at the origin.

    Random rows and offsets; Aᵀ softmax(−b/μ) is subtracted from every row, so that the gradient vanishes at
    0. Small μ makes it sharp: the Hessian then changes within a distance of μ.
    """

    rows: int = param(200, low=2, high=2000, doc="affine functions")
    n: int = param(50, low=1, high=200, doc="unknowns; 2 can be drawn")
    mu: float = param(1.0, low=0.05, high=10.0, log=True, label="μ", doc="smoothing")
    metric: str = param(
        "identity", choices={"identity": "‖h‖", "gram": "√(hᵀAᵀA h)"}, doc="norm that steps are measured in"
    )
    start: str = param("1", doc="one number a coordinate, or one for all")

    def __post_init__(self) -> None:
        parse_start(self.start, self.n)
        if self.metric == "gram" and self.rows < self.n:
            raise InputError("metric", "at least as many rows as unknowns for AᵀA", f"{self.rows} rows")

    def build(self, seed: int) -> Preparation[Landscape]:
        """Draw the rows from the seed."""
        yield Progress("drawing the affine functions")
        rng = np.random.default_rng(seed)
        A = rng.uniform(-1.0, 1.0, (self.rows, self.n))
        b = rng.uniform(-1.0, 1.0, self.rows)
        A = A - softmax(-b / self.mu) @ A
        f = LogSumExp(A, b, self.mu)
        return Landscape(
            f, parse_start(self.start, self.n), np.zeros((1, self.n)), float(f.value(np.zeros(self.n))),
            _window(self.n, 3.0), approximations={"gauss_newton": f.gauss_newton},
            metric=A.T @ A if self.metric == "gram" else None,
        )  # fmt: skip


@problem("logistic", lab="optimizers", title="Logistic regression", order=61)
@dataclass(frozen=True)
class LogisticProblem:
    """Two classes of points and the mean logistic loss of a plane between them.

    With a margin the classes can be separated; the loss then has no minimum and falls for ever.
    """

    samples: int = param(300, low=10, high=5000, doc="points")
    n: int = param(10, low=1, high=100, doc="unknowns")
    margin: float = param(
        0.0,
        low=0.0,
        high=3.0,
        doc="how far each class is moved off the plane; 0 = not, and one label in ten is wrong",
    )
    start: str = param("0", doc="one number a coordinate, or one for all")

    def __post_init__(self) -> None:
        parse_start(self.start, self.n)

    def build(self, seed: int) -> Preparation[Landscape]:
        """Draw the points from the seed; without a margin find the minimum by Newton's method."""
        yield Progress("drawing the points")
        rng = np.random.default_rng(seed)
        points = rng.standard_normal((self.samples, self.n))
        normal = rng.standard_normal(self.n)
        normal /= np.linalg.norm(normal)
        side = np.where(points @ normal >= 0, 1.0, -1.0)
        if self.margin > 0:
            points += self.margin * side[:, None] * normal
        else:
            side[rng.random(self.samples) < 0.1] *= -1.0
        f = Logistic(side[:, None] * points)
        start = parse_start(self.start, self.n)
        approximations = {"fisher": f.fisher}
        if self.margin > 0:
            return Landscape(
                f, start, np.empty((0, self.n)), 0.0, _window(self.n, 5.0), approximations=approximations
            )
        yield Progress("finding the minimum")
        x = np.zeros(self.n)
        for _ in range(50):
            # the classes overlap, but with hardly more points than unknowns a plane may still separate them
            x = x - np.linalg.solve(f.hessian(x) + 1e-12 * np.eye(self.n), f.gradient(x))
            if np.linalg.norm(x) > 1e3:
                return Landscape(
                    f, start, np.empty((0, self.n)), 0.0, _window(self.n, 5.0), approximations=approximations
                )
        return Landscape(
            f, start, x[None], float(f.value(x)), _window(self.n, 5.0), approximations=approximations
        )


@problem("norm_power", lab="optimizers", title="Power of a norm", order=62)
@dataclass(frozen=True)
class NormPowerProblem:
    """f = ‖u(x)‖ᵖ/p for Rosenbrock's residuals u = (1−x, 10(y−x²)).

    The larger p, the flatter the minimum. For p = 2 it is half of Rosenbrock's function.
    """

    p: float = param(3.0, low=2.0, high=6.0, doc="power of the norm")
    start: str = param("-2,2", doc="where every method starts: x,y")

    def __post_init__(self) -> None:
        parse_start(self.start, 2)

    def build(self, seed: int) -> Preparation[Landscape]:
        """Return the landscape; nothing is random."""
        yield Progress("reading the formulas")
        f = NormPower(["1-x0", "10*(x1-x0**2)"], 2, self.p)
        return Landscape(
            f, parse_start(self.start, 2), np.ones((1, 2)), 0.0, ((-2.0, 2.0), (-1.0, 3.0)), True,
            approximations={"gauss_newton": f.gauss_newton, "fisher": f.fisher},
        )  # fmt: skip


@problem("chebyshev_chain", lab="optimizers", title="Chebyshev chain", order=63)
@dataclass(frozen=True)
class ChebyshevChain:
    """f = ‖u(x)‖ᵖ/p for u₁ = (1−x₁)/2, uᵢ = xᵢ − (2xᵢ₋₁² − 1): a valley that winds through n dimensions.

    Every further variable follows the one before it through a Chebyshev polynomial, so that a step along the
    valley must bend 2ⁿ times. Its minimiser is (1, …, 1).
    """

    n: int = param(2, low=2, high=8, doc="unknowns; 2 can be drawn")
    p: float = param(2.0, low=2.0, high=6.0, doc="power of the norm")
    start: str = param("-1,1", doc="one number a coordinate; as it stands −1, 1, 1, …")

    def __post_init__(self) -> None:
        self._point()

    def _point(self) -> Array:
        if self.start == "-1,1" and self.n > 2:
            return np.array([-1.0] + [1.0] * (self.n - 1))
        return parse_start(self.start, self.n)

    def build(self, seed: int) -> Preparation[Landscape]:
        """Return the landscape; nothing is random."""
        yield Progress("reading the formulas")
        residuals = ["(1-x0)/2"] + [f"x{i} - (2*x{i - 1}**2 - 1)" for i in range(1, self.n)]
        f = NormPower(residuals, self.n, self.p)
        return Landscape(
            f, self._point(), np.ones((1, self.n)), 0.0, _window(self.n, 1.5), True,
            approximations={"gauss_newton": f.gauss_newton, "fisher": f.fisher},
        )  # fmt: skip
