"""Places first come, first served; the number of maths threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from core.admission import Admission, MathsThreads
from tests.toy_lab import wait_until


def test_places_go_to_those_who_came_first() -> None:
    admission, order = Admission(1), []
    never = threading.Event()
    assert admission.acquire("holder", never)

    def enter(name: int) -> None:
        admission.acquire(name, never)
        order.append(name)
        admission.release()

    threads = []
    for name in range(5):
        threads.append(threading.Thread(target=enter, args=(name,)))
        threads[-1].start()
        wait_until(lambda name=name: admission.position(name) == name + 1)
    admission.release()
    for thread in threads:
        thread.join(20)
    assert order == list(range(5))
    assert admission.position(0) == 0


def test_who_gives_up_leaves_the_line() -> None:
    admission, given_up = Admission(1), threading.Event()
    never = threading.Event()
    assert admission.acquire("holder", never)
    given_up.set()
    assert not admission.acquire("impatient", given_up)
    assert admission.position("impatient") == 0
    admission.release()
    assert admission.acquire("next", never)


def blas_threads() -> set[int]:
    return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}


@pytest.mark.skipif(not threadpool_info(), reason="no library whose threads can be counted")
def test_the_last_of_overlapping_runs_restores_the_threads_and_no_earlier_one() -> None:
    np.eye(2) @ np.eye(2)
    maths = MathsThreads()
    with threadpool_limits(2):
        first, second = maths.limited(1), maths.limited(1)
        first.__enter__()
        second.__enter__()
        assert blas_threads() == {1}
        first.__exit__(None, None, None)
        assert blas_threads() == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == {2}


def test_a_library_that_a_preparation_imports_gets_one_thread_too_and_its_own_back() -> None:
    # torch brings an OpenMP of its own: it must not be loaded yet, hence the process of its own
    code = (
        "from core.admission import MathsThreads\n"
        "threads = MathsThreads()\n"
        "with threads.limited(1):\n"
        "    import torch\n"
        "    before = torch.get_num_threads()\n"
        "    threads.limit_newcomers(1)\n"
        "    assert torch.get_num_threads() == 1, torch.get_num_threads()\n"
        "assert torch.get_num_threads() == before\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
