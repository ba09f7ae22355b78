"""The pairs made again row by row: their sums are the kernel's normal equations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.io.reading import read
from core.iterate import Array
from core.linalg.lie import T_from_xyzrpy
from core.registration.correspondences import SearchTree, make_linearisation
from core.registration.evidence import WEIGHTS, Pairs
from core.registration.kernels import ROBUST
from tests.oracles_surfaces import room

START = T_from_xyzrpy(0.1, -0.07, 0.05, 1.5, -1.0, 3.0)
NEAR = T_from_xyzrpy(0.02, 0.01, -0.01, 0.1, 0.2, -0.3)


@pytest.fixture(scope="module")
def clouds() -> tuple[Array, SearchTree]:
    target = SearchTree.build(room(np.random.default_rng(20), 4000)).with_normals(10, 0.05)
    return room(np.random.default_rng(21), 2000), target


def assert_sums(pairs: Pairs, system: Any) -> None:
    """The rows of `pairs`, scaled and summed, are H and g."""
    J, s = pairs.rows, pairs.scales
    r = pairs.residuals
    weight = s if pairs.weights is not None else 1.0 - 0.9 * np.abs(r)
    e = weight * r
    assert len(pairs) == system.correspondences
    np.testing.assert_allclose((J * (s**2)[:, None]).T @ J, system.H, atol=1e-11 * np.abs(system.H).max())
    np.testing.assert_allclose(-J.T @ (s * e), system.g, atol=1e-11 * np.abs(system.g).max())
    assert pairs.error_at(pairs.T) == pytest.approx(system.error, rel=1e-11)
    assert float(r @ r) == pytest.approx(system.squared_residuals, rel=1e-11)


@pytest.mark.parametrize("kernel", ROBUST)
def test_rows_add_up_to_the_normal_equations(clouds: tuple[Array, SearchTree], kernel: str) -> None:
    source, target = clouds
    linearise = make_linearisation(source, target, kernel=kernel, kernel_scale=0.05, max_distance=0.4)
    for T in (START, NEAR, NEAR):  # the second and third reuse matches of the one before
        system = linearise(T)
        assert_sums(linearise.pairs(T), system)


def test_every_kernel_has_a_weight_here() -> None:
    assert set(WEIGHTS) == set(ROBUST)


def test_rows_of_the_loam_model_add_up_too(clouds: tuple[Array, SearchTree]) -> None:
    source, target = clouds
    linearise = make_linearisation(source, target, correspondence="loam", max_distance=1.0)
    for T in (START, NEAR):
        system = linearise(T)
        assert_sums(linearise.pairs(T), system)


@pytest.mark.data
def test_planes_of_the_loam_model_are_the_same_where_they_cannot_be_represented(data: Path) -> None:
    cloud = read(data / "dcreg_cylinder" / "target_clouds.pcd").points
    linearise = make_linearisation(cloud, SearchTree.build(cloud), correspondence="loam")
    T = T_from_xyzrpy(0.2, 0.8, 0.5, 0.1, 0.1, 2.0)
    system = linearise(T)
    pairs = linearise.pairs(T)
    assert len(pairs) == 197
    assert_sums(pairs, system)


def test_residuals_at_another_pose_keep_the_partners(clouds: tuple[Array, SearchTree]) -> None:
    source, target = clouds
    linearise = make_linearisation(source, target, max_distance=0.4)
    linearise(START)
    pairs = linearise.pairs(START)
    moved = pairs.points @ NEAR[:3, :3].T + NEAR[:3, 3]
    # any point of the plane will do: the foot of the origin
    expected = ((moved + pairs.offsets[:, None] * pairs.normals) * pairs.normals).sum(axis=1)
    np.testing.assert_allclose(pairs.residuals_at(NEAR), expected, atol=1e-13)
    assert pairs.error_at(NEAR) == pytest.approx(0.5 * float(expected @ expected), rel=1e-12)


def test_no_pair_is_no_error() -> None:
    tree = SearchTree.build(room(np.random.default_rng(3), 500)).with_normals(10, 0.3)
    linearise = make_linearisation(np.full((5, 3), 900.0), tree)
    linearise(np.eye(4))
    assert len(linearise.pairs(np.eye(4))) == 0
