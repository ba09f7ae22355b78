"""Detection of weak directions: published numbers, the theorems behind it, and the numpy oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.linalg.lie import adjoint, exp_so3, pose
from core.registration.degeneracy import analyse_degeneracy, analyse_history, condition_numbers
from tests.oracles_schur import golden_system, named_modes, random_rows, schur

seeds = st.integers(0, 10_000)


def hessian(rows: np.ndarray) -> np.ndarray:
    H = rows.T @ rows
    return 0.5 * (H + H.T)


def test_the_published_system_gives_the_published_numbers() -> None:
    H, _ = golden_system()
    found = analyse_degeneracy(H)
    assert found.condition_full == pytest.approx(1122.345689, rel=1e-8)
    assert found.condition_rotation == pytest.approx(36.087707, rel=1e-7)
    assert found.condition_translation == pytest.approx(742.066396, rel=1e-7)
    assert found.mask_text == "001001"
    assert found.mask.tolist() == [False, False, True, False, False, True]
    np.testing.assert_allclose(found.eigenvalues[0], [1.001796, 19.881966, 36.152505], atol=1e-6)
    np.testing.assert_allclose(found.eigenvalues[1], [0.032394, 12.252030, 24.038714], atol=1e-6)
    np.testing.assert_allclose(found.aligned[0], [36.152505, 19.881966, 1.001796], atol=1e-6)
    np.testing.assert_allclose(found.aligned[1], [24.038714, 12.252030, 0.032394], atol=1e-6)
    np.testing.assert_allclose(found.contributions[0, 2], [0.004337, 0.000208, 0.995456], atol=1e-6)


@given(seeds)
def test_the_kernel_agrees_with_numpy(seed: int) -> None:
    H = hessian(random_rows(seed))
    found = analyse_degeneracy(H)
    for block, S in enumerate((found.schur_rotation, found.schur_translation)):
        expected = schur(H, block)
        scale = np.abs(H[3 * block : 3 * block + 3, 3 * block : 3 * block + 3]).max()
        # the difference of blocks loses the digits in which they agree
        np.testing.assert_allclose(S, expected, atol=1e-11 * scale)
        np.testing.assert_allclose(found.eigenvalues[block], np.linalg.eigvalsh(S), atol=1e-13 * scale)
        V = found.vectors[block]
        np.testing.assert_allclose(V.T @ V, np.eye(3), atol=1e-14)
        np.testing.assert_allclose(S @ V, V * found.aligned[block], atol=1e-13 * scale)
        values, vectors = named_modes(S)
        gaps = np.diff(np.sort(values)) / values.max()
        if gaps.min() > 1e-6:
            np.testing.assert_allclose(found.aligned[block], values, atol=1e-12 * scale)
            np.testing.assert_allclose(V, vectors, atol=1e-8)
    eigenvalues = np.linalg.eigvalsh(H)
    assert found.condition_full == pytest.approx(eigenvalues[-1] / eigenvalues[0], rel=1e-9)


@given(seeds)
def test_schur_complements_are_inverse_marginal_covariances(seed: int) -> None:
    H = hessian(random_rows(seed))
    covariance = np.linalg.inv(H)
    found = analyse_degeneracy(H)
    np.testing.assert_allclose(found.schur_rotation @ covariance[:3, :3], np.eye(3), atol=1e-8)
    np.testing.assert_allclose(found.schur_translation @ covariance[3:, 3:], np.eye(3), atol=1e-8)


@given(seeds)
def test_rotation_is_judged_after_projecting_translation_out(seed: int) -> None:
    J = random_rows(seed)
    J_R, J_t = J[:, :3], J[:, 3:]
    P_t = J_t @ np.linalg.pinv(J_t)
    expected = J_R.T @ (np.eye(len(J)) - P_t) @ J_R
    scale = np.abs(J_R.T @ J_R).max()
    np.testing.assert_allclose(analyse_degeneracy(hessian(J)).schur_rotation, expected, atol=1e-11 * scale)


@given(seeds)
def test_the_unit_of_length_changes_the_full_condition_and_not_the_decoupled_ones(seed: int) -> None:
    J = random_rows(seed)
    metres = analyse_degeneracy(hessian(J))
    micrometres = analyse_degeneracy(hessian(J * [1, 1, 1, 1e6, 1e6, 1e6]))
    assert micrometres.condition_rotation == pytest.approx(metres.condition_rotation, rel=1e-8)
    assert micrometres.condition_translation == pytest.approx(metres.condition_translation, rel=1e-8)
    assert micrometres.mask_text == metres.mask_text
    assert micrometres.condition_full > 1e3 * metres.condition_full


@given(seeds, st.tuples(*[st.floats(-3, 3)] * 3))
def test_turning_the_rotation_coordinates_turns_the_rotation_block(
    seed: int, omega: tuple[float, ...]
) -> None:
    J, Q = random_rows(seed), exp_so3(omega)
    S = analyse_degeneracy(hessian(J)).schur_rotation
    turned = analyse_degeneracy(hessian(np.hstack([J[:, :3] @ Q, J[:, 3:]]))).schur_rotation
    np.testing.assert_allclose(turned, Q.T @ S @ Q, atol=1e-10 * np.abs(J[:, :3].T @ J[:, :3]).max())


@given(seeds)
def test_repeating_every_pair_changes_nothing_relative(seed: int) -> None:
    H = hessian(random_rows(seed))
    once, often = analyse_degeneracy(H), analyse_degeneracy(4.0 * H)
    assert often.mask_text == once.mask_text
    assert often.condition_rotation == pytest.approx(once.condition_rotation, rel=1e-9)
    assert often.condition_translation == pytest.approx(once.condition_translation, rel=1e-9)


@given(seeds)
def test_without_coupling_the_schur_complement_is_the_block(seed: int) -> None:
    H = hessian(random_rows(seed))
    H[:3, 3:] = H[3:, :3] = 0.0
    found = analyse_degeneracy(H)
    np.testing.assert_array_equal(found.schur_rotation, H[:3, :3])
    np.testing.assert_array_equal(found.schur_translation, H[3:, 3:])


@given(seeds)
def test_eigenvalues_lie_between_those_of_the_block_and_of_the_block_less_the_coupling(seed: int) -> None:
    H = hessian(random_rows(seed))
    block = np.linalg.eigvalsh(H[:3, :3])
    coupling = np.linalg.eigvalsh(H[:3, 3:] @ np.linalg.solve(H[3:, 3:], H[3:, :3]))[-1]
    slack = 1e-11 * block[-1]
    found = analyse_degeneracy(H).eigenvalues[0]
    assert (found <= block + slack).all()
    assert (found >= block - coupling - slack).all()
    if block[0] > coupling * (1 + 1e-6):
        assert found[-1] / found[0] <= block[-1] / (block[0] - coupling) * (1 + 1e-9)


@given(seeds, st.tuples(*[st.floats(-50, 50)] * 3))
def test_moving_the_origin_of_the_source_leaves_the_information_on_rotation(
    seed: int, shift: tuple[float, ...]
) -> None:
    J = random_rows(seed)
    # p → p + c: rows [(p + c) × n, n]
    moved = np.hstack([J[:, :3] + np.cross(shift, J[:, 3:]), J[:, 3:]])
    before, after = analyse_degeneracy(hessian(J)), analyse_degeneracy(hessian(moved))
    scale = np.abs(moved[:, :3].T @ moved[:, :3]).max()
    np.testing.assert_allclose(after.eigenvalues[0], before.eigenvalues[0], atol=1e-11 * scale)


def test_moving_the_origin_changes_the_information_on_the_origins_position() -> None:
    J = random_rows(1)
    moved = np.hstack([J[:, :3] + np.cross([0.0, 50.0, 0.0], J[:, 3:]), J[:, 3:]])
    before, after = analyse_degeneracy(hessian(J)), analyse_degeneracy(hessian(moved))
    assert after.condition_translation > 3 * before.condition_translation
    np.testing.assert_array_equal(hessian(J)[3:, 3:], hessian(moved)[3:, 3:])


def corridor_rows(seed: int = 0) -> np.ndarray:
    """Rows of two walls y = ±1.5, floor and ceiling, with a few points that see x."""
    rng = np.random.default_rng(seed)
    n = 4000
    p, normal = rng.uniform(-1, 1, (n, 3)) * [15, 1.5, 1.4], np.zeros((n, 3))
    axis = rng.choice([0, 1, 2], n, p=[0.02, 0.49, 0.49])
    p[np.arange(n), axis] = rng.choice([-1, 1], n) * np.array([15, 1.5, 1.4])[axis]
    normal[np.arange(n), axis] = 1.0
    return np.hstack([np.cross(p, normal), normal])


def test_a_corridor_seen_straight_is_weak_along_x() -> None:
    found = analyse_degeneracy(hessian(corridor_rows()))
    assert found.mask_text[3:] == "100"
    assert found.contributions[1, 0, 0] > 0.99


def test_a_sensor_turned_by_45_degrees_sees_the_weakness_half_along_x_half_along_y() -> None:
    H = hessian(corridor_rows())
    Ad = adjoint(pose(exp_so3([0, 0, np.pi / 4]), [0, 0, 0]))
    found = analyse_degeneracy(Ad.T @ H @ Ad)
    weak = int(np.argmin(found.aligned[1]))
    np.testing.assert_allclose(found.contributions[1, weak], [0.5, 0.5, 0.0], atol=0.01)
    assert found.angles[1, weak] == pytest.approx(np.pi / 4, abs=0.01)
    np.testing.assert_allclose(found.contributions_l1[1, weak, :2], 0.5, atol=0.02)


def test_an_exact_plane_flags_what_it_does_not_hold_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    p = np.column_stack([rng.uniform(-10, 10, (500, 2)), np.full(500, -1.2)])
    normal = np.tile([0.0, 0.0, 1.0], (500, 1))
    found = analyse_degeneracy(hessian(np.hstack([np.cross(p, normal), normal])))
    assert found.mask_text == "001110"
    np.testing.assert_allclose(found.aligned[1, :2], 0.0, atol=1e-12)
    assert found.condition_full == np.inf


@given(seeds, st.permutations([0, 1, 2]))
def test_renaming_the_axes_renames_the_flags(seed: int, order: list[int]) -> None:
    H = hessian(random_rows(seed))
    index = [*order, *(3 + a for a in order)]
    # joint assignment: the greedy one depends on the order of the axes by its definition
    found = analyse_degeneracy(H, assignment="optimal")
    renamed = analyse_degeneracy(np.ascontiguousarray(H[np.ix_(index, index)]), assignment="optimal")
    np.testing.assert_allclose(renamed.eigenvalues, found.eigenvalues, rtol=1e-7)
    totals = np.diagonal(found.contributions, axis1=1, axis2=2).sum(axis=1)
    totals_renamed = np.diagonal(renamed.contributions, axis1=1, axis2=2).sum(axis=1)
    np.testing.assert_allclose(totals_renamed, totals, atol=1e-6)


@given(seeds)
def test_joint_assignment_is_never_worse_than_the_greedy_one(seed: int) -> None:
    H = hessian(random_rows(seed))

    def alignment(assignment: str) -> np.ndarray:
        vectors = analyse_degeneracy(H, assignment=assignment).vectors  # type: ignore[arg-type]
        return np.diagonal(vectors, axis1=1, axis2=2).sum(axis=1)

    assert (alignment("optimal") >= alignment("greedy") - 1e-12).all()


def test_nearly_equal_eigenvalues_are_reported_as_one_subspace() -> None:
    found = analyse_degeneracy(np.diag([5.0, 100.0, 5.5, 1.0, 1.1, 1.25]))
    assert found.subspaces(0) == [[0, 2], [1]]
    assert found.subspaces(1) == [[0, 1, 2]]
    assert analyse_degeneracy(np.diag([1.0, 2.0, 4.0, 1.0, 1.0, 50.0])).subspaces(0) == [[0], [1], [2]]


def test_contributions_sum_to_one() -> None:
    found = analyse_degeneracy(hessian(random_rows(3)))
    np.testing.assert_allclose(found.contributions.sum(axis=2), 1.0, atol=1e-14)
    np.testing.assert_allclose(found.contributions_l1.sum(axis=2), 1.0, atol=1e-14)


def test_the_l1_share_of_a_mode_four_and_a_half_degrees_off_is_near_ninety_percent() -> None:
    # figure 16 of the paper, frame 2924: 90.0 % x at 4.5°; v² would give 99.4 %
    v = np.array([np.cos(np.radians(4.5)), np.sin(np.radians(4.5)) * 0.8, np.sin(np.radians(4.5)) * 0.6])
    Q, _ = np.linalg.qr(np.column_stack([v, [0, 1, 0], [0, 0, 1]]))
    H = np.eye(6) * 50
    H[3:, 3:] = Q @ np.diag([1.0, 20.0, 30.0]) @ Q.T
    found = analyse_degeneracy(H)
    assert found.contributions_l1[1, 0, 0] == pytest.approx(0.90, abs=0.005)
    assert found.contributions[1, 0, 0] == pytest.approx(0.994, abs=0.001)
    assert np.degrees(found.angles[1, 0]) == pytest.approx(4.5, abs=1e-6)


def test_a_history_is_the_analysis_of_each_system() -> None:
    H = np.stack([hessian(random_rows(seed)) for seed in range(5)])
    H.flags.writeable = False
    history = analyse_history(H, threshold=5.0)
    for i, single in enumerate(H):
        found = analyse_degeneracy(single, threshold=5.0)
        np.testing.assert_array_equal(history.aligned[i], found.aligned)
        np.testing.assert_array_equal(history.eigenvalues[i], found.eigenvalues)
        np.testing.assert_array_equal(history.vectors[i], found.vectors)
        np.testing.assert_array_equal(history.mask[i], found.mask)
        expected = (found.condition_rotation, found.condition_translation, found.condition_full)
        assert tuple(history.condition[i]) == expected
        assert condition_numbers(single.copy()) == expected


def test_an_empty_history_has_no_rows() -> None:
    assert analyse_history(np.empty((0, 6, 6))).mask.shape == (0, 6)


@pytest.mark.parametrize("threshold", [1.0, 0.5, float("nan")])
def test_a_threshold_that_flags_everything_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        analyse_degeneracy(np.eye(6), threshold)
    with pytest.raises(ValueError, match="threshold"):
        analyse_history(np.eye(6)[None], threshold)


@pytest.mark.parametrize("H", [np.eye(5), np.full((6, 6), np.nan)])
def test_what_is_no_hessian_is_refused(H: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        analyse_degeneracy(H)
    with pytest.raises(ValueError, match="finite"):
        analyse_history(H[None])
