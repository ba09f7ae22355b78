"""Every problem, every method and every experiment as a recipe."""

from __future__ import annotations

import json

import pytest

from core import registry
from core.recipe import Recipe, from_json, make
from core.registry import ExperimentSpec

PAIRS = [
    (lab.key, problem.key, method.key)
    for lab in registry.labs()
    for problem in registry.problems(lab.key)
    for method in registry.methods(lab.key)
]
EXPERIMENTS = [spec for lab in registry.labs() for spec in registry.experiments(lab.key)]

# A recipe's parts do not know each other: each problem with one method and each method with one problem do.
FIRST = {lab.key: registry.methods(lab.key)[0].key for lab in registry.labs()}
EACH = [
    (lab, problem, method)
    for lab, problem, method in PAIRS
    if method == FIRST[lab] or problem == registry.method_spec(lab, method).example
]
each_pair = pytest.mark.parametrize(
    ("lab", "problem", "method"), EACH, ids=["-".join(names) for names in EACH]
)


@each_pair
def test_a_recipe_survives_its_document(lab: str, problem: str, method: str) -> None:
    recipe = make(lab, problem, method, seed=3)
    document = json.loads(recipe.to_json())
    assert from_json(recipe.to_json()) == recipe
    assert document["hash"] == recipe.hash()
    assert set(document["method"]["parameters"]) == {p.name for p in recipe.method_spec.parameters}
    assert set(document["problem"]["parameters"]) == {p.name for p in recipe.problem_spec.parameters}


@each_pair
def test_the_copied_script_states_the_same_recipe(lab: str, problem: str, method: str) -> None:
    changed = {p.name: p.high for p in registry.method_spec(lab, method).parameters if p.high is not None}
    recipe = make(lab, problem, method, {}, changed, seed=3)
    head, _, _ = recipe.python().partition("run = ")
    space: dict[str, Recipe] = {}
    exec(compile(head, "script", "exec"), space)
    assert space["recipe"] == recipe


def test_no_two_recipes_share_a_hash() -> None:
    hashes = {make(*names).hash() for names in PAIRS}
    assert len(hashes) == len(PAIRS)


def test_every_alias_leads_to_its_entry() -> None:
    for lab in registry.labs():
        for method in registry.methods(lab.key):
            for alias in method.aliases:
                assert registry.method_spec(lab.key, alias) is method
        for problem in registry.problems(lab.key):
            for alias in problem.aliases:
                assert registry.problem_spec(lab.key, alias) is problem


@pytest.mark.parametrize("spec", EXPERIMENTS, ids=lambda spec: f"{spec.lab}-{spec.key}")
def test_an_experiment_is_made_of_recipes_and_says_what_is_claimed(spec: ExperimentSpec) -> None:
    for text in (spec.title, spec.question, spec.claim, spec.source, spec.explanation):
        assert text.strip()
    # an indented paragraph would be drawn as code
    assert not any(line.startswith(" ") for line in spec.explanation.splitlines())
    assert spec.methods
    for method, params in spec.methods.items():
        recipe = make(spec.lab, spec.problem, method, spec.problem_params, params, spec.seed)
        assert from_json(recipe.to_json()) == recipe
        assert recipe.method == method
