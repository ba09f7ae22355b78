"""The recorder: what it keeps, what readers see, what comes back from a file."""

from __future__ import annotations

import io
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Iterate, Status, Work
from core.trace import ARRAY_OVERHEAD, SNAPSHOT_OVERHEAD, Trace, TraceView, from_parquet, to_parquet

#: Bytes that a snapshot of ten numbers takes.
UNIT = SNAPSHOT_OVERHEAD + ARRAY_OVERHEAD + 80


def item(k: int, gap: float = 1.0, status: Status = Status.RUNNING, size: int = 10) -> Iterate:
    return Iterate(k, np.full(size, float(k)), {"gap": gap}, work=Work(operator=2 * k), status=status)


def record(gaps: list[float], budget: int = 2**20, *, ended: bool = True) -> TraceView:
    trace = Trace(["gap", "step"], "gap", budget)
    for k, gap in enumerate(gaps):
        last = ended and k == len(gaps) - 1
        trace.append(item(k, gap, Status.CONVERGED if last else Status.RUNNING), 0.5 * k)
    return trace.view()


def held(view: TraceView) -> int:
    return sum(
        SNAPSHOT_OVERHEAD + sum(ARRAY_OVERHEAD + a.nbytes for a in s.values())
        for s in view.snapshots.values()
    )


def test_columns_hold_what_was_appended_and_nan_where_nothing_was() -> None:
    view = record([3.0, 2.0, 1.0])
    assert view.k.tolist() == [0, 1, 2]
    assert view.seconds.tolist() == [0.0, 0.5, 1.0]
    assert view.scalars["gap"].tolist() == [3.0, 2.0, 1.0]
    assert np.isnan(view.scalars["step"]).all()
    assert view.work["operator"].tolist() == [0.0, 2.0, 4.0]
    assert view.status is Status.CONVERGED
    assert view.final_scalars()["gap"] == 1.0


def test_an_empty_trace_has_a_view() -> None:
    view = Trace(["gap"], "gap").view()
    assert len(view) == 0
    assert view.final_scalars() == {}
    assert view.status is Status.RUNNING
    with pytest.raises(ValueError, match="no snapshot"):
        view.nearest(0)


@pytest.mark.parametrize("ks", [(1,), (0, 2), (0, 0), (0, 1, 0)])
def test_k_that_does_not_rise_by_one_from_zero_is_refused(ks: tuple[int, ...]) -> None:
    trace = Trace(["gap"], "gap")
    for k in ks[:-1]:
        trace.append(item(k), 0.0)
    with pytest.raises(ValueError, match=f"k = {ks[-1]} came"):
        trace.append(item(ks[-1]), 0.0)


def test_an_undeclared_scalar_is_refused_and_leaves_no_row() -> None:
    trace = Trace(["gap"], "gap")
    with pytest.raises(ValueError, match="surprise"):
        trace.append(Iterate(0, np.zeros(1), {"surprise": 1.0}), 0.0)
    assert len(trace.view()) == 0


@given(
    gaps=st.lists(st.floats(0, 1e3) | st.just(math.nan), min_size=1, max_size=120),
    room=st.integers(4, 40),
)
def test_first_best_and_last_are_kept_within_the_budget(gaps: list[float], room: int) -> None:
    trace = Trace(["gap"], "gap", room * UNIT)
    for k, gap in enumerate(gaps):
        trace.append(item(k, gap, Status.CONVERGED if k == len(gaps) - 1 else Status.RUNNING), 0.0)
        assert held(trace.view()) <= room * UNIT
    kept = set(trace.view().snapshots)
    assert {0, len(gaps) - 1} <= kept
    finite = [(gap, k) for k, gap in enumerate(gaps) if not math.isnan(gap)]
    if finite:
        assert min(finite)[1] in kept
    for k, snapshot in trace.view().snapshots.items():
        assert (snapshot["x"] == k).all()


@pytest.mark.parametrize("falling", [True, False])
def test_what_is_kept_is_spread_over_the_whole_run(falling: bool) -> None:
    # every iterate of a falling yardstick is the best so far; that must not crowd out the history
    room, n = 20, 1000
    view = record([1.0 / (k + 1) if falling else 1.0 for k in range(n)], room * UNIT)
    gaps = np.diff(view.kept)
    # doubling leaves at least a quarter of the room in use (half after a thinning, less the reserve)
    assert len(view.kept) >= room // 4
    assert gaps.max() <= 4 * n / room


def test_lazy_arrays_are_evaluated_only_where_they_are_kept() -> None:
    calls: list[int] = []
    trace = Trace(["gap"], "gap", 12 * UNIT)
    for k in range(400):

        def x(k: int = k) -> NDArray[np.float64]:
            calls.append(k)
            return np.full(10, float(k))

        trace.append(Iterate(k, x, {"gap": 1.0}), 0.0)
    assert len(calls) == len(set(calls))
    assert set(trace.view().snapshots) <= set(calls)
    # 10 at stride 1, then half of the room at each of the strides 2, 4, …: far fewer than 400
    assert len(calls) <= 10 + 6 * math.ceil(math.log2(400 / 10))
    assert 399 not in calls
    trace.keep_last()
    assert calls[-1] == 399
    assert trace.view().last("x")[0] == 399.0


def test_a_pause_leaves_no_mark_on_what_is_kept() -> None:
    gaps = [1.0 + abs(k - 30) for k in range(200)]
    paused = Trace(["gap"], "gap", 12 * UNIT)
    for k, gap in enumerate(gaps):
        paused.append(item(k, gap), 0.5 * k)
        paused.keep_last()
        view = paused.view()
        assert k in view.snapshots
        assert held(view) <= 12 * UNIT
    straight = record(gaps, 12 * UNIT, ended=False)
    paused.append(item(200, 300.0), 0.0)
    assert set(paused.view().snapshots) - {200} == set(straight.snapshots) - {199}


def test_an_analysis_keeps_only_the_newest() -> None:
    trace = Trace(["gap"], "gap", newest_only=True)
    for k in range(50):
        trace.append(item(k, math.nan), 0.0)
        assert set(trace.view().snapshots) == {k}


def test_the_runner_can_overrule_the_status() -> None:
    trace = Trace(["gap"], "gap")
    with pytest.raises(ValueError, match="nothing"):
        trace.end(Status.DIVERGED, "")
    trace.append(item(0, math.inf), 0.0)
    trace.end(Status.DIVERGED, "gap = inf at k = 0")
    assert (trace.view().status, trace.view().note) == (Status.DIVERGED, "gap = inf at k = 0")


def test_nearest_prefers_the_earlier_of_two_equally_near() -> None:
    view = record([1.0] * 41, 8 * UNIT)
    a, b = (int(k) for k in view.kept[1:3])
    assert view.nearest(a) == a
    assert view.nearest((a + b) // 2) == a
    assert view.nearest(10**9) == 40
    assert view.snapshot("x", b)[0] == b
    with pytest.raises(KeyError):
        view.snapshot("p", 0)


def test_a_view_cannot_be_changed_and_does_not_change() -> None:
    trace = Trace(["gap"], "gap")
    for k in range(64):
        trace.append(item(k), 0.0)
    view = trace.view()
    for array in (view.k, view.seconds, view.scalars["gap"], view.work["operator"], view.last("x")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    with pytest.raises(TypeError):
        view.scalars["gap"] = view.seconds  # type: ignore[index]
    with pytest.raises(TypeError):
        view.snapshots[3] = {}  # type: ignore[index]
    before = view.trace_hash()
    for k in range(64, 300):  # past a doubling of the columns
        trace.append(item(k, 5.0), 0.0)
    assert len(view) == 64
    assert view.trace_hash() == before


def test_eight_readers_never_see_a_torn_row_or_fewer_rows() -> None:
    trace = Trace(["gap", "double"], "gap", 30 * UNIT)
    n, wrong, done = 4000, [], threading.Event()

    def read() -> None:
        seen = 0
        while not done.is_set():
            view = trace.view()
            k = view.k
            whole = (
                (k == np.arange(len(k))).all()
                and (view.seconds == k).all()
                and (view.scalars["double"] == 2.0 * k).all()
                and (view.work["operator"] == 2 * k).all()
                and all((s["x"] == j).all() for j, s in view.snapshots.items())
            )
            if not whole or len(view) < seen:
                wrong.append(len(view))
            seen = len(view)

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for k in range(n):
        scalars = {"gap": 1.0 / (k + 1), "double": 2.0 * k}
        trace.append(Iterate(k, np.full(10, float(k)), scalars, work=Work(operator=2 * k)), float(k))
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert len(trace.view()) == n


def test_the_hash_sees_numbers_and_status_but_no_seconds() -> None:
    def run(seconds: float, gap: float = 1.0, status: Status = Status.CONVERGED, x: float = 0.0) -> str:
        trace = Trace(["gap"], "gap")
        trace.append(Iterate(0, np.full(2, x), {"gap": gap}, status=status), seconds)
        return trace.view().trace_hash()

    same = run(1.0)
    assert run(2.0) == same
    assert len({same, run(1.0, gap=2.0), run(1.0, status=Status.STALLED), run(1.0, x=1.0)}) == 4


def roundtrip(view: TraceView) -> tuple[TraceView, dict[str, Any]]:
    buffer = io.BytesIO()
    to_parquet(view, buffer, {"recipe": {"lab": "toy"}})
    buffer.seek(0)
    return from_parquet(buffer)


def assert_same(a: TraceView, b: TraceView) -> None:
    assert a.trace_hash() == b.trace_hash()
    assert a.note == b.note
    np.testing.assert_array_equal(a.seconds, b.seconds)
    assert a.kept.tolist() == b.kept.tolist()
    for k, snapshot in a.snapshots.items():
        assert snapshot.keys() == b.snapshots[k].keys()
        for name, array in snapshot.items():
            np.testing.assert_array_equal(array, b.snapshots[k][name])
            assert array.dtype == b.snapshots[k][name].dtype


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=30),
    st.sampled_from([4 * UNIT, 2**20]),
)
def test_a_file_gives_back_the_view(gaps: list[float], budget: int) -> None:
    view = record(gaps, budget)
    again, metadata = roundtrip(view)
    assert_same(view, again)
    assert metadata == {"recipe": {"lab": "toy"}}


def test_snapshots_of_any_shape_and_type_come_back() -> None:
    trace = Trace(["gap"], "gap")
    arrays: list[NDArray[Any]] = [
        np.zeros((0, 3)),
        np.array(3.5),
        np.arange(6, dtype=np.int8).reshape(2, 3, 1),
        np.array([True, False]),
        np.asfortranarray(np.random.default_rng(0).standard_normal((4, 5))),
        np.array([1 + 2j]),
    ]
    for k, array in enumerate(arrays):
        extra = {"direction": array[..., None]} if k % 2 else {}
        trace.append(Iterate(k, array, {"gap": math.nan}, extra, note=f"ρ = {k}"), 0.0)
    again, _ = roundtrip(trace.view())
    assert_same(trace.view(), again)
    assert again.note == "ρ = 5"
    with pytest.raises(ValueError, match="read-only"):
        again.last("x")[...] = 0


def test_nothing_is_pickled_into_a_file() -> None:
    trace = Trace(["gap"], "gap")
    trace.append(Iterate(0, np.array([{}], dtype=object), {"gap": 1.0}), 0.0)
    with pytest.raises(ValueError, match="allow_pickle"):
        to_parquet(trace.view(), io.BytesIO(), {})


def _foreign(folder: Path) -> dict[str, Path]:
    table = pa.table({"k": [0, 1]})
    files = {name: folder / name for name in ("text", "empty", "plain", "claims", "cut", "cells", "absent")}
    files["text"].write_text("no parquet")
    files["empty"].write_bytes(b"")
    pq.write_table(table, files["plain"])
    pq.write_table(table.replace_schema_metadata({"iterscope": '{"status": "RUNNING"}'}), files["claims"])
    to_parquet(record([1.0] * 50), files["cut"], {})
    whole = files["cut"].read_bytes()
    files["cut"].write_bytes(whole[: len(whole) // 2] + whole[-8:])
    good = pq.read_table(io.BytesIO(whole))
    index = good.column_names.index("snapshot.x")
    bad = good.set_column(index, "snapshot.x", pa.array([b"\x93NUMPY"] * 50, type=pa.binary()))
    pq.write_table(bad, files["cells"])
    return files


@pytest.mark.parametrize("name", ["text", "empty", "plain", "claims", "cut", "cells", "absent"])
def test_a_file_that_is_no_trace_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{name}: expected a trace written by iterscope") as error:
        from_parquet(_foreign(tmp_path)[name])
    assert "\n" not in str(error.value)
