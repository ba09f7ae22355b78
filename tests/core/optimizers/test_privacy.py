"""Privacy: the closed form against numerical integration, golden values, calibrations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from opacus.accountants.analysis import rdp
from scipy.integrate import quad
from scipy.stats import norm

from core.optimizers.privacy import ORDERS, Ledger, epsilon, noise_scales, order_of_proof, renyi, tightened

GOLDEN = [
    # ε, δ, R, T, N, α, σ1, σ2, by the proof, by the improved conversion
    (3.0, 1e-5, 2000, 1, 10000, 9, 0.01549, 0.03464, 2.939, 2.541),
    (3.0, 1e-5, 2000, 20, 10000, 9, 0.00387, 0.03464, 2.924, 2.527),
    (1.0, 1e-5, 200, 1, 4000, 25, 0.03536, 0.07906, 0.980, 0.795),
]


def releases(target: float, delta: float, R: int, T: int, N: int) -> list[tuple[float, int]]:
    sigma1, sigma2 = noise_scales(target, delta, R, T, N)
    restarts = math.ceil(R / T)
    return [(sigma1 * N / 2, restarts), (sigma2 * N / 2, R - restarts)]


@pytest.mark.parametrize(("z", "order"), [(0.8, 2.0), (2.0, 5.5), (7.0, 30.0)])
def test_the_divergence_of_a_gaussian_is_that_of_numerical_integration(z: float, order: float) -> None:
    # D = ln E_q[(p/q)^α]/(α−1) for p = N(1, z²), q = N(0, z²)
    def integrand(x: float) -> float:
        return math.exp(order * norm.logpdf(x, 1, z) + (1 - order) * norm.logpdf(x, 0, z))

    # the integrand is a Gaussian around α: far wider than its width
    integral, _ = quad(integrand, order - 12 * z, order + 12 * z, epsabs=0, epsrel=1e-11)
    assert renyi([(z, 1)], np.array([order]))[0] == pytest.approx(math.log(integral) / (order - 1), rel=1e-8)


@pytest.mark.parametrize(("z", "count"), [(0.7, 3), (5.0, 1), (40.0, 2000)])
@pytest.mark.parametrize("delta", [1e-7, 1e-5, 1e-2])
def test_the_ledger_is_that_of_opacus(z: float, count: int, delta: float) -> None:
    divergences = renyi([(z, count)])
    theirs = rdp.compute_rdp(q=1.0, noise_multiplier=z, steps=count, orders=ORDERS)
    np.testing.assert_allclose(divergences, theirs, rtol=1e-12)
    spent, _ = rdp.get_privacy_spent(orders=ORDERS, rdp=theirs, delta=delta)
    assert epsilon(divergences, delta) == pytest.approx(max(spent, 0.0), rel=1e-12)


@pytest.mark.parametrize(("z", "count"), [(5.0, 1), (20.0, 30), (3.0, 4)])
def test_the_epsilon_holds_by_numerical_integration_and_is_not_wasteful(z: float, count: int) -> None:
    # `count` releases of multiplier z are one of multiplier z/√count: δ(ε) = ∫ max(0, p − e^ε q)
    delta = 1e-5
    found = epsilon(renyi([(z, count)]), delta)
    s = z / math.sqrt(count)

    def exact(level: float) -> float:
        edge = s**2 * level + 0.5  # where p = e^ε q
        value, _ = quad(
            lambda x: norm.pdf(x, 1, s) - math.exp(level) * norm.pdf(x, 0, s), edge, edge + 40 * s, limit=200
        )
        return float(value)

    assert exact(found) <= delta
    assert exact(0.75 * found) > delta


@pytest.mark.parametrize(("target", "delta", "R", "T", "N", "order", "s1", "s2", "proof", "improved"), GOLDEN)
def test_the_golden_values_come_out(
    target: float, delta: float, R: int, T: int, N: int, order: int, s1: float, s2: float, proof: float,
    improved: float,
) -> None:  # fmt: skip
    assert order_of_proof(target, delta) == order
    np.testing.assert_allclose(noise_scales(target, delta, R, T, N), (s1, s2), atol=6e-6)
    total = renyi(releases(target, delta, R, T, N))
    assert (total + math.log(1 / delta) / (ORDERS - 1)).min() == pytest.approx(proof, abs=3e-3)
    assert epsilon(total, delta) == pytest.approx(improved, abs=2e-3)


@pytest.mark.parametrize(
    ("target", "R", "T", "N"), [(0.1, 150, 7, 2000), (3.0, 200, 6, 4000), (10.0, 50, 50, 300)]
)
def test_the_paper_keeps_the_target_and_the_tight_calibration_meets_it(
    target: float, R: int, T: int, N: int
) -> None:
    assert epsilon(renyi(releases(target, 1e-5, R, T, N)), 1e-5) <= target
    scales = tightened(noise_scales(target, 1e-5, R, T, N), target, 1e-5, R, T, N)
    restarts = math.ceil(R / T)
    spent = epsilon(renyi([(scales[0] * N / 2, restarts), (scales[1] * N / 2, R - restarts)]), 1e-5)
    assert target * 0.9999 <= spent <= target


def test_noise_scales_as_it_should() -> None:
    base = np.array(noise_scales(1.0, 1e-5, 200, 5, 1000))
    np.testing.assert_allclose(noise_scales(1.0, 1e-5, 200, 5, 2000), base / 2, rtol=1e-12)
    assert (np.array(noise_scales(1.0, 1e-5, 400, 5, 1000)) > base).all()
    # κ is 4 where every round restarts, 4u = 5 elsewhere
    one, two = noise_scales(1.0, 1e-5, 200, 1, 1000)[0], noise_scales(1.0, 1e-5, 200, 2, 1000)[0]
    assert one**2 / two**2 == pytest.approx(4 / 5 * 2)


def test_the_ledger_rises_with_every_release() -> None:
    ledger, seen = Ledger(1e-5, 1000), [0.0]
    assert ledger.spent == 0.0
    for _ in range(20):
        ledger.add(0.02)
        seen.append(ledger.spent)
    assert (np.diff(seen) > 0).all()
    assert seen[-1] == pytest.approx(epsilon(renyi([(10.0, 20)]), 1e-5), rel=1e-12)
    ledger.add(0.0)
    assert ledger.spent == math.inf
