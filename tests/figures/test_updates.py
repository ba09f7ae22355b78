"""Charts of updates, against the updates that they show."""

from __future__ import annotations

import numpy as np

from core.optimizers.update_matrices import spread_over, update, weights
from core.recipe import make
from core.run import Run
from pages.figures import roster, style, updates


def test_singular_values_are_shares_of_the_largest_and_ranks_stand_at_their_steps() -> None:
    task = {"width": 8, "depth": 1}
    recipes = [make("optimizers", "digits_mlp", m, task, {"steps": 8}) for m in ("sgd", "adam")]
    run = Run(recipes).inline()
    members = list(run.view().members)
    weight = weights(run.problem)[0]
    found = [update(m.view, weight, 3) for m in members]
    curves = updates.singular_values(members, found)["data"]
    assert [c["name"] for c in curves] == ["SGD", "Adam"]
    for curve, one in zip(curves, found, strict=True):
        assert one is not None
        np.testing.assert_allclose(curve["y"], (one.values / one.values[0])[: len(curve["y"])])
        assert curve["y"][0] == 1.0
    along = [[update(m.view, weight, int(k)) for k in spread_over(m.view.kept, 4)] for m in members]
    ranks = updates.ranks(members, along)["data"]  # type: ignore[arg-type]
    assert list(ranks[0]["customdata"]) == [0, 2, 5, 7]
    assert ranks[1]["y"][0] == along[1][0].effective_rank  # type: ignore[union-attr]
    # a method without an update is left out
    assert len(updates.singular_values(members, [None, found[1]])["data"]) == 1


def test_no_two_methods_of_a_race_look_alike() -> None:
    shown = roster.distinct([1, 33, 1, 9])
    looks = {(index % style.COLOURS, style.method_line(index)["dash"]) for index in shown}
    assert len(looks) == 4
    assert shown[0] == 1
