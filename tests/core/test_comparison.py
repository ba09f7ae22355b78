"""Two traces side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.comparison import compare
from core.iterate import Iterate
from core.trace import Trace, TraceView


def trace(values: Sequence[float]) -> TraceView:
    recorder = Trace(["error"], "error")
    for k, value in enumerate(values):
        recorder.append(Iterate(k, np.zeros(1), {"error": value}), float(k))
    return recorder.view()


def test_the_first_lead_and_every_change_of_the_leader_are_found() -> None:
    found = compare(trace([4.0, 3.0, 1.0, 1.0, 0.1]), trace([4.0, 2.0, 2.0, 0.5, 0.4]), "error")
    assert found.first_lead == 2
    assert found.crossings == (2, 3, 4)
    assert math.isclose(found.final_ratio, 0.25)
    assert not found.equal


def test_a_tie_in_between_is_no_change_of_the_leader() -> None:
    found = compare(trace([3.0, 2.0, 1.0]), trace([4.0, 2.0, 2.0]), "error")
    assert (found.first_lead, found.crossings) == (0, ())


def test_equal_traces_have_no_leader() -> None:
    values = [1.0, 0.1, 0.01]
    found = compare(trace(values), trace([v * (1 + 1e-12) for v in values]), "error")
    assert found.equal
    assert (found.first_lead, found.crossings) == (None, ())


def test_the_final_ratio_is_of_each_trace_s_own_end() -> None:
    assert math.isclose(compare(trace([1.0, 0.5]), trace([1.0, 0.5, 0.25]), "error").final_ratio, 2.0)


def test_gaps_lead_nobody() -> None:
    found = compare(trace([math.nan, 1.0]), trace([1.0, math.nan]), "error")
    assert found.first_lead is None
    assert math.isnan(found.final_ratio)
    assert math.isnan(compare(trace([1.0]), trace([0.0]), "error").final_ratio)
