"""Model matrices against what is known of them in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from core.iterate import drain
from core.poisson.model_matrices import (
    KINDS,
    LEAK,
    POISSON_RATIO,
    ModelMatrix,
    anisotropic_conductor,
    elastic_plate,
    random_network,
)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_symmetric_and_positive_definite_without_a_null_space(kind: str) -> None:
    system = drain(ModelMatrix(kind, 6).build(0))
    dense = system.A.toarray()
    np.testing.assert_allclose(dense, dense.T, atol=1e-14)
    assert np.linalg.eigvalsh(dense).min() > 0.0
    assert system.singular == 0
    np.testing.assert_array_equal(system.b, drain(ModelMatrix(kind, 6).build(0)).b)


def test_a_stretched_plate_holds_the_energy_of_a_uniform_strain() -> None:
    n, strain = 5, 0.01
    x = np.repeat(np.arange(1, n + 1), n + 1)
    u = np.zeros(2 * n * (n + 1))
    u[0::2] = strain * x  # zero where it is clamped
    modulus = (1 - POISSON_RATIO) / ((1 + POISSON_RATIO) * (1 - 2 * POISSON_RATIO))
    assert u @ (elastic_plate(n) @ u) == pytest.approx(modulus * strain**2 * n * n, rel=1e-12)


def test_a_rigid_motion_costs_the_plate_nothing_away_from_the_clamp() -> None:
    n = 5
    force = (elastic_plate(n) @ np.tile([1.0, -2.0], n * (n + 1))).reshape(n, n + 1, 2)
    assert np.abs(force[1:]).max() < 1e-13
    assert np.abs(force[0]).max() > 0.1


def test_a_linear_temperature_makes_no_flow_into_inner_nodes() -> None:
    n = 8
    x, y = np.meshgrid(np.arange(1.0, n), np.arange(1.0, n), indexing="ij")
    flow = (anisotropic_conductor(n) @ (2.0 * x - 3.0 * y).ravel()).reshape(n - 1, n - 1)
    assert np.abs(flow[1:-1, 1:-1]).max() < 1e-12


def test_the_network_conserves_what_does_not_leak() -> None:
    A = random_network(40, np.random.default_rng(3))
    np.testing.assert_allclose(A @ np.ones(40), LEAK, atol=1e-12)
    assert (np.diff(A.indptr) >= 9).all()
