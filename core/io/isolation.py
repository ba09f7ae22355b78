"""Reading of files of strangers in one long-lived child process, so that no file can take the server down.

A compiled reader may abort, hang or grow without bound on a damaged file. In the child this costs the child:
it is ended and replaced, and the user gets one sentence.
"""

from __future__ import annotations

import json
import logging
import os
import select
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.io.cloud import MAX_POINTS, PointCloud
from core.io.tabular import MAX_COLUMNS, MAX_ROWS, Table
from core.iterate import Preparation, Progress

#: Time limit for a file [s] and memory limit of the child [bytes].
SECONDS = 30.0
MEMORY = 2 * 2**30

#: Pause between two looks at the child [s]: each is a place where the caller may cancel.
_POLL = 0.05
#: Time for the child to start [s]; a busy machine takes long to import numpy.
_START = 60.0
_LONGEST_HEAD = 2**20
#: A child that once needed more than this [bytes] is replaced after its answer.
_WORN_OUT = 2**29
#: What the child does after the stage that it has just reported.
_NEXT_STAGE = {"received": "parsing", "parsed": "cleaning", "cleaned": "handing over"}
_LOG = logging.getLogger(__name__)


def read_isolated(
    path: str | Path, *, name: str | None = None, columns: int | None = None, scan: int | None = None
) -> Preparation[PointCloud]:
    """Read a point cloud in the shared child process; the arguments are those of `core.io.reading.read`.

    The generator yields `Progress` at least every 50 ms and returns the `PointCloud`; closing it cancels.
    Files of several callers are read one after the other.

    Raises
    ------
    InputError
        If the file cannot be read, takes too long, needs too much memory or breaks the reader.
    """
    return _SHARED.read(path, name=name, columns=columns, scan=scan)


def read_table_isolated(path: str | Path, *, name: str | None = None) -> Preparation[Table]:
    """Read a table in the shared child process, as `read_isolated` reads a point cloud.

    Raises
    ------
    InputError
        If the file is no table, takes too long, needs too much memory or breaks the reader.
    """
    return _SHARED.read_table(path, name=name)


class Parser:
    """A child process for parsing, started at the first file and again whenever it was lost.

    Parameters
    ----------
    seconds : time limit for a file.
    memory : limit of the child's address space [bytes].
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self.seconds, self.memory = seconds, memory
        #: Files that ended the child, by time or by death, and files at which a reader failed unexpectedly.
        self.deaths, self.failures = 0, 0
        self._worn = False
        self._turn = threading.Lock()
        self._child: _Child | None = None

    def read(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        columns: int | None = None,
        scan: int | None = None,
    ) -> Preparation[PointCloud]:
        """Read one file; see `read_isolated`."""
        if columns is not None and not 3 <= columns <= 8:
            raise ValueError(f"columns must be from 3 to 8, not {columns}")
        name = name or Path(path).name
        request = {"path": str(Path(path).absolute()), "name": name, "columns": columns, "scan": scan}
        return self._read(request, name)

    def read_table(self, path: str | Path, *, name: str | None = None) -> Preparation[Table]:
        """Read one table; see `read_table_isolated`."""
        name = name or Path(path).name
        return self._read({"path": str(Path(path).absolute()), "name": name, "table": True}, name)

    def close(self) -> None:
        """End the child; the next file starts another one."""
        with self._turn:
            self._end()

    def _read(self, request: dict[str, Any], name: str) -> Preparation[Any]:
        while not self._turn.acquire(blocking=False):
            yield Progress("waiting for another file")
            time.sleep(_POLL)
        kept = False
        try:
            yield Progress("reading")
            child = yield from self._started()
            child.send(request)
            found = yield from self._received(child, name)
            kept = not self._worn
            return found
        except InputError:
            kept = not self._worn
            raise
        except TimeoutError:
            self.deaths += 1
            raise InputError(
                name,
                f"a file that is read within {self.seconds:g} s",
                "one that takes longer",
                "take a part of it",
            ) from None
        except (EOFError, BrokenPipeError):
            self.deaths += 1
            raise InputError(
                name,
                "a file that its reader can finish",
                "damage that ended the reader",
                "export the file again, a scan as PLY, a table as CSV",
            ) from None
        finally:
            # also when the caller closes the generator in the middle of a file
            if not kept:
                self._end()
            self._turn.release()

    def _started(self) -> Generator[Progress, None, _Child]:
        """Return a living child that is ready."""
        if self._child is not None and self._child.alive:
            return self._child
        self._end()
        self._child = child = _Child(self.seconds, self.memory)
        try:
            yield from child.frame(Progress("starting the reader"), time.monotonic() + _START)
        except (EOFError, TimeoutError):
            self._end()
            raise RuntimeError("the parser process (python -m core.io.parser) does not start") from None
        return child

    def _received(self, child: _Child, name: str) -> Preparation[Any]:
        """Forward the child's progress and return its point cloud or table."""
        deadline = time.monotonic() + self.seconds
        now = Progress("reading")
        while True:
            head = yield from child.frame(now, deadline)
            self._worn = head.get("memory", 0) > _WORN_OUT
            match head["kind"]:
                case "progress":
                    yield Progress(head["stage"], head["done"], head["total"])
                    now = Progress(_NEXT_STAGE[head["stage"]])
                case "cloud":
                    return (yield from child.cloud(head, now, deadline))
                case "table":
                    return (yield from child.table(head, now, deadline))
                case "error":
                    raise InputError(head["what"], head["expected"], head["got"], head["hint"])
                case _:
                    self.failures += 1
                    _LOG.warning("a reader failed on %s:\n%s", name, head.get("trace", ""))
                    raise EOFError

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """The process, and frames from it without ever blocking for longer than `_POLL`."""

    def __init__(self, seconds: float, memory: int) -> None:
        command = [sys.executable, "-m", "core.io.parser", str(memory), str(seconds)]
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **one_thread},
            # Ctrl-C in a terminal is for the parent
            start_new_session=True,
        )
        self.end = weakref.finalize(self, _end_process, self._process)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def frame(self, now: Progress, deadline: float) -> Generator[Progress, None, dict[str, Any]]:
        """Return the next JSON header.

        Raises
        ------
        EOFError
            If the child died.
        TimeoutError
            If the deadline [s, monotonic] has passed.
        """
        length = np.empty(4, dtype=np.uint8)
        yield from self._fill(length, now, deadline)
        size = struct.unpack("<I", length.tobytes())[0]
        if size > _LONGEST_HEAD:
            raise EOFError
        content = np.empty(size, dtype=np.uint8)
        yield from self._fill(content, now, deadline)
        head: dict[str, Any] = json.loads(content.tobytes())
        return head

    def cloud(
        self, head: dict[str, Any], now: Progress, deadline: float
    ) -> Generator[Progress, None, PointCloud]:
        """Return the cloud whose arrays follow its header."""
        count = head["count"]
        if not 0 <= count <= MAX_POINTS:
            raise EOFError
        points = np.empty((count, 3))
        yield from self._fill(points, now, deadline)
        arrays: dict[str, NDArray[Any] | None] = {"intensity": None, "rgb": None, "normals": None}
        for name in head["arrays"]:
            array = np.empty(
                count if name == "intensity" else (count, 3), np.uint8 if name == "rgb" else np.float64
            )
            yield from self._fill(array, now, deadline)
            arrays[name] = array
        return PointCloud(points, **arrays, name=head["name"], notes=tuple(head["notes"]))

    def table(self, head: dict[str, Any], now: Progress, deadline: float) -> Generator[Progress, None, Table]:
        """Return the table whose columns follow its header."""
        names, rows = head["names"], head["rows"]
        if not 0 <= rows <= MAX_ROWS or not 0 < len(names) <= MAX_COLUMNS:
            raise EOFError
        values = np.empty((len(names), rows))
        yield from self._fill(values, now, deadline)
        return Table(tuple(names), values, tuple(tuple(c) for c in head["categories"]), head["name"])

    def _fill(self, array: NDArray[Any], now: Progress, deadline: float) -> Generator[Progress, None, None]:
        """Fill an array with the next bytes from the child."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        view = memoryview(array.data).cast("B") if array.size else memoryview(b"")
        while view:
            if not select.select([pipe], [], [], _POLL)[0]:
                if time.monotonic() > deadline:
                    raise TimeoutError
                yield now
                continue
            filled = os.readv(pipe, [view])
            if filled == 0:
                raise EOFError
            view = view[filled:]


def _end_process(process: subprocess.Popen[bytes]) -> None:
    """Kill a child and take away what is left of it."""
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                # a request that never got through
                continue
    process.wait()


_SHARED = Parser()
