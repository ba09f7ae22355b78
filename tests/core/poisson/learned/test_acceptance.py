"""The bounds of the presets: the weights that come with the app keep them, worse ones do not."""

from __future__ import annotations

import pytest

from core.poisson.learned.acceptance import ACCEPTANCE, judged
from core.poisson.learned.presets import PRESETS
from core.poisson.learned.weights import find


@pytest.mark.parametrize("key", ACCEPTANCE)
def test_shipped_weights_keep_their_bounds_and_a_tenth_of_them_would_not(key: str) -> None:
    assert key in PRESETS
    rows = find(f"poisson_{key}").about["measured"]
    said = judged(key, rows)
    assert said
    assert all(": kept (" in sentence for sentence in said), said
    worse = [{**row, "learned": 10 * row["learned"]} for row in rows]
    assert all(": missed (" in sentence for sentence in judged(key, worse))


def test_a_solve_that_stopped_early_keeps_nothing() -> None:
    rows = find("poisson_d").about["measured"]
    stopped = [{**row, "status": "max_iterations"} for row in rows]
    assert all(": missed (" in sentence for sentence in judged("d", stopped))
    assert all(": missed (" in sentence for sentence in judged("d", []))


def test_the_sentence_carries_both_counts() -> None:
    rows = [
        {"problem": "empty, 64^2, white", "cg": 166, "learned": 21, "status": "converged"},
        {"problem": "disc, 64^2, white", "cg": 189, "learned": 60, "status": "converged"},
        {"problem": "disc, 64^2, ones", "cg": 100, "learned": 99, "status": "converged"},
    ]
    (sentence,) = judged("a", rows)
    assert sentence == "empty and disc at 64: at most CG's over 3.5: missed (21 of CG's 166, 60 of CG's 189)"
    assert judged("e", rows) == []
