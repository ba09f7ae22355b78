"""What a sequence of Gaussian mechanisms spends of differential privacy, in closed form.

A release with noise multiplier z (standard deviation over sensitivity) on all data has Rényi divergence
α/(2z²) at order α (Mironov 2017, Rényi Differential Privacy, CSF, Prop. 7). Divergences of releases add up,
also where later ones depend on earlier ones (Prop. 1). Sensitivities are for one sample that is replaced.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from core.iterate import Array

#: Orders at which the divergence is converted; the smallest result counts.
ORDERS: Array = np.concatenate([1 + np.arange(1, 100) / 10.0, np.arange(11.0, 200.0)])


def renyi(releases: Iterable[tuple[float, int]], orders: Array = ORDERS) -> Array:
    """Return the Rényi divergence at every order after `count` releases of noise multiplier z.

    Parameters
    ----------
    releases : (z, count); z = 0 means no noise, whose divergence is infinite.
    """
    total = np.zeros_like(orders)
    for multiplier, count in releases:
        if count:
            total += np.inf if multiplier <= 0 else count * orders / (2 * multiplier**2)
    return total


def epsilon(divergences: Array, delta: float, orders: Array = ORDERS) -> float:
    """Return the ε that divergences give at this δ.

    ε = min over α of D(α) + ln((α−1)/α) − (ln δ + ln α)/(α−1)

    References
    ----------
    Canonne, Kamath & Steinke 2020, The Discrete Gaussian for Differential Privacy, Prop. 12.
    """
    with np.errstate(invalid="ignore"):
        values = divergences + np.log1p(-1 / orders) - (math.log(delta) + np.log(orders)) / (orders - 1)
    return float(max(0.0, np.min(values))) if np.isfinite(values).any() else math.inf


def order_of_proof(target: float, delta: float) -> int:
    """Return α = 1 + ⌈2 ln(1/δ)/ε⌉, the order at which DIFF2's proof converts."""
    return 1 + math.ceil(2 * math.log(1 / delta) / target)


def noise_scales(
    target: float, delta: float, rounds: int, restart: int, samples: int, u: float = 1.25
) -> tuple[float, float]:
    """Return σ₁ of restarts and σ₂ of differences, both per unit of clipping radius.

    σ₁² = κ α ⌈R/T⌉/(N² ε), κ = 4u (4 where every round is a restart);  σ₂² = 4u/(u−1) α R/(N² ε)

    Parameters
    ----------
    target : ε of the whole.
    rounds, restart : R and T.
    samples : N.

    Notes
    -----
    The paper has R/T; where T does not divide R that is less noise than the restarts need, hence ⌈R/T⌉.
    """
    alpha = order_of_proof(target, delta)
    kappa = 4 * u if restart > 1 else 4.0
    base = alpha / (samples**2 * target)
    return math.sqrt(kappa * base * math.ceil(rounds / restart)), math.sqrt(4 * u / (u - 1) * base * rounds)


def tightened(
    scales: tuple[float, float], target: float, delta: float, rounds: int, restart: int, samples: int
) -> tuple[float, float]:
    """Return both scales times one factor, with which the ledger ends at the target."""
    restarts = math.ceil(rounds / restart)

    def spent(factor: float) -> float:
        z1, z2 = (factor * s * samples / 2 for s in scales)
        return epsilon(renyi([(z1, restarts), (z2, rounds - restarts)]), delta)

    low, high = 1e-3, 1.0
    while spent(high) > target:
        high *= 2
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if spent(middle) > target else (low, middle)
    return scales[0] * high, scales[1] * high


class Ledger:
    """ε spent so far.

    Parameters
    ----------
    delta : δ at which ε is told.
    samples : N; a mean of terms of norm ≤ c changes by at most 2c/N.
    """

    def __init__(self, delta: float, samples: int) -> None:
        self._delta, self._samples = delta, samples
        self._divergences = np.zeros_like(ORDERS)

    def add(self, scale: float) -> None:
        """Enter a release with noise of standard deviation c·scale a coordinate."""
        self._divergences += renyi([(scale * self._samples / 2, 1)])

    @property
    def spent(self) -> float:
        """The ε so far; inf if something was released without noise."""
        return epsilon(self._divergences, self._delta) if self._divergences.any() else 0.0
