"""What a run leaves behind: columns of numbers and thinned snapshots, read through frozen views.

One writer (the runner) appends, any number of readers take views; a view never changes and never shows a
half-written row. Knows no lab.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array, Iterate, Lazy, Status, Work

#: Bytes of snapshots that a trace may hold.
SNAPSHOT_BUDGET = 64 * 2**20
#: Bytes that the interpreter needs for a snapshot and for each of its arrays, beside the numbers.
SNAPSHOT_OVERHEAD, ARRAY_OVERHEAD = 400, 150

_WORK = tuple(f.name for f in dataclasses.fields(Work))
Snapshot = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class TraceView:
    """The first n iterates of a trace, frozen.

    Attributes
    ----------
    k, seconds : (n,); seconds is the CPU time of a solver's thread, of an analysis the time by
        the clock; snapshots and pauses excluded.
    scalars, work : name → (n,) float64, NaN where not recorded.
    snapshots : kept k → name → array; "x" is the primary unknown.
    status, note : of the newest iterate.
    setup_seconds : of the method's own preparation (factors, hierarchies), the problem's not included; CPU
        time, as of iterates.
    """

    k: NDArray[np.int64]
    seconds: Array
    scalars: Mapping[str, Array]
    work: Mapping[str, Array]
    snapshots: Mapping[int, Snapshot]
    status: Status
    note: str
    setup_seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.k)

    @property
    def kept(self) -> NDArray[np.int64]:
        """The k of the kept snapshots, ascending."""
        return np.array(sorted(self.snapshots), dtype=np.int64)

    def nearest(self, k: int) -> int:
        """Return the kept k closest to `k`; ValueError if nothing is kept."""
        if not self.snapshots:
            raise ValueError("the trace holds no snapshot")
        return min(self.snapshots, key=lambda kept: (abs(kept - k), kept))

    def snapshot(self, name: str, k: int) -> NDArray[Any]:
        """Return the array `name` of the kept iterate nearest to k; KeyError if it was never recorded."""
        return self.snapshots[self.nearest(k)][name]

    def last(self, name: str) -> NDArray[Any]:
        """Return the array `name` of the newest kept iterate."""
        return self.snapshots[max(self.snapshots)][name]

    def final_scalars(self) -> dict[str, float]:
        """Return the newest value of every scalar."""
        return {name: float(column[-1]) for name, column in self.scalars.items() if len(column)}

    def trace_hash(self) -> str:
        """SHA-256 over k, kept x, scalars, work and status; seconds are not in it."""
        digest = hashlib.sha256(self.k.tobytes())
        for k in self.kept:
            digest.update(np.ascontiguousarray(self.snapshots[int(k)]["x"]).tobytes())
        for columns in (self.scalars, self.work):
            for name in sorted(columns):
                digest.update(name.encode() + columns[name].tobytes())
        digest.update(self.status.name.encode())
        return digest.hexdigest()


class Trace:
    """Append-only recorder of one member of a run.

    Parameters
    ----------
    scalars : names of the columns, as the method declares them.
    yardstick : the column whose smallest value marks the best iterate.
    budget : bytes of snapshots; past it every other snapshot is dropped and the stride doubles. First, best
        and, at a pause or the end, last are always kept.
    newest_only : keep just the newest snapshot (analyses, whose items hold the whole array so far).
    """

    def __init__(
        self,
        scalars: Iterable[str],
        yardstick: str,
        budget: int = SNAPSHOT_BUDGET,
        newest_only: bool = False,
    ) -> None:
        self._names = tuple(scalars)
        self._yardstick = yardstick
        self._budget = budget
        self._newest_only = newest_only
        #: see `TraceView`
        self.setup_seconds = 0.0
        self._n = 0
        self._rows = np.empty((2 + len(_WORK) + len(self._names), 64))
        self._snapshots: dict[int, Snapshot] = {}
        self._bytes = 0
        self._stride = 1
        self._best: tuple[float, int] = (np.inf, 0)
        self._last: Iterate | None = None
        # kept for a pause only: what a trace holds in the end must not depend on where it was paused
        self._paused: dict[int, Snapshot] = {}
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes that columns and snapshots take."""
        return self._rows.nbytes + self._bytes

    def append(self, iterate: Iterate, seconds: float) -> None:
        """Record an iterate; lazy arrays are evaluated here if it is kept.

        Raises
        ------
        ValueError
            If k does not rise by one from 0 or a scalar was not declared.
        """
        if iterate.k != (expected := 0 if self._last is None else self._last.k + 1):
            raise ValueError(f"k = {iterate.k} came where k = {expected} was due")
        if undeclared := set(iterate.scalars) - set(self._names):
            raise ValueError(f"undeclared scalars {sorted(undeclared)}")
        work = [float(getattr(iterate.work, name)) for name in _WORK]
        row = [iterate.k, seconds, *work, *(iterate.scalars.get(name, np.nan) for name in self._names)]
        value = iterate.scalars.get(self._yardstick, np.nan)
        is_best = value < self._best[0]
        wanted = is_best or iterate.k % self._stride == 0 or iterate.status.terminal or self._newest_only
        kept = _evaluate(iterate) if wanted else None
        with self._lock:
            if self._n == self._rows.shape[1]:
                self._rows = np.concatenate([self._rows, np.empty_like(self._rows)], axis=1)
            self._rows[:, self._n] = row
            self._n += 1
            self._last = iterate
            self._paused = {}
            if is_best:
                self._drop_best()
                self._best = (value, iterate.k)
            if kept is not None:
                self._keep(iterate.k, kept)

    def keep_last(self) -> None:
        """Keep the newest iterate until the next one; to be called before the method is pulled again."""
        if self._last is not None and self._last.k not in self._snapshots:
            snapshot = _evaluate(self._last)
            with self._lock:
                self._paused = {self._last.k: snapshot}

    def end(self, status: Status, note: str) -> None:
        """Overrule the newest status: the runner saw what the method did not."""
        if self._last is None:
            raise ValueError("nothing was recorded")
        with self._lock:
            self._last = dataclasses.replace(self._last, status=status, note=note)

    def _keep(self, k: int, snapshot: Snapshot) -> None:
        if self._newest_only:
            self._snapshots, self._bytes = {k: snapshot}, _size(snapshot)
            return
        self._snapshots[k] = snapshot
        size = _size(snapshot)
        self._bytes += size
        # room for one more is left, for the newest iterate at a pause
        while self._bytes + size > self._budget and len(self._snapshots) > 3:
            self._stride *= 2
            always = {0, self._best[1], k}
            for j in [j for j in self._snapshots if j % self._stride and j not in always]:
                self._bytes -= _size(self._snapshots.pop(j))

    def _drop_best(self) -> None:
        """Drop the snapshot that was kept for being the best so far, unless it is on the stride."""
        k = self._best[1]
        if k % self._stride and k in self._snapshots:
            self._bytes -= _size(self._snapshots.pop(k))

    def view(self) -> TraceView:
        """Return what has been recorded so far; cheap, columns are not copied."""
        with self._lock:
            rows = self._rows[:, : self._n]
            snapshots = MappingProxyType({**self._snapshots, **self._paused})
            last = self._last
        rows.flags.writeable = False
        columns = dict(zip((*_WORK, *self._names), rows[2:], strict=True))
        return TraceView(
            k=_frozen(rows[0].astype(np.int64)),
            seconds=rows[1],
            scalars=MappingProxyType({name: columns[name] for name in self._names}),
            work=MappingProxyType({name: columns[name] for name in _WORK}),
            snapshots=snapshots,
            status=last.status if last else Status.RUNNING,
            note=last.note if last else "",
            setup_seconds=self.setup_seconds,
        )


def _size(snapshot: Snapshot) -> int:
    return SNAPSHOT_OVERHEAD + sum(array.nbytes + ARRAY_OVERHEAD for array in snapshot.values())


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _evaluate(iterate: Iterate) -> Snapshot:
    lazy: dict[str, Lazy] = {"x": iterate.x, **iterate.arrays}
    return MappingProxyType(
        {name: _frozen(value if isinstance(value, np.ndarray) else value()) for name, value in lazy.items()}
    )


_PREFIX = "snapshot."


def to_parquet(view: TraceView, target: Path | IO[bytes], metadata: Mapping[str, Any]) -> None:
    """Write a view: a column for each number, a binary column (.npy bytes) for each snapshot name.

    Parameters
    ----------
    metadata : JSON-ready; stands under ``iterscope`` in the schema, beside status and note.
    """
    names = sorted({name for snapshot in view.snapshots.values() for name in snapshot})
    columns: dict[str, Any] = {"k": view.k, "seconds": view.seconds}
    columns |= {f"work.{name}": column for name, column in view.work.items()}
    columns |= dict(view.scalars)
    for name in names:
        kept = (view.snapshots.get(int(k), {}).get(name) for k in view.k)
        cells = [None if array is None else _npy(array) for array in kept]
        columns[_PREFIX + name] = pa.array(cells, type=pa.binary())
    header = {
        **metadata, "status": view.status.name, "note": view.note, "setup_seconds": view.setup_seconds,
        "scalars": list(view.scalars),
    }  # fmt: skip
    table = pa.table(columns).replace_schema_metadata({"iterscope": json.dumps(header)})
    pq.write_table(table, target, compression="zstd", write_statistics=False, use_dictionary=False)


def from_parquet(source: Path | IO[bytes]) -> tuple[TraceView, dict[str, Any]]:
    """Read what `to_parquet` wrote; returns the view and the metadata.

    Raises
    ------
    InputError
        If the file cannot be read, is no Parquet file or was not written by `to_parquet`.
    """
    name = source.name if isinstance(source, Path) else "trace"
    try:
        with pq.ParquetFile(source) as file:
            table = file.read()
        header = json.loads(table.schema.metadata[b"iterscope"])
        return _view_of(table, header), header
    except (OSError, EOFError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(name, "a trace written by iterscope", reason) from None


def _view_of(table: pa.Table, header: dict[str, Any]) -> TraceView:
    """Return the view that a table holds; takes what `to_parquet` added out of its header."""
    columns = {c: table[c] for c in table.column_names}
    ks = _frozen(columns["k"].to_numpy().astype(np.int64))
    snapshots: dict[int, dict[str, NDArray[Any]]] = {}
    for column in (c for c in columns if c.startswith(_PREFIX)):
        for k, cell in zip(ks, columns[column].to_pylist(), strict=True):
            if cell is not None:
                array = np.load(io.BytesIO(cell), allow_pickle=False)
                snapshots.setdefault(int(k), {})[column.removeprefix(_PREFIX)] = _frozen(array)
    numbers = {
        c: _frozen(columns[c].to_numpy().astype(np.float64))
        for c in ("seconds", *header["scalars"], *(f"work.{w}" for w in _WORK))
    }
    return TraceView(
        k=ks,
        seconds=numbers["seconds"],
        scalars=MappingProxyType({c: numbers[c] for c in header.pop("scalars")}),
        work=MappingProxyType({w: numbers[f"work.{w}"] for w in _WORK}),
        snapshots=MappingProxyType({k: MappingProxyType(snapshots[k]) for k in sorted(snapshots)}),
        status=Status[header.pop("status")],
        note=header.pop("note"),
        setup_seconds=header.pop("setup_seconds", 0.0),
    )


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
