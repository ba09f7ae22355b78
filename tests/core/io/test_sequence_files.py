"""Scans of a folder or an archive: order, choice, and archives that mean harm."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.io import sequence_files
from core.io.sequence_files import SequenceFiles, list_scans, natural_key, unpack
from core.iterate import drain

CLOUD = b"0 0 0\n1 0 0\n0 1 0\n"


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CLOUD)
    return folder


def archive(folder: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "scans.zip"
    with zipfile.ZipFile(path, "w", method) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def unpacked(path: Path, tmp_path: Path) -> SequenceFiles:
    into = tmp_path / "into"
    into.mkdir()
    return drain(unpack(path, into))


def names(found: SequenceFiles) -> list[str]:
    return [path.name for path in found.scans]


@given(st.lists(st.integers(0, 10**12), unique=True))
def test_numbers_in_names_are_sorted_as_numbers(numbers: list[int]) -> None:
    texts = sorted((f"scan_{n}.pcd" for n in numbers), key=natural_key)
    assert texts == [f"scan_{n}.pcd" for n in sorted(numbers)]


@given(st.lists(st.text(max_size=20)))
def test_any_names_can_be_sorted(texts: list[str]) -> None:
    assert len(sorted(texts, key=natural_key)) == len(texts)


def test_a_folder_is_listed_in_natural_order(tmp_path: Path) -> None:
    fill(tmp_path, "s10.pcd", "s9.pcd", "s1.pcd", "inner/s0.pcd", ".hidden.pcd", "readme.md")
    found = list_scans(tmp_path)
    assert names(found) == ["s1.pcd", "s9.pcd", "s10.pcd"]
    assert "1 other files were left out" in found.notes[0]


def test_the_most_frequent_kind_of_scan_is_taken(tmp_path: Path) -> None:
    fill(tmp_path, "a.pcd", "b.PCD", "map.ply")
    assert names(list_scans(tmp_path)) == ["a.pcd", "b.PCD"]


def test_text_files_are_scans_only_where_nothing_else_is(tmp_path: Path) -> None:
    fill(tmp_path / "one", "a.bin", "b.bin", "times.txt", "calib.txt", "T_0_1.txt")
    fill(tmp_path / "two", "a.txt", "b.txt", "poses.txt")
    assert names(list_scans(tmp_path / "one")) == ["a.bin", "b.bin"]
    assert names(list_scans(tmp_path / "two")) == ["a.txt", "b.txt"]


def test_one_list_of_poses_beside_the_scans_is_found_and_two_are_not_guessed_at(tmp_path: Path) -> None:
    fill(tmp_path, "a.pcd", "b.pcd", "poses_registration.txt")
    assert list_scans(tmp_path).poses == tmp_path / "poses_registration.txt"
    fill(tmp_path, "groundtruth.txt")
    found = list_scans(tmp_path)
    assert found.poses is None
    assert "none of 2 files with poses was used" in found.notes[0]


@pytest.mark.parametrize("setup", [lambda p: p, lambda p: fill(p, "a.md"), lambda p: p / "missing"])
def test_a_folder_without_scans_is_refused(tmp_path: Path, setup: Callable[[Path], Path]) -> None:
    with pytest.raises(InputError):
        list_scans(setup(tmp_path))


def test_limits_of_a_folder_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.pcd", "b.pcd", "c.pcd")
    for limit, value in (("MAX_SCANS", 2), ("MAX_ENTRIES", 2), ("MAX_TOTAL_BYTES", 3 * len(CLOUD) - 1)):
        with monkeypatch.context() as patch:
            patch.setattr(sequence_files, limit, value)
            with pytest.raises(InputError):
                list_scans(tmp_path)
    assert len(list_scans(tmp_path).scans) == 3


def test_an_archive_gives_the_scans_of_its_fullest_folder(tmp_path: Path) -> None:
    path = archive(
        tmp_path,
        {
            "drive/velodyne/10.pcd": CLOUD, "drive/velodyne/9.pcd": b"nine", "drive/poses.txt": b"poses",
            "drive/map.pcd": CLOUD, "__MACOSX/drive/velodyne/._9.pcd": b"", "drive/velodyne/.DS_Store": b"",
            "other/poses.txt": b"of another",
        },
    )  # fmt: skip
    found = unpacked(path, tmp_path)
    assert names(found) == ["9.pcd", "10.pcd"]
    assert found.scans[0].read_bytes() == b"nine"
    assert found.poses is not None
    assert found.poses.read_bytes() == b"poses"
    assert sorted(p.name for p in (tmp_path / "into").iterdir()) == ["10.pcd", "9.pcd", "poses.txt"]


def test_an_archive_of_files_without_a_folder_is_read(tmp_path: Path) -> None:
    assert names(unpacked(archive(tmp_path, {"b.ply": CLOUD, "a.ply": CLOUD}), tmp_path)) == [
        "a.ply",
        "b.ply",
    ]


@pytest.mark.parametrize(
    "name", ["../evil.pcd", "/etc/evil.pcd", "a/../../evil.pcd", "..\\evil.pcd", "C:\\evil.pcd", "C:evil.pcd"]
)
def test_entries_that_point_outside_are_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path, {"a.pcd": CLOUD, name: CLOUD})
    with pytest.raises(InputError, match="inside the archive"):
        unpacked(path, tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["into", "scans.zip"]


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w") as opened:
        link = zipfile.ZipInfo("a.pcd")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="link"):
        unpacked(path, tmp_path)


def test_a_bomb_is_stopped_before_it_has_grown(tmp_path: Path) -> None:
    path = archive(tmp_path, {"a.pcd": bytes(30 * 2**20)})
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="shrinks"):
        unpacked(path, tmp_path)
    assert sum(p.stat().st_size for p in (tmp_path / "into").iterdir()) < 5 * 2**20


def test_sizes_count_as_unpacked_whatever_the_archive_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path, {"a.pcd": CLOUD * 100, "b.pcd": CLOUD * 100}, zipfile.ZIP_STORED)
    monkeypatch.setattr(sequence_files, "MAX_TOTAL_BYTES", 150 * len(CLOUD))
    with pytest.raises(InputError, match="together"):
        unpacked(path, tmp_path)
    monkeypatch.setattr(sequence_files, "MAX_BYTES", 50 * len(CLOUD))
    (tmp_path / "again").mkdir()
    with pytest.raises(InputError, match="at most"):
        drain(unpack(path, tmp_path / "again"))


def test_numbers_of_entries_and_scans_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, {f"{i}.pcd": CLOUD for i in range(5)})
    into = tmp_path / "into"
    into.mkdir()
    for limit in ("MAX_ENTRIES", "MAX_SCANS"):
        with monkeypatch.context() as patch:
            patch.setattr(sequence_files, limit, 4)
            with pytest.raises(InputError, match="at most 4"):
                drain(unpack(path, into))
    assert not list(into.iterdir())


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    content = bytearray(archive(tmp_path, {"a.pcd": CLOUD}, zipfile.ZIP_STORED).read_bytes())
    # the flag stands in the local header and in the directory
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "scans.zip").write_bytes(content)
    with pytest.raises(InputError, match="password"):
        unpacked(tmp_path / "scans.zip", tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"no archive at all"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scans.zip").write_bytes(content)
    with pytest.raises(InputError):
        unpacked(tmp_path / "scans.zip", tmp_path)


@given(data=st.data())
def test_a_damaged_archive_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for i in range(3):
            opened.writestr(f"scans/{i}.xyz", CLOUD * 20)
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "scans.zip").write_bytes(content)
    (folder / "into").mkdir()
    try:
        found = drain(unpack(folder / "scans.zip", folder / "into"))
    except InputError:
        return
    assert all(path.parent == folder / "into" for path in found.scans)
