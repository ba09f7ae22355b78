"""Compiled kernels: one signature, compiled on first use or ahead."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.linalg.compiled import Kernels
from core.poisson import kernels


def test_a_kernel_is_compiled_at_its_first_call_and_takes_one_type() -> None:
    family = Kernels({"nogil": True})

    @family.add("doubling", "float64(float64[::1])")
    def double(values: np.ndarray) -> float:
        """Twice the first value."""
        return float(2.0 * values[0])

    assert not family.ready()
    assert double.__doc__ == "Twice the first value."
    assert double(np.array([1.5])) == 3.0
    assert family.ready()
    with pytest.raises(TypeError):
        double(np.array([1], np.int64))


def test_compiling_ahead_says_what_it_compiles() -> None:
    stages = list(kernels.COMPILED.compile_all())
    assert kernels.COMPILED.ready()
    assert [stage.done for stage in stages] == list(range(len(stages)))
    assert all(stage.total == len(stages) and stage.stage.startswith("compiling") for stage in stages)


def test_threads_that_want_a_kernel_at_once_all_get_it() -> None:
    family, start = Kernels({"nogil": True}), threading.Barrier(6)

    @family.add("tripling", "float64(float64)")
    def triple(value: float) -> float:
        return 3.0 * value

    def call(value: float) -> float:
        start.wait()
        return triple(value)

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(call, range(6))) == [0.0, 3.0, 6.0, 9.0, 12.0, 15.0]
