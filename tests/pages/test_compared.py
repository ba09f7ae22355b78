"""Comparisons over seeds as addresses: what a link poses is the experiment that it was made of."""

from __future__ import annotations

import pytest

from core.optimizers.methods.comparison import in_one_form
from core.recipe import make
from core.registry import ExperimentSpec
from pages.figures.recording import recipes_of
from pages.ui.compared import is_comparison, is_turned, posed, turned_experiment
from pages.ui.explain import METHOD_SLOTS, experiment_query, experiments

COMPARED = [e for e in experiments("optimizers", "training") if is_comparison(e)]


def test_methods_have_one_form() -> None:
    assert in_one_form("adam;  sgd momentum=0.9 ") == in_one_form("adam; sgd")
    assert in_one_form("sgd momentum=0, nesterov=false") == "sgd momentum=0.0"
    assert in_one_form("sgd momentum=0") != in_one_form("sgd")


@pytest.mark.parametrize("experiment", COMPARED, ids=lambda e: e.key)
def test_a_link_poses_the_experiment_that_it_was_made_of(experiment: ExperimentSpec) -> None:
    query = experiment_query(experiment)
    entries = []
    for slot in METHOD_SLOTS["optimizers"]:
        own = {k.partition(".")[2]: v for k, v in query.items() if k.startswith(f"{slot}.")}
        assert float(own.pop("lr", 1)) > 0
        if query[slot] != "none":
            entries.append(f"{query[slot]} {','.join(f'{k}={v}' for k, v in own.items())}")
    values = {k.removeprefix("seeds."): v for k, v in query.items() if k.startswith("seeds.")}
    problem = {k.removeprefix("p."): v for k, v in query.items() if k.startswith("p.")}
    values["methods"] = in_one_form("; ".join(entries))
    recipe = make("optimizers", query["p"], "comparison", problem, values, int(query.get("seed", 0)))
    assert posed(recipe) is experiment
    other = make("optimizers", query["p"], "comparison", problem, values | {"steps": 7})
    assert posed(other) is None


def test_the_race_beside_it_can_be_made_of_the_same_link() -> None:
    for experiment in COMPARED:
        query = experiment_query(experiment)
        for slot in METHOD_SLOTS["optimizers"]:
            if query[slot] != "none":
                own = {k.partition(".")[2]: v for k, v in query.items() if k.startswith(f"{slot}.")}
                make("optimizers", query["p"], query[slot], {}, own | {"steps": query["steps"]})
        assert recipes_of(experiment)[0].method_params["steps"] == int(query["steps"])


def test_a_link_to_a_turned_task_poses_its_experiment() -> None:
    (experiment,) = [e for e in experiments("optimizers") if is_turned(e)]
    query = experiment_query(experiment)
    assert query["tab"] == "Turn"
    entries = []
    for slot in METHOD_SLOTS["optimizers"]:
        own = {k.partition(".")[2]: v for k, v in query.items() if k.startswith(f"{slot}.")}
        if query[slot] != "none":
            entries.append(f"{query[slot]} {','.join(f'{k}={v}' for k, v in own.items())}")
    values = {k.removeprefix("turn."): v for k, v in query.items() if k.startswith("turn.")}
    values |= {"methods": "; ".join(entries), "steps": query["steps"]}
    problem = {k.removeprefix("p."): v for k, v in query.items() if k.startswith("p.")}
    recipe = make("optimizers", query["p"], "turned_task", problem, values)
    assert turned_experiment(recipe) is experiment
    other = make("optimizers", query["p"], "turned_task", problem, values | {"side": "both"})
    assert turned_experiment(other) is None
