"""The protocol's own types."""

import dataclasses

import numpy as np
import pytest

from core.iterate import Iterate, Progress, Status, Work, drain


def test_only_running_is_not_terminal() -> None:
    assert [s for s in Status if not s.terminal] == [Status.RUNNING]


def test_every_status_says_a_sentence_of_its_own() -> None:
    assert len({s.value for s in Status}) == len(Status)


def test_an_iterate_and_its_defaults_cannot_be_changed() -> None:
    item = Iterate(0, np.zeros(2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        item.k = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        item.scalars["gap"] = 1.0  # type: ignore[index]
    with pytest.raises(TypeError):
        item.arrays["p"] = np.zeros(2)  # type: ignore[index]
    assert item.work == Work()


def test_drain_runs_every_stage_and_returns_the_object() -> None:
    seen = []

    def prepare():  # type: ignore[no-untyped-def]
        for i in range(3):
            yield Progress("stage", i, 3)
            seen.append(i)
        return "ready"

    assert drain(prepare()) == "ready"
    assert seen == [0, 1, 2]


def test_drain_lets_an_error_through() -> None:
    def prepare():  # type: ignore[no-untyped-def]
        yield Progress("stage")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        drain(prepare())
