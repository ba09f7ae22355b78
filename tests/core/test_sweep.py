"""Sweeps: every recipe at every value, outcomes of all kinds, growth."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from core.iterate import Status
from core.recipe import Recipe, make
from core.run import Run
from core.sweep import Outcome, Sweep


def box(method: str, **settings: object) -> Recipe:
    return make("poisson", "box", method, {"n": 64}, settings)


def swept(sweep: Sweep) -> Sweep:
    while (recipe := sweep.next) is not None:
        sweep.collect(Run([recipe]).inline().view())
    return sweep


def test_all_methods_run_at_a_value_before_the_next_and_nothing_else_changes() -> None:
    sweep = swept(Sweep([box("cg", rtol=1e-4), box("multigrid_pcg")], "n", [8, 16]))
    assert [(o.member, o.value) for o in sweep.outcomes] == [(0, 8), (1, 8), (0, 16), (1, 16)]
    assert [o.recipe.problem_params["n"] for o in sweep.outcomes] == [8, 8, 16, 16]
    assert sweep.outcomes[2].recipe == make("poisson", "box", "cg", {"n": 16}, {"rtol": 1e-4})
    assert sweep.total == 4
    alone = Run([sweep.outcomes[2].recipe]).inline().view().members[0].view
    assert sweep.outcomes[2].iterations == alone.k[-1]
    assert sweep.outcomes[2].work == alone.work["units"][-1]


def test_iterations_of_cg_double_with_the_grid_and_those_of_multigrid_do_not() -> None:
    # the condition number of the box grows with N², what CG needs with its root
    sweep = swept(Sweep([box("cg"), box("multigrid_pcg")], "n", [32, 64]))
    growth = sweep.growth("iterations")
    assert growth[0] == pytest.approx(2.0, abs=0.1)
    assert growth[1] == pytest.approx(1.0, abs=0.2)


def test_a_refusal_a_limit_and_a_time_limit_are_outcomes() -> None:
    disc = make("poisson", "disc", "fft_direct", {"n": 32})
    refused = swept(Sweep([disc], "n", [16, 32])).outcomes
    assert [o.status for o in refused] == [None, None]
    assert math.isnan(refused[0].iterations)
    assert "obstacle" in refused[0].note
    short = swept(Sweep([box("cg", max_iterations=3)], "n", [32])).outcomes[0]
    assert (short.status, short.iterations, short.converged) == (Status.MAX_ITERATIONS, 3.0, False)


def test_growth_takes_the_two_largest_values_that_were_solved() -> None:
    sweep = Sweep([box("cg")], "n", [8, 16, 64, 128])

    def outcome(value: float, iterations: float, status: Status = Status.CONVERGED) -> Outcome:
        return Outcome(0, value, box("cg"), status, iterations, 1.0, 0.0, "")

    sweep.outcomes = [outcome(8, 1), outcome(16, 10), outcome(64, 90), outcome(128, 99, Status.STALLED)]
    assert sweep.growth("iterations")[0] == pytest.approx(3.0)  # 9 over two doublings
    assert sweep.growth("seconds")[0] == 1.0
    sweep.outcomes = [outcome(8, 1)]
    assert sweep.growth("iterations") == {}


def test_only_the_end_of_the_next_run_is_taken() -> None:
    sweep = Sweep([box("cg")], "n", [8])
    other = Run([box("cg")]).inline().view()
    with pytest.raises(ValueError, match="next recipe"):
        sweep.collect(other)
    recipe = sweep.next
    assert recipe is not None
    with pytest.raises(ValueError, match="next recipe"):
        sweep.collect(Run([recipe]).view())
    assert sweep.outcomes == []
    sweep.collect(replace(Run([recipe]).inline().view()))
    assert sweep.next is None


def test_a_sweep_over_problems_needs_the_same_methods_on_each() -> None:
    columns = [[make("poisson", p, m, {"n": 8}) for m in ("cg", "ic_pcg")] for p in ("box", "disc")]
    sweep = Sweep.of(columns, 2)
    assert sweep.total == 4
    while (recipe := sweep.next) is not None:
        sweep.collect(Run([recipe]).inline().view())
    assert [(o.member, o.value, o.recipe.problem) for o in sweep.outcomes] == [
        (0, 0.0, "box"), (1, 0.0, "box"), (0, 1.0, "disc"), (1, 1.0, "disc"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="every problem needs 2 recipes"):
        Sweep.of([columns[0], columns[1][:1]], 2)
