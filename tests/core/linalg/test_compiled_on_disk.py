"""Kernels kept on disk: what is loaded again, and what is compiled anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.linalg.compiled import source_stamp

ROOT = Path(__file__).parents[3]

CALLER = """
from core.linalg.compiled import Kernels
from package.callee import OFFSET, change

@Kernels({"nogil": True}).add("tiny", "float64(float64)")
def tiny(x):
    return change(x) + OFFSET
"""
CALLEE = """
import numba

OFFSET = {offset}

@numba.njit(nogil=True)
def change(x):
    return {factor} * x
"""
#: Prints the value and whether the code was loaded.
CALL = "from package.caller import tiny; print(tiny(3.0), bool(tiny._dispatcher.stats.cache_hits))"


class Package:
    """A kernel in one file that calls a function in another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = folder / "package"
        self.sources.mkdir()
        (self.sources / "__init__.py").touch()
        (self.sources / "caller.py").write_text(CALLER)

    def run(self, factor: float, offset: float) -> str:
        """Write the file that is called, run the kernel in a process of its own and return what it prints."""
        (self.sources / "callee.py").write_text(CALLEE.format(factor=factor, offset=offset))
        done = subprocess.run(
            [sys.executable, "-c", CALL],
            cwd=ROOT, capture_output=True, text=True, timeout=300,
            env={
                **os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1",
                "NUMBA_CACHE_DIR": "", "ITERSCOPE_HOME": str(self.folder),
            },
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


def test_a_kernel_is_compiled_anew_when_the_file_of_a_function_it_calls_changes(package: Package) -> None:
    assert package.run(2.0, 1.0) == "7.0 False"
    assert package.run(2.0, 1.0) == "7.0 True"
    assert package.run(4.0, 1.0) == "13.0 False"
    assert package.run(4.0, 5.0) == "17.0 False"
    caller = package.sources / "caller.py"
    caller.write_text("# one line further down\n" + caller.read_text())
    assert package.run(4.0, 5.0) == "17.0 False"
    # the code of earlier versions is not left behind
    assert len(list(package.folder.rglob("*.nbc"))) == 1


def test_the_stamp_follows_names_and_contents_of_sources_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "a.py").write_text("x = 1\n")
    assert source_stamp(one) == source_stamp(other)
    (other / "notes.txt").touch()
    assert source_stamp(one) == source_stamp(other)
    (other / "a.py").write_text("x = 2\n")
    assert source_stamp(one) != source_stamp(other)
    (other / "a.py").write_text("x = 1\n")
    (other / "a.py").rename(other / "b.py")
    assert source_stamp(one) != source_stamp(other)


#: Prints a hash of what the Schur complements' kernels give for fixed systems.
ANALYSE = """
import hashlib, numpy as np
from core.registration.degeneracy import analyse_degeneracy, analyse_history
J = np.random.default_rng(0).normal(size=(50, 100, 6))
H = J.transpose(0, 2, 1) @ J
history = analyse_history(H, threshold=5.0)
single = [analyse_degeneracy(h, threshold=5.0).vectors for h in H]
print(hashlib.sha256(history.vectors.tobytes() + np.stack(single).tobytes()).hexdigest())
"""


def test_a_process_that_compiles_kernels_gets_the_bits_of_one_that_loads_them(tmp_path: Path) -> None:
    def answer() -> str:
        done = subprocess.run(
            [sys.executable, "-c", ANALYSE], cwd=ROOT, capture_output=True, text=True, timeout=300,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    compiled = answer()
    assert list(tmp_path.rglob("*.nbc"))
    assert answer() == compiled
