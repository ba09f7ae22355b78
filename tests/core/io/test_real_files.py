"""The collected files: one cloud in every format, files found in the wild, and odd ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.io.pointcloud import PointCloud, read

pytestmark = pytest.mark.data

#: Number of usable points of the files found in the wild (inventory of the data README).
FOUND = {
    "1_4_w_evlr.laz": 1000, "ColouredCubeFloat.e57": 7680, "FSite8_red2-utm.pcd": 21714, "append-bug.laz": 37805,
    "autzen_trim.laz": 110000, "bun0.pcd": 397, "bun_zipper_res3.ply": 1889, "bunnyDouble.e57": 30571,
    "car6.pcd": 10031, "corridor_two_scans_with_poses.e57": 19430, "curve_close.pcd": 110,
    "extrabytes.las": 1065, "lamppost.pcd": 1771, "nuscenes_lidar_top.pcd.bin": 34688, "simple.copc.laz": 1065,
    "simple.las": 1065, "simple.laz": 1065, "simple1_1.las": 1065,
}  # fmt: skip

#: Odd files that load, with their number of points; all others must be refused.
LOADED = {
    "header_only_zero_points.pcd": 0, "zero_vertices.ply": 0, "count_lies_low.pcd": 100, "nan_and_inf.pcd": 335,
    "many_zero_points.pcd": 400, "nan_ascii.pcd": 355, "one_point.xyz": 1, "two_points.xyz": 2,
    "all_identical.xyz": 300, "collinear.xyz": 200, "coplanar.xyz": 441, "huge_coordinates.xyz": 400,
    "tiny_scale_mm.xyz": 400, "duplicated_points.xyz": 400, "no_header_negative_exponent.csv": 4,
    "utf16.csv": 2, "pcd_named_ply.ply": 400, "property_order_zyx.ply": 3, "zero_points.las": 0,
    "ZeroPoints.e57": 0, "InvalidCVHeader.e57": 0, "names with spaces äöü 测试.xyz": 400, "UPPERCASE.PCD": 400,
}  # fmt: skip

#: What the sentence about a refused file must mention.
REFUSED = {
    "no_xyz_intensity_only.pcd": r"no x, y, z", "xy_only.pcd": r"no z", "ragged_rows.csv": r"line 3",
    "words_in_numbers.csv": r'line 3.*"foo"', "count_lies_high.pcd": r"2,000,000,000.*400",
    "negative_count.pcd": r"-5", "unknown_data_kind.pcd": r"zstd", "says_binary_is_ascii.pcd": r"text",
    "truncated_body.pcd": r"400.*335", "odd_length.bin": r"6,403", "ascii_fewer_rows.ply": r"5.*2 rows",
    "bad-crc.e57": r"checksum", "all_nan.pcd": r"NaN", "empty.e57": r"scan", "no_end_header.ply": r"end_header",
    "text_named_ply.ply": r"ply", "truncated.las": r"1,065", "empty.csv": r"empty",
}  # fmt: skip


def test_every_format_gives_the_same_cloud(data: Path) -> None:
    folder = data / "formats_same_cloud"
    expected = json.loads((folder / "expected.json").read_text())
    files = sorted(f for f in folder.iterdir() if f.name != "expected.json")
    assert len(files) == 33
    reference = read(folder / "cloud.xyz").points
    for file in files:
        cloud = read(file)
        points = cloud.points
        if file.name == "cloud_utm_offset.las":
            points = points - (635000.0, 5400000.0, 300.0)
        count = 2320 if file.name == "cloud_first_rows.ptx" else expected["n_points"]
        # the files hold millimetres as decimals, as LAS integers or as 32-bit floats (spacing 8e-6 at 75 m);
        # the double behind a map coordinate is 1e-9 apart
        assert points.shape == (count, 3), file.name
        np.testing.assert_allclose(points, reference[:count], rtol=0, atol=5e-6, err_msg=file.name)
        if count == expected["n_points"]:
            np.testing.assert_allclose(points.mean(axis=0), expected["centroid"], rtol=0, atol=5e-6)
            np.testing.assert_allclose(points.min(axis=0), expected["min"], rtol=0, atol=5e-6)
            np.testing.assert_allclose(points.max(axis=0), expected["max"], rtol=0, atol=5e-6)
            np.testing.assert_allclose(points[0], expected["first_point"], rtol=0, atol=5e-6)
            np.testing.assert_allclose(points[-1], expected["last_point"], rtol=0, atol=5e-6)
            assert (points**2).sum() == pytest.approx(expected["sum_of_squares"], rel=1e-7)
        assert_sound(cloud)


@pytest.mark.parametrize(
    "name",
    ["cloud_binary.pcd", "cloud.pts", "cloud_ascii.ply", "cloud_comma_header.csv", "cloud_kitti.bin",
     "cloud_nuscenes.pcd.bin", "cloud_xyzi.txt", "cloud_v12_pf3.las"],
)  # fmt: skip
def test_the_intensity_is_kept(name: str, data: Path) -> None:
    mean = json.loads((data / "formats_same_cloud" / "expected.json").read_text())["intensity_mean_0_255"]
    intensity = read(data / "formats_same_cloud" / name).intensity
    assert intensity is not None
    # KITTI-like files hold 0…1, LAS 16 bits
    scale = {1.0: 255.0, 255.0: 1.0}.get(255.0 if 1.0 < intensity.max() < 256.0 else 1.0)
    if intensity.max() > 256.0:
        scale = 1.0 / (intensity.max() / 106.0)
    assert scale is not None
    assert intensity.mean() * scale == pytest.approx(mean, rel=2e-3)


def test_colours_agree_between_formats(data: Path) -> None:
    folder = data / "formats_same_cloud"
    reference = read(folder / "cloud_rgb.ply").rgb
    assert reference is not None
    for name in ("cloud_binary_rgb.pcd", "cloud.pts", "cloud.xyzrgb", "cloud_v12_pf3.las", "cloud.e57"):
        rgb = read(folder / name).rgb
        assert rgb is not None, name
        np.testing.assert_array_equal(rgb, reference, err_msg=name)


@pytest.mark.parametrize("name", FOUND)
def test_files_found_in_the_wild_load_with_their_number_of_points(name: str, data: Path) -> None:
    cloud = read(data / "formats_found" / name)
    assert len(cloud.points) == FOUND[name]
    assert_sound(cloud)


def test_every_odd_file_is_covered(data: Path) -> None:
    expected = json.loads((data / "odd_files" / "expected.json").read_text())
    assert set(LOADED) | set(REFUSED) <= set(expected)
    for name, entry in expected.items():
        if "error" not in entry["expect"].split(";")[0].replace("error at registration", ""):
            assert name in LOADED, name


@pytest.mark.parametrize("name", LOADED)
def test_an_odd_but_valid_file_loads(name: str, data: Path) -> None:
    cloud = read(data / "odd_files" / name)
    assert len(cloud.points) == LOADED[name]
    assert_sound(cloud)


def test_all_other_odd_files_are_refused_in_one_sentence(data: Path) -> None:
    names = [n for n in json.loads((data / "odd_files" / "expected.json").read_text()) if n not in LOADED]
    assert len(names) > 20
    for name in names:
        with pytest.raises(InputError) as caught:
            read(data / "odd_files" / name)
        error = caught.value
        assert error.what.startswith(name)
        assert error.expected, name
        assert error.got, name
        assert error.hint, name
        assert re.search(REFUSED.get(name, ""), str(error)), error


def test_what_was_dropped_or_looks_odd_is_said(data: Path) -> None:
    odd = data / "odd_files"
    for name, sentence in {
        "nan_and_inf.pcd": r"65 of 400 points with NaN or infinite",
        "many_zero_points.pcd": r"134 of 400 points are \(0, 0, 0\)",
        "tiny_scale_mm.xyz": r"millimetre",
        "huge_coordinates.xyz": r"5,400,004.*64-bit",
        "zero_points.las": r"no points",
    }.items():
        assert any(re.search(sentence, note) for note in read(odd / name).notes), name
    notes = read(data / "formats_found" / "FSite8_red2-utm.pcd").notes
    assert any("0.5 apart" in note for note in notes)


def test_the_spacing_of_points_survives_large_coordinates(data: Path) -> None:
    large = read(data / "odd_files" / "huge_coordinates.xyz").points
    # offsets as the first row shows them; decimals of a millimetre are exact to 1e-9 in a double of 5e6
    small = read(data / "odd_files" / "names with spaces äöü 测试.xyz").points
    np.testing.assert_allclose(large - large[0], small - small[0], rtol=0, atol=3e-9)


def test_properties_in_another_order_do_not_mix_up_the_axes(data: Path) -> None:
    points = read(data / "odd_files" / "property_order_zyx.ply").points
    np.testing.assert_array_equal(points, [[1, 2, 3], [4, 5, 6], [7, 8, 9]])


def test_e57_scans_are_merged_with_their_poses_or_chosen(data: Path) -> None:
    file = data / "formats_found" / "corridor_two_scans_with_poses.e57"
    both, first, second = read(file), read(file, scan=0), read(file, scan=1)
    assert len(first.points) + len(second.points) == len(both.points)
    np.testing.assert_array_equal(np.concatenate([first.points, second.points]), both.points)
    assert any("2 scans were merged" in note for note in both.notes)
    # every 8th point of corridor_1, moved by the pose that is published for it
    raw = read(data / "tdtk_corridor" / "corridor_1.pcd").points[::8][: len(second.points)]
    pairs = {p["id"]: p for p in json.loads((data / "pairs.json").read_text())["pairs"]}
    pose = np.loadtxt(data / pairs["corridor_0_1"]["transform"])
    np.testing.assert_allclose(second.points, raw @ pose[:3, :3].T + pose[:3, 3], rtol=0, atol=1e-4)
    with pytest.raises(InputError, match="scans 0 to 1"):
        read(file, scan=2)


def test_a_two_dimensional_scan_is_refused_by_name(data: Path) -> None:
    for name in ("2D_oneBox.csv", "2D_twoBoxes.csv"):
        with pytest.raises(InputError, match="two-dimensional"):
            read(data / "libpointmatcher_2d" / name)


@pytest.mark.parametrize(
    ("name", "floats"),
    [("kitti_odometry_00/000000.bin", 4), ("kitti_07_submaps/submap_0.bin", 3), ("exact_split/hdl32_source.bin", 4),
     ("newer_college_01/edges_000000.bin", 3), ("newer_college_06_deskew/raw_00.bin", 3),
     ("formats_found/nuscenes_lidar_top.pcd.bin", 5), ("degenerate_crops/road_source_1.bin", 4)],
)  # fmt: skip
def test_the_layout_of_a_headerless_file_is_found(name: str, floats: int, data: Path) -> None:
    cloud = read(data / name, name="scan.bin")
    assert any(f"{floats} floats" in note for note in cloud.notes)
    assert len(cloud.points) == (data / name).stat().st_size // (4 * floats)


def assert_sound(cloud: PointCloud) -> None:
    """Check what holds for every point cloud."""
    count = len(cloud.points)
    assert cloud.points.dtype == np.float64
    assert cloud.points.flags.c_contiguous
    assert np.isfinite(cloud.points).all()
    assert cloud.intensity is None or cloud.intensity.shape == (count,)
    assert cloud.rgb is None or (cloud.rgb.shape == (count, 3) and cloud.rgb.dtype == np.uint8)
    assert cloud.normals is None or cloud.normals.shape == (count, 3)
