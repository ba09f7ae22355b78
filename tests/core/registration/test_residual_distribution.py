"""The histogram of residuals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from core.registration.residual_distribution import residual_distribution


def test_every_residual_is_counted_once() -> None:
    r = np.random.default_rng(0).standard_t(2, 5000) * 0.02
    r[:300] = np.nan
    found = residual_distribution(r)
    assert found.counts.sum() + found.below + found.above == found.matched == 4700
    assert found.unmatched == 300
    present = r[300:]
    for i in (0, 17, 60):
        left, right = found.edges[i], found.edges[i + 1]
        inside = (present >= left) & ((present < right) if i < 60 else (present <= right))
        assert found.counts[i] == inside.sum()


def test_gaussian_residuals_fill_the_bins_as_expected() -> None:
    r = np.random.default_rng(1).normal(0.01, 0.02, 40_000)
    found = residual_distribution(r, bins=20)
    exact = 40_000 * np.diff(norm.cdf(found.edges, found.median, found.scale))
    np.testing.assert_allclose(found.expected, exact, atol=1e-8)
    # counts are binomial: five standard deviations, and the scale itself is off by up to 2 %
    assert (np.abs(found.counts - exact) < 5 * np.sqrt(exact + 1) + 0.05 * exact).all()
    assert found.edges[0] == pytest.approx(found.median - 5 * found.scale)


def test_the_range_can_be_given() -> None:
    found = residual_distribution(np.array([-0.5, 0.0, 0.1, 0.9]), bins=2, half_width=0.2)
    np.testing.assert_allclose(found.edges, [-0.15, 0.05, 0.25])
    assert found.counts.tolist() == [1, 1]
    assert (found.below, found.above) == (1, 1)


def test_equal_residuals_have_no_gaussian() -> None:
    found = residual_distribution(np.array([0.0, 0.0, 0.0, 0.0, 0.3]))
    assert found.scale == 0.0
    assert found.counts.sum() == 5
    assert np.isnan(found.expected).all()


def test_no_residual_is_refused() -> None:
    with pytest.raises(ValueError, match="no point has a partner"):
        residual_distribution(np.full(5, np.nan))
    with pytest.raises(ValueError, match="positive"):
        residual_distribution(np.zeros(5), bins=0)
