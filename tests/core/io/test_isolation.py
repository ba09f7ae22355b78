"""The parser process: same result as in this process, cancelling, time-outs, deaths, several callers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError
from core.io.isolation import Parser
from core.io.pointcloud import PointCloud, read, read_isolated
from core.iterate import Preparation, drain
from tests.core.io import seed_files

ROOT = Path(__file__).parents[3]


@pytest.fixture
def parser() -> Iterator[Parser]:
    parser = Parser(seconds=20.0)
    yield parser
    parser.close()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.pcd"
    path.write_bytes(seed_files.pcd(seed_files.points()))
    return path


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Return a text file that takes about a second."""
    path = tmp_path / "slow.xyz"
    path.write_text("1.25 2.5 3.75\n" * 1_500_000)
    return path


def until(preparation: Preparation[PointCloud], stage: str) -> None:
    """Pull until a stage is reached."""
    while next(preparation).stage != stage:
        pass


def process_of(parser: Parser) -> int:
    assert parser._child is not None
    return parser._child.pid


def test_the_child_gives_the_same_cloud(tmp_path: Path) -> None:
    rgb = np.arange(180, dtype=np.uint8).reshape(60, 3)
    path = tmp_path / "a.npz"
    path.write_bytes(
        seed_files.npz(xyz=seed_files.points(), intensity=np.arange(60), colors=rgb, normals=np.ones((60, 3)))
    )
    here, there = read(path), drain(read_isolated(path, name="öü 测试.npz"))
    for name in ("points", "intensity", "rgb", "normals"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
        assert getattr(here, name).dtype == getattr(there, name).dtype
    assert here.notes == there.notes
    assert there.name == "öü 测试.npz"


def test_the_stages_are_reported(parser: Parser, small: Path) -> None:
    stages = {p.stage: p for p in parser.read(small)}
    assert [s for s in stages if s in ("received", "parsed", "cleaned")] == ["received", "parsed", "cleaned"]
    assert stages["received"].done == small.stat().st_size
    assert stages["parsed"].done == 60


def test_an_error_crosses_the_border_with_its_four_parts(parser: Parser, tmp_path: Path) -> None:
    path = tmp_path / "words.xyz"
    path.write_text("1 2 3\n4 five 6\n")
    with pytest.raises(InputError) as there:
        drain(parser.read(path))
    with pytest.raises(InputError) as here:
        read(path)
    assert str(there.value) == str(here.value)
    assert there.value.hint == here.value.hint
    assert parser.deaths == 0


def test_one_child_reads_many_files(parser: Parser, small: Path) -> None:
    drain(parser.read(small))
    first = process_of(parser)
    for _ in range(5):
        drain(parser.read(small))
    assert process_of(parser) == first


def test_a_cancelled_read_ends_the_busy_child_and_the_next_one_works(
    parser: Parser, slow: Path, small: Path
) -> None:
    reading = parser.read(slow)
    until(reading, "parsing")
    busy = process_of(parser)
    reading.close()
    with pytest.raises(ProcessLookupError):
        os.kill(busy, 0)
    assert len(drain(parser.read(small)).points) == 60


def test_the_death_of_the_child_is_one_sentence(parser: Parser, slow: Path, small: Path) -> None:
    reading = parser.read(slow)
    until(reading, "parsing")
    os.kill(process_of(parser), signal.SIGKILL)
    with pytest.raises(InputError, match=r"slow\.xyz: expected a file that its reader can finish"):
        drain(reading)
    assert parser.deaths == 1
    assert len(drain(parser.read(small)).points) == 60


def test_a_child_that_died_while_idle_is_replaced_silently(parser: Parser, small: Path) -> None:
    drain(parser.read(small))
    os.kill(process_of(parser), signal.SIGKILL)
    time.sleep(0.1)
    assert len(drain(parser.read(small)).points) == 60
    assert parser.deaths == 0


def test_a_hanging_child_is_ended_after_the_limit(slow: Path, small: Path) -> None:
    parser = Parser(seconds=0.5)
    reading = parser.read(slow)
    until(reading, "parsing")
    hanging = process_of(parser)
    os.kill(hanging, signal.SIGSTOP)
    with pytest.raises(InputError, match=r"slow\.xyz: expected a file that is read within 0\.5 s"):
        drain(reading)
    with pytest.raises(ProcessLookupError):
        os.kill(hanging, 0)
    assert len(drain(parser.read(small)).points) == 60
    parser.close()


def test_a_file_that_needs_too_much_memory_is_one_sentence(slow: Path, small: Path) -> None:
    parser = Parser(memory=256 * 2**20)
    assert len(drain(parser.read(small)).points) == 60
    with pytest.raises(InputError, match=r"slow\.xyz: expected a file (that|its)"):
        drain(parser.read(slow))
    assert len(drain(parser.read(small)).points) == 60
    parser.close()


def test_several_callers_wait_for_their_turn(parser: Parser, tmp_path: Path) -> None:
    paths = []
    for i in range(6):
        paths.append(tmp_path / f"{i}.xyz")
        paths[-1].write_text(f"{i} 0 0\n" * (20_000 + i))
    results: dict[int, PointCloud] = {}
    waited = []

    def work(i: int) -> None:
        reading = parser.read(paths[i])
        while True:
            try:
                waited.append(next(reading).stage)
            except StopIteration as end:
                results[i] = end.value
                return

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(6):
        assert results[i].points.shape == (20_000 + i, 3)
        assert (results[i].points[:, 0] == i).all()
    assert "waiting for another file" in waited


def test_the_child_imports_nothing_heavy() -> None:
    program = (
        "import sys, core.io.parser, core.io.pointcloud, core.io.formats.text\n"
        "print([m for m in ('numba', 'torch', 'open3d', 'streamlit', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_child_ends_when_its_parent_is_killed(small: Path) -> None:
    program = (
        "import sys, time\n"
        "from core.io.isolation import Parser\n"
        "from core.iterate import drain\n"
        "parser = Parser()\n"
        "drain(parser.read(sys.argv[1]))\n"
        "print(parser._child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(small)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        if not running(child):
            return
        time.sleep(0.05)
    pytest.fail("the parser process outlived its parent by ten seconds")


def running(pid: int) -> bool:
    """Whether a process exists and is no zombie that nobody has collected yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
