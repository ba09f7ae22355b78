"""The curvatures of a trained network's loss: their density, and the largest one along the training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from core.iterate import Array, Iterate, Preparation, Status, Work
from core.optimizers.lanczos import Lanczos, density
from core.optimizers.landscape import Landscape
from core.optimizers.stability import AVERAGED, STABLE, Watched, stability_line
from core.optimizers.trained import Trained, TrainedNetwork, hessian_products, network_of, saved_way
from core.registry import Scalar, Scale, method, param


@method(
    "hessian_spectrum", lab="optimizers", title="Hessian spectrum", example="digits_mlp", assumes="a network",
    source="Ghorbani, Krishnan & Xiao 2019, An Investigation into Neural Net Optimization via Hessian "
    "Eigenvalue Density, ICML; stochastic Lanczos quadrature as in Yao et al. 2020, PyHessian", colour=46,
    kind="analysis", order=86,
    scalars={
        "loss": Scalar("loss at the end", scale=Scale.LOG), "largest": Scalar("largest eigenvalue"),
        "smallest": Scalar("smallest eigenvalue"), "trace": Scalar("trace"),
    },
)  # fmt: skip
@dataclass(frozen=True)
class HessianSpectrum(TrainedNetwork):
    """The density of the Hessian's eigenvalues at the trained parameters, on 256 fixed training samples.

    Most eigenvalues lie near zero; a few, about as many as there are classes, stand apart.
    """

    lanczos_steps: int = param(80, low=2, high=300, doc="Lanczos steps, one Hessian product each")
    probes: int = param(4, low=1, high=16, doc="random vectors that are averaged over")

    def iterate(self, problem: Trained) -> Iterator[Iterate]:
        """Yield nodes and weights of the quadrature so far, one Lanczos step an item.

        Yields
        ------
        x : (probes, lanczos_steps, 2) eigenvalues of the tridiagonal matrices, weights; NaN = not yet.
        arrays : ``density`` (1000, 2) of λ and φ, from the first step on.
        """
        return self._loop(problem)

    def _loop(self, trained: Trained) -> Iterator[Iterate]:
        rng = np.random.default_rng(np.random.SeedSequence(trained.training.seed, spawn_key=(6,)))
        n, m = trained.training.n, min(self.lanczos_steps, trained.training.n)
        lanczos = Lanczos(
            hessian_products(trained.f, trained.end), rng.choice((-1.0, 1.0), size=(self.probes, n))
        )
        table = np.full((self.probes, self.lanczos_steps, 2), np.nan)
        loss = trained.f.value(trained.end)
        for k in range(m + 1):
            if k:
                lanczos.step()
                for probe in range(self.probes):
                    nodes, weights = lanczos.quadrature(probe)
                    table[probe, : len(nodes)] = np.column_stack([nodes, weights])
            is_last = k == m or lanczos.is_exhausted
            yield self._item(k, table, loss, n, Status.CONVERGED if is_last else Status.RUNNING)
            if is_last:
                return

    def _item(self, k: int, table: Array, loss: float, n: int, status: Status) -> Iterate:
        scalars = {"loss": loss, "largest": math.nan, "smallest": math.nan, "trace": math.nan}
        arrays = {}
        if k:
            nodes, weights = table[..., 0], table[..., 1]
            scalars["largest"], scalars["smallest"] = float(np.nanmax(nodes)), float(np.nanmin(nodes))
            scalars["trace"] = n * float(np.nansum(nodes * weights)) / len(table)
            arrays["density"] = np.column_stack(density(nodes, weights))
        products = k * self.probes
        work = Work(hessian_vector=products, evaluation=1, units=float(products + 1))
        return Iterate(k, table.copy(), scalars, arrays, work, status)


@method(
    "sharpness", lab="optimizers", title="Largest curvature along the training", example="digits_mlp",
    source="Cohen, Kaur, Li, Kolter & Talwalkar 2021, Gradient Descent on Neural Networks Typically Occurs "
    "at the Edge of Stability, ICLR", assumes="a network", colour=47, kind="analysis", order=87,
    scalars={
        "loss": Scalar("loss", scale=Scale.LOG), "largest": Scalar("largest eigenvalue", scale=Scale.LOG),
        "stability": Scalar("stability line", scale=Scale.LOG),
    },
)  # fmt: skip
@dataclass(frozen=True)
class Sharpness(TrainedNetwork):
    """The Hessian's largest eigenvalue at saved points of a training, beside the line of stability.

    Gradient descent on a quadratic is stable below 2/η, with momentum μ below 2(1+μ)/η. Full batches
    (batch=0) are driven up to that line and stay there; small batches stay below it. Of Adam it is the
    Hessian scaled as its steps are, and the line is (2+2β₁)/((1−β₁)η): 38/η at β₁ = 0.9. Other methods have
    no such line.
    """

    method: str = param("sgd", choices=STABLE, doc="what trains the network")
    lr: float = param(0.1, low=1e-7, high=10.0, log=True, label="learning rate", doc="its learning rate")
    resolution: int = param(30, low=3, high=200, doc="points of the training that are looked at")
    lanczos_steps: int = param(20, low=5, high=100, doc="Lanczos steps for each point")

    def points(self) -> int:
        """Return how many points are saved."""
        return self.resolution

    def prepare(self, problem: Landscape) -> Preparation[Trained]:
        """Train the network; with Adam, what its steps divide by is saved too. Raises as for the others."""
        if self.method not in AVERAGED:
            return (yield from super().prepare(problem))
        training, divisors = network_of(problem), list[Array]()

        def watch(item: Iterate) -> None:
            found = item.arrays["divisor"]
            divisors.append(found() if callable(found) else found)

        trainer = Watched(self.trainer())
        way = yield from saved_way(trainer, training, self.steps, self.points(), "training", watch)
        return Trained(training, training.subset(), *way, np.array(divisors))

    def iterate(self, problem: Trained) -> Iterator[Iterate]:
        """Yield the curve so far.

        Yields
        ------
        x : (points, 4) step, largest eigenvalue, loss on the subset, line of stability at the rate of that
            step; NaN = not yet.
        """
        return self._loop(problem)

    def _loop(self, trained: Trained) -> Iterator[Iterate]:
        rng = np.random.default_rng(np.random.SeedSequence(trained.training.seed, spawn_key=(6,)))
        line = stability_line(self.method, self.trainer())
        table = np.full((len(trained.path), 4), np.nan)
        table[:, 0] = trained.steps
        factors = np.array([trained.training.rate_factor(int(k), self.steps) for k in trained.steps])
        table[:, 3] = np.divide(line, factors, out=np.full(len(factors), np.nan), where=factors > 0)
        scalars = {"loss": math.nan, "largest": math.nan, "stability": line}
        products = 0
        for k in range(len(table) + 1):
            status = Status.CONVERGED if k == len(table) else Status.RUNNING
            work = Work(hessian_vector=products, evaluation=k, units=float(products + k))
            yield Iterate(k, table.copy(), dict(scalars), {}, work, status)
            if status.terminal:
                return
            x = trained.path[k]
            lanczos = Lanczos(_scaled_products(trained, k), rng.standard_normal((1, len(x))))
            while lanczos.steps < self.lanczos_steps and not lanczos.is_exhausted:
                lanczos.step()
            products += lanczos.steps
            table[k, 1:3] = lanczos.quadrature(0)[0][-1], trained.f.value(x)
            scalars["largest"], scalars["loss"] = float(table[k, 1]), float(table[k, 2])


def _scaled_products(trained: Trained, k: int) -> Callable[[Array], Array]:
    """Return V → H V at point k, or V → P^(−½) H P^(−½) V where steps divide by P."""
    products = hessian_products(trained.f, trained.path[k])
    if trained.divisors is None:
        return products
    root = 1.0 / np.sqrt(trained.divisors[k])
    return lambda V: root * products(root * V)
