"""Costs of the robust kernels against their weights, weights against the compiled kernels."""

from __future__ import annotations

import numpy as np
import pytest

from core.registration.correspondences import SearchTree, make_linearisation
from core.registration.kernels import ROBUST
from core.registration.robust import robust_cost, robust_weight


@pytest.mark.parametrize("scale", [0.05, 0.7])
@pytest.mark.parametrize("kernel", ROBUST)
def test_the_slope_of_the_cost_is_weight_times_residual(kernel: str, scale: float) -> None:
    # away from the corners at scale and at scale/0.9
    r = np.concatenate([np.linspace(-3, 3, 60), np.linspace(-0.3, 0.3, 60) + 1e-4]) * scale
    h = 1e-6 * scale
    slope = (robust_cost(r + h, kernel, scale) - robust_cost(r - h, kernel, scale)) / (2 * h)
    # central differences: truncation h² |ρ'''|/6 and rounding ε ρ/h, both below 1e-8 of the largest slope
    np.testing.assert_allclose(slope, robust_weight(r, kernel, scale) * r, atol=1e-7 * max(1.0, scale))
    assert robust_cost(np.zeros(1), kernel, scale)[0] == 0.0


@pytest.mark.parametrize("kernel", ROBUST)
def test_the_cost_is_continuous_even_and_never_falls_with_the_distance(kernel: str) -> None:
    r = np.linspace(0, 0.3, 3001)
    cost = robust_cost(r, kernel, 0.05)
    assert (np.diff(cost) >= -1e-15).all()
    assert np.diff(cost).max() <= 1e-4 * max(1.0, 0.3) + 1e-12  # slope at most 1 (L1) or |r|
    np.testing.assert_array_equal(cost, robust_cost(-r, kernel, 0.05))


@pytest.mark.parametrize("kernel", ROBUST)
def test_weights_are_those_of_the_compiled_kernel(kernel: str) -> None:
    rng = np.random.default_rng(0)
    plane = np.column_stack([rng.uniform(-3, 3, (2000, 2)), np.zeros(2000)])
    target = SearchTree.build(plane).with_normals(10)
    for height in (0.0, 0.01, 0.06, -0.3):
        point = np.array([[0.1, 0.2, height]])
        system = make_linearisation(
            point, target, kernel=kernel, kernel_scale=0.05, max_distance=1.0
        )(np.eye(4))  # fmt: skip
        # the row of a horizontal plane has ñ_z = 1, so H_zz is the weight alone
        assert system.H[5, 5] == pytest.approx(robust_weight(np.array([height]), kernel, 0.05)[0], rel=1e-12)


def test_an_unknown_kernel_and_a_scale_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="kernel must be one of"):
        robust_cost(np.zeros(1), "gauss", 1.0)
    with pytest.raises(ValueError, match="positive"):
        robust_weight(np.zeros(1), "huber", 0.0)
