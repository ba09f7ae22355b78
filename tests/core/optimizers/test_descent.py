"""The descent over torch optimizers: the same points as torch alone, honest counters, ends with reasons."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from core import registry
from core.iterate import Array, Status, drain
from core.optimizers.descent import Stepper, is_point, same_as
from core.optimizers.landscape import Landscape
from core.optimizers.methods.adam import Adam
from core.optimizers.methods.adamp import AdamPMethod
from core.optimizers.methods.conda import CondaMethod
from core.optimizers.methods.sgd import Sgd
from core.optimizers.methods.sgdp import SgdpMethod
from core.recipe import make
from core.run import Run
from core.trace import TraceView


def trace(
    problem: str, method: str, p: dict[str, object] | None = None, seed: int = 0, **m: object
) -> TraceView:
    run = Run([make("optimizers", problem, method, p or {}, m, seed)]).inline()
    assert run.error is None, run.error
    return run.view().members[0].view


def path(view: TraceView) -> Array:
    return np.array([view.snapshots[int(k)]["x"] for k in view.kept])


def landscape(key: str, **values: object) -> Landscape:
    made = drain(registry.instantiate(registry.problem_spec("optimizers", key), values, "-p ").build(0))
    assert isinstance(made, Landscape)
    return made


FIRST_ORDER = [
    spec.key for spec in registry.methods("optimizers")
    if hasattr(spec.cls, "recorded") and spec.key not in ("muon", "lbfgs")
]  # fmt: skip


@pytest.mark.parametrize("key", FIRST_ORDER)
def test_it_visits_the_points_that_torch_visits_through_its_public_step(key: str) -> None:
    f = landscape("himmelblau").function
    method = registry.method_spec("optimizers", key).cls(steps=30)
    p = torch.tensor([0.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = method.build([p])
    expected = [p.detach().numpy().copy()]
    for _ in range(30):
        p.grad = torch.from_numpy(f.gradient(p.detach().numpy()))
        optimizer.step()
        expected.append(p.detach().numpy().copy())
    np.testing.assert_array_equal(path(trace("himmelblau", key, steps=30)), expected)


def test_autograd_gives_the_same_descent() -> None:
    p = torch.tensor([-2.0, 2.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([p], 0.05)
    for _ in range(100):
        optimizer.zero_grad()
        ((1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2).backward()
        optimizer.step()
    end = path(trace("rosenbrock", "adam", lr=0.05, steps=100))[-1]
    # two orders of summation in the gradient, amplified over 100 steps
    np.testing.assert_allclose(end, p.detach().numpy(), rtol=0, atol=1e-9)


def test_every_item_holds_the_step_that_leaves_it() -> None:
    view = trace("beale", "diffgrad", steps=50)
    x = path(view)
    for k in range(50):
        np.testing.assert_allclose(x[k] + view.snapshots[k]["step"], x[k + 1], rtol=0, atol=1e-15)
        np.testing.assert_array_equal(
            view.snapshots[k]["gradient"], landscape("beale").function.gradient(x[k])
        )
    assert "step" not in view.snapshots[50]
    np.testing.assert_allclose(
        view.scalars["step_norm"][1:], np.linalg.norm(np.diff(x, axis=0), axis=1), rtol=1e-9
    )
    np.testing.assert_allclose(view.scalars["loss"], landscape("beale").function.value(x), rtol=1e-13)
    np.testing.assert_allclose(
        view.scalars["distance_to_minimum"], np.linalg.norm(x - [3.0, 0.5], axis=1), rtol=1e-12
    )
    np.testing.assert_array_equal(view.snapshots[1]["momentum_before"], view.snapshots[0]["momentum"])


def test_one_gradient_a_step_is_counted_and_line_searches_count_theirs() -> None:
    view = trace("rosenbrock", "adam", steps=20)
    np.testing.assert_array_equal(view.work["gradient"], np.arange(1, 22))
    np.testing.assert_array_equal(view.work["evaluation"], np.arange(1, 22))
    searched = trace("rosenbrock", "lbfgs")
    assert searched.work["evaluation"][-1] > len(searched)
    assert searched.status is Status.CONVERGED


def test_a_rate_that_is_too_large_ends_as_diverged_with_the_points_before_it() -> None:
    view = trace("rosenbrock", "sgd", lr=0.1)
    assert view.status is Status.DIVERGED
    assert "the loss is" in view.note
    assert np.isfinite(path(view)[:-1]).all()


def test_a_formula_without_value_ends_the_run_and_names_the_component() -> None:
    view = trace("formula", "sgd", {"formula": "x**1.5 + y**2", "start": "0.5,1"}, lr=0.5)
    assert view.status is Status.DIVERGED
    view = trace("formula", "sgd", {"formula": "abs(x)**0.5 + y**2", "start": "0,1"}, lr=0.5)
    assert view.status is Status.DIVERGED
    assert "component 0 of the gradient is nan" in view.note


def test_the_saddle_lets_go_at_its_bound_and_holds_a_start_on_its_ridge() -> None:
    view = trace("saddle", "sgd", {"start": "1,0.001"}, lr=0.1)
    assert view.status is Status.DIVERGED
    assert "nothing holds it within 5" in view.note
    assert trace("saddle", "sgd", {"start": "1,0"}, lr=0.1).status is Status.MAX_ITERATIONS


def test_a_tolerance_ends_the_descent_and_zero_uses_all_steps() -> None:
    assert trace("booth", "sgd", rtol=1e-6).status is Status.CONVERGED
    assert len(trace("booth", "sgd", steps=77)) == 78


#: They ask for more than a function of a point, and refuse Ackley's.
DEMANDING = {"muon", "nexus", "nexus_still", "gns_gauss_newton"}


@pytest.mark.parametrize(
    "key", [s.key for s in registry.methods("optimizers") if s.kind == "solver" and s.key not in DEMANDING]
)
def test_a_stationary_point_is_left_where_it_is(key: str) -> None:
    # Ackley's tip, where 0/0 is near; ε as small as it can be chosen
    spec = registry.method_spec("optimizers", key)
    smallest = {p.name: p.low for p in spec.parameters if p.name == "eps"}
    view = trace("ackley", key, {"start": "0,0"}, steps=5, **smallest)
    assert view.status in (Status.CONVERGED, Status.MAX_ITERATIONS, Status.BREAKDOWN)
    np.testing.assert_array_equal(path(view), np.zeros((len(view), 2)))


def test_noise_comes_from_the_seed_and_from_nothing_else() -> None:
    first, again, other = (trace("noisy_bowl", "adam", seed=seed, steps=20) for seed in (1, 1, 2))
    np.testing.assert_array_equal(path(first), path(again))
    assert not np.array_equal(path(first), path(other))
    bowl = landscape("noisy_bowl")
    noise = [
        first.snapshots[k]["gradient"] - bowl.function.gradient(first.snapshots[k]["x"]) for k in range(20)
    ]
    assert 0.2 < np.std(noise) < 1.0


def test_methods_for_matrices_coincide_on_a_point_and_say_so() -> None:
    point, rays = landscape("rosenbrock"), landscape("scale_invariant_rosenbrock")
    assert is_point(point)
    assert not is_point(rays)
    for method in (AdamPMethod(), SgdpMethod(), CondaMethod()):
        assert same_as(method, point)
        assert not same_as(method, rays)
    assert not same_as(Adam(), point)
    np.testing.assert_array_equal(
        path(trace("himmelblau", "sgdp", lr=1e-3)), path(trace("himmelblau", "sgd", lr=1e-3))
    )
    adam = path(trace("himmelblau", "adam", lr=1e-2, eps=1e-30))
    # the order of divisions differs, and a hundred steps amplify that
    np.testing.assert_allclose(path(trace("himmelblau", "adamp", lr=1e-2, eps=1e-30)), adam, atol=1e-9)
    conda = trace("himmelblau", "conda", lr=1e-2, beta2=0.999, eps=1e-30)
    np.testing.assert_allclose(path(conda), adam, atol=1e-9)


def test_muon_refuses_a_point_with_the_reason() -> None:
    run = Run([make("optimizers", "rosenbrock", "muon")]).inline()
    assert run.refused
    assert "a vector" in str(run.error)
    assert trace("matrix_factorization", "muon").scalars["loss"][-1] < 1e-2


def test_several_matrices_are_one_point_cut_in_pieces() -> None:
    problem = landscape("matrix_factorization", size=3, rank=2)
    stepper = Stepper(Sgd(lr=0.1, momentum=0.0), problem.start, problem.tensor_shapes)
    stepper.g[:] = np.arange(12.0)
    stepper.step()
    np.testing.assert_allclose(stepper.x, problem.start - 0.1 * np.arange(12.0), rtol=1e-15)
    assert [tuple(p.shape) for p in stepper.optimizer.param_groups[0]["params"]] == [(2, 3), (3, 2)]


@pytest.mark.parametrize("name", ["diffgrad.DiffGrad", "sgdp.SGDP", "adamp.AdamP", "conda.Conda"])
def test_the_torch_classes_are_found_beside_their_registrations(name: str) -> None:
    module, cls = name.split(".")
    found: Any = getattr(__import__(f"core.optimizers.methods.{module}", fromlist=[cls]), cls)
    assert issubclass(found, torch.optim.Optimizer)
    with pytest.raises(AttributeError):
        getattr(__import__(f"core.optimizers.methods.{module}", fromlist=[cls]), "Nothing")  # noqa: B009


def test_listing_the_lab_imports_neither_torch_nor_its_peers() -> None:
    code = (
        "import sys; from core import registry;"
        "registry.methods('optimizers'); registry.problems('optimizers');"
        "assert not registry.unavailable('optimizers');"
        "print([m for m in ('torch', 'pytorch_optimizer', 'open3d', 'sympy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
