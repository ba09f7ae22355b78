"""Files of weights: what goes in comes out, and nothing else is taken for weights."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.poisson.learned import weights
from core.poisson.learned.weights import Weights, available, find, from_bytes, keep

ABOUT = {
    "network": "stencil",
    "architecture": {"dim": 2, "levels": 0},
    "boundary": "box",
    "curve": [[0.0, 1.0]],
}


def some() -> Weights:
    rng = np.random.default_rng(0)
    tensors = {"a.weight": rng.standard_normal((3, 2, 1)), "b": rng.standard_normal(5)}
    return Weights({name: t.astype(np.float32) for name, t in tensors.items()}, ABOUT)


def test_what_goes_in_comes_out() -> None:
    read = from_bytes(some().to_bytes(), "file")
    assert read.about == ABOUT
    assert list(read.tensors) == ["a.weight", "b"]
    for name, tensor in some().tensors.items():
        np.testing.assert_array_equal(read.tensors[name], tensor)


def test_the_file_is_what_the_format_says() -> None:
    data = some().to_bytes()
    (length,) = struct.unpack_from("<Q", data)
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    assert header["b"] == {"dtype": "F32", "shape": [5], "data_offsets": [24, 44]}
    np.testing.assert_array_equal(np.frombuffer(data[8 + length + 24 :], "<f4"), some().tensors["b"])


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    data = some().to_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"short", b"\xff" * 64, struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 2) + b"[]",
        b"\x80\x04\x95" + b"\0" * 40, some().to_bytes()[:-1],
        changed(lambda h: h["b"].update(shape=[6])), changed(lambda h: h["b"].update(shape=[-5])),
        changed(lambda h: h["b"].update(data_offsets=[-20, 0])),
        changed(lambda h: h["b"].update(dtype="F64")), changed(lambda h: h.update(b=3)),
        changed(lambda h: h["b"].update(data_offsets=[24, 10**12])), changed(lambda h: h.pop("__metadata__")),
        changed(lambda h: h["__metadata__"].update(iterscope="[1]")),
        struct.pack("<Q", 10**9) + b"[" * 10**5, struct.pack("<Q", 10**5) + b"[" * 10**5,
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(InputError, match=r"upload\.safetensors: expected weights saved by iterscope"):
        from_bytes(data, "upload.safetensors")


def test_weights_that_are_not_numbers_are_refused() -> None:
    bad = some()
    bad.tensors["b"][2] = np.nan
    with pytest.raises(InputError, match="NaN or infinity in b"):
        from_bytes(bad.to_bytes(), "file")


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep(some())
    monkeypatch.setattr(weights, "MAX_BYTES", 10)
    assert kept.hash not in {entry.hash for entry in available()}


def test_kept_weights_are_found_by_hash_and_listed_behind_those_of_the_app() -> None:
    kept = keep(some())
    assert find(kept.hash).about == ABOUT
    listed = available()
    assert [entry.shipped for entry in listed] == sorted((e.shipped for e in listed), reverse=True)
    assert listed[-1].name == listed[-1].hash == kept.hash
    assert keep(some()).hash == kept.hash
    assert len(available()) == len(listed)


def test_a_file_that_is_broken_is_left_out_of_the_list() -> None:
    keep(some())
    (weights.home() / "broken.safetensors").write_bytes(b"nothing")
    assert "broken" not in {entry.name for entry in available()}
    with pytest.raises(InputError, match="weights saved by iterscope"):
        find("broken")


@pytest.mark.parametrize("name", ["", "../poisson_d", "a/b", "a.b", "A", "x" * 65, "poisson_d\n"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(InputError, match="a name or the 16 digits of a hash"):
        find(name)


@pytest.mark.parametrize("entry", [e for e in available() if e.shipped], ids=lambda e: e.name)
def test_what_comes_with_the_app_is_small_complete_and_described(entry: weights.Entry) -> None:
    path = weights.SHIPPED / f"{entry.name}.safetensors"
    assert path.stat().st_size < 200_000
    document = json.loads(path.with_suffix(".json").read_text())
    assert document["hash"] == entry.hash == find(entry.name).hash
    assert document["step"] == document["steps"]
    assert not document["checkpoint"]
    assert document["measured"]
    assert entry.name == f"poisson_{document['preset']}"


def test_nothing_of_a_partial_file_is_left(tmp_path: Path) -> None:
    keep(some(), "mine", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.safetensors"]
