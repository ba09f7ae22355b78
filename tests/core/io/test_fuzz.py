"""Damaged files of every format: each ends as a point cloud or one sentence, whatever the child suffers."""

from __future__ import annotations

import io
import re
import resource
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.io.isolation import Parser
from core.io.pointcloud import MAX_POINTS
from core.iterate import drain
from tests.core.io import seed_files

#: Damaged files a format; twenty-one formats make 3,360.
MUTATIONS = 160
#: Numbers that a lying header may hold.
LIES = (-(2**63), -1, 0, 1, 2, 255, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 10**12, 2**63 - 1, 10**19)
Random = np.random.Generator
Mutator = Callable[[bytes, Random], bytes]


def flip(data: bytes, random: Random) -> bytes:
    """Change up to eight bytes."""
    changed = bytearray(data)
    for at in random.integers(0, len(data), random.integers(1, 9)):
        changed[at] ^= int(random.integers(1, 256))
    return bytes(changed)


def flip_head(data: bytes, random: Random) -> bytes:
    """Change up to four of the first 400 bytes."""
    return flip(data[:400], random) + data[400:]


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.integers(0, len(data))]


def insert(data: bytes, random: Random) -> bytes:
    at = random.integers(0, len(data) + 1)
    return data[:at] + random.bytes(int(random.integers(1, 40))) + data[at:]


def move(data: bytes, random: Random) -> bytes:
    """Copy a piece of the file over another place, or cut it out."""
    a, b, to = sorted(random.integers(0, len(data) + 1, 3))
    return data[:a] + data[b:] if random.random() < 0.5 else data[:to] + data[a:b] + data[to:]


def edit_number(data: bytes, random: Random) -> bytes:
    """Replace a decimal number of the text header."""
    numbers = list(re.finditer(rb"-?\d+", data[:1500]))
    if not numbers:
        return edit_field(data, random)
    chosen = numbers[random.integers(0, len(numbers))]
    lie = str(LIES[random.integers(0, len(LIES))]).encode()
    return data[: chosen.start()] + lie + data[chosen.end() :]


def edit_field(data: bytes, random: Random) -> bytes:
    """Overwrite a binary number of 2, 4 or 8 bytes in the first 400 bytes."""
    size = int(random.choice((2, 4, 8)))
    lie = (LIES[random.integers(0, len(LIES))] % 2 ** (8 * size)).to_bytes(size, "little")
    at = random.integers(0, max(1, min(400, len(data)) - size))
    return data[:at] + lie + data[at + size :]


MUTATORS: tuple[Mutator, ...] = (flip, flip_head, truncate, insert, move, edit_number, edit_field)


def mutated(data: bytes, random: Random) -> bytes:
    """Apply one mutator, sometimes two."""
    for _ in range(random.integers(1, 3)):
        data = MUTATORS[random.integers(0, len(MUTATORS))](data, random) or data
    return data


def crc32c_table() -> tuple[int, ...]:
    """Return the 256 remainders of the reflected Castagnoli polynomial."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


TABLE = crc32c_table()


def crc32c(data: bytes) -> int:
    remainder = 0xFFFFFFFF
    for byte in data:
        remainder = TABLE[(remainder ^ byte) & 255] ^ (remainder >> 8)
    return remainder ^ 0xFFFFFFFF


def with_checksums(data: bytes) -> bytes:
    """Return an E57 whose pages of 1,024 bytes end with their right checksum."""
    pages = [data[at : at + 1024] for at in range(0, len(data), 1024)]
    return b"".join(p[:1020] + crc32c(p[:1020]).to_bytes(4, "big") if len(p) == 1024 else p for p in pages)


def mutated_e57(data: bytes, random: Random) -> bytes:
    """Damage the content of the pages, half of the time in the XML part, and repair the checksums."""
    if random.random() < 0.5:
        at = data.index(b"<?xml")
        text = data[at:]
        numbers = list(re.finditer(rb"-?\d+", text))
        chosen = numbers[random.integers(0, len(numbers))]
        lie = str(LIES[random.integers(0, len(LIES))]).encode()[: len(chosen[0])].rjust(len(chosen[0]), b"0")
        data = data[:at] + text[: chosen.start()] + lie + text[chosen.end() :]
    if random.random() < 0.7:
        data = mutated(data, random)
    return with_checksums(data)


def mutated_npz(data: bytes, random: Random) -> bytes:
    """Damage the archive, or an array in it under a right checksum."""
    if random.random() < 0.5:
        return mutated(data, random)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, mutated(old.read(member), random))
    return stream.getvalue()


SPECIAL: dict[str, Mutator] = {"e57": mutated_e57, "npz": mutated_npz}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, bytes]]:
    return seed_files.all_formats(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    parser = Parser(seconds=3.0)
    yield parser
    parser.close()


FORMATS = (
    "ply ascii", "ply little endian", "ply big endian", "ply lists", "pcd ascii", "pcd binary",
    "pcd compressed", "kitti", "xyz", "csv", "xyzrgb", "pts", "ptx", "obj", "npy", "npz", "las", "laz", "e57",
    "vtk ascii", "vtk binary",
)  # fmt: skip


def test_the_checksums_that_the_mutator_repairs_are_those_of_the_format(
    seeds: dict[str, tuple[str, bytes]],
) -> None:
    # check value of CRC-32C for the nine digits (Castagnoli, Braeuer, Herrmann, IEEE Trans. Commun. 41, 1993)
    assert crc32c(b"123456789") == 0xE3069283
    assert with_checksums(seeds["e57"][1]) == seeds["e57"][1]


def test_every_format_is_fuzzed(seeds: dict[str, tuple[str, bytes]]) -> None:
    assert set(seeds) == set(FORMATS)
    assert MUTATIONS >= 150
    assert MUTATIONS * len(FORMATS) >= 2000


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(
    kind: str, seeds: dict[str, tuple[str, bytes]], parser: Parser, tmp_path: Path
) -> None:
    extension, valid = seeds[kind]
    path = tmp_path / f"scan{extension}"
    path.write_bytes(valid)
    assert len(drain(parser.read(path)).points) == 60

    random = np.random.default_rng([FORMATS.index(kind), 7])
    mutate = SPECIAL.get(kind, mutated)
    before, failures = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, parser.failures
    sentences: list[InputError] = []
    for _ in range(MUTATIONS):
        path.write_bytes(mutate(valid, random))
        try:
            cloud = drain(parser.read(path))
        except InputError as error:
            sentences.append(error)
        else:
            assert np.isfinite(cloud.points).all()
            assert len(cloud.points) <= MAX_POINTS
    assert sentences
    for error in sentences:
        assert error.what.startswith("scan")
        assert error.expected
        assert error.got
        assert "\n" not in str(error)
        assert len(str(error)) < 500
    # a reader says what is wrong; only compiled libraries may break the child
    if kind not in ("las", "laz", "e57"):
        assert parser.failures == failures
    # 1 KiB units: the parent holds no more than one cloud at a time
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024
    path.write_bytes(valid)
    assert len(drain(parser.read(path)).points) == 60
