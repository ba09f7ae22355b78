"""Stochastic Lanczos quadrature on operators whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest

from core.iterate import Array
from core.optimizers.lanczos import Lanczos, count_above, density


def run(H: Array, steps: int, probes: int = 3, seed: int = 0) -> Lanczos:
    starts = np.random.default_rng(seed).choice((-1.0, 1.0), size=(probes, len(H)))
    lanczos = Lanczos(lambda V: V @ H, starts)
    while lanczos.steps < steps and not lanczos.is_exhausted:
        lanczos.step()
    return lanczos


def symmetric(n: int, seed: int = 1) -> Array:
    A = np.random.default_rng(seed).standard_normal((n, n))
    return np.asarray(A + A.T)


def test_as_many_steps_as_unknowns_give_the_exact_eigenvalues() -> None:
    H = symmetric(25)
    nodes, weights = run(H, 25).quadrature(1)
    np.testing.assert_allclose(nodes, np.linalg.eigvalsh(H), atol=1e-10)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)


def test_weights_are_shares_and_moments_those_of_the_start() -> None:
    H = symmetric(60)
    lanczos = run(H, 12)
    start = np.random.default_rng(0).choice((-1.0, 1.0), size=(3, 60))[2] / np.sqrt(60)
    nodes, weights = lanczos.quadrature(2)
    assert (weights >= 0).all()
    moment, v = 1.0, start.copy()
    for power in range(1, 2 * 12):  # Gauss quadrature is exact up to degree 2m − 1
        v = H @ v
        moment = float(start @ v)
        assert (weights * nodes**power).sum() == pytest.approx(moment, rel=1e-9, abs=1e-9 * 20.0**power)


def test_moments_of_a_diagonal_are_those_of_its_entries_within_the_probes_spread() -> None:
    rng = np.random.default_rng(5)
    H = np.diag(rng.exponential(1.0, 300)) + 0.05 * symmetric(300)
    lanczos = run(H, 40, probes=16)
    for power in (1, 2, 3):
        found = [float((w * x**power).sum()) for x, w in (lanczos.quadrature(p) for p in range(16))]
        exact = np.trace(np.linalg.matrix_power(H, power)) / 300
        assert abs(np.mean(found) - exact) <= 4 * np.std(found, ddof=1) / 4 + 1e-12


def test_shift_and_scale_move_the_nodes_alike() -> None:
    H = symmetric(40)
    nodes, weights = run(H, 15).quadrature(0)
    moved, same = run(3.0 * H + 2.0 * np.eye(40), 15).quadrature(0)
    np.testing.assert_allclose(moved, 3.0 * nodes + 2.0, atol=1e-9)
    np.testing.assert_allclose(same, weights, atol=1e-9)


def test_an_invariant_space_ends_the_process() -> None:
    H = np.diag([1.0] * 20 + [4.0] * 20 + [-2.0] * 5)
    lanczos = run(H, 30)
    assert lanczos.is_exhausted
    assert lanczos.steps == 3
    np.testing.assert_allclose(lanczos.quadrature(0)[0], [-2, 1, 4], atol=1e-10)


def test_the_density_has_unit_area_and_its_mass_at_the_nodes() -> None:
    nodes = np.array([[-1.0, 0.0, 5.0], [-1.0, 5.0, np.nan]])
    weights = np.array([[0.25, 0.25, 0.5], [0.5, 0.5, np.nan]])
    grid, phi = density(nodes, weights, points=4000)
    assert (phi * (grid[1] - grid[0])).sum() == pytest.approx(1.0)
    near = np.abs(grid - 5.0) < 0.2
    assert (phi[near] * (grid[1] - grid[0])).sum() == pytest.approx(0.5, abs=1e-3)


def test_large_eigenvalues_are_counted_up_to_the_chance_of_the_probes() -> None:
    H = symmetric(60)
    lanczos = run(H, 60, probes=60)
    found = [lanczos.quadrature(probe) for probe in range(60)]
    nodes, weights = (np.array([pair[i] for pair in found]) for i in (0, 1))
    level = 4.0
    each = [count_above(nodes[p : p + 1], weights[p : p + 1], 60, level) for p in range(60)]
    error = np.std(each) / np.sqrt(60)
    assert abs(np.mean(each) - (np.linalg.eigvalsh(H) > level).sum()) < 3 * error
    assert count_above(nodes, weights, 60, level) == pytest.approx(np.mean(each))
    nodes[0, 5:] = weights[0, 5:] = np.nan  # a probe that is not as far
    assert np.isfinite(count_above(nodes, weights, 60, level))
