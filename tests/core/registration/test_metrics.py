"""Pose errors and the scale of residuals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.linalg.lie import exp_se3
from core.registration.metrics import error_by_axis, pose_error, residual_scale

twists = st.lists(st.floats(-2, 2), min_size=6, max_size=6).map(np.array)


@given(twists, twists, st.floats(0, 3), st.floats(0, 5))
def test_a_known_perturbation_is_the_error(
    at: np.ndarray, way: np.ndarray, angle: float, length: float
) -> None:
    axis = np.array([2.5, 0, 0]) + way[:3]
    step = np.array([2.5, 0, 0]) + way[3:]
    P = exp_se3(np.concatenate([angle * axis / np.linalg.norm(axis), np.zeros(3)]))
    P[:3, 3] = length * step / np.linalg.norm(step)
    T = exp_se3(at)
    translation, rotation = pose_error(T @ P, T)
    assert translation == pytest.approx(length, abs=1e-13)
    assert rotation == pytest.approx(angle, abs=1e-13)


@given(twists, twists)
def test_the_translation_error_is_the_distance_of_the_origins(a: np.ndarray, b: np.ndarray) -> None:
    T, T_true = exp_se3(a), exp_se3(b)
    expected = np.linalg.norm(T[:3, 3] - T_true[:3, 3])
    assert pose_error(T, T_true)[0] == pytest.approx(expected, abs=1e-13)


def test_the_scale_is_the_standard_deviation_of_gaussian_residuals_despite_outliers() -> None:
    r = np.random.default_rng(0).normal(0.3, 0.02, 20_000)
    r[:2000] += 5.0
    r[2000:3000] = np.nan
    # 11 % of outliers on one side raise the MAD by about a sixth; 20 000 samples leave 1 %
    assert 0.02 < residual_scale(r) < 0.025
    assert residual_scale(r[3000:]) == pytest.approx(0.02, rel=0.03)


def test_the_scale_of_no_residual_is_nan() -> None:
    assert math.isnan(residual_scale(np.array([np.nan, np.nan])))


@given(twists, twists)
def test_errors_by_axis_rebuild_the_pose(a: np.ndarray, b: np.ndarray) -> None:
    T, T_true = exp_se3(a), exp_se3(b)
    error = error_by_axis(T, T_true)
    rotation = exp_se3(np.concatenate([error[:3], np.zeros(3)]))
    rotation[:3, 3] = error[3:]
    np.testing.assert_allclose(T_true @ rotation, T, atol=1e-12)
    translation, angle = pose_error(T, T_true)
    assert np.linalg.norm(error[3:]) == pytest.approx(translation, abs=1e-12)
    assert np.linalg.norm(error[:3]) == pytest.approx(angle, abs=1e-7)
