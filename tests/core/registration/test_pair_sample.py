"""Pairs to be drawn: against a search over all points."""

from __future__ import annotations

import numpy as np
import pytest

from core.linalg.lie import exp_se3
from core.registration.correspondences import SearchTree
from core.registration.pair_sample import sample_pairs
from tests.oracles_clouds import box_surface

T = exp_se3(np.array([0.02, -0.03, 0.05, 0.1, 0.05, -0.08]))


@pytest.fixture(scope="module")
def target() -> SearchTree:
    return SearchTree.build(box_surface(3000, 0)).with_normals(10)


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    return box_surface(1500, 1)


def nearest(source: np.ndarray, target: SearchTree) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest target point of every moved source point and its distance, by trying all."""
    moved = source @ T[:3, :3].T + T[:3, 3]
    distances = np.linalg.norm(moved[:, None] - target.points[None], axis=2)
    best = distances.argmin(axis=1)
    return target.points[best], distances[np.arange(len(source)), best]


def test_every_partner_is_the_nearest_target_point_within_reach(source, target):
    points, partners = sample_pairs(source, target, T, 0.2)
    assert points.shape == partners.shape == (200, 3)
    expected, distances = nearest(points, target)
    np.testing.assert_array_equal(partners, expected)
    assert distances.max() < 0.2


def test_points_are_drawn_without_repetition_from_the_source(source, target):
    points, _ = sample_pairs(source, target, T, 0.2)
    rows = {tuple(p) for p in points}
    assert len(rows) == len(points)
    assert rows <= {tuple(p) for p in source}


def test_all_pairs_come_back_where_fewer_than_wanted_exist(source, target):
    reach = 0.05
    points, _ = sample_pairs(source, target, T, reach, count=len(source))
    _, distances = nearest(source, target)
    expected = source[distances < reach]
    assert 0 < len(expected) < len(source)
    np.testing.assert_array_equal(np.unique(points, axis=0), np.unique(expected, axis=0))


def test_without_a_partner_there_is_no_pair(source, target):
    away = T.copy()
    away[:3, 3] += 1000.0
    points, partners = sample_pairs(source, target, away, 0.2)
    assert points.shape == partners.shape == (0, 3)


def test_a_small_step_keeps_the_source_points(source, target):
    before, _ = sample_pairs(source, target, T, 1.0)
    after, _ = sample_pairs(source, target, T @ exp_se3(np.full(6, 1e-3)), 1.0)
    # every point of the box has a partner within a metre, so the first 200 of the order stay
    np.testing.assert_array_equal(before, after)


def test_the_sample_is_fair(source, target):
    points, _ = sample_pairs(source, target, T, 1.0, count=400)
    # standard error of the mean of 400 of 1500 points, coordinate by coordinate
    error = source.std(axis=0) / np.sqrt(400)
    assert (np.abs(points.mean(axis=0) - source.mean(axis=0)) < 4 * error).all()


def test_a_negative_count_is_refused(source, target):
    with pytest.raises(ValueError, match="count"):
        sample_pairs(source, target, T, 1.0, count=-1)
