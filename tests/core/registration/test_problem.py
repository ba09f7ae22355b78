"""Preparation of a pair of scans: what is refused, what is remarked on, what comes out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.io.pointcloud import PointCloud
from core.iterate import Array, Progress, drain
from core.linalg.lie import T_from_xyzrpy, exp_se3
from core.registration.problem import Preprocessing, ScanPair, Scans, prepare_pair
from core.registry import instantiate, problem_spec


def cloud(points: Array, name: str = "cloud") -> PointCloud:
    return PointCloud(np.ascontiguousarray(points, dtype=float), None, None, None, name, ())


def box(n: int = 3000, seed: int = 0) -> Array:
    """Points on the six faces of a box 8 m by 6 m by 3 m, the origin inside."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (n, 3))
    face = rng.integers(0, 3, n)
    points[np.arange(n), face] = np.sign(points[np.arange(n), face])
    return points * (4.0, 3.0, 1.5)


def moved(points: Array, *shift: float) -> Array:
    return points + np.array(shift)


def prepare(
    source: Array, target: Array, *, drop_zeros: bool = True, T: Array | None = None, **settings: Any
) -> ScanPair:
    return drain(
        prepare_pair(
            cloud(source, "a.ply"), cloud(target, "b.ply"), Preprocessing(**settings),
            np.eye(4) if T is None else T, drop_zeros=drop_zeros,
        )
    )  # fmt: skip


def test_levels_run_from_coarse_to_the_voxel_asked_for() -> None:
    pair = prepare(box(), box(seed=1), voxel=0.2, levels=3)
    assert [level.voxel for level in pair.levels] == [0.8, 0.4, 0.2]
    sizes = [len(level.source) for level in pair.levels]
    assert sizes == sorted(sizes)
    assert all(len(level.target.points) == len(level.target.normals) for level in pair.levels)


def test_voxels_keep_the_mean_of_each_cell() -> None:
    points = box()
    pair = prepare(points, box(seed=1), voxel=0.5)
    cells = np.floor(points / 0.5).astype(int)
    _, inverse, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(inverse.ravel(), points[:, i]) / counts for i in range(3)], axis=1)
    ours = pair.levels[-1].source
    np.testing.assert_allclose(ours[np.lexsort(ours.T)], means[np.lexsort(means.T)], atol=1e-12)


def test_preparation_says_what_it_does_and_can_be_left_at_every_step() -> None:
    steps = prepare_pair(cloud(box()), cloud(box(seed=1)), Preprocessing(levels=2), np.eye(4))
    stages = [step.stage for step in steps]
    assert len(stages) == 7
    assert {stage.split()[0] for stage in stages} == {"checking", "voxels", "search", "normals"}
    again = prepare_pair(cloud(box()), cloud(box(seed=1)), Preprocessing(), np.eye(4))
    assert isinstance(next(again), Progress)
    again.close()


@pytest.mark.parametrize("origin", ["sensor", "centroid", "keep"])
@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (636_000.25, 849_000.5, 12.0)])
def test_internal_and_user_poses_move_points_alike(origin: str, shift: tuple[float, ...]) -> None:
    pair = prepare(box() + shift, box(seed=1) + shift, origin=origin)
    T = exp_se3([0.1, -0.2, 0.3, 1.0, 2.0, 3.0])
    p = pair.source.points[:5]
    by_user = p @ T[:3, :3].T + T[:3, 3]
    inner = pair.to_internal(T)
    by_internal = (p - pair.source_offset) @ inner[:3, :3].T + inner[:3, 3] + pair.target_offset
    # coordinates of 1e6 m carry 1e-10 m of rounding
    np.testing.assert_allclose(by_internal, by_user, atol=1e-9)
    np.testing.assert_allclose(pair.to_user(inner), T, atol=1e-9)


def test_map_coordinates_are_shifted_and_said_so() -> None:
    pair = prepare(moved(box(), 636_000.0, 849_000.0, 0.0), moved(box(seed=1), 636_000.0, 849_000.0, 0.0))
    assert np.abs(pair.levels[-1].source).max() < 10
    assert sum("map coordinates" in note for note in pair.notes) == 2
    assert pair.source.points.max() > 8e5


def test_the_sensor_origin_stays_and_the_centroid_is_subtracted_on_request() -> None:
    points = moved(box(), 5.0, 0.0, 0.0)
    assert not prepare(points, points).source_offset.any()
    np.testing.assert_allclose(prepare(points, points, origin="centroid").source_offset, points.mean(axis=0))


def test_an_origin_far_outside_the_cloud_is_questioned() -> None:
    far = moved(box(), 60.0, 0.0, 0.0)
    assert any("hardly where the sensor stood" in note for note in prepare(far, box(seed=1)).notes)
    for origin in ("centroid", "keep"):
        assert not any("hardly" in note for note in prepare(far, box(seed=1), origin=origin).notes)
    assert not any("hardly" in note for note in prepare(box(), far).notes)


def test_no_returns_are_dropped_and_counted() -> None:
    with_zeros = np.vstack([box(), np.zeros((40, 3))])
    pair = prepare(with_zeros, box(seed=1))
    assert any("40 of 3040 points at (0, 0, 0)" in note and "dropped" in note for note in pair.notes)
    assert np.linalg.norm(pair.levels[-1].source, axis=1).min() > 0.5


def test_kept_no_returns_are_remarked_on() -> None:
    with_zeros = np.vstack([box(), np.zeros((40, 3))])
    pair = prepare(with_zeros, box(seed=1), drop_zeros=False)
    assert np.linalg.norm(pair.levels[-1].source, axis=1).min() == 0
    assert any("towards no motion" in note for note in pair.notes)


def test_identical_scans_are_remarked_on() -> None:
    assert any("same points" in note for note in prepare(box(), box()).notes)
    assert not any("same points" in note for note in prepare(box(), box(seed=1)).notes)


def test_clouds_of_different_units_are_remarked_on() -> None:
    assert any("units" in note for note in prepare(box() * 100, box(seed=1)).notes)


def test_few_points_are_a_warning() -> None:
    pair = prepare(box(50), box(seed=1), voxel=0.01)
    assert any("only 50 points" in note for note in pair.notes)


@pytest.mark.parametrize("n", [0, 1, 9])
def test_fewer_than_ten_points_are_refused(n: int) -> None:
    with pytest.raises(InputError, match=rf"source a\.ply.*at least 10 points.*found {n}"):
        prepare(box(n), box(seed=1))


def test_ten_zeros_are_no_points() -> None:
    with pytest.raises(InputError, match=r"found 5 after dropping 40"):
        prepare(np.vstack([box(5), np.zeros((40, 3))]), box())


@pytest.mark.parametrize("at", [0.0, 3.7, 636_000.1])
def test_one_point_repeated_is_refused(at: float) -> None:
    with pytest.raises(InputError, match="300 times the same point"):
        prepare(np.full((300, 3), at), box(seed=1), drop_zeros=False)


@pytest.mark.parametrize("shift", [0.0, 636_000.0])
def test_points_on_a_line_are_refused(shift: float) -> None:
    line = np.linspace(-5, 5, 200)[:, None] * (1.0, 0.3, -0.2) + shift
    with pytest.raises(InputError, match="200 points on one line"):
        prepare(box(), line)


def test_a_plane_is_no_error() -> None:
    plane = box(4000)
    plane[:, 2] = 1.0
    assert len(prepare(plane, plane, voxel=0.1).levels[-1].target.points) > 100


def test_a_voxel_that_swallows_the_cloud_is_refused_with_its_extent() -> None:
    with pytest.raises(InputError, match=r"source \(8 m across\).*leaves 8.*lower the voxel size"):
        prepare(box(), box(seed=1), voxel=20.0)


def test_a_coarse_level_that_swallows_the_cloud_is_refused_as_well() -> None:
    with pytest.raises(InputError, match=r"20 m, which leaves.*number of levels"):
        prepare(box(), box(seed=1), voxel=2.5, levels=4)


def test_a_voxel_too_small_for_the_extent_is_refused() -> None:
    wide = np.vstack([box(), [[5000.0, 0.0, 0.0]]])
    with pytest.raises(InputError, match=r"voxel.*source, which reaches 5,000 m"):
        prepare(wide, box(seed=1), voxel=0.001)


def test_a_target_without_surfaces_is_refused() -> None:
    thick = np.random.default_rng(0).uniform(-2, 2, (2000, 3))
    with pytest.raises(InputError, match="target"):
        prepare(box(), thick, planarity=0.001)


def test_the_readers_remarks_come_with_the_name_of_the_cloud() -> None:
    source = replace(cloud(box(), "a.ply"), notes=("3 points with NaN were dropped.",))
    pair = drain(prepare_pair(source, cloud(box(seed=1)), Preprocessing(), np.eye(4)))
    assert "source a.ply: 3 points with NaN were dropped." in pair.notes


def save(path: Path, points: Array) -> str:
    np.savetxt(path, points, fmt="%.17g")
    return str(path)


def test_scans_are_read_from_files_with_start_and_true_pose(tmp_path: Path) -> None:
    truth = T_from_xyzrpy(0.5, 0.1, 0.0, 0.0, 0.0, 3.0)
    start = tmp_path / "start.txt"
    np.savetxt(start, np.eye(4))
    problem = Scans(
        source=save(tmp_path / "a.xyz", box()), target=save(tmp_path / "b.xyz", box(seed=1)),
        initial=str(start), truth="0.5 0.1 0 0 0 3",
    )  # fmt: skip
    pair = drain(problem.build(0))
    np.testing.assert_array_equal(pair.T_initial, np.eye(4))
    assert pair.T_true is not None
    np.testing.assert_allclose(pair.T_true, truth)
    np.testing.assert_allclose(pair.source.points, box(), rtol=1e-15)
    assert pair.source.name == "a.xyz"


def test_a_missing_file_name_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"source.*nothing"):
        drain(Scans().build(0))
    with pytest.raises(InputError, match=r"target.*nothing"):
        drain(Scans(source=save(tmp_path / "a.xyz", box())).build(0))


def test_a_start_that_is_no_pose_is_refused_before_any_file_is_read() -> None:
    with pytest.raises(InputError, match="start pose"):
        drain(Scans(source="nowhere.ply", target="nowhere.ply", initial="1 2 3").build(0))


def test_the_page_learns_the_parameters_in_the_order_of_use() -> None:
    names = [p.name for p in problem_spec("registration", "scans").parameters]
    assert names == [
        "source", "target", "truth", "initial", "voxel", "levels", "origin", "normals_k", "planarity",
        "drop_zeros", "bin_columns", "source_scan", "target_scan", "first_guess",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [("voxel", 0), ("levels", 5), ("origin", "moon"), ("bin_columns", 6), ("normals_k", 2)]
)
def test_values_out_of_range_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"-p {name}"):
        instantiate(problem_spec("registration", "scans"), {name: value}, "-p ")


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("one_point.xyz", "at least 10 points"),
        ("two_points.xyz", "at least 10 points"),
        ("all_identical.xyz", "300 times the same point"),
        ("collinear.xyz", "on one line"),
        ("zero_points.las", "at least 10 points"),
        ("header_only_zero_points.pcd", "at least 10 points"),
        ("zero_vertices.ply", "at least 10 points"),
    ],
)
def test_odd_files_end_in_one_sentence(data: Path, file: str, words: str, tmp_path: Path) -> None:
    good = save(tmp_path / "good.xyz", box())
    with pytest.raises(InputError, match=words):
        drain(Scans(source=str(data / "odd_files" / file), target=good).build(0))


@pytest.mark.data
@pytest.mark.parametrize(
    "file", ["coplanar.xyz", "duplicated_points.xyz", "huge_coordinates.xyz", "many_zero_points.pcd"]
)
def test_odd_but_usable_files_are_prepared(data: Path, file: str) -> None:
    path = str(data / "odd_files" / file)
    pair = drain(Scans(source=path, target=path).build(0))
    assert len(pair.levels[-1].source) >= 10
    assert any("same points" in note for note in pair.notes)


@pytest.mark.data
def test_millimetres_get_a_hint_about_units(data: Path) -> None:
    path = str(data / "odd_files" / "tiny_scale_mm.xyz")
    try:
        said = " ".join(drain(Scans(source=path, target=path).build(0)).notes)
    except InputError as error:
        said = str(error)
    assert "unit" in said or "m across" in said
