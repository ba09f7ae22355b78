"""DIFF2 and DP-GD on a network: sensitivity, telescoping, noise, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus.accountants.analysis import rdp

from core.iterate import Array, Iterate, Status, drain
from core.optimizers.methods.diff2 import Diff2, DpGd
from core.optimizers.per_sample import PerSample, clipped_mean
from core.optimizers.privacy import ORDERS
from core.optimizers.tasks import DigitsCnn, DpRegression
from core.optimizers.training import Training


def problem(samples: int = 60, seed: int = 0) -> Training:
    return drain(DpRegression(samples=samples).build(seed))


def items(method: Any, training: Training) -> list[Iterate]:
    return list(method.iterate(training))


def points(found: list[Iterate]) -> Array:
    return np.array([item.x for item in found])


def test_gradients_of_samples_are_those_of_one_sample_at_a_time() -> None:
    training = problem(7)
    loss, gradients = PerSample(training)(training.start)
    f = training.function
    for i in range(7):
        x = torch.from_numpy(training.start).requires_grad_()
        (expected,) = torch.autograd.grad(f.at(x, np.array([i])), x)
        np.testing.assert_allclose(gradients[i], expected.numpy(), rtol=1e-12, atol=1e-14)
    value, mean = f.value_and_gradient(training.start)
    assert loss == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradients.mean(axis=0), mean, rtol=1e-10, atol=1e-14)


def test_blocks_of_samples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    training = problem(50)
    whole = PerSample(training)(training.start)[1]
    monkeypatch.setattr("core.optimizers.per_sample.BLOCK", 7 * training.n)
    np.testing.assert_allclose(PerSample(training)(training.start)[1], whole, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("method", [Diff2, DpGd])
def test_without_noise_and_clipping_it_is_gradient_descent(method: Any) -> None:
    training = problem()
    free: dict[str, Any] = {"epsilon": 0.0, "clip": 1e6, "steps": 25, "lr": 0.2}
    free |= {"clip_difference": 1e6, "restart": 10} if method is Diff2 else {}
    found = points(items(method(**free), training))
    x = training.start.copy()
    for k in range(26):
        np.testing.assert_allclose(found[k], x, rtol=0, atol=1e-12)
        x = x - 0.2 * training.function.value_and_gradient(x)[1]


def test_restarting_every_round_is_dp_gd_to_the_bit() -> None:
    training = problem()
    a, b = items(Diff2(steps=12, restart=1), training), items(DpGd(steps=12), training)
    np.testing.assert_array_equal(points(a), points(b))
    assert a[-1].scalars["epsilon_spent"] == b[-1].scalars["epsilon_spent"]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31), radius=st.floats(1e-3, 10.0), place=st.integers(0, 9))
def test_replacing_a_sample_moves_the_release_by_no_more_than_the_sensitivity(
    seed: int, radius: float, place: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((10, 4)) * 10.0 ** rng.uniform(-3, 3, (10, 1))
    other = vectors.copy()
    other[place] = rng.standard_normal(4) * 10.0 ** rng.uniform(-3, 3)
    for changed in (other, np.where(np.arange(10)[:, None] == place, np.nan, vectors)):
        moved = clipped_mean(vectors, radius)[0] - clipped_mean(changed, radius)[0]
        assert np.linalg.norm(moved) <= 2 * radius / 10 * (1 + 1e-9)


def test_terms_are_cut_to_the_radius_and_counted() -> None:
    vectors = np.array([[3.0, 4.0], [0.3, 0.4], [np.inf, 0.0]])
    mean, share = clipped_mean(vectors, 1.0)
    np.testing.assert_allclose(mean, np.array([0.9, 1.2]) / 3, rtol=1e-9)
    assert share == pytest.approx(2 / 3)


def test_differences_carry_noise_in_proportion_to_the_step() -> None:
    training = problem()
    found = items(Diff2(steps=12, restart=4, clip=2.0, clip_difference=5.0), training)
    sigma1, sigma2 = Diff2(steps=12, restart=4, clip=2.0).scales(60)
    for k, item in enumerate(found[:-1]):
        expected = 2.0 * sigma1 if k % 4 == 0 else 5.0 * item.scalars["step_norm"] * sigma2
        assert item.scalars["noise_std"] == pytest.approx(expected, rel=1e-12)
    still = items(Diff2(steps=12, restart=4, lr=0.0), training)
    assert {item.scalars["noise_std"] for item in still[:-1] if item.k % 4} == {0.0}
    assert len(np.unique([item.scalars["noise_std"] for item in still[:-1:4]])) == 1


def test_a_restart_has_the_noise_that_it_says() -> None:
    training = problem(20)
    sigma = DpGd(steps=1).scales(20)[0]
    mean, _ = clipped_mean(PerSample(training)(training.start)[1], 1.0)
    noise = []
    for seed in range(40):
        x = points(items(DpGd(steps=1, lr=1.0), replace(training, seed=seed)))
        noise.append((x[0] - x[1] - mean) / sigma)
    # χ² with 40·101 degrees of freedom: within four standard deviations √(2/4040)
    assert np.mean(np.square(noise)) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 4040))


def test_a_difference_has_the_noise_that_it_says() -> None:
    training, noise = problem(20), []
    samples = PerSample(training)
    for seed in range(40):
        found = items(Diff2(steps=2, restart=2, lr=1.0, clip_difference=0.5), replace(training, seed=seed))
        x = points(found)
        radius = 0.5 * np.linalg.norm(x[1] - x[0])
        change, _ = clipped_mean(samples(x[1])[1] - samples(x[0])[1], float(radius))
        release = (x[1] - x[2]) - (x[0] - x[1])
        noise.append((release - change) / found[1].scalars["noise_std"])
    assert np.mean(np.square(noise)) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 4040))


@pytest.mark.parametrize("calibration", ["paper", "tight"])
def test_what_a_run_has_spent_is_what_opacus_says_of_the_noise_it_added(calibration: str) -> None:
    method = Diff2(steps=20, restart=6, epsilon=2.0, clip=2.0, clip_difference=0.7, calibration=calibration)
    training = problem(60)
    found = items(method, training)
    x, total = points(found), np.zeros(len(ORDERS))
    for k, item in enumerate(found[:-1]):
        # replacing a sample moves a mean of terms of norm up to c by no more than 2c/N
        c = 2.0 if k % 6 == 0 else 0.7 * float(np.linalg.norm(x[k] - x[k - 1]))
        multiplier = item.scalars["noise_std"] / (2 * c / 60)
        total += rdp.compute_rdp(q=1.0, noise_multiplier=multiplier, steps=1, orders=ORDERS)
        spent, _ = rdp.get_privacy_spent(orders=ORDERS, rdp=total, delta=1e-5)
        assert item.scalars["epsilon_spent"] == pytest.approx(spent, rel=1e-9)


def test_the_ledger_ends_within_the_target() -> None:
    for calibration in ("paper", "tight"):
        found = items(Diff2(steps=30, restart=7, epsilon=2.0, calibration=calibration), problem())
        spent = [item.scalars["epsilon_spent"] for item in found]
        assert (np.diff(spent[:-1]) > 0).all()
        assert spent[-1] <= 2.0
    assert spent[-1] > 1.999


def test_what_has_no_samples_of_its_own_is_refused() -> None:
    with pytest.raises(ValueError, match="mixes the samples"):
        DpGd().iterate(drain(DigitsCnn().build(0)))
    with pytest.raises(ValueError, match="as many rounds, not 5"):
        Diff2(steps=5, restart=6).iterate(problem())


def test_a_rate_that_is_too_large_diverges_in_words() -> None:
    found = items(Diff2(steps=200, restart=50, lr=10.0, epsilon=0.1), problem())
    assert found[-1].status in (Status.DIVERGED, Status.MAX_ITERATIONS)
    assert all(np.isfinite(item.x).all() for item in found[:-1])
