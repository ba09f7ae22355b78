"""The worker: every command in every state, places, limits, failures, equal traces."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import InputError
from core.iterate import Status
from core.recipe import Recipe, make
from core.run import Admission, Limits, Run, State
from tests.toy_lab import EVENTS, GATE, wait_until

pytestmark = pytest.mark.usefixtures("toy_lab")


def toy(method: str, problem_params: dict[str, object] | None = None, **params: object) -> Recipe:
    return make("toy", "bowl", method, problem_params or {}, params)


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    """Runs to be cancelled at the end of a test, whatever becomes of it."""
    started: list[Run] = []
    yield started
    for run in started:
        run.cancel()
    GATE.release(1000)
    for run in started:
        run.join(20)


def start(runs: list[Run], *recipes: Recipe, admission: Admission | None = None, **options: object) -> Run:
    run = Run(recipes, admission=admission or Admission(4), **options)  # type: ignore[arg-type]
    runs.append(run)
    return run.start()


def count(run: Run, member: int = 0) -> int:
    return len(run.view().members[member].view)


def settled(run: Run) -> int:
    """Wait until a run is paused and return how many iterates it has."""
    wait_until(lambda: run.state is State.PAUSED)
    return count(run)


def test_a_run_ends_by_itself_with_the_method_s_reason() -> None:
    run = Run([toy("descent")]).inline()
    view = run.view()
    assert view.state is State.FINISHED
    assert view.members[0].view.status is Status.CONVERGED
    # closed form: mode a shrinks by 1 − a/L a step
    gaps = view.members[0].view.scalars["gap"]
    a, k = np.geomspace(1.0, 10.0, 3), np.arange(len(gaps))[:, None]
    np.testing.assert_allclose(gaps, 0.5 * (a * (1 - a / 10) ** (2 * k)).sum(axis=1), rtol=1e-12)


def test_thread_and_inline_give_the_same_trace(runs: list[Run]) -> None:
    hashes = {Run([toy("descent")]).inline().view().members[0].view.trace_hash() for _ in range(2)}
    threaded = start(runs, toy("descent")).join()
    hashes.add(threaded.view().members[0].view.trace_hash())
    assert len(hashes) == 1


def test_a_paused_and_stepped_run_gives_the_same_trace(runs: list[Run]) -> None:
    recipe = toy("endless", seconds=0.0, last=300, swing=True, size=1000)
    limits = Limits(snapshot_bytes=400_000)
    straight = Run([recipe], limits).inline().view().members[0].view
    run = Run([recipe], limits, admission=Admission(1))
    runs.append(run)
    run.pause()
    run.start()
    for n in (1, 7, 50, 2):
        settled(run)
        run.step(n)
    wait_until(lambda: run.state is State.PAUSED and count(run) == 60)
    run.resume()
    stepped = run.join(20).view().members[0].view
    assert stepped.trace_hash() == straight.trace_hash()
    assert stepped.kept.tolist() == straight.kept.tolist()


def test_seed_and_only_seed_changes_a_drawn_start() -> None:
    def trace_hash(seed: int) -> str:
        recipe = make("toy", "bowl", "descent", {"start": "random"}, seed=seed)
        return Run([recipe]).inline().view().members[0].view.trace_hash()

    assert trace_hash(1) == trace_hash(1)
    assert trace_hash(1) != trace_hash(2)


def test_preparation_shows_its_stages_and_is_timed_apart(runs: list[Run]) -> None:
    run = start(runs, toy("descent", {"stages": 4, "stage_seconds": 0.1}))
    seen = set()
    while not run.state.ended:
        view = run.view()
        if view.state is State.PREPARING and view.progress.stage:
            seen.add((view.progress.stage, view.progress.done, view.progress.total))
            assert count(run) == 0
        time.sleep(0.002)
    assert seen == {(f"stage {i}", i, 4) for i in range(4)}
    view = run.join().view()
    assert view.setup_seconds >= 4 * 0.1
    assert view.members[0].view.seconds[-1] < view.setup_seconds


def test_a_method_s_own_preparation_reaches_iterate() -> None:
    # `prepare` makes the bowl round, so that one step of 1/L ends it
    view = Run([toy("prepared")]).inline().view()
    assert view.members[0].view.k.tolist() == [0, 1]
    assert EVENTS["prepare closed"] == 1


def test_after_a_pause_comes_no_iterate_but_the_one_in_flight(runs: list[Run]) -> None:
    run = start(runs, toy("gated"))
    GATE.release(3)
    wait_until(lambda: count(run) == 3)
    run.pause()  # the fourth is in flight, waiting at the gate
    assert run.state is State.RUNNING
    GATE.release(1)
    assert settled(run) == 4
    GATE.release(5)
    time.sleep(0.05)
    assert count(run) == 4
    assert run.state is State.PAUSED
    run.resume()
    wait_until(lambda: count(run) == 9)


def test_step_gives_exactly_as_many_iterates(runs: list[Run]) -> None:
    run = Run([toy("endless", seconds=0.0)], admission=Admission(1))
    runs.append(run)
    run.pause()
    run.start()
    assert settled(run) == 0
    expected = 0
    for n in (1, 1, 5, 2):
        run.step(n)
        expected += n
        wait_until(lambda n=expected: count(run) == n and run.state is State.PAUSED)
    for _ in range(3):  # three quick clicks are three steps
        run.step()
    expected += 3
    wait_until(lambda: count(run) == expected)
    assert settled(run) == expected


def test_a_look_right_after_a_command_never_sees_the_pause_before_it(runs: list[Run]) -> None:
    run = start(runs, toy("endless", seconds=0.0))
    run.pause()
    for _ in range(200):
        before = settled(run)
        run.step()
        view = run.view()
        assert view.state is not State.PAUSED or len(view.members[0].view) == before + 1


def test_a_pause_right_after_resuming_is_a_pause(runs: list[Run]) -> None:
    run = start(runs, toy("endless", seconds=0.0))
    run.pause()
    for _ in range(100):
        settled(run)
        run.resume()
        run.pause()
    settled(run)


def test_steps_asked_for_before_the_start_are_the_first_iterates(runs: list[Run]) -> None:
    run = Run([toy("endless")], admission=Admission(1))
    runs.append(run)
    run.pause()
    run.step(2)
    run.start()
    wait_until(lambda: count(run) == 2)
    assert settled(run) == 2


def test_the_newest_iterate_is_kept_at_a_pause(runs: list[Run]) -> None:
    run = start(
        runs, toy("endless", seconds=0.0, size=1000, swing=True), limits=Limits(snapshot_bytes=200_000)
    )
    wait_until(lambda: count(run) > 200)
    run.pause()
    newest = settled(run) - 1
    view = run.view().members[0].view
    assert view.kept[-1] == newest
    assert (view.last("x") == newest).all()
    assert (view.last("twice") == 2 * newest).all()


@pytest.mark.parametrize("paused", [False, True])
def test_cancel_closes_the_generator_before_the_end_shows(runs: list[Run], paused: bool) -> None:
    run = start(runs, toy("endless", closing=0.1))
    wait_until(lambda: count(run) > 3)
    if paused:
        run.pause()
        settled(run)
    run.cancel()
    wait_until(lambda: run.state.ended)
    assert EVENTS["closed"] == 1
    assert run.join(20).state is State.CANCELLED
    view = run.view().members[0].view
    assert view.kept[-1] == len(view) - 1
    assert view.status is Status.RUNNING


def test_cancel_takes_one_iterate_even_with_many_members(runs: list[Run]) -> None:
    run = start(runs, *[toy("gated", name=i) for i in range(5)])
    GATE.release(2)  # the third member's first iterate is in flight
    wait_until(lambda: count(run, 1) == 1)
    run.cancel()
    GATE.release(1)
    run.join(20)
    assert run.state is State.CANCELLED
    assert [count(run, i) for i in range(5)] == [1, 1, 1, 0, 0]


def test_cancel_in_slow_motion_does_not_wait_for_the_delay(runs: list[Run]) -> None:
    run = start(runs, toy("endless"), delay=3600.0)
    wait_until(lambda: count(run) == 1)
    run.cancel()
    run.join(20)
    assert run.state is State.CANCELLED


@pytest.mark.parametrize("method", ["descent", "prepared"])
def test_cancel_during_preparation_closes_it(runs: list[Run], method: str) -> None:
    slow = {"stages": 1000, "stage_seconds": 0.005}
    recipe = toy("descent", slow) if method == "descent" else toy("prepared", **slow)
    run = start(runs, recipe)
    wait_until(lambda: run.view().progress.done >= 2)
    run.cancel()
    run.join(20)
    assert run.state is State.CANCELLED
    assert count(run) == 0
    assert EVENTS["build closed"] == 1
    assert EVENTS["prepare closed"] == (method == "prepared")


def test_cancel_before_the_start_runs_nothing() -> None:
    run = Run([toy("descent")])
    run.cancel()
    run.inline()
    assert run.state is State.CANCELLED
    assert EVENTS["stages"] == 0


def test_cancel_after_the_end_changes_nothing() -> None:
    run = Run([toy("descent")]).inline()
    before = run.view()
    for command in (run.cancel, run.pause, run.resume, run.step):
        command()
    assert run.state is State.FINISHED
    assert run.view().revision == before.revision


def test_a_run_starts_once(runs: list[Run]) -> None:
    run = start(runs, toy("descent"))
    run.start()
    run.start().join()
    assert EVENTS["stages"] == 2
    with pytest.raises(ValueError, match="already"):
        run.inline()


def test_the_time_limit_ends_a_run_and_keeps_what_it_has() -> None:
    run = Run([toy("endless", seconds=0.01)], Limits(seconds=0.1)).inline()
    view = run.view()
    assert view.state is State.TIME_LIMIT
    assert "0.1 s" in view.note
    assert view.active_seconds > 0.1
    trace = view.members[0].view
    assert trace.kept[-1] == len(trace) - 1
    assert EVENTS["closed"] == 1


def test_a_method_that_ends_on_the_limit_has_ended_by_itself() -> None:
    run = Run([toy("endless", seconds=0.05, last=0)], Limits(seconds=0.01)).inline()
    assert run.state is State.FINISHED


def test_pauses_do_not_count_as_time(runs: list[Run]) -> None:
    run = start(runs, toy("endless"), limits=Limits(seconds=0.2))
    wait_until(lambda: count(run) > 2)
    run.pause()
    settled(run)
    used = run.view().active_seconds
    time.sleep(0.3)
    assert run.view().active_seconds == used
    assert run.state is State.PAUSED


def test_a_refusal_is_the_user_s_and_not_logged_as_ours(caplog: pytest.LogCaptureFixture) -> None:
    run = Run([toy("faulty", how="refuse")]).inline()
    assert run.state is State.FAILED
    assert run.refused
    assert run.view().note == "Faulty: the matrix is not symmetric: |A - Aᵀ| = 0.3"
    bad = Run([toy("descent", {"fail": True})]).inline()
    assert bad.refused
    assert isinstance(bad.error, InputError)
    assert bad.view().note == "bowl: expected a whole bowl, found a broken one; do not set fail"
    assert not caplog.records


def test_a_method_that_refuses_is_left_out_of_a_race(caplog: pytest.LogCaptureFixture) -> None:
    run = Run([toy("faulty", how="refuse"), toy("descent")]).inline()
    view = run.view()
    assert view.state is State.FINISHED
    assert run.error is None
    assert [m.recipe.method for m in view.members] == ["descent"]
    assert view.members[0].view.status is Status.CONVERGED
    assert view.left_out == ("Faulty is left out: the matrix is not symmetric: |A - Aᵀ| = 0.3.",)
    assert not caplog.records


def test_a_race_that_everyone_refuses_fails_with_every_reason() -> None:
    run = Run([toy("faulty", how="refuse")] * 2).inline()
    view = run.view()
    assert view.state is State.FAILED
    assert run.refused
    assert len(view.members) == 2
    assert view.note.count("Faulty is left out: the matrix is not symmetric") == 2
    assert view.left_out == ()


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ("runtime", "RuntimeError"), ("value", "ValueError"), ("linalg", "LinAlgError"),
        ("stop", "StopIteration"), ("skip", "ValueError"), ("undeclared", "ValueError"),
        ("close", "RuntimeError"),
    ],
)  # fmt: skip
def test_a_fault_of_ours_is_logged_and_not_blamed_on_the_input(
    how: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    admission = Admission(1)
    run = Run([toy("faulty", how=how)], admission=admission).inline()
    assert run.state is State.FAILED
    assert not run.refused
    assert name in run.view().note
    assert caplog.records[0].exc_info is not None
    assert count(run) == 3
    assert EVENTS["closed"] == 1
    # the place is free again
    assert Run([toy("descent")], admission=admission).inline().state is State.FINISHED


@pytest.mark.parametrize("cut", ["cancel", "limit"])
def test_a_fault_while_closing_one_member_closes_the_others(
    cut: str, runs: list[Run], caplog: pytest.LogCaptureFixture
) -> None:
    recipes = [toy("faulty", how="close"), toy("endless", seconds=0.2), toy("endless", size=5)]
    run = Run(recipes, Limits(seconds=0.1 if cut == "limit" else 60.0), admission=Admission(1))
    runs.append(run)
    run.start()
    wait_until(lambda: count(run, 2) == 1)
    if cut == "cancel":
        run.cancel()
    run.join(20)
    assert run.state is State.FAILED
    assert "RuntimeError" in run.view().note
    assert EVENTS["closed"] == 3
    assert len(caplog.records) == 1


def test_a_yardstick_that_overflows_is_divergence_with_the_reason() -> None:
    run = Run([toy("faulty", how="diverge")]).inline()
    view = run.view().members[0].view
    assert run.state is State.FINISHED
    assert view.status is Status.DIVERGED
    assert view.note == "gap = inf at k = 4"
    assert view.kept[-1] == 4
    assert EVENTS["closed"] == 1


def test_a_method_may_say_itself_that_it_diverges() -> None:
    view = Run([toy("faulty", how="own")]).inline().view().members[0].view
    assert (view.status, len(view)) == (Status.DIVERGED, 4)


def test_an_analysis_may_hold_nan_and_keeps_its_newest_array() -> None:
    view = Run([toy("map")]).inline().view().members[0].view
    assert view.status is Status.CONVERGED
    assert view.kept.tolist() == [20]
    assert not np.isnan(view.last("x")).any()


def test_members_take_turns_and_have_clocks_of_their_own(runs: list[Run]) -> None:
    slow = toy("endless", seconds=0.02, computes=True)
    run = start(runs, slow, toy("descent", max_iterations=3), toy("endless", seconds=0.02))
    while count(run) < 10:
        lengths = [count(run, i) for i in range(3)]
        # the members are read one after the other while the worker goes on
        assert lengths[2] >= lengths[0] - 1
        time.sleep(0.005)
    run.pause()
    n = settled(run)
    slow, short, waits = run.view().members
    assert (len(slow.view), len(short.view), len(waits.view)) == (n, 4, n)
    assert slow.view.seconds[-1] >= n * 0.02
    # waiting is no work, so the time that a page takes from a method does not count
    assert waits.view.seconds[-1] < n * 0.02 / 2


def test_a_race_gives_each_member_the_trace_it_has_alone() -> None:
    recipes = [toy("descent", step=s) for s in (0.5, 1.0, 1.5)]
    race = Run(recipes).inline().view()
    for recipe, member in zip(recipes, race.members, strict=True):
        alone = Run([recipe]).inline().view().members[0].view
        assert member.view.trace_hash() == alone.trace_hash()


def test_members_must_pose_the_same_problem() -> None:
    with pytest.raises(ValueError, match="same problem"):
        Run([toy("descent"), toy("descent", {"n": 4})])
    with pytest.raises(ValueError, match="one or more"):
        Run([])


def test_runs_wait_in_line_and_say_where(runs: list[Run]) -> None:
    admission = Admission(1)
    first = start(runs, toy("endless"), admission=admission)
    wait_until(lambda: count(first) > 0)
    second = start(runs, toy("endless"), admission=admission)
    wait_until(lambda: second.view().queue_position == 1)
    third = start(runs, toy("endless"), admission=admission)
    wait_until(lambda: third.view().queue_position == 2)
    assert first.view().queue_position == 0
    assert second.state is third.state is State.QUEUED
    second.cancel()
    second.join(20)
    assert second.state is State.CANCELLED
    assert third.view().queue_position == 1
    assert count(third) == 0
    first.cancel()
    wait_until(lambda: count(third) > 0)


def test_a_paused_run_gives_its_place_to_the_next_and_queues_again(runs: list[Run]) -> None:
    admission = Admission(1)
    first = start(runs, toy("endless"), admission=admission)
    wait_until(lambda: count(first) > 0)
    second = start(runs, toy("endless"), admission=admission)
    first.pause()
    settled(first)
    wait_until(lambda: count(second) > 0)
    first.resume()
    wait_until(lambda: first.view().queue_position == 1)
    n = count(first)
    second.pause()
    wait_until(lambda: count(first) > n)
    # both can be cancelled, wherever they stand
    first.cancel()
    second.cancel()
    assert first.join(20).state is second.join(20).state is State.CANCELLED


def test_cancel_works_while_a_resumed_run_queues(runs: list[Run]) -> None:
    admission = Admission(1)
    first = start(runs, toy("endless"), admission=admission)
    wait_until(lambda: count(first) > 0)
    first.pause()
    settled(first)
    second = start(runs, toy("endless"), admission=admission)
    wait_until(lambda: count(second) > 0)
    first.resume()
    wait_until(lambda: first.view().queue_position == 1)
    first.cancel()
    assert first.join(20).state is State.CANCELLED
    second.cancel()
    second.join(20)
    # one place, as at the beginning: neither lost nor doubled
    third, fourth = (start(runs, toy("endless"), admission=admission) for _ in range(2))
    wait_until(lambda: count(third) + count(fourth) > 0)
    time.sleep(0.05)
    assert sorted([count(third) > 0, count(fourth) > 0]) == [False, True]


def test_commands_at_random_moments_neither_lose_places_nor_hang(runs: list[Run]) -> None:
    admission = Admission(2)
    rng = np.random.default_rng(7)
    crowd = [start(runs, toy("endless", seconds=0.0), admission=admission) for _ in range(5)]
    stop = threading.Event()
    torn: list[str] = []

    def watch() -> None:
        revisions = [0] * len(crowd)
        while not stop.is_set():
            for i, run in enumerate(crowd):
                view = run.poll()
                if view.revision < revisions[i]:
                    torn.append("revision fell")
                revisions[i] = view.revision

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(300):
        run = crowd[rng.integers(len(crowd))]
        [run.pause, run.resume, run.step, lambda run=run: run.step(3)][rng.integers(4)]()
        time.sleep(0.001)
    for run in crowd:
        run.cancel()
        run.join(20)
        assert run.state is State.CANCELLED
    stop.set()
    watcher.join()
    assert not torn
    assert EVENTS["closed"] == sum(count(run) > 0 for run in crowd)
    late = [start(runs, toy("descent"), admission=admission) for _ in range(3)]
    assert all(run.join(20).state is State.FINISHED for run in late)


def test_polling_marks_the_viewer_and_looking_does_not(runs: list[Run]) -> None:
    run = start(runs, toy("endless"))
    stamp = run.polled
    run.view()
    assert run.polled == stamp
    time.sleep(0.001)
    run.poll()
    assert run.polled > stamp


def test_ctrl_c_in_a_script_closes_the_run_and_gives_the_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    admission = Admission(1)
    run = Run([toy("endless")], admission=admission)

    def interrupt(seconds: float) -> None:
        if EVENTS["evaluated"] > 2 and not EVENTS["interrupted"]:
            EVENTS["interrupted"] += 1
            raise KeyboardInterrupt

    monkeypatch.setattr("tests.toy_lab.time", SimpleNamespace(sleep=interrupt))
    with pytest.raises(KeyboardInterrupt):
        run.inline()
    monkeypatch.undo()
    assert run.state is State.CANCELLED
    assert EVENTS["closed"] == 1
    assert Run([toy("descent")], admission=admission).inline().state is State.FINISHED
