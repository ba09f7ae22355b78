"""Lists of poses in the formats of KITTI and TUM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from core.errors import InputError
from core.io.trajectory_files import PoseList, read_pose_list, times_in_names


def poses(n: int = 5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    T = np.tile(np.eye(4), (n, 1, 1))
    T[:, :3, :3] = Rotation.random(n, random_state=seed).as_matrix()
    T[:, :3, 3] = rng.uniform(-100, 100, (n, 3))
    return T


def write(folder: Path, text: str) -> Path:
    path = folder / "poses.txt"
    path.write_text(text)
    return path


def lines(rows: np.ndarray, separator: str = " ") -> str:
    return "\n".join(separator.join(f"{v:.12e}" for v in row) for row in rows) + "\n"


@pytest.mark.parametrize("separator", [" ", ", ", "\t"])
@pytest.mark.parametrize("rows", [3, 4])
def test_matrices_are_read_row_by_row(tmp_path: Path, rows: int, separator: str) -> None:
    T = poses()
    path = write(tmp_path, "# a comment\n\n" + lines(T[:, :rows].reshape(len(T), -1), separator))
    found = read_pose_list(path)
    assert found.times is None
    np.testing.assert_allclose(found.poses, T, atol=1e-10)


def test_quaternions_have_their_real_part_last(tmp_path: Path) -> None:
    T = poses(20)
    rows = np.column_stack([np.arange(20) * 0.1, T[:, :3, 3], Rotation.from_matrix(T[:, :3, :3]).as_quat()])
    found = read_pose_list(write(tmp_path, lines(rows)))
    np.testing.assert_allclose(found.poses, T, atol=1e-10)
    assert found.times is not None
    np.testing.assert_allclose(found.times, rows[:, 0])


def test_rotations_written_with_few_digits_become_rotations(tmp_path: Path) -> None:
    T = poses()
    text = "\n".join(" ".join(f"{v:.4f}" for v in M[:3].ravel()) for M in T)
    R = read_pose_list(write(tmp_path, text)).poses[:, :3, :3]
    np.testing.assert_allclose(np.swapaxes(R, 1, 2) @ R, np.tile(np.eye(3), (5, 1, 1)), atol=1e-14)
    np.testing.assert_allclose(R, T[:, :3, :3], atol=2e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line"),
        ("# only a comment\n", "no line"),
        ("1 2 3\n", "line 1"),
        ("1 0 0 0 0 1 0 0 0 0 1 0\n0 0 0 0 0 0 0 1\n", "line 2"),
        ("1 0 0 0 0 1 0 0 0 0 1 x\n", "line 1"),
        ("1 0 0 nan 0 1 0 0 0 0 1 0\n", "pose 1"),
        ("1 0 0 1e300 0 1 0 0 0 0 1 0\n", "larger"),
        ("2 0 0 0 0 2 0 0 0 0 2 0\n", "pose 1"),
        ("-1 0 0 0 0 1 0 0 0 0 1 0\n", "pose 1"),
        ("0 0 0 0 0 0 0 0 0 0 0 0\n", "pose 1"),
        ("1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 2\n", "last row"),
        ("0 0 0 0 0 0 0 0\n", "unit quaternions"),
        ("0 1 2 3 1 1 1 1\n", "unit quaternions"),
    ],
)
def test_what_is_no_list_of_poses_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_pose_list(write(tmp_path, text))


def test_a_folder_a_missing_file_and_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x80" * 10)
    for path in (tmp_path, tmp_path / "missing.txt", tmp_path / "bytes.txt"):
        with pytest.raises(InputError):
            read_pose_list(path)


@given(st.lists(st.lists(st.floats(), min_size=8, max_size=12), max_size=4))
def test_any_numbers_give_rigid_motions_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]]
) -> None:
    text = "\n".join(" ".join(repr(v) for v in row) for row in rows)
    try:
        found = read_pose_list(write(tmp_path_factory.mktemp("any"), text)).poses
    except InputError:
        return
    np.testing.assert_allclose(np.linalg.det(found[:, :3, :3]), 1.0, atol=1e-9)


def test_names_are_times_in_seconds_microseconds_or_nanoseconds() -> None:
    found = times_in_names(["1700000000.25.pcd", "1700000000350000.pcd", "1700000000450000000.pcd"])
    assert found is not None
    np.testing.assert_allclose(found - 1.7e9, [0.25, 0.35, 0.45], atol=1e-6)
    for names in (["000001.bin", "000002.bin"], ["1.5.pcd", "cloud.pcd"], ["scan_1.5.pcd"], ["1e5.pcd"]):
        assert times_in_names(names) is None


def test_times_in_a_list_have_the_same_units(tmp_path: Path) -> None:
    for stamp in ("1700000000.5", "1700000000500000", "1700000000500000000"):
        times = read_pose_list(write(tmp_path, f"{stamp} 0 0 0 0 0 0 1\n")).times
        assert times is not None
        assert times[0] == pytest.approx(1700000000.5, abs=1e-6)


def test_the_pose_nearest_in_time_is_found_within_the_tolerance() -> None:
    listed = PoseList(np.tile(np.eye(4), (5, 1, 1)), np.array([0.0, 0.1, 0.2, 0.3, 0.4]))
    found = listed.nearest(np.array([0.01, 0.16, 0.39, 0.46, -0.06]), 0.05)
    np.testing.assert_array_equal(found, [0, 2, 4, -1, -1])
    one = PoseList(listed.poses[:1], np.array([0.2]))
    np.testing.assert_array_equal(one.nearest(np.array([0.1, 0.21]), 0.05), [-1, 0])
    with pytest.raises(ValueError, match="no times"):
        PoseList(listed.poses, None).nearest(np.zeros(1), 0.05)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.lists(st.floats(-100, 100), max_size=10))
def test_the_nearest_time_is_that_of_a_full_search(stamps: list[float], times: list[float]) -> None:
    listed = PoseList(np.tile(np.eye(4), (len(stamps), 1, 1)), np.array(stamps))
    for time, found in zip(times, listed.nearest(np.array(times), np.inf), strict=True):
        assert abs(stamps[found] - time) == min(abs(stamp - time) for stamp in stamps)
