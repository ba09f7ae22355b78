"""Shapes of a step and colours of a path, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from core.iterate import Array
from core.optimizers.overlays import Arrow, Marks, Outline, overlays_of, tint_of
from core.recipe import make
from core.run import MemberView, Run

TURN = np.stack([np.cos(angles := np.linspace(0.0, 2 * np.pi, 13)), np.sin(angles)])


def member(problem: str, method: str, values: dict[str, object] | None = None, **m: object) -> MemberView:
    run = Run([make("optimizers", problem, method, values or {}, m)]).inline()
    assert run.error is None, run.error
    return run.view().members[0]


def points(outline: Outline, ring: float = 1.0) -> Array:
    return np.asarray(outline.center[:, None] + ring * outline.axes @ TURN).T


@pytest.mark.parametrize("metric", ["identity", "gram"])
def test_the_ball_has_the_radius_gamma_in_the_norm_of_the_steps(metric: str) -> None:
    one = member("lse", "gns", {"n": 2, "rows": 6, "mu": 0.1, "metric": metric})
    for k in one.view.kept[:-1]:
        snapshot = one.view.snapshots[int(k)]
        ball = next(o for o in overlays_of(one.recipe.build_method(), snapshot) if "ball" in o.name)
        assert isinstance(ball, Outline)
        h = points(ball) - snapshot["x"]
        B = snapshot.get("metric", np.eye(2))
        lengths = np.sqrt(np.einsum("ki,ij,kj->k", h, B, h))
        np.testing.assert_allclose(lengths, one.view.scalars["gamma"][k], rtol=1e-10)
        # the exact Hessian is positive semidefinite here, so that no trial leaves its ball
        step = snapshot["step"]
        assert np.sqrt(step @ B @ step) <= lengths[0] * (1 + 1e-6)


def test_the_model_s_rings_are_its_levels_and_newton_s_step_its_lowest_point() -> None:
    one = member("rosenbrock", "gns")
    seen = 0
    for k in one.view.kept[:-1]:
        s = one.view.snapshots[int(k)]
        x, g, H = s["x"], s["gradient"], s["hessian"]
        found = {o.name: o for o in overlays_of(one.recipe.build_method(), s)}
        if np.linalg.eigvalsh(H)[0] <= 0:
            assert not {"Newton step", "quadratic model"} & set(found)
            continue
        seen += 1
        model, newton = found["quadratic model"], found["Newton step"]
        assert isinstance(model, Outline)
        assert isinstance(newton, Arrow)
        np.testing.assert_allclose(g + H @ newton.vector, 0.0, atol=1e-9 * np.linalg.norm(g))
        lowest = 0.5 * g @ newton.vector
        for ring, share in zip(model.rings, (8 / 9, 5 / 9, 0.0), strict=True):
            h = points(model, ring) - x
            values = h @ g + 0.5 * np.einsum("ki,ij,kj->k", h, H, h)
            np.testing.assert_allclose(values, share * lowest, atol=1e-9 * abs(lowest), rtol=1e-9)
    assert seen > 10


def test_trials_are_the_recorded_ones() -> None:
    one = member("rosenbrock", "gns")
    trials = 0
    for k in one.view.kept[:-1]:
        s = one.view.snapshots[int(k)]
        marks = [o for o in overlays_of(one.recipe.build_method(), s) if isinstance(o, Marks)]
        refused, accepted = marks
        trials += len(refused.points) + 1
        np.testing.assert_array_equal(accepted.points[0], one.view.snapshots[int(k) + 1]["x"])
    # where H + λB was not positive definite a solve gave no point
    assert trials <= one.view.scalars["solves"][-1]


def test_the_tint_is_the_mean_friction() -> None:
    one = member("rosenbrock", "diffgrad", lr=0.05, steps=40)
    tint = tint_of(one.recipe.build_method(), one.view)
    assert tint is not None
    gradients = [np.zeros(2)] + [one.view.snapshots[int(k)]["gradient"] for k in tint.ks]
    changes = np.abs(np.diff(gradients, axis=0))
    np.testing.assert_allclose(tint.values, (1 / (1 + np.exp(-changes))).mean(axis=1), rtol=1e-12)


def test_methods_without_shapes_have_none_and_neither_has_the_last_iterate() -> None:
    one = member("booth", "adam", steps=3)
    assert overlays_of(one.recipe.build_method(), one.view.snapshots[0]) == []
    assert tint_of(one.recipe.build_method(), one.view) is None
    last = member("booth", "gns")
    assert overlays_of(last.recipe.build_method(), last.view.snapshots[int(last.view.kept[-1])]) == []
