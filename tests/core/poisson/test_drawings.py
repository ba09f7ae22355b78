"""Masks to begin a painting with, and paintings from the browser."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.errors import InputError
from core.iterate import Status
from core.poisson import drawings
from core.poisson.files import read_flags
from core.poisson.system import FLUID, SOLID
from tests.oracles_poisson import solve, system


def coded(flags: np.ndarray) -> list[int]:
    return [n for value, run in groupby(flags.ravel().tolist()) for n in (value, len(list(run)))]


@pytest.mark.parametrize("side", drawings.SIDES)
@pytest.mark.parametrize("name", drawings.BEGINNINGS)
def test_every_beginning_leaves_fluid_and_fits_the_file_format(name: str, side: int, tmp_path: Path) -> None:
    flags = drawings.beginning(name, side, seed=3)
    assert flags.shape == (side, side)
    assert (flags == FLUID).mean() > 0.3
    assert (flags == SOLID).any() == (name != "nothing")
    path = tmp_path / "mask.npy"
    path.write_bytes(drawings.as_npy(flags))
    np.testing.assert_array_equal(read_flags(path), flags)


def test_a_beginning_can_be_solved(tmp_path: Path) -> None:
    path = tmp_path / "mask.npy"
    path.write_bytes(drawings.as_npy(drawings.beginning("walls with gaps", 64)))
    given = system("painted", mask=str(path), boundary="walls")
    assert given.singular == 1  # one piece: the gaps are open
    assert solve(given, "multigrid_pcg").status is Status.CONVERGED


@given(arrays.arrays(np.int8, (32, 32), elements=st.integers(0, 3)))
def test_a_painting_comes_back_from_its_runs(flags: np.ndarray) -> None:
    np.testing.assert_array_equal(drawings.flags_of_runs([32, 32], coded(flags)), flags)


@pytest.mark.parametrize(
    ("shape", "runs", "message"),
    [
        ([32, 32], [2, 1023], "1024 cells"),
        ([32, 32], [2, 10**12], "1024 cells"),
        ([32, 32], [2, 1025, 2, -1], "1024 cells"),
        ([32, 32], [4, 1024], "flags from 0 to 3"),
        ([32, 32], [-1, 1024], "flags from 0 to 3"),
        ([33, 32], [2, 1056], "sides of"),
        ([32], [2, 32], "rows, columns"),
        ([32, 32], [2], "rows, columns"),
        ([32, 32], [], "1024 cells"),
        ([32, 32], ["2", 1024], "rows, columns"),
        ([32, 32], [2.0, 1024], "rows, columns"),
    ],
)
def test_a_painting_that_is_none_is_refused_in_words(shape: list, runs: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        drawings.flags_of_runs(shape, runs)
