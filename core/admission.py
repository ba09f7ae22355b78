"""What the runs of one process share: places to compute in, and the number of maths threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


class Admission:
    """Places for runs that compute at the same time; first come, first served."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[object] = []
        self._changed = threading.Condition()

    def acquire(self, ticket: object, cancelled: threading.Event) -> bool:
        """Wait for a place; False if cancelled meanwhile."""
        with self._changed:
            self._waiting.append(ticket)
            try:
                while not cancelled.is_set():
                    if self._waiting[0] is ticket and self._free > 0:
                        self._free -= 1
                        return True
                    self._changed.wait(0.05)
                return False
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def release(self) -> None:
        """Give a place back."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def position(self, ticket: object) -> int:
        """Return the place in line, 1 = next; 0 = not waiting."""
        with self._changed:
            return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0


#: Runs of this process that may compute at the same time.
ADMISSION_PLACES = os.cpu_count() or 1
#: The process-wide admission of runs.
ADMISSION = Admission(ADMISSION_PLACES)


class MathsThreads:
    """The number of maths threads, limited while any run computes.

    OpenBLAS has one number for the process. Were each run to restore what it found, the first of two
    overlapping runs to end would give the other one more threads, and so other last digits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._before: list[threadpool_limits] = []

    @contextmanager
    def limited(self, threads: int) -> Iterator[None]:
        """Limit the calling thread to `threads`; the last run to leave restores what was before the first."""
        with self._lock:
            limits = threadpool_limits(threads)
            self._runs += 1
            if not self._before:
                self._before = [limits]
        try:
            yield
        finally:
            with self._lock:
                self._runs -= 1
                if self._runs == 0:
                    while self._before:
                        self._before.pop().restore_original_limits()

    def limit_newcomers(self, threads: int) -> None:
        """Limit what was loaded since `limited` was entered too: a lab may import torch in a preparation."""
        with self._lock:
            self._before.append(threadpool_limits(threads))


#: The process-wide number of maths threads.
MATHS_THREADS = MathsThreads()
