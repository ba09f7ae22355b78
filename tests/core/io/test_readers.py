"""Readers and the PLY writer on files made here, compared with the numbers that went into them."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import plyfile
import pytest

from core.errors import InputError
from core.io.pointcloud import PointCloud, read, write_ply
from tests.core.io import seed_files

XYZ = seed_files.points()


def saved(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_every_made_file_gives_back_its_points(tmp_path: Path) -> None:
    for kind, (extension, content) in seed_files.all_formats(tmp_path).items():
        cloud = read(saved(tmp_path, "scan" + extension, content))
        # 32-bit floats below 8 are 4.8e-7 apart
        np.testing.assert_allclose(cloud.points, XYZ, rtol=0, atol=2.5e-7, err_msg=kind)


def test_lists_in_an_ascii_ply_are_stepped_over(tmp_path: Path) -> None:
    cloud = read(saved(tmp_path, "lists.ply", seed_files.ply_with_lists(XYZ, ascii=True)))
    np.testing.assert_allclose(cloud.points, XYZ, rtol=0, atol=2.5e-7)


def test_the_content_wins_over_the_extension(tmp_path: Path) -> None:
    cloud = read(saved(tmp_path, "cloud.las", seed_files.pcd(XYZ)))
    np.testing.assert_allclose(cloud.points, XYZ, rtol=0, atol=2.5e-7)


def test_the_given_name_decides_the_format_and_stands_in_messages(tmp_path: Path) -> None:
    path = saved(tmp_path, "upload-0001", "1 2 3\n4 5 x\n")
    with pytest.raises(InputError, match=r"my scan\.XYZ, line 2"):
        read(path, name="my scan.XYZ")


@pytest.mark.parametrize(
    "content",
    [
        "1.5 2.5 3.5\n4 5 6\n", "1.5\t2.5\t3.5\n4\t5\t6\n", "1.5,2.5,3.5\n4,5,6\n", "1.5, 2.5 , 3.5\n4, 5,6\n",
        "1.5;2.5;3.5\n4;5;6\n", "1,5;2,5;3,5\n4;5;6\n", "1,5 2,5 3,5\n4,0 5,0 6,0\n", "1,5\t2,5\t3,5\n4\t5\t6\n",
        "# a comment\n\n1.5 2.5 3.5\n4 5 6\n", "// X Y Z\r\n1.5 2.5 3.5\r\n4 5 6\r\n", "1.5 2.5 3.5\r4 5 6\r",
        "1.5,2.5,3.5,\n4,5,6,\n", "z;y;x\n3,5;2,5;1,5\n6;5;4\n", '"X [m]","Y [m]","Z [m]"\n1.5,2.5,3.5\n4,5,6\n',
        "Points:0,Points:1,Points:2\n1.5,2.5,3.5\n4,5,6\n", "2\n1.5 2.5 3.5\n4 5 6\n", "+1.5 25e-1 .35E1\n4. 5 6",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_separators_headers_and_encodings_are_recognised(content: str, encoding: str, tmp_path: Path) -> None:
    cloud = read(saved(tmp_path, "table.csv", content.encode(encoding)))
    np.testing.assert_array_equal(cloud.points, [[1.5, 2.5, 3.5], [4, 5, 6]])


def test_an_error_names_the_line_of_the_file(tmp_path: Path) -> None:
    content = "# comment\nx y z\n\n1 2 3\n4 5 6\n7 eight 9\n"
    with pytest.raises(InputError, match=r'table\.txt, line 6: .*"eight"'):
        read(saved(tmp_path, "table.txt", content))


def test_a_wrong_vertex_of_an_obj_is_found_between_other_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"shape\.obj, line 4"):
        read(saved(tmp_path, "shape.obj", "v 1 2 3\nvn 0 0 1\nf 1 1 1\nv 4 five 6\n"))


def test_columns_without_a_header_are_assigned_and_said(tmp_path: Path) -> None:
    normals = XYZ / np.linalg.norm(XYZ, axis=1, keepdims=True)
    cloud = read(saved(tmp_path, "n.xyz", seed_files.rows(XYZ, normals, form="%.9f")))
    assert cloud.normals is not None
    np.testing.assert_allclose(cloud.normals, normals, rtol=0, atol=5e-10)
    assert any("normals" in note for note in cloud.notes)
    colour = np.arange(180).reshape(60, 3)
    cloud = read(saved(tmp_path, "c.txt", seed_files.rows(XYZ, colour, form="%g")))
    np.testing.assert_array_equal(cloud.rgb, colour)


def test_points_of_a_ptx_are_moved_by_their_matrix_and_no_returns_dropped(tmp_path: Path) -> None:
    matrix = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [10, 20, 30, 1]])
    xyz = XYZ.copy()
    xyz[::7] = 0.0
    content = seed_files.ptx(XYZ) + seed_files.ptx(xyz, matrix)
    moved = read(saved(tmp_path, "two.ptx", content), scan=1).points
    kept = xyz[xyz.any(axis=1)]
    # row vectors times matrix: (x, y, z) becomes (10 - y, 20 + x, 30 + z); quarter turns are exact
    np.testing.assert_allclose(
        moved, np.column_stack([10 - kept[:, 1], 20 + kept[:, 0], 30 + kept[:, 2]]), atol=1e-12
    )
    assert len(read(tmp_path / "two.ptx").points) == len(XYZ) + len(kept)


def test_e57_poses_are_applied(tmp_path: Path) -> None:
    half = np.sqrt(0.5)
    content = seed_files.e57(
        tmp_path, (XYZ, (1.0, 0, 0, 0), (0.0, 0, 0)), (XYZ, (half, 0, 0, half), (10.0, 20, 30))
    )
    path = saved(tmp_path, "two.e57", content)
    # a quarter turn about z: (x, y) becomes (-y, x)
    expected = np.column_stack([10 - XYZ[:, 1], 20 + XYZ[:, 0], 30 + XYZ[:, 2]])
    np.testing.assert_allclose(read(path, scan=1).points, expected, rtol=0, atol=3e-6)  # float32
    np.testing.assert_allclose(read(path).points, np.concatenate([XYZ, expected]), rtol=0, atol=3e-6)


@pytest.mark.parametrize(
    "array",
    [XYZ, XYZ.T.copy(), np.asfortranarray(XYZ), XYZ.reshape(6, 10, 3), XYZ.astype(">f8"),
     np.column_stack([XYZ, XYZ[:, 0]]), np.rec.fromarrays(XYZ[:, ::-1].T.copy(), names="z,y,x")],
)  # fmt: skip
def test_arrays_of_several_shapes_are_points(array: np.ndarray, tmp_path: Path) -> None:
    np.testing.assert_array_equal(read(saved(tmp_path, "a.npy", seed_files.npy(array))).points, XYZ)


def test_an_archive_gives_points_intensity_and_colours(tmp_path: Path) -> None:
    rgb = np.arange(180, dtype=np.uint8).reshape(60, 3)
    content = seed_files.npz(other=np.zeros(4), xyz=XYZ, intensity=np.arange(60), colors=rgb)
    cloud = read(saved(tmp_path, "a.npz", content))
    np.testing.assert_array_equal(cloud.points, XYZ)
    np.testing.assert_array_equal(cloud.intensity, np.arange(60))
    np.testing.assert_array_equal(cloud.rgb, rgb)


def test_the_floats_a_point_can_be_chosen(tmp_path: Path) -> None:
    content = np.arange(120, dtype="<f4").tobytes()
    path = saved(tmp_path, "a.bin", content)
    for columns in (3, 4, 5, 6):
        points = read(path, columns=columns).points
        np.testing.assert_array_equal(points, np.arange(120).reshape(-1, columns)[:, :3])
    with pytest.raises(InputError, match="7 floats"):
        read(path, columns=7)
    with pytest.raises(ValueError, match="columns"):
        read(path, columns=2)


def test_points_beyond_reason_are_dropped_and_counted(tmp_path: Path) -> None:
    cloud = read(saved(tmp_path, "far.xyz", "1 2 3\n4 5 6\n1e30 0 0\n"))
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [4, 5, 6]])
    assert any("1 points farther" in note for note in cloud.notes)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    rgb = np.arange(180, dtype=np.uint8).reshape(60, 3)
    intensity = np.linspace(0.0, 1.0, 60)
    write_ply(tmp_path / "out.ply", XYZ + 5e6, intensity, rgb)
    return tmp_path / "out.ply", intensity, rgb


def test_a_written_ply_reads_back_exactly(written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, intensity, rgb = written
    cloud: PointCloud = read(path)
    np.testing.assert_array_equal(cloud.points, XYZ + 5e6)
    np.testing.assert_array_equal(cloud.intensity, intensity.astype(np.float32))
    np.testing.assert_array_equal(cloud.rgb, rgb)
    stream = io.BytesIO()
    write_ply(stream, XYZ + 5e6, intensity, rgb)
    assert stream.getvalue() == path.read_bytes()


def test_a_written_ply_is_what_plyfile_reads(written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    vertex = plyfile.PlyData.read(written[0])["vertex"]
    np.testing.assert_array_equal(np.column_stack([vertex[a] for a in "xyz"]), XYZ + 5e6)
    np.testing.assert_array_equal(np.column_stack([vertex[c] for c in ("red", "green", "blue")]), written[2])


def test_a_written_ply_is_what_open3d_reads(written: tuple[Path, np.ndarray, np.ndarray]) -> None:
    # a process of its own: open3d takes a second and 200 MB
    program = (
        "import ctypes, libusb_package, sys, numpy as np\n"
        "ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)\n"
        "import open3d as o3d\n"
        "np.save(sys.argv[2], np.asarray(o3d.io.read_point_cloud(sys.argv[1]).points))\n"
    )
    out = written[0].with_suffix(".npy")
    subprocess.run(
        [sys.executable, "-c", program, str(written[0]), str(out)], check=True, capture_output=True
    )
    np.testing.assert_array_equal(np.load(out), XYZ + 5e6)


def test_arrays_that_do_not_belong_together_are_not_written() -> None:
    with pytest.raises(ValueError, match="points"):
        write_ply(io.BytesIO(), XYZ[:, :2])
    with pytest.raises(ValueError, match="intensity"):
        write_ply(io.BytesIO(), XYZ, np.zeros(3))
