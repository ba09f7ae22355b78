"""Two sources whose mean loss is flat along a valley in which their own minima approach each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from core.iterate import Array, Preparation, Progress
from core.optimizers.landscape import Landscape
from core.registry import param, problem


def spread(z: Any) -> Any:
    """Return a(z) = 0.1 + 0.9/(1 + exp(2z)): the sources' minima are at x = ±a(z)."""
    return 0.1 + 0.9 * expit(-2.0 * np.asarray(z))


class Source:
    """L = x² − 2 s a(z) x + 0.1‖u‖² over (x, z, u); s = 0 is the mean of the sources s = ±1."""

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def value(self, x: Array) -> Any:
        """Return L (...)."""
        first = x[..., 0]
        flat = 0.1 * (x[..., 2:] ** 2).sum(axis=-1)
        return first**2 - 2 * self.sign * spread(x[..., 1]) * first + flat

    def gradient(self, x: Array) -> Array:
        """Return ∇L (..., n)."""
        result = 0.2 * x
        share = expit(-2.0 * x[..., 1])
        slope = -1.8 * share * (1 - share)  # a'(z)
        result[..., 0] = 2 * x[..., 0] - 2 * self.sign * spread(x[..., 1])
        result[..., 1] = -2 * self.sign * slope * x[..., 0]
        return np.asarray(result)

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Return L and ∇L at one point."""
        return float(self.value(x)), self.gradient(x)

    def hessian(self, x: Array) -> Array:
        """Return ∇²L (..., n, n)."""
        H = np.zeros((*x.shape, x.shape[-1]))
        H[..., range(x.shape[-1]), range(x.shape[-1])] = 0.2
        p = expit(-2.0 * x[..., 1])
        first, second = -1.8 * p * (1 - p), 3.6 * p * (1 - p) * (1 - 2 * p)
        H[..., 0, 0] = 2.0
        H[..., 0, 1] = H[..., 1, 0] = -2 * self.sign * first
        H[..., 1, 1] = -2 * self.sign * second * x[..., 0]
        return H


SOURCES = (Source(1.0), Source(-1.0))


def held_out(x: Array) -> Any:
    """Return the loss (x − 1.5 a(z))² of a source that is not trained on at points (..., n)."""
    return (x[..., 0] - 1.5 * spread(x[..., 1])) ** 2


def source_minima(x: Array) -> Array:
    """Return where each of `SOURCES` is smallest along x at points (..., n), (..., 2)."""
    return np.stack([source.sign * spread(x[..., 1]) for source in SOURCES], axis=-1)


def _curves() -> dict[str, Array]:
    z = np.linspace(-4.0, 5.0, 181)
    return {
        f"minimum of source {i} at each y": np.column_stack([source.sign * spread(z), z])
        for i, source in enumerate(SOURCES, 1)
    }


#: What is known of the sources, as attributes of a `Landscape`.
KNOWN_OF_SOURCES: dict[str, Any] = {
    "sources": SOURCES, "unseen": held_out, "source_minima": source_minima, "curves": _curves(),
}  # fmt: skip


@problem("noisy_valley", lab="optimizers", title="Nexus valley with noise", order=33)
@dataclass(frozen=True)
class NoisyValley:
    """The Nexus valley with forty more coordinates whose gradients are mostly noise, as minibatches have it.

    The noise is what makes gradients of length one behave: without it those of the two sources cancel.
    """

    sigma: float = param(1.0, low=0.0, high=10.0, label="noise σ", doc="standard deviation on each of them")
    noisy: int = param(40, low=1, high=200, doc="noisy coordinates")

    def build(self, seed: int) -> Preparation[Landscape]:
        """Return the landscape; the noise comes from the seed."""
        yield Progress("laying out the valley")
        n = 2 + self.noisy
        start, minimum = np.zeros(n), np.zeros((1, n))
        start[:2], minimum[0, 1] = (1.5, -1.0), math.nan
        return Landscape(
            Source(0.0), start, minimum, 0.0, noise=self.sigma, noisy_from=2,
            seed=seed, **KNOWN_OF_SOURCES,
        )  # fmt: skip
