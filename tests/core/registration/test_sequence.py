"""Sequences from folders, archives and the simulator."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core import registry
from core.errors import InputError
from core.iterate import drain
from core.recipe import from_json, make
from core.registration import sequence
from core.registration.kernels import voxel_centroids
from core.registration.sequence import ScanSequence, SequenceFolder, SimulatedSequence
from tests.oracles_clouds import box_surface

COUNT = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four scans of a box in KITTI's format, and the list of their poses."""
    path = tmp_path / "scans"
    path.mkdir()
    for i in range(COUNT):
        points = box_surface(500, i).astype(np.float32)
        np.column_stack([points, np.zeros(500, np.float32)]).tofile(path / f"{i + 8}.bin")
    T = np.tile(np.eye(4), (COUNT, 1, 1))
    T[:, 0, 3] = np.arange(COUNT)
    np.savetxt(path / "poses.txt", T[:, :3].reshape(COUNT, 12))
    return path


def build(folder: Path | str, **settings: object) -> ScanSequence:
    return drain(SequenceFolder(folder=str(folder), **settings).build(0))  # type: ignore[arg-type]


def test_scans_are_thinned_at_every_level_coarsest_first(folder: Path) -> None:
    found = build(folder, voxel=0.25, levels=3)
    assert found.voxels == (1.0, 0.5, 0.25)
    assert [frame.name for frame in found.frames] == ["8.bin", "9.bin", "10.bin", "11.bin"]
    points = box_surface(500, 2).astype(np.float32).astype(np.float64)
    for voxel, level in zip(found.voxels, found.frames[2].levels, strict=True):
        np.testing.assert_array_equal(level, voxel_centroids(points, voxel))
    assert found.frames[2].points is found.frames[2].levels[-1]


def test_true_poses_beside_the_scans_are_used_and_mentioned(folder: Path) -> None:
    found = build(folder)
    assert found.T_true is not None
    np.testing.assert_array_equal(found.T_true[:, 0, 3], np.arange(COUNT))
    assert any("poses.txt" in note for note in found.notes)


def test_true_poses_follow_the_choice_of_scans(folder: Path) -> None:
    found = build(folder, first=1, stride=2)
    assert [frame.name for frame in found.frames] == ["9.bin", "11.bin"]
    assert found.T_true is not None
    np.testing.assert_array_equal(found.T_true[:, 0, 3], [1, 3])
    assert len(build(folder, max_frames=3)) == 3


def test_a_list_of_another_length_is_refused_if_given_and_left_out_if_found(folder: Path) -> None:
    other = folder.parent / "other.txt"
    lines = (folder / "poses.txt").read_text().splitlines()[:-1]
    other.write_text("\n".join(lines))
    with pytest.raises(InputError, match="3 poses for 4 scans"):
        build(folder, poses=str(other))
    shutil.move(other, folder / "poses.txt")
    found = build(folder)
    assert found.T_true is None
    assert any("not used" in note for note in found.notes)


def test_poses_are_found_by_the_times_that_scans_are_named_after(folder: Path) -> None:
    for i in range(COUNT):
        (folder / f"{i + 8}.bin").rename(folder / f"{100 + 0.5 * i:.2f}.bin")
    times = 99.98 + 0.1 * np.arange(30)
    rows = np.column_stack([times, times, np.zeros((30, 5)), np.ones(30)])
    np.savetxt(folder / "poses.txt", rows)
    found = build(folder)
    assert found.T_true is not None
    np.testing.assert_allclose(found.T_true[:, 0, 3], 99.98 + 0.5 * np.arange(COUNT))
    np.savetxt(folder / "poses.txt", rows[:14])  # ends 0.2 s before the last scan
    assert build(folder).T_true is None


def test_an_archive_is_read_like_its_folder(folder: Path) -> None:
    path = shutil.make_archive(str(folder.parent / "packed"), "zip", folder.parent, "scans")
    one, other = build(folder), build(path)
    assert other.T_true is not None
    assert len(one) == len(other)
    for a, b in zip(one.frames, other.frames, strict=True):
        assert a.name == b.name
        np.testing.assert_array_equal(a.points, b.points)
    np.testing.assert_array_equal(one.T_true, other.T_true)


def test_what_was_unpacked_is_gone_afterwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shutil.make_archive(str(folder.parent / "packed"), "zip", folder.parent, "scans")
    room = folder.parent / "temporary"
    room.mkdir()
    monkeypatch.setattr(sequence.tempfile, "tempdir", str(room))
    build(path)
    assert not list(room.iterdir())
    preparation = SequenceFolder(folder=path).build(0)
    while not list(room.rglob("*.bin")):
        next(preparation)
    preparation.close()
    assert not list(room.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first": 3}, "at least two scans"),
        ({"stride": 100}, "at least two scans"),
        ({"voxel": 90.0}, "voxel"),
        ({"poses": "missing.txt"}, "no such file"),
    ],
)
def test_settings_that_do_not_suit_are_refused(
    folder: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        build(folder, **settings)


def test_nothing_a_missing_path_and_a_scan_instead_of_a_folder_are_refused(folder: Path) -> None:
    for path in ("", folder / "missing", folder / "8.bin"):
        with pytest.raises(InputError):
            build(path)


def test_a_broken_scan_is_named(folder: Path) -> None:
    (folder / "9.bin").write_bytes(b"odd")
    with pytest.raises(InputError, match=r"9\.bin"):
        build(folder)


def test_scans_in_map_coordinates_are_refused(folder: Path) -> None:
    far = box_surface(500, 0) + np.array([500_000.0, 0.0, 0.0])
    np.column_stack([far, np.zeros(500)]).astype(np.float32).tofile(folder / "9.bin")
    with pytest.raises(InputError, match="map coordinates"):
        build(folder)


def test_points_of_all_scans_together_are_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "MAX_POINTS", 1000)
    with pytest.raises(InputError, match="at most 1,000 points"):
        build(folder, voxel=0.01)


def test_many_notes_on_single_scans_are_cut_short(folder: Path) -> None:
    for i in range(20, 40):
        shutil.copy(folder / "8.bin", folder / f"{i}.bin")
    notes = build(folder, poses="").notes
    assert len(notes) < 12
    assert "more notes" in notes[-1]


def test_a_folder_counts_by_content_not_by_path(folder: Path) -> None:
    def recipe_hash(path: Path) -> str:
        return make("registration", "sequence", "odometry", {"folder": str(path)}).hash()

    first = recipe_hash(folder)
    copy = shutil.copytree(folder, folder.parent / "copy")
    assert recipe_hash(copy) == first
    (copy / "8.bin").rename(copy / "12.bin")
    renamed = recipe_hash(copy)
    (copy / "9.bin").write_bytes((copy / "10.bin").read_bytes())
    assert len({first, renamed, recipe_hash(copy)}) == 3


def test_a_recipe_with_a_folder_survives_its_document(folder: Path) -> None:
    recipe = make("registration", "sequence", "odometry", {"folder": str(folder)})
    document = recipe.to_json()
    assert from_json(document, {"folder": str(folder)}) == recipe
    total = sum(path.stat().st_size for path in folder.iterdir())
    assert json.loads(document)["files"]["folder"]["size"] == total
    (folder / "9.bin").unlink()
    with pytest.raises(InputError):
        from_json(document, {"folder": str(folder)})


def test_the_simulated_path_is_made_of_equal_steps() -> None:
    found = drain(SimulatedSequence(scene="room", frames=5, step=0.2, turn=10.0).build(3))
    assert found.T_true is not None
    np.testing.assert_array_equal(found.T_true[0], np.eye(4))
    steps = np.linalg.inv(found.T_true[:-1]) @ found.T_true[1:]
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-12)
    np.testing.assert_allclose(steps[0, :3, 3], [0.2, 0, 0], atol=1e-12)
    assert np.degrees(np.arctan2(steps[0, 1, 0], steps[0, 0, 0])) == pytest.approx(10.0)


def test_simulated_scans_lie_on_the_room_where_the_true_path_says() -> None:
    found = drain(
        SimulatedSequence(scene="room", frames=4, step=0.3, turn=5.0, noise=0.0, reach=30.0).build(0)
    )
    assert found.T_true is not None
    low, high = np.array([-4.0, -5.0, -1.2]), np.array([6.0, 5.0, 1.8])
    for frame, T in zip(found.frames, found.T_true, strict=True):
        points = frame.points @ T[:3, :3].T + T[:3, 3]
        to_wall = np.minimum(np.abs(points - low), np.abs(points - high)).min(axis=1)
        # means of points around an edge, and those on the crate, lie inside
        assert np.mean(to_wall < 1e-6) > 0.6
        assert (points > low - 1e-9).all()
        assert (points < high + 1e-9).all()


def test_every_scene_of_the_choice_can_be_walked_through() -> None:
    spec = registry.problem_spec("registration", "simulated_sequence")
    scene = next(p for p in spec.parameters if p.name == "scene")
    assert set(scene.choices) == set(SimulatedSequence.SCENES)
    for key in scene.choices:
        assert len(drain(dataclasses.replace(SimulatedSequence(), scene=key, frames=2).build(0))) == 2
