"""The prepared comparisons: what they find at the recorded size, and that the check can fail."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core import registry
from core.iterate import Status
from core.recipe import make
from core.registry import ExperimentSpec, Finding, Verdict
from core.run import Run, State
from core.trace import TraceView

EXPERIMENTS = {spec.key: spec for spec in registry.experiments("poisson")}


def computed(spec: ExperimentSpec) -> tuple[dict[str, TraceView], dict[str, dict[str, Any]]]:
    recipes = [
        make(spec.lab, spec.problem, method, spec.problem_params, params, spec.seed)
        for method, params in spec.methods.items()
    ]
    run = Run(recipes).inline()
    assert run.state is State.FINISHED
    views = {m.recipe.method: m.view for m in run.view().members}
    return views, {name: registry.lab(spec.lab).result(run.problem, view) for name, view in views.items()}


@pytest.fixture(scope="module")
def findings() -> dict[str, tuple[dict[str, TraceView], Finding]]:
    found = {}
    for key, spec in EXPERIMENTS.items():
        views, results = computed(spec)
        found[key] = views, spec.check(views, results)
    return found


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("multigrid_alone", Verdict.HOLDS),
        ("mic_near_walls", Verdict.DOES_NOT_HOLD),
        ("mean_left_in", Verdict.HOLDS),
        ("deflation", Verdict.HOLDS),
        ("transform_with_obstacle", Verdict.HOLDS),
        ("dcdm_steps", Verdict.HOLDS),
        ("dcdm_larger_grid", Verdict.DOES_NOT_HOLD),
        ("shared_scales", Verdict.HOLDS),
        ("unseen_obstacle", Verdict.HOLDS),
        ("trained_on_obstacles", Verdict.HOLDS),
        ("conjugate_to_how_many", Verdict.HOLDS),
        ("plain_pcg_stalls", Verdict.HOLDS),
        ("learned_factor", Verdict.HOLDS),
    ],
)
def test_each_claim_gets_its_verdict(
    findings: dict[str, tuple[dict[str, TraceView], Finding]], key: str, verdict: Verdict
) -> None:
    assert findings[key][1].verdict is verdict


def test_every_experiment_has_a_verdict_here() -> None:
    assert set(EXPERIMENTS) == {
        "multigrid_alone", "mic_near_walls", "mean_left_in", "deflation", "transform_with_obstacle",
        "dcdm_steps", "dcdm_larger_grid", "shared_scales", "unseen_obstacle", "trained_on_obstacles",
        "conjugate_to_how_many", "plain_pcg_stalls", "learned_factor",
    }  # fmt: skip


def test_sentences_carry_the_counts_of_the_run(
    findings: dict[str, tuple[dict[str, TraceView], Finding]],
) -> None:
    views, finding = findings["deflation"]
    for name in ("cg", "deflated_pcg"):
        assert f" {views[name].k[-1]} " in finding.sentence


def test_a_cycle_that_converges_alone_refutes_the_claim(
    findings: dict[str, tuple[dict[str, TraceView], Finding]],
) -> None:
    views, _ = findings["multigrid_alone"]
    tame = {**views, "multigrid": dataclasses.replace(views["multigrid_pcg"], status=Status.CONVERGED)}
    assert EXPERIMENTS["multigrid_alone"].check(tame, {}).verdict is Verdict.DOES_NOT_HOLD


NETWORKS = {"dcdm", "npsdo", "neural_ic"}
LEARNED = [key for key, spec in EXPERIMENTS.items() if NETWORKS & set(spec.methods)]


@pytest.mark.parametrize("key", LEARNED)
def test_a_network_that_does_not_reach_the_tolerance_refutes_what_is_claimed_of_it(
    findings: dict[str, tuple[dict[str, TraceView], Finding]], key: str
) -> None:
    views, finding = findings[key]
    assert all(str(len(view) - 1) in finding.sentence for view in views.values())
    lame = {
        name: dataclasses.replace(view, status=Status.MAX_ITERATIONS) if name in NETWORKS else view
        for name, view in views.items()
    }
    refuted = EXPERIMENTS[key].check(lame, {})
    assert refuted.verdict is Verdict.DOES_NOT_HOLD
    assert "without reaching the tolerance" in refuted.sentence or key == "shared_scales"


def test_the_explanations_are_for_readers() -> None:
    for spec in EXPERIMENTS.values():
        assert len(spec.explanation) > 400, spec.key
