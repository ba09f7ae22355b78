"""Who gets which run, and what becomes of runs that nobody watches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.admission import Admission
from core.recipe import make
from core.run import Run, State
from core.store import FREE_AFTER, KEPT, PAUSE_AFTER, RUNNING, RunStore
from tests.toy_lab import wait_until

pytestmark = pytest.mark.usefixtures("toy_lab")


@pytest.fixture
def made() -> Iterator[list[Run]]:
    runs: list[Run] = []
    yield runs
    for run in runs:
        run.cancel()
        run.join(20)


def new(made: list[Run], method: str = "endless") -> Run:
    run = Run([make("toy", "bowl", method)], admission=Admission(1))
    made.append(run)
    return run.start()


def finished() -> Run:
    return Run([make("toy", "bowl", "descent")]).inline()


def test_a_stranger_cannot_get_a_run() -> None:
    store, run = RunStore(), finished()
    key = store.add("anna", run)
    assert store.get("anna", key) is run
    assert store.get("bert", key) is None
    assert store.get("", key) is None
    assert store.get("anna", "nonsense") is None
    assert store.get("", "nonsense") is None


def test_keys_cannot_be_guessed() -> None:
    store = RunStore()
    keys = {store.add("anna", finished()) for _ in range(5)}
    assert len(keys) == 5
    assert all(len(key) >= 22 for key in keys)  # 128 bits in base 64


def test_the_oldest_of_too_many_is_dropped_for_its_owner_alone() -> None:
    store = RunStore()
    others = store.add("bert", finished())
    keys = [store.add("anna", finished()) for _ in range(KEPT + 2)]
    assert [store.get("anna", key) is not None for key in keys] == [False] * 2 + [True] * KEPT
    assert store.get("bert", others) is not None


def test_the_oldest_computing_run_makes_way(made: list[Run]) -> None:
    store = RunStore()
    runs = [new(made) for _ in range(RUNNING + 1)]
    keys = [store.add("anna", run) for run in runs]
    runs[0].join(20)
    assert runs[0].state is State.CANCELLED
    assert not any(run.state.ended for run in runs[1:])
    assert store.get("anna", keys[0]) is runs[0]  # its trace can still be looked at


def test_a_paused_run_need_not_make_way(made: list[Run]) -> None:
    store = RunStore()
    paused = new(made)
    store.add("anna", paused)
    paused.pause()
    wait_until(lambda: paused.state is State.PAUSED)
    for _ in range(RUNNING):
        store.add("anna", new(made))
    assert paused.state is State.PAUSED


def test_an_unwatched_solver_is_paused_and_later_freed(made: list[Run]) -> None:
    store, run = RunStore(), new(made)
    key = store.add("anna", run)
    wait_until(lambda: run.state is State.RUNNING)
    store.sweep(run.polled + PAUSE_AFTER - 1)
    assert run.state is State.RUNNING
    store.sweep(run.polled + PAUSE_AFTER + 1)
    wait_until(lambda: run.state is State.PAUSED)
    store.sweep(run.polled + FREE_AFTER - 1)
    assert store.get("anna", key) is run
    store.sweep(run.polled + FREE_AFTER + 1)
    assert store.get("anna", key) is None
    assert run.join(20).state is State.EXPIRED


def test_a_training_goes_on_unwatched_and_is_freed_after_its_end(made: list[Run]) -> None:
    store, run = RunStore(), new(made, "trained")
    key = store.add("anna", run)
    wait_until(lambda: run.state is State.RUNNING)
    store.sweep(run.polled + FREE_AFTER + 1)
    assert run.state is State.RUNNING
    assert store.get("anna", key) is run
    run.cancel()
    run.join(20)
    store.sweep(run.polled + FREE_AFTER + 1)
    assert store.get("anna", key) is None


def test_a_poll_puts_the_janitor_off(made: list[Run]) -> None:
    store, run = RunStore(), new(made)
    store.add("anna", run)
    before = run.polled
    wait_until(lambda: run.poll().state is State.RUNNING and run.polled > before)
    store.sweep(before + PAUSE_AFTER)
    assert run.state is State.RUNNING


def test_the_janitor_keeps_house_by_itself(made: list[Run]) -> None:
    store, run = RunStore(), new(made)
    store.add("anna", run)
    run.polled -= PAUSE_AFTER + 1
    store.watch(interval=0.01)
    wait_until(lambda: run.state is State.PAUSED)


def test_the_oldest_ended_traces_are_dropped_when_one_owner_has_too_much(made: list[Run]) -> None:
    size = finished().nbytes
    store = RunStore(owner_bytes=3 * size)
    others = store.add("bert", finished())
    moving = store.add("anna", new(made))
    keys = [store.add("anna", finished()) for _ in range(5)]
    store.sweep(0.0)
    assert [store.get("anna", key) is not None for key in keys] == [False] * 3 + [True] * 2
    assert store.get("anna", moving) is not None
    assert store.get("bert", others) is not None
    store = RunStore(owner_bytes=0)
    newest = store.add("anna", finished())
    store.sweep(0.0)
    assert store.get("anna", newest) is not None


def test_the_owners_newest_run_of_the_same_recipes_is_found_again(made: list[Run]) -> None:
    store = RunStore()
    store.add("anna", new(made))
    newest = new(made)
    key = store.add("anna", newest)
    assert store.find("anna", newest.recipes) == key
    assert store.find("anna", [make("toy", "bowl", "endless", seed=1)]) == ""
    assert store.find("bert", newest.recipes) == ""


def test_a_run_that_is_dropped_ends_and_is_forgotten_and_only_by_its_owner() -> None:
    store, made = RunStore(), []
    key = store.add("anna", new(made).start())
    store.drop("bert", key)
    assert store.get("anna", key) is made[0]
    store.drop("anna", key)
    made[0].join(10.0)
    assert made[0].state is State.CANCELLED
    assert store.get("anna", key) is None
