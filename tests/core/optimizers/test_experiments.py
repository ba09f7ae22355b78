"""Every experiment's verdict, and the figures that the specification gives for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from core import registry
from core.optimizers import experiments
from core.optimizers.experiments import friction
from core.recipe import make
from core.registry import Finding, Verdict
from core.run import Run
from core.trace import TraceView

VERDICTS = {
    "diffgrad_f1": Verdict.DOES_NOT_HOLD,
    "diffgrad_f2": Verdict.DOES_NOT_HOLD,
    "diffgrad_f3": Verdict.DOES_NOT_HOLD,
    "diffgrad_units": Verdict.DOES_NOT_HOLD,
    "sgdp_rays": Verdict.HOLDS,
    "adamp_rays": Verdict.HOLDS,
    "gns_rosenbrock": Verdict.HOLDS,
    "gns_log_sum_exp": Verdict.HOLDS,
    "gns_margin": Verdict.DOES_NOT_HOLD,
    "conda_factorization": Verdict.NOT_SHOWABLE,
    "conda_turned": Verdict.HOLDS,
}


def shown(
    key: str, **overruled: object
) -> tuple[Finding, Mapping[str, TraceView], Mapping[str, Mapping[str, Any]]]:
    """Run an experiment, with some parameters of all its methods changed."""
    spec = registry.experiment_spec("optimizers", key)
    recipes = [
        make("optimizers", spec.problem, method, spec.problem_params, {**values, **overruled}, spec.seed)
        for method, values in spec.methods.items()
    ]
    run = Run(recipes).inline()
    assert run.error is None, run.error
    views = {m.recipe.method: m.view for m in run.view().members}
    results = {name: registry.lab("optimizers").result(run.problem, view) for name, view in views.items()}
    return spec.check(views, results), views, results


def test_all_experiments_are_judged_here() -> None:
    here = [e for e in registry.experiments("optimizers") if e.check.__module__ == experiments.__name__]
    assert {spec.key for spec in here} == set(VERDICTS)


@pytest.mark.parametrize("key", VERDICTS)
def test_the_verdict_is_what_the_run_gives(key: str) -> None:
    finding, _, _ = shown(key)
    assert finding.verdict is VERDICTS[key]
    assert finding.sentence.endswith(".")
    assert "nan" not in finding.sentence


def test_the_published_end_points_of_f1_and_f2_come_out_and_half_the_rate_gives_them_too() -> None:
    _, _, results = shown("diffgrad_f1")
    ends = [results[m]["x"][0] for m in ("adam", "diffgrad", "adam_half")]
    np.testing.assert_allclose(ends, [0.200, -0.300, -0.300], atol=5e-4)
    _, _, results = shown("diffgrad_f2")
    ends = [results[m]["x"][0] for m in ("adam", "diffgrad", "adam_half")]
    np.testing.assert_allclose(ends, [0.000, -0.643, -0.643], atol=5e-4)


def test_at_twice_the_rate_the_roles_on_f1_are_reversed() -> None:
    finding, _, results = shown("diffgrad_f1", lr=0.2, steps=999)
    assert finding.verdict is Verdict.DOES_NOT_HOLD
    assert results["adam"]["x"][0] == pytest.approx(-0.3, abs=1e-3)
    assert results["diffgrad"]["x"][0] == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize(
    ("key", "problem", "values", "ends"),
    [("diffgrad_f2", "diffgrad_f2", {"gradient": "notebook"}, (0.000, -0.812, -0.835)),
     ("diffgrad_f3", "diffgrad_f3", {}, (0.0005, 0.0136, 0.0021))],
)  # fmt: skip
def test_the_other_end_points_of_the_notebook_come_out(
    key: str, problem: str, values: dict[str, object], ends: tuple[float, ...]
) -> None:
    methods = registry.experiment_spec("optimizers", key).methods
    order = ("adam", "diffgrad", "adam_half")
    run = Run([make("optimizers", problem, m, values, methods[m]) for m in order]).inline()
    found = [member.view.last("x")[0] for member in run.view().members]
    np.testing.assert_allclose(found, ends, atol=5e-4)


def test_at_half_the_rate_all_methods_agree_on_f1() -> None:
    _, _, results = shown("diffgrad_f1", lr=0.05, steps=999)
    assert [results[m]["x"][0] for m in results] == pytest.approx([-0.3] * 3, abs=1e-3)


def test_the_verdict_on_f1_follows_from_the_numbers() -> None:
    spec = registry.experiment_spec("optimizers", "diffgrad_f1")
    _, views, results = shown("diffgrad_f1", steps=20)
    changed = {
        "diffgrad": {**results["diffgrad"], "loss": 0.0},
        "adam": {**results["adam"], "loss": 0.05},
        "adam_half": {**results["adam_half"], "loss": 0.05},
    }
    assert spec.check(views, changed).verdict is Verdict.HOLDS


def test_the_friction_is_near_one_half_on_f1() -> None:
    _, views, _ = shown("diffgrad_f1")
    xi = friction(views["diffgrad"])
    assert xi.shape == (299, 1)
    assert ((xi >= 0.5) & (xi < 1)).all()
    assert np.median(xi) < 0.52


@pytest.mark.parametrize(
    ("lr", "sgd", "sgdp", "lengths"),
    [(1e-4, 0.212, 0.0196, (2.82, 1.11)), (2e-4, 0.165, 0.0026, (3.93, 1.17)),
     (5e-4, 0.142, 0.00006, (6.55, 1.34))],
)  # fmt: skip
def test_the_table_of_the_scale_invariant_valley_comes_out(
    lr: float, sgd: float, sgdp: float, lengths: tuple[float, float]
) -> None:
    finding, _, results = shown("sgdp_rays", lr=lr)
    assert finding.verdict is Verdict.HOLDS
    assert results["sgd"]["loss"] == pytest.approx(sgd, rel=0.01)
    assert results["sgdp"]["loss"] == pytest.approx(sgdp, rel=0.05)
    assert np.linalg.norm(results["sgd"]["x"]) == pytest.approx(lengths[0], abs=0.01)
    assert np.linalg.norm(results["sgdp"]["x"]) == pytest.approx(lengths[1], abs=0.01)


@pytest.mark.parametrize(("lr", "loss", "length"), [(1e-4, 0.753, 1.02), (2e-4, 0.477, 1.04),
                                                    (5e-4, 0.222, 1.15)])  # fmt: skip
def test_without_momentum_the_weights_hardly_grow_and_the_loss_hardly_falls(
    lr: float, loss: float, length: float
) -> None:
    values = {"lr": lr, "momentum": 0.0, "steps": 1500}
    view = Run([make("optimizers", "scale_invariant_rosenbrock", "sgd", {}, values)]).inline().view()
    # the table's loss is one step before its length
    assert view.members[0].view.scalars["loss"][1499] == pytest.approx(loss, rel=0.01)
    assert np.linalg.norm(view.members[0].view.last("x")) == pytest.approx(length, abs=0.01)


def test_the_counts_of_the_margin_control_come_out() -> None:
    _, views, _ = shown("gns_margin")
    assert len(views["gns"]) - 1 == 16
    assert len(views["gns_zero"]) - 1 == 4
