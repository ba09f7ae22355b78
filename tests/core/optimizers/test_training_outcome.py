"""What is read off recorded trainings, against traces whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from core.iterate import Iterate, Status, Work
from core.optimizers.training_outcome import Turned, alike, apart, reached, turned
from core.trace import Trace, TraceView


def trace(train: list[float], held_out: list[float] | None = None) -> TraceView:
    """Return a training of as many steps, measured at every second one, 0.5 s and 3 units a step."""
    trace = Trace(("loss", "train_loss", "validation_loss"), "loss")
    for k, value in enumerate(train):
        measured = {} if k % 2 else {"train_loss": value, "validation_loss": (held_out or train)[k]}
        trace.append(
            Iterate(k, np.zeros(1), {"loss": value, **measured}, {}, Work(units=3.0 * k), Status.RUNNING),
            0.5 * k,
        )
    return trace.view()


def test_a_loss_is_reached_where_it_was_measured_first() -> None:
    found = reached(trace([4.0, 0.1, 2.0, 1.0, 1.0, 3.0, 0.5]), 1.5)
    assert found is not None
    assert (found.step, found.passes, found.seconds) == (4, 6.0, 2.0)
    assert reached(trace([4.0, 3.0, 2.0]), 1.5) is None


def test_held_out_data_turns_where_its_loss_was_lowest() -> None:
    held_out = [4.0, 0.0, 1.0, 0.0, 2.0, 0.0, 1.5]
    found = turned(trace([float(7 - k) for k in range(7)], held_out))
    assert found == Turned(2, pytest.approx(0.5), by_heart=True)
    # where both losses rise nothing is learnt by heart
    assert turned(trace([1.0 + k for k in range(7)], held_out)) == Turned(2, 0.5, by_heart=False)
    assert turned(trace([1.0] * 5, [4.0, 0.0, 1.0, 0.0, 1.1])) is None


def test_curves_are_one_if_they_differ_little_of_their_way() -> None:
    way = [float(v) for v in np.geomspace(2.0, 0.02, 9)]
    near = [1.08 * v for v in way]
    short = [float(v) for v in np.geomspace(2.0, 1.9, 9)]
    assert apart(trace(way), trace(near))[0] == pytest.approx(0.08)
    assert [pair[:2] for pair in alike({"a": trace(way), "b": trace(near), "c": trace(short)})] == [
        ("a", "b")
    ]
    # eight per cent are more than the whole way here
    assert not alike({"c": trace(short), "d": trace([1.08 * v for v in short])})
    assert not alike({"a": trace(way), "zero": trace([0.0] * 9)})
