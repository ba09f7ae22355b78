"""Files of users: by owner, within quotas, gone after a time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.errors import InputError
from core.uploads import KEEP_SECONDS, UploadStore


@pytest.fixture
def store(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path, owner_bytes=1000, total_bytes=2500)


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_an_owner_finds_the_file_and_nobody_else_does(store: UploadStore) -> None:
    upload = store.put("a", "source", "scan.ply", b"points")
    assert store.get("a")["source"] == upload
    assert upload.path.read_bytes() == b"points"
    assert store.get("b") == {}


@pytest.mark.parametrize("name", ["../../etc/passwd", "/root/x.ply", "..\\..\\x.ply", "-rf.ply", "", ".."])
def test_a_name_is_never_a_way_out_of_the_folder(store: UploadStore, tmp_path: Path, name: str) -> None:
    path = store.put("a", "source", name, b"x").path
    assert path.resolve().is_relative_to(tmp_path.resolve())
    assert not path.name.startswith(("-", "."))
    assert store.get("a")["source"].name == name


def test_a_replaced_file_stays_for_the_run_that_waits_for_it(store: UploadStore) -> None:
    first = store.put("a", "source", "one.ply", b"1")
    store.put("a", "source", "two.ply", b"2")
    assert first.path.read_bytes() == b"1"


def test_an_emptied_slot_holds_nothing_and_its_file_stays_for_the_run(store: UploadStore) -> None:
    upload = store.put("a", "source", "one.ply", b"1")
    store.empty("a", "source")
    store.empty("a", "target")
    assert store.get("a") == {}
    assert upload.path.read_bytes() == b"1"


def test_replaced_files_make_room_before_anything_is_refused(store: UploadStore, tmp_path: Path) -> None:
    for i in range(50):
        store.put("a", "source", "scan.ply", bytes([i]) * 400)
    assert store.get("a")["source"].path.read_bytes() == bytes([49]) * 400
    assert on_disk(tmp_path) <= 1000


def test_other_owners_replaced_files_make_room_too(store: UploadStore, tmp_path: Path) -> None:
    for owner in ("a", "b"):
        for i in range(2):
            store.put(owner, "source", "scan.ply", owner.encode() * (450 + i))
    store.put("c", "source", "scan.ply", b"c" * 900)
    store.put("c", "target", "scan.ply", b"d" * 90)
    assert on_disk(tmp_path) <= 2500
    assert all(store.get(owner)["source"].path.exists() for owner in "abc")


def test_a_quota_is_refused_in_words_and_costs_nothing(store: UploadStore) -> None:
    kept = store.put("a", "source", "scan.ply", b"k" * 600)
    with pytest.raises(InputError, match=r"big\.ply"):
        store.put("a", "target", "big.ply", b"b" * 600)
    assert store.get("a") == {"source": kept}
    assert kept.path.exists()


def test_an_unusable_file_leaves_the_disk(store: UploadStore, tmp_path: Path) -> None:
    store.put("a", "source.incoming", "bad.ply", b"bad")
    store.discard("a", "source.incoming")
    store.discard("a", "source.incoming")
    assert store.get("a") == {}
    assert on_disk(tmp_path) == 0


def test_discarding_spares_a_slot_that_holds_the_same_file(store: UploadStore) -> None:
    kept = store.put("a", "source", "scan.ply", b"same")
    store.put("a", "target.incoming", "scan.ply", b"same")
    store.discard("a", "target.incoming")
    assert kept.path.exists()


def test_swapping_works_with_one_slot_empty(store: UploadStore) -> None:
    one, two = store.put("a", "source", "1.ply", b"1"), store.put("a", "target", "2.ply", b"2")
    store.swap("a", "source", "target")
    assert store.get("a") == {"source": two, "target": one}
    store.move("a", "target", "source")
    store.swap("a", "source", "target")
    assert store.get("a") == {"target": one}


def test_files_go_after_a_time_without_a_visit(store: UploadStore) -> None:
    path = store.put("a", "source", "1.ply", b"1").path
    now = time.monotonic()
    store.sweep(now + KEEP_SECONDS - 60.0)
    assert path.exists()
    store.sweep(now + KEEP_SECONDS + 60.0)
    assert not path.exists()
    assert store.get("a") == {}
