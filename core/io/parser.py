"""The parser process, ``python -m core.io.parser``: reads files of strangers one by one, under limits.

It gets one JSON line a file on its standard input and answers with frames on its standard output: a JSON
header behind its length, then the raw bytes of the arrays that the header announces. It ends with its parent:
at the end of its input, and in the middle of a file at the latest when its own alarm rings.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.io.cloud import PointCloud
from core.io.reading import read_stages
from core.io.tabular import Table, read_table

#: The alarm rings this long [s] after the parent's own limit, which normally comes first.
_ALARM_GRACE = 5.0


def main() -> None:
    """Serve requests until the input ends. Arguments: memory limit [bytes] and time limit for a file [s]."""
    memory, seconds = int(sys.argv[1]), float(sys.argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    # whatever a library prints must not get among the answers
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _send(answers, {"kind": "ready"})
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, seconds + _ALARM_GRACE)
        healthy = _answer(answers, json.loads(line))
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        if not healthy:
            return


def _answer(answers: Any, request: Mapping[str, Any]) -> bool:
    """Read one file and send what came of it; False if this process should not read another one."""
    request = dict(request)
    try:
        if request.pop("table", False):
            _send_table(answers, read_table(**request))
            return True
        stages = read_stages(**request)
        while True:
            try:
                step = next(stages)
            except StopIteration as end:
                _send_cloud(answers, end.value)
                return True
            _send(answers, {"kind": "progress", "stage": step.stage, "done": step.done, "total": step.total})
    except InputError as error:
        fields = {"what": error.what, "expected": error.expected, "got": error.got, "hint": error.hint}
        _send(answers, {"kind": "error", "memory": _peak_memory(), **fields})
        return True
    except BrokenPipeError:
        return False
    except BaseException:  # a panic in a compiled library is no Exception
        _send(answers, {"kind": "failure", "trace": traceback.format_exc()[-4000:]})
        return False


def _send_cloud(answers: Any, cloud: PointCloud) -> None:
    present = {"intensity": cloud.intensity, "rgb": cloud.rgb, "normals": cloud.normals}
    arrays: list[NDArray[Any]] = [cloud.points, *(a for a in present.values() if a is not None)]
    head = {
        "kind": "cloud",
        "memory": _peak_memory(),
        "count": len(cloud.points),
        "name": cloud.name,
        "notes": cloud.notes,
        "arrays": [name for name, array in present.items() if array is not None],
    }
    _send(answers, head, *arrays)


def _send_table(answers: Any, table: Table) -> None:
    head = {
        "kind": "table", "memory": _peak_memory(), "name": table.name, "names": table.names,
        "rows": table.values.shape[1], "categories": table.categories,
    }  # fmt: skip
    _send(answers, head, table.values)


def _send(answers: Any, head: Mapping[str, Any], *arrays: NDArray[Any]) -> None:
    content = json.dumps(head).encode()
    answers.write(struct.pack("<I", len(content)) + content)
    for array in arrays:
        if array.size:
            answers.write(memoryview(np.ascontiguousarray(array).data).cast("B"))
    answers.flush()


def _peak_memory() -> int:
    """Return the largest resident size of this process so far [bytes].

    Linux counts the parent's size at the fork among a child's resource usage, so it is asked elsewhere.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
