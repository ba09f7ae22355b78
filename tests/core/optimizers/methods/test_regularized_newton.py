"""Cubic and super-universal Newton: optimal steps of their models, rules of acceptance; SOAP as Adam."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core import registry
from core.iterate import Array, Status
from core.optimizers.explanation import explain
from core.optimizers.methods.regularized_newton import cubic_step, shifted_step
from core.optimizers.methods.soap import Soap
from core.recipe import make
from core.run import Run
from core.trace import TraceView


def trace(problem: str, method: str, **m: object) -> TraceView:
    run = Run([make("optimizers", problem, method, {}, m)]).inline()
    assert run.error is None, run.error
    return run.view().members[0].view


def model(H: Array, g: Array, constant: float, d: Array) -> Array:
    return np.asarray(d @ g + 0.5 * ((d @ H) * d).sum(-1) + constant / 6 * np.linalg.norm(d, axis=-1) ** 3)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("constant", [1e-3, 1.0, 100.0])
def test_the_cubic_step_is_the_global_minimum_of_its_model(seed: int, constant: float) -> None:
    rng = np.random.default_rng(seed)
    A, g = rng.standard_normal((4, 4)), rng.standard_normal(4)
    H = A + A.T  # indefinite
    step, damping = cubic_step(H, g, constant)
    r = np.linalg.norm(step)
    assert damping == pytest.approx(0.5 * constant * r, rel=1e-10)
    scale = np.abs(np.linalg.eigvalsh(H)).max() + damping
    np.testing.assert_allclose((H + damping * np.eye(4)) @ step, -g, atol=1e-9 * (1 + scale * r))
    assert np.linalg.eigvalsh(H)[0] + damping >= -1e-9 * scale
    others = step + rng.standard_normal((2000, 4)) * r * 10.0 ** rng.uniform(-3, 0.5, (2000, 1))
    best = model(H, g, constant, step)
    assert (model(H, g, constant, others) >= best - 1e-10 * abs(best)).all()


def test_the_hard_case_leaves_a_saddle() -> None:
    H, g = np.diag([-2.0, 1.0]), np.array([0.0, 0.3])
    step, damping = cubic_step(H, g, 1.0)
    # r = −2λ/M = 4, and the length is made up along the lowest eigenvector
    assert np.linalg.norm(step) == pytest.approx(4.0, rel=1e-9)
    assert damping == pytest.approx(2.0, rel=1e-9)
    assert step[1] == pytest.approx(-0.1, rel=1e-6)
    angles = np.linspace(0, 2 * np.pi, 721)
    for length in np.linspace(0.1, 8, 80):
        ring = length * np.column_stack([np.cos(angles), np.sin(angles)])
        assert (model(H, g, 1.0, ring) >= model(H, g, 1.0, step) - 1e-9).all()


def test_a_shift_that_is_too_small_gives_no_step() -> None:
    H, g = np.diag([-2.0, 1.0]), np.array([1.0, 1.0])
    assert shifted_step(H, g, 1.0) is None
    np.testing.assert_allclose(shifted_step(H, g, 3.0), [-1.0, -0.25])


@pytest.mark.parametrize("method", ["cubic_newton", "super_universal_newton"])
@pytest.mark.parametrize("problem", ["rosenbrock", "beale", "himmelblau", "lse", "logistic"])
def test_they_arrive_and_their_steps_pass_their_own_test(method: str, problem: str) -> None:
    view = trace(problem, method)
    assert view.status is Status.CONVERGED
    spec = registry.method_spec("optimizers", method)
    assert set(view.scalars) == set(spec.scalars)
    f = view.scalars["loss"]
    if method == "cubic_newton":
        assert (np.diff(f) <= 1e-14 * np.maximum(1, np.abs(f[:-1]))).all()
    checked = 0
    for k in range(len(view) - 1):
        now, then = view.snapshots[k], view.snapshots[k + 1]
        constant, damping = now["regularization"]
        g, g_new, step, H = now["gradient"], then["gradient"], now["step"], now["hessian"]
        np.testing.assert_allclose(
            (H + damping * np.eye(len(g))) @ step, -g, atol=1e-8 * (1 + np.linalg.norm(g))
        )
        if abs(f[k] - f[k + 1]) < 1e-12 * max(1.0, abs(f[k])):
            continue  # there the rule is that the gradient shrinks
        checked += 1
        if method == "cubic_newton":
            assert f[k + 1] <= f[k] + model(H, g, constant, step) + 1e-12 * max(1.0, abs(f[k]))
        else:
            assert damping == pytest.approx(constant * np.linalg.norm(g), rel=1e-12)
            assert -g_new @ step >= g_new @ g_new / (4 * damping) * (1 - 1e-12)
    assert checked > 2


def test_on_a_quadratic_every_first_trial_of_the_cubic_model_is_accepted() -> None:
    view = trace("ravine", "cubic_newton")
    assert view.scalars["solves"][-1] == len(view) - 1


def test_soap_is_adam_one_step_late_on_a_vector() -> None:
    rng = np.random.default_rng(0)
    p = torch.from_numpy(rng.standard_normal(4))
    q = p.clone()
    late = Soap(lr=0.01).build([p])
    adam = torch.optim.Adam([q], 0.01, (0.95, 0.95), 1e-8)
    for k, g in enumerate(rng.standard_normal((12, 4))):
        p.grad = torch.from_numpy(g)
        late.step()
        if k:  # the first gradient only sets up the state
            q.grad = torch.from_numpy(g)
            adam.step()
    torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", ["cubic_newton", "super_universal_newton"])
def test_the_numbers_shown_of_a_step_give_the_next_point(method: str) -> None:
    recipe = make("optimizers", "rosenbrock", method)
    view = Run([recipe]).inline().view().members[0].view
    for k in (0, 5, len(view) - 2):
        line = explain(recipe.build_method(), view, k).lines[0]
        H, damping, g = (np.asarray(line.numbers[name]) for name in ("H", "damping", "g"))
        again = view.snapshots[k]["x"] + np.linalg.solve(H + damping * np.eye(2), -g)
        np.testing.assert_allclose(again, view.snapshots[k + 1]["x"], rtol=0, atol=1e-12)
