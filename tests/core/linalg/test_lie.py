"""Rigid motions against scipy, and the texts that state them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from core.errors import InputError
from core.linalg import lie

EPS = np.finfo(float).eps
vectors = arrays(float, 3, elements=st.floats(-10, 10))
directions = vectors.filter(lambda v: np.linalg.norm(v) > 1e-3).map(lambda v: v / np.linalg.norm(v))
#: From far below the series' limit, across it, to just below π.
angles = st.one_of(
    st.floats(0, math.pi - 1e-6),
    st.floats(-16, -2).map(lambda e: 10.0**e),
    st.floats(-9, -4).map(lambda e: math.pi - 10.0**e),
)


@st.composite
def twists(draw: st.DrawFn) -> np.ndarray:
    return np.concatenate([draw(angles) * draw(directions), draw(vectors)])


poses = twists().map(lie.exp_se3)


@given(vectors)
def test_exp_of_a_rotation_vector_is_scipys(omega: np.ndarray) -> None:
    np.testing.assert_allclose(lie.exp_so3(omega), Rotation.from_rotvec(omega).as_matrix(), atol=20 * EPS)


@given(angles, directions)
def test_log_undoes_exp_from_zero_to_nearly_pi(angle: float, axis: np.ndarray) -> None:
    np.testing.assert_allclose(lie.log_so3(lie.exp_so3(angle * axis)), angle * axis, atol=20 * EPS)


@given(directions)
def test_log_at_pi_gives_a_vector_of_length_pi_that_maps_back(axis: np.ndarray) -> None:
    R = Rotation.from_rotvec(math.pi * axis).as_matrix()
    omega = lie.log_so3(R)
    assert np.linalg.norm(omega) == pytest.approx(math.pi, abs=1e-14)
    np.testing.assert_allclose(lie.exp_so3(omega), R, atol=20 * EPS)


@given(twists())
def test_exp_of_a_twist_is_the_matrix_exponential(delta: np.ndarray) -> None:
    generator = np.zeros((4, 4))
    generator[:3, :3] = lie.hat(delta[:3])
    generator[:3, 3] = delta[3:]
    # expm's own error grows with the norm of its argument
    np.testing.assert_allclose(lie.exp_se3(delta), expm(generator), atol=1e-13 * (1 + np.abs(delta).max()))


@given(twists())
def test_log_undoes_exp_of_a_twist(delta: np.ndarray) -> None:
    np.testing.assert_allclose(lie.log_se3(lie.exp_se3(delta)), delta, atol=1e-13 * (1 + np.abs(delta).max()))


@given(poses, poses, poses)
def test_poses_form_a_group(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> None:
    np.testing.assert_allclose((A @ B) @ C, A @ (B @ C), atol=1e-12)
    np.testing.assert_allclose(lie.inverse(A) @ A, np.eye(4), atol=1e-13)
    np.testing.assert_allclose(lie.inverse(A @ B), lie.inverse(B) @ lie.inverse(A), atol=1e-12)
    R = (A @ B)[:3, :3]
    np.testing.assert_allclose(R.T @ R, np.eye(3), atol=20 * EPS)


@given(poses, twists())
def test_adjoint_carries_a_twist_to_the_other_side(T: np.ndarray, delta: np.ndarray) -> None:
    left = lie.exp_se3(lie.adjoint(T) @ delta) @ T
    np.testing.assert_allclose(left, T @ lie.exp_se3(delta), atol=1e-10)


@given(vectors, vectors)
def test_hat_is_the_cross_product(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(lie.hat(a) @ b, np.cross(a, b), atol=1e-13)


@given(poses)
def test_quaternion_is_scipys_with_positive_scalar(T: np.ndarray) -> None:
    q = lie.quaternion(T)
    assert q[3] >= 0
    np.testing.assert_allclose(Rotation.from_quat(q).as_matrix(), T[:3, :3], atol=20 * EPS)


@given(angles, directions)
def test_rotation_angle_keeps_its_digits_near_zero_and_pi(angle: float, axis: np.ndarray) -> None:
    assert lie.rotation_angle(lie.exp_so3(angle * axis)) == pytest.approx(angle, rel=1e-9, abs=4 * EPS)


@given(vectors, st.tuples(st.floats(-179, 179), st.floats(-89, 89), st.floats(-179, 179)))
def test_roll_pitch_yaw_compose_as_rz_ry_rx(t: np.ndarray, rpy: tuple[float, float, float]) -> None:
    T = lie.T_from_xyzrpy(*t, *rpy)
    expected = Rotation.from_euler("ZYX", rpy[::-1], degrees=True).as_matrix()
    np.testing.assert_allclose(T[:3, :3], expected, atol=20 * EPS)
    np.testing.assert_allclose(lie.xyzrpy(T), [*t, *rpy], atol=1e-12)


@pytest.mark.parametrize("pitch", [90, -90])
def test_xyzrpy_at_the_singular_pitch_still_gives_the_same_rotation(pitch: float) -> None:
    T = lie.T_from_xyzrpy(1, 2, 3, 20, pitch, 50)
    np.testing.assert_allclose(lie.T_from_xyzrpy(*lie.xyzrpy(T)), T, atol=1e-9)


@given(poses)
def test_format_pose_is_read_back_bit_for_bit(T: np.ndarray) -> None:
    assert lie.parse_pose(lie.format_pose(T), "p").tobytes() == T.tobytes()


@pytest.mark.parametrize(
    "text",
    [
        "1 0 0 5 0 1 0 6 0 0 1 7 0 0 0 1",
        "1,0,0,5\n0,1,0,6\n0,0,1,7\n0,0,0,1\n",
        "[[1, 0, 0, 5], [0, 1, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]]",
        "1 0 0 5 0 1 0 6 0 0 1 7",
        "# T_target_source\n1 0 0 5.0 # first row\n0 1 0 6\n0 0 1 7e0\n",
        "5 6 7 0 0 0",
        "+5; 6.; 7 ;0;0;-0",
    ],
)
def test_a_pose_is_read_in_every_spelling(text: str) -> None:
    np.testing.assert_array_equal(lie.parse_pose(text, "p"), lie.T_from_xyzrpy(5, 6, 7, 0, 0, 0))


def test_a_pose_is_read_from_a_file_and_canonical_text_needs_the_file_no_more(tmp_path: Path) -> None:
    path = tmp_path / "T.txt"
    path.write_text("# pose\n1 0 0 0.1\n0 1 0 0.2\n0 0 1 0.3\n", encoding="utf-8")
    text = lie.canonical_pose(str(path), "p")
    T = lie.parse_pose(str(path), "p")
    path.unlink()
    assert text == "1.0 0.0 0.0 0.1 0.0 1.0 0.0 0.2 0.0 0.0 1.0 0.3 0.0 0.0 0.0 1.0"
    assert lie.parse_pose(text, "p").tobytes() == T.tobytes()


@given(st.lists(st.floats(-300, 300), min_size=6, max_size=6))
def test_canonical_text_of_six_numbers_parses_to_the_same_bits(numbers: list[float]) -> None:
    text = ", ".join(str(n) for n in numbers)
    canonical = lie.canonical_pose(text, "p")
    assert [float(n) for n in canonical.split()] == numbers
    assert lie.parse_pose(canonical, "p").tobytes() == lie.parse_pose(text, "p").tobytes()


def test_a_rotation_printed_with_few_digits_is_projected_with_a_note() -> None:
    R = np.round(lie.exp_so3([0.1, 0.2, 0.3]), 4)
    T, note = lie.read_pose(lie.format_pose(lie.pose(R, [1, 2, 3])), "start pose")
    np.testing.assert_allclose(T[:3, :3].T @ T[:3, :3], np.eye(3), atol=10 * EPS)
    np.testing.assert_allclose(T[:3, :3], R, atol=1e-4)
    assert note.startswith("start pose: the rotation was off orthonormal")


def test_a_rotation_printed_with_six_digits_is_projected_silently() -> None:
    R = np.round(lie.exp_so3([0.1, 0.2, 0.3]), 6)
    T, note = lie.read_pose(lie.format_pose(lie.pose(R, [1, 2, 3])), "p")
    np.testing.assert_allclose(T[:3, :3].T @ T[:3, :3], np.eye(3), atol=10 * EPS)
    assert note == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no number"),
        ("1 2 3", "3 numbers"),
        ("1 2 3 nan 0 0", "nan or inf"),
        ("1 2 3 1e999 0 0", "nan or inf"),
        ("2 0 0 0  0 2 0 0  0 0 2 0", "orthonormal"),
        ("1e200 0 0 0  0 1 0 0  0 0 1 0", "orthonormal"),
        ("0 0 0 0  0 0 0 0  0 0 0 0", "orthonormal"),
        ("-1 0 0 0  0 1 0 0  0 0 1 0", "mirrors"),
        ("1 0 0 0  0 1 0 0  0 0 1 0  5 6 7 1", "transposed"),
        ("1 0 0 0  0 1 0 0  0 0 1 0  0 0 0 2", "0 0 0 1"),
        ("no_such_file.txt", "no_such_file.txt"),
        ("a\0b", "neither numbers nor the name of a file"),
        ("/", "neither numbers nor the name of a file"),
    ],
)
def test_an_unusable_pose_is_refused_in_one_sentence(text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        lie.parse_pose(text, "-p initial")
    assert str(caught.value).startswith("-p initial: expected")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_pose_is_refused_without_showing_its_content(tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text("password = swordfish\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        lie.parse_pose(str(path), "p")
    assert "swordfish" not in str(caught.value)


def test_a_file_is_not_opened_where_none_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "T.txt"
    path.write_text("1 2 3 4 5 6", encoding="utf-8")
    with pytest.raises(InputError, match="numbers"):
        lie.parse_pose(str(path), "?p.initial", files=False)


def test_a_huge_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "huge").write_text("1 " * 100_000, encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x80" * 10)
    for name in ("huge", "binary"):
        with pytest.raises(InputError):
            lie.parse_pose(str(tmp_path / name), "p")
