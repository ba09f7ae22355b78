"""Detectors: what each flags, in which basis, and what it depends on."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.iterate import Array
from core.registration.detectors import (
    COUNTING,
    DETECTORS,
    Thresholds,
    Weakness,
    detect,
    lever_of,
    localizability,
    marginal_information,
    observability,
)
from core.registration.evidence import Pairs
from tests.oracles_schur import golden_system, random_rows, schur

seeds = st.integers(0, 10_000)
H_ONLY = sorted(set(DETECTORS) - COUNTING)


def hessian(seed: int) -> Array:
    J = random_rows(seed)
    return J.T @ J


def pairs_of(points: Array, normals: Array, distances: Array | float = 0.0) -> Pairs:
    """Pairs at the identity, each point `distances` off its plane."""
    offsets = distances - (points * normals).sum(axis=1)
    return Pairs(np.eye(4), points, normals, offsets, np.ones(len(points)))


def walls(n: int, seed: int = 0, yaw: float = 0.0) -> Pairs:
    """Return a corridor along x, turned by `yaw`: n points on each of two walls, floor and ceiling."""
    rng = np.random.default_rng(seed)
    points, normals = [], []
    for axis, at in ((1, -1.5), (1, 1.5), (2, -1.2), (2, 1.6)):
        p = rng.uniform([-8, -1.5, -1.2], [8, 1.5, 1.6], (n, 3))
        p[:, axis] = at
        normal = np.zeros((n, 3))
        normal[:, axis] = -np.sign(at)
        points.append(p)
        normals.append(normal)
    c, s = np.cos(yaw), np.sin(yaw)
    R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return pairs_of(np.concatenate(points) @ R.T, np.concatenate(normals) @ R.T)


def judge(name: str, H: Array, pairs: Pairs | None = None, **thresholds: float) -> Weakness:
    return detect(name, H, Thresholds(**thresholds), None if pairs is None else lambda: pairs)


@pytest.mark.parametrize("name", DETECTORS)
def test_functionals_and_motions_are_inverses_and_axes_a_permutation(name: str) -> None:
    pairs = walls(100)
    found = judge(name, pairs.rows.T @ pairs.rows, pairs)
    np.testing.assert_allclose(found.functionals @ found.motions, np.eye(6), atol=1e-9)
    assert sorted(found.axes) == list(range(6))
    assert found.mask.sum() == found.weak.sum()
    assert found.mask_text == "".join(str(int(m)) for m in found.mask)
    assert np.isfinite(found.strengths).all()


@given(seeds)
def test_me_and_fcn_flag_eigenvectors_by_their_own_rules(seed: int) -> None:
    H = hessian(seed)
    values = np.linalg.eigvalsh(H)
    np.testing.assert_array_equal(judge("me", H, eigenvalue_threshold=50.0).weak, values < 50.0)
    np.testing.assert_array_equal(judge("fcn", H, condition_threshold=7.0).weak, values[-1] / values > 7.0)
    blocks = judge("cn", H, condition_threshold=7.0)
    for block in (slice(0, 3), slice(3, 6)):
        expected = np.linalg.cond(H[block, block]) > 7.0
        assert blocks.weak[block].tolist() == [expected] * 3


@given(seeds)
def test_the_schur_spectrum_is_the_inverse_marginal_covariance(seed: int) -> None:
    H = hessian(seed)
    found = judge("schur", H)
    np.testing.assert_allclose(found.information, marginal_information(H, found.functionals), rtol=1e-6)
    covariance = np.linalg.inv(H)
    for block, part in enumerate((slice(0, 3), slice(3, 6))):
        S = np.linalg.inv(covariance[part, part])
        np.testing.assert_allclose(schur(H, block), S, rtol=1e-6, atol=1e-9 * np.abs(S).max())
        np.testing.assert_allclose(np.sort(found.strengths[part]), np.linalg.eigvalsh(S), rtol=1e-6)


def test_the_published_system_has_the_published_mask() -> None:
    H, _ = golden_system()
    found = judge("schur", H)
    assert found.mask_text == "001001"
    np.testing.assert_allclose(found.strengths[[2, 5]], [1.001796, 0.032394], atol=1e-6)


@pytest.mark.parametrize("name", H_ONLY)
def test_only_me_counts_points(name: str) -> None:
    """Every row four times: condition numbers stay, eigenvalues grow fourfold."""
    changed = 0
    for seed in range(40):
        H = hessian(seed)
        before, after = (
            judge(name, H, eigenvalue_threshold=20.0),
            judge(name, 4 * H, eigenvalue_threshold=20.0),
        )
        changed += before.mask_text != after.mask_text
    assert (changed > 0) == (name == "me")


@pytest.mark.parametrize("name", H_ONLY)
def test_only_me_and_fcn_depend_on_the_unit_of_length(name: str) -> None:
    """Lengths in tens of metres: moments shrink tenfold, normals stay."""
    unit = np.diag([0.1] * 3 + [1.0] * 3)
    changed = 0
    for seed in range(40):
        H = hessian(seed)
        before, after = judge(name, H), judge(name, unit @ H @ unit)
        changed += before.mask_text != after.mask_text
    assert (changed > 0) == (name in ("me", "fcn"))


def test_the_full_condition_number_flags_a_good_room_and_its_scaled_version_does_not() -> None:
    """Three false alarms, because rad² and m² are compared."""
    rng = np.random.default_rng(5)
    axis = rng.integers(0, 3, 3000)
    points = rng.uniform(-1, 1, (3000, 3)) * [5.0, 5.0, 1.5]
    rows = np.arange(3000)
    points[rows, axis] = rng.choice([-1, 1], 3000) * np.array([5.0, 5.0, 1.5])[axis]
    normals = np.eye(3)[axis]
    J = np.hstack([np.cross(points, normals), normals])
    H = J.T @ J
    assert judge("fcn", H).mask_text == "000111"
    assert judge("fcn_scaled", H).mask_text == judge("schur", H).mask_text == "000000"


@pytest.mark.parametrize("name", ["me", "fcn_scaled", "schur", "xicp", "superloc"])
def test_a_corridor_is_weak_along_its_axis(name: str) -> None:
    pairs = walls(500)
    found = judge(name, pairs.rows.T @ pairs.rows, pairs)
    assert found.mask[3]
    assert not found.mask[4:].any()
    # the motion along the corridor has no part that the walls would notice
    weak = found.motions[:, found.axes.tolist().index(3)]
    np.testing.assert_allclose(np.abs(weak) / np.linalg.norm(weak), [0, 0, 0, 1, 0, 0], atol=1e-6)


def test_seen_askew_superloc_finds_nothing_where_the_others_do() -> None:
    """It judges axes of the sensor only; the others find the direction in between."""
    pairs = walls(500, yaw=np.pi / 4)
    turned = pairs.normals + 0.01 * np.random.default_rng(1).normal(size=pairs.normals.shape)
    pairs = pairs_of(pairs.points, turned / np.linalg.norm(turned, axis=1, keepdims=True))
    H = pairs.rows.T @ pairs.rows
    assert not judge("superloc", H, pairs).mask[3:].any()
    for name in ("me", "schur", "xicp"):
        found = judge(name, H, pairs)
        (weak,) = np.flatnonzero(found.weak & (found.axes > 2))
        np.testing.assert_allclose(
            np.abs(found.motions[3:, weak]), [np.sqrt(0.5), np.sqrt(0.5), 0], atol=0.02
        )


# --- X-ICP ----------------------------------------------------------------------------------------------


def brute_force_contributions(pairs: Pairs, found: Weakness, largest: float, strong: float) -> Array:
    """Sum contributions point by point, directions taken from the functionals."""
    centre = pairs.points.mean(axis=0)
    out = np.zeros((2, 6))
    for p, n in zip(pairs.points, pairs.normals, strict=True):
        moment = np.cross(p - centre, n)
        if np.linalg.norm(moment) >= 1.0:
            moment = moment / np.linalg.norm(moment)
        for i in range(6):
            # a rotation's functional is its direction, a translation's has it in the last three
            s = abs(moment @ found.functionals[i, :3]) if i < 3 else abs(n @ found.functionals[i, 3:])
            out[0, i] += s if s >= np.cos(np.radians(largest)) else 0.0
            out[1, i] += s if s > np.cos(np.radians(strong)) else 0.0
    return out


def test_contributions_are_those_of_a_loop_over_points() -> None:
    pairs = walls(120, seed=2, yaw=0.3)
    found = localizability(
        pairs.rows.T @ pairs.rows, pairs, Thresholds(largest_angle=70.0, strong_angle=40.0)
    )
    expected = brute_force_contributions(pairs, found, 70.0, 40.0)
    np.testing.assert_allclose(found.details["contribution"], expected[0], rtol=1e-10)
    np.testing.assert_allclose(found.details["strong_contribution"], expected[1], rtol=1e-10)


def test_contributions_grow_with_the_number_of_points_and_so_the_mask_changes() -> None:
    few, many = walls(100), walls(100)
    many = pairs_of(np.tile(many.points, (4, 1)), np.tile(many.normals, (4, 1)))
    a, b = (judge("xicp", p.rows.T @ p.rows, p) for p in (few, many))
    np.testing.assert_allclose(b.details["contribution"], 4 * a.details["contribution"], rtol=1e-9)
    assert a.mask_text == "100100"
    assert b.mask_text == "000100"


def test_extreme_thresholds_leave_nothing_or_everything_localizable() -> None:
    pairs = walls(300)
    H = pairs.rows.T @ pairs.rows
    assert judge("xicp", H, pairs, enough=0.0).mask_text == "000000"
    assert judge("xicp", H, pairs, enough=np.inf, insufficient=np.inf).mask_text == "111111"


def test_coordinates_of_xicp_are_rotation_and_the_motion_of_the_centroid() -> None:
    pairs = walls(200)
    pairs = pairs_of(pairs.points + np.array([5.0, -3.0, 2.0]), pairs.normals)
    found = judge("xicp", pairs.rows.T @ pairs.rows, pairs)
    omega, v = np.array([0.01, -0.02, 0.03]), np.array([0.1, 0.2, -0.3])
    y = found.functionals @ np.concatenate([omega, v])
    centroid_motion = v + np.cross(omega, pairs.points.mean(axis=0))
    np.testing.assert_allclose(np.linalg.norm(y[:3]), np.linalg.norm(omega), rtol=1e-12)
    np.testing.assert_allclose(y[3:], found.functionals[3:, 3:] @ centroid_motion, atol=1e-12)


def test_a_partly_localizable_direction_gets_the_value_of_its_strong_pairs() -> None:
    """A corridor with a small end wall that is 4 cm nearer: too few pairs to localize, enough for a value."""
    corridor, rng = walls(400), np.random.default_rng(4)
    wall = rng.uniform([8, -1.5, -1.2], [8, 1.5, 1.6], (200, 3))
    n = np.tile([-1.0, 0, 0], (200, 1))
    points, normals = np.vstack([corridor.points, wall]), np.vstack([corridor.normals, n])
    distances = np.concatenate([np.zeros(1600), np.full(200, 0.04)])
    pairs = pairs_of(points, normals, distances)
    # L_c = L_s = 200 along x: below enough and high, above insufficient
    settings = Thresholds(categories="three")
    found = detect("xicp", pairs.rows.T @ pairs.rows, settings, lambda: pairs)
    assert found.mask[3]
    # n = −x and r = 0.04: the sensor has to go forward by 0.04
    np.testing.assert_allclose(found.values[3] * found.motions[3, 3], 0.04, rtol=1e-9)
    assert not judge("xicp", pairs.rows.T @ pairs.rows, pairs).mask[3]


# --- SuperLoc and the absolute test ---------------------------------------------------------------------


def test_superloc_counts_votes() -> None:
    normals = np.eye(3)[[0, 0, 0, 0, 0, 0, 1, 1, 1, 2]]
    points = np.tile([[0.0, 5.0, 1.0]], (10, 1))
    found = observability(np.eye(6), pairs_of(points, normals), Thresholds())
    np.testing.assert_allclose(found.strengths[3:], [1.0, 0.9, 0.3])
    # p × n: for n = x (0, 1, −5) → yaw; n = y (−1, 0, 0) → roll; n = z (5, 0, 0) → roll
    np.testing.assert_allclose(found.strengths[:3], [1.0, 0.0, 1.0])
    assert found.mask_text == "010000"


def test_superloc_does_not_depend_on_the_number_of_points() -> None:
    a = walls(50)
    b = pairs_of(np.tile(a.points, (7, 1)), np.tile(a.normals, (7, 1)))
    scores = [judge("superloc", p.rows.T @ p.rows, p).strengths for p in (a, b)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-12)


def test_the_absolute_test_compares_predicted_deviations_with_limits() -> None:
    pairs = walls(500)
    rng = np.random.default_rng(7)
    noisy = dataclasses.replace(pairs, offsets=pairs.offsets + 0.02 * rng.normal(size=len(pairs)))
    H = noisy.rows.T @ noisy.rows + np.diag([0, 0, 0, 20.0, 0, 0])
    found = judge("absolute", H, noisy, deviation_rotation=90.0, deviation_translation=0.0041)
    sigma = 1.4826 * np.median(np.abs(noisy.residuals - np.median(noisy.residuals)))
    np.testing.assert_allclose(found.strengths[3], sigma / np.sqrt(20.0), rtol=1e-3)
    assert found.mask[3]
    # the limit lets it pass, the floor of information per point (2e-3 of 2000 points = 4) as well
    assert not judge("absolute", H, noisy, deviation_rotation=90.0, deviation_translation=0.005).mask[3]
    less = H - np.diag([0, 0, 0, 17.0, 0, 0])
    assert judge("absolute", less, noisy, deviation_rotation=90.0, deviation_translation=10.0).mask[3]
    either = judge("schur_absolute", H, noisy, deviation_rotation=90.0, deviation_translation=0.005)
    np.testing.assert_array_equal(either.weak, found.weak | judge("schur", H).weak)


# --- arguments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(COUNTING))
def test_detectors_that_count_say_that_they_need_pairs(name: str) -> None:
    with pytest.raises(ValueError, match="counts pairs"):
        detect(name, np.eye(6))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"condition_threshold": 1.0}, "exceed 1"),
        ({"eigenvalue_threshold": -1.0}, "eigenvalue_threshold"),
        ({"enough": -1.0}, "enough"),
        ({"strong_angle": 85.0}, "strong_angle"),
        ({"deviation_translation": float("nan")}, "deviation_translation"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        detect("schur", np.eye(6), Thresholds(**settings))


@pytest.mark.parametrize("H", [np.eye(5), np.full((6, 6), np.nan)])
def test_a_hessian_that_is_none_is_refused(H: Array) -> None:
    with pytest.raises(ValueError, match="H must be"):
        detect("me", H)
    with pytest.raises(ValueError, match="detector must be one of"):
        detect("nobody", np.eye(6))


def test_a_zero_hessian_is_weak_in_every_direction_and_harms_nobody() -> None:
    for name in ("me", "schur", "fcn", "fcn_scaled", "cn"):
        assert np.isfinite(detect(name, np.zeros((6, 6))).information).all()
    assert detect("me", np.zeros((6, 6))).mask_text == "111111"
    assert lever_of(np.zeros((6, 6))) == 1.0
