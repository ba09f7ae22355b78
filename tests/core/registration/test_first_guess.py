"""The first guess: scans turned far away come back near enough for an iterative method."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core import registry
from core.errors import InputError
from core.io.pointcloud import read
from core.iterate import Progress, drain
from core.linalg.lie import T_from_xyzrpy, inverse
from core.registration import first_guess
from core.registration.first_guess import with_first_guess
from core.registration.methods.icp_plane import IcpPlane
from core.registration.metrics import pose_error
from core.registration.problem import ScanPair, Scans
from tests.oracles_clouds import box_surface, make_pair

#: Half a turn nearly, and the sensor no longer at the source's origin.
FAR = T_from_xyzrpy(0.5, -0.3, 0.2, -10.0, 20.0, 130.0)


def moved_away(source: NDArray[np.float64], target: NDArray[np.float64], folder: Path) -> dict[str, str]:
    """Write both clouds, the source turned and shifted by `FAR`, and return the files' parameters."""
    np.save(folder / "source.npy", source @ FAR[:3, :3].T + FAR[:3, 3])
    np.save(folder / "target.npy", target)
    return {"source": str(folder / "source.npy"), "target": str(folder / "target.npy")}


def end(pair: ScanPair, **settings: Any) -> NDArray[np.float64]:
    x = list(IcpPlane(**settings).iterate(pair))[-1].x
    return x() if callable(x) else x


@pytest.fixture(scope="module")
def room() -> ScanPair:
    return drain(registry.problem_spec("registration", "room").cls().build(0))  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_room_scanned_upside_the_other_way_is_found_by_ransac(
    room: ScanPair, seed: int, tmp_path: Path
) -> None:
    assert room.T_true is not None
    files = moved_away(room.source.points, room.target.points, tmp_path)
    pair = drain(Scans(**files, voxel=0.2, first_guess="ransac").build(seed))
    truth = room.T_true @ inverse(FAR)
    translation, rotation = pose_error(pair.T_initial, truth)
    assert translation < 0.6  # a cell and a half of the thinned clouds
    assert rotation < np.radians(10.0)
    assert pose_error(pair.T_initial, np.eye(4))[1] > np.radians(100.0)
    # a room of 3 cm of range noise
    translation, rotation = pose_error(end(pair), truth)
    assert translation < 0.02
    assert rotation < np.radians(0.3)
    assert "First guess by RANSAC" in pair.notes[-1]


def test_the_same_seed_gives_the_same_pose(room: ScanPair) -> None:
    for search in ("fgr", "ransac"):
        first, second = (drain(with_first_guess(room, search, 3)).T_initial for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_the_start_pose_does_not_matter(room: ScanPair, tmp_path: Path) -> None:
    files = moved_away(room.source.points, room.target.points, tmp_path)
    with_start = Scans(**files, voxel=0.2, first_guess="ransac", initial="5 5 5 0 0 90")
    without = Scans(**files, voxel=0.2, first_guess="ransac")
    np.testing.assert_array_equal(drain(with_start.build(0)).T_initial, drain(without.build(0)).T_initial)


def test_without_it_nothing_changes_and_nothing_is_loaded(
    room: ScanPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_guess, "load_open3d", lambda: pytest.fail("Open3D was loaded"))
    files = moved_away(room.source.points, room.target.points, tmp_path)
    np.testing.assert_array_equal(drain(Scans(**files, voxel=0.2).build(0)).T_initial, np.eye(4))


def test_map_coordinates_come_back_in_the_pose(room: ScanPair) -> None:
    """Two clouds 4e5 m from the origin: the guess is made near the origin and given in the files' frames."""
    offset = np.array([4e5, -5e6, 100.0])
    near = make_pair(room.source.points, room.target.points, np.eye(4), voxels=(0.4,))
    far = make_pair(
        room.source.points + offset, room.target.points + offset, np.eye(4), voxels=(0.4,),
        source_offset=offset, target_offset=offset,
    )  # fmt: skip
    guesses = [drain(with_first_guess(pair, "ransac", 0)).T_initial for pair in (near, far)]
    at_origin = T_from_xyzrpy(*-offset, 0, 0, 0) @ guesses[1] @ T_from_xyzrpy(*offset, 0, 0, 0)
    translation, rotation = pose_error(at_origin, guesses[0])
    # 5e6 m and 64-bit numbers move points by 1e-9 m, which may change a pair of features but not the place
    assert translation < 0.6
    assert rotation < np.radians(10.0)


def test_clouds_are_thinned_to_what_features_are_worth() -> None:
    pair = make_pair(box_surface(30_000, 1), box_surface(20_000, 0), np.eye(4), voxels=(0.05,))
    stages = []

    def watch() -> None:
        preparation = with_first_guess(pair, "fgr", 0)
        try:
            while True:
                stages.append(next(preparation))
        except (StopIteration, InputError):
            return

    watch()
    assert all(isinstance(stage, Progress) for stage in stages)
    counts = [int(s.stage.split()[2]) for s in stages if s.stage.startswith("features of")]
    assert len(counts) == 2
    assert all(1000 < n <= first_guess.MOST_POINTS for n in counts)


def test_a_guess_that_few_points_support_is_called_doubtful() -> None:
    text = first_guess._remark(np.eye(4), 0.2, 0.5, "fgr")
    assert "20% of the source's points" in text
    assert text.endswith("the guess may be wrong.")
    assert "wrong" not in first_guess._remark(np.eye(4), 0.8, 0.5, "fgr")


def test_no_motion_at_all_is_said(room: ScanPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_guess, "_search", lambda *_: (np.eye(4), 0.0))
    with pytest.raises(InputError, match="no motion"):
        drain(with_first_guess(room, "fgr", 0))
    with pytest.raises(ValueError, match="search"):
        next(with_first_guess(room, "none", 0))


@pytest.mark.data
@pytest.mark.parametrize("search", ["fgr", "ransac"])
@pytest.mark.parametrize("name", ["hall_004_005", "pcl_room_1_2", "small_gicp_hdl32"])
def test_a_real_scan_turned_far_away_is_brought_back(
    name: str, search: str, pairs: dict[str, dict[str, Any]], data: Path, tmp_path: Path
) -> None:
    entry = pairs[name]
    source, target = (read(data / entry[role]).points for role in ("source", "target"))
    files = moved_away(source[source.any(axis=1)], target[target.any(axis=1)], tmp_path)
    voxel = 0.5 * entry["check_voxel_m"]
    settings = {"voxel": voxel, "levels": 3, "planarity": 0.1, "first_guess": search}
    pair = drain(Scans(**files, **settings).build(0))
    T = end(pair, max_distance=3.0 * voxel, kernel_scale=0.5 * voxel)
    translation, rotation = pose_error(T, np.loadtxt(data / entry["transform"]) @ inverse(FAR))
    # the pose's own uncertainty is some centimetres and tenths of a degree in all three
    assert translation < 0.05
    assert rotation < np.radians(0.5)
