"""Errors of paths against closed forms and SciPy's alignment."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from core.linalg.lie import T_from_xyzrpy, exp_se3
from core.registration.trajectory import (
    absolute_errors,
    align_positions,
    distances_along,
    relative_errors,
    segment_errors,
    segment_lengths,
)

Array = np.ndarray


def walk(n: int, seed: int) -> Array:
    """A path of random small motions."""
    rng = np.random.default_rng(seed)
    T = [np.eye(4)]
    for _ in range(n - 1):
        T.append(T[-1] @ exp_se3(rng.normal([0, 0, 0, 0.5, 0, 0], 0.2)))
    return np.stack(T)


def straight(n: int, step: float) -> Array:
    return np.stack([T_from_xyzrpy(step * k, 0, 0, 0, 0, 0) for k in range(n)])


@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
def test_the_alignment_is_that_of_scipy(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    estimate, truth = rng.normal(size=(2, n, 3)) * [5, 3, 1]
    T = align_positions(estimate, truth)
    e, t = estimate - estimate.mean(axis=0), truth - truth.mean(axis=0)
    expected, residual = Rotation.align_vectors(t, e)
    moved = estimate @ T[:3, :3].T + T[:3, 3]
    assert np.linalg.norm(moved - truth) == pytest.approx(residual, rel=1e-9)
    if n > 5:  # few points leave the rotation ill-conditioned, not the residual
        np.testing.assert_allclose(T[:3, :3], expected.as_matrix(), atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_a_path_seen_from_another_world_has_no_error(seed: int) -> None:
    truth = walk(30, seed)
    world = exp_se3(np.random.default_rng(seed).normal(0, 3, 6))
    T, distances = absolute_errors(world @ truth, truth)
    np.testing.assert_allclose(distances, 0.0, atol=1e-11)
    np.testing.assert_allclose(T, np.linalg.inv(world), atol=1e-10)


def test_a_flat_path_is_not_mirrored() -> None:
    angles = np.linspace(0, 5, 20)
    flat = np.column_stack([np.cos(angles), np.sin(2 * angles), np.zeros(20)])
    mirrored = flat * [1, -1, 1]
    R = align_positions(mirrored, flat)[:3, :3]
    assert np.linalg.det(R) == pytest.approx(1.0)


def test_scale_is_not_aligned() -> None:
    # positions 0, s, 2s, … against 0, 1, 2, …: deviations from the mean grow by s − 1
    n, scale = 11, 1.1
    _, distances = absolute_errors(straight(n, scale), straight(n, 1.0))
    expected = (scale - 1.0) * np.abs(np.arange(n) - (n - 1) / 2)
    np.testing.assert_allclose(distances, expected, atol=1e-12)


def test_one_wrong_pose_of_many_has_the_absolute_error_of_its_shift() -> None:
    # a shift d across a straight path of n poses: the aligned line takes part of it, at most d remains
    n, d = 101, 0.5
    estimate = straight(n, 1.0)
    estimate[50, 1, 3] += d
    _, distances = absolute_errors(estimate, straight(n, 1.0))
    # at the centre a turn does not help: only the mean moves, by d/n
    assert distances[50] == pytest.approx(d * (1 - 1 / n), rel=1e-6)
    assert np.delete(distances, 50).max() == pytest.approx(d / n, rel=1e-3)


@pytest.mark.parametrize("delta", [1, 3])
def test_a_constant_error_of_every_motion_is_its_relative_error(delta: int) -> None:
    step, wrong = T_from_xyzrpy(0.5, 0, 0, 0, 0, 0), T_from_xyzrpy(0.5, 0.02, 0, 0, 0, 0)
    truth = np.stack([np.linalg.matrix_power(step, k) for k in range(12)])
    estimate = np.stack([np.linalg.matrix_power(wrong, k) for k in range(12)])
    translation, rotation = relative_errors(estimate, truth, delta)
    np.testing.assert_allclose(translation, 0.02 * delta, atol=1e-12)
    np.testing.assert_allclose(rotation, 0.0, atol=1e-12)
    assert len(translation) == 12 - delta


def test_relative_errors_do_not_depend_on_either_world() -> None:
    truth, estimate = walk(20, 1), walk(20, 2)
    A, B = exp_se3([0.1, 2, -1, 3, 4, 5]), exp_se3([1, -0.5, 0.3, -7, 2, 0])
    for found, expected in zip(
        relative_errors(A @ estimate, B @ truth), relative_errors(estimate, truth), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_drift_of_a_straight_path_is_its_share_over_every_segment() -> None:
    # every metre is measured 1 % too long: translational error 1 % over segments of all lengths
    segments = segment_errors(straight(1001, 1.01), straight(1001, 1.0))
    assert set(segments.length) == {100.0 * i for i in range(1, 9)}
    np.testing.assert_allclose(segments.translation, 0.01, rtol=1e-9)
    # a segment ends at the first frame beyond its length
    np.testing.assert_array_equal(segments.last - segments.first, segments.length + 1)
    assert np.bincount(segments.first).max() == 8


def test_turn_of_a_drifting_path_is_given_per_metre() -> None:
    step = T_from_xyzrpy(1.0, 0, 0, 0, 0, 0)
    turned = step @ T_from_xyzrpy(0, 0, 0, 0, 0, 0.1)
    truth = np.stack([np.linalg.matrix_power(step, k) for k in range(20)])
    estimate = np.stack([np.linalg.matrix_power(turned, k) for k in range(20)])
    segments = segment_errors(estimate, truth, (4.0,))
    np.testing.assert_allclose(segments.rotation, math.radians(0.1), rtol=1e-9)


@pytest.mark.parametrize(
    ("path", "first"), [(3000.0, 100.0), (801.0, 100.0), (800.0, 10.0), (16.8, 1.0), (5.0, 0.1)]
)
def test_segments_are_those_of_kitti_or_scaled_by_tens(path: float, first: float) -> None:
    np.testing.assert_allclose(segment_lengths(path), [first * i for i in range(1, 9)])


def test_a_sensor_that_stands_has_no_segments() -> None:
    assert segment_lengths(0.5) == ()
    segments = segment_errors(straight(5, 0.0), straight(5, 0.0))
    assert len(segments.length) == len(segments.translation) == len(segments.first) == 0


def test_distances_add_up_along_the_path() -> None:
    np.testing.assert_allclose(distances_along(straight(4, 0.5)), [0, 0.5, 1.0, 1.5])
    np.testing.assert_array_equal(distances_along(straight(1, 0.5)), [0])


def test_paths_that_do_not_fit_each_other_are_refused() -> None:
    for function in (absolute_errors, relative_errors, segment_errors):
        with pytest.raises(ValueError, match="are needed"):
            function(straight(3, 1.0), straight(4, 1.0))
    with pytest.raises(ValueError, match="delta"):
        relative_errors(straight(3, 1.0), straight(3, 1.0), 0)
