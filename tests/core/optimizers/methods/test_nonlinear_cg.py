"""Nonlinear conjugate gradients and their line search."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.iterate import Array, Status
from core.optimizers.explanation import explain
from core.optimizers.line_search import strong_wolfe
from core.optimizers.methods.nonlinear_cg import NonlinearCg, coefficient
from core.recipe import make
from core.run import Run
from core.trace import TraceView

FORMULAS = ("fr", "pr", "hs", "dy", "hz")
each_formula = pytest.mark.parametrize("formula", FORMULAS)


def trace(problem: str, formula: str = "pr", **values: object) -> TraceView:
    run = Run([make("optimizers", problem, "nonlinear_cg", values, {"formula": formula})]).inline()
    assert run.error is None, run.error
    return run.view().members[0].view


@each_formula
def test_with_exact_searches_on_a_quadratic_all_formulas_are_linear_conjugate_gradients(formula: str) -> None:
    n = 7
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((n, n)))[0]
    A = Q @ np.diag(np.geomspace(1, 50, n)) @ Q.T
    x, b = np.zeros(n), np.ones(n)
    # linear conjugate gradients on A x = b beside it
    r = b.copy()
    p = r.copy()
    y = np.zeros(n)
    g = A @ x - b
    d = -g
    for _ in range(n):
        alpha = -(g @ d) / (d @ A @ d)
        x, g_old = x + alpha * d, g
        g = A @ x - b
        d = -g + coefficient(formula, g, g_old, d) * d
        step = (r @ r) / (p @ A @ p)
        y, r_old = y + step * p, r
        r = r - step * A @ p
        p = r + (r @ r) / (r_old @ r_old) * p
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-9)
    np.testing.assert_allclose(A @ x, b, rtol=0, atol=1e-10)


@each_formula
def test_a_formula_without_a_value_gives_the_plain_gradient(formula: str) -> None:
    zero = np.zeros(3)
    assert coefficient(formula, np.ones(3), zero, zero) == 0.0


@given(st.integers(0, 2**31))
def test_every_formula_keeps_what_its_authors_prove_also_away_from_quadratics(seed: int) -> None:
    rng = np.random.default_rng(seed)
    g_old, g, d = rng.standard_normal((3, 4)) * 10.0 ** rng.uniform(-3, 1, (3, 1))
    y = g - g_old
    new = {name: -g + coefficient(name, g, g_old, d) * d for name in FORMULAS}
    norm = float(g @ g)
    # Hager & Zhang 2005, theorem 1.1: descent by 7/8 of the squared norm, whatever the search found
    assert float(new["hz"] @ g) <= -7 / 8 * norm * (1 - 1e-9)
    # Dai & Yuan 1999: β is the ratio of the slopes
    beta = coefficient("dy", g, g_old, d)
    assert float(new["dy"] @ g) == pytest.approx(beta * float(g_old @ d), rel=1e-6, abs=1e-9 * norm)
    # Hestenes & Stiefel 1952: the new direction is conjugate to the old one
    scale = float(np.linalg.norm(new["hs"]) * np.linalg.norm(y))
    assert abs(float(new["hs"] @ y)) <= 1e-9 * scale
    # Fletcher & Reeves carry on for ever; Polak & Ribière start anew where the gradient hardly changed
    assert coefficient("fr", g, g_old, d) == pytest.approx(norm / float(g_old @ g_old))
    assert coefficient("pr", g_old * (1 - 1e-3), g_old, d) == 0.0
    assert coefficient("hz", g, g_old, d) >= -1 / (
        np.linalg.norm(d) * min(0.01, float(np.linalg.norm(g_old)))
    ) * (1 + 1e-12)


def test_hager_and_zhang_bound_their_share_from_below() -> None:
    g_old, g, d = np.array([1.0, 0.0]), np.array([1e3, 0.0]), np.array([-1.0, 0.0])
    # y = 999, dᵀy = −999: ((y − 2 d ‖y‖²/dᵀy) · g)/dᵀy = (−999 · 1000)/(−999) = 1000; turned round, −1000
    assert coefficient("hz", g, g_old, d) == pytest.approx(1000.0)
    assert coefficient("hz", g, g_old, -d) == pytest.approx(-100.0)


@each_formula
@pytest.mark.parametrize("problem", ["rosenbrock", "beale", "booth", "himmelblau", "ravine"])
def test_it_reaches_a_minimum(problem: str, formula: str) -> None:
    view = trace(problem, formula)
    assert view.status is Status.CONVERGED
    assert view.scalars["distance_to_minimum"][-1] < 1e-4
    assert (np.diff(view.scalars["loss"]) < 0).all()


@each_formula
def test_turning_the_ravine_turns_the_path(formula: str) -> None:
    c, s = math.cos(math.radians(30)), math.sin(math.radians(30))
    start = np.array([[c, -s], [s, c]]) @ [-2.5, 1.0]
    plain = trace("ravine", formula, kappa=30.0)
    turned = trace("ravine", formula, kappa=30.0, rotation=30.0, start=",".join(map(repr, start.tolist())))
    assert len(plain) == len(turned)
    np.testing.assert_allclose(
        plain.scalars["distance_to_minimum"], turned.scalars["distance_to_minimum"], rtol=0, atol=1e-9
    )


@each_formula
def test_the_numbers_shown_give_the_next_point(formula: str) -> None:
    view = trace("rosenbrock", formula)
    restarts = 0
    for k in range(len(view) - 1):
        shown = explain(NonlinearCg(formula=formula), view, k).numbers
        d = -np.asarray(shown["g"])
        if "d_old" in shown:
            g, g_old, d_old = (np.asarray(shown[name]) for name in ("g", "g_old", "d_old"))
            d = d + coefficient(formula, g, g_old, d_old) * d_old
        else:
            restarts += 1
        again = np.asarray(shown["x"]) + float(shown["alpha"]) * d
        assert np.abs(again - view.snapshots[k + 1]["x"]).max() <= 1e-12
    assert 0 < restarts < len(view) - 1


SLICES: list[Callable[[float], tuple[float, float]]] = [
    lambda t: ((t - 3) ** 4, 4 * (t - 3) ** 3),
    lambda t: (math.exp(min(t, 700.0)) - 5 * t, math.exp(min(t, 700.0)) - 5),
    lambda t: (-math.sin(t), -math.cos(t)),
    lambda t: (t / (1 + t * t) * -1, -(1 - t * t) / (1 + t * t) ** 2),
    lambda t: (math.inf, math.nan) if t > 0.4 else ((t - 0.3) ** 2, 2 * (t - 0.3)),
]


@given(st.sampled_from(range(len(SLICES))), st.floats(1e-6, 1e3), st.sampled_from([0.1, 0.4]))
def test_what_the_search_finds_fulfils_both_conditions(which: int, first: float, c2: float) -> None:
    def both(x: Array) -> tuple[float, Array]:
        value, slope = SLICES[which](float(x[0]))
        return value, np.array([slope])

    x, d = np.zeros(1), np.ones(1)
    f, g = both(x)
    found = strong_wolfe(both, x, d, f, g, first, c2=c2)
    assert found is not None
    value, slope = both(x + found.alpha * d)
    assert value == found.f
    assert value <= f + 1e-4 * found.alpha * g[0]
    assert abs(slope[0]) <= c2 * abs(g[0]) * (1 + 1e-12)


def test_a_loss_that_falls_for_ever_gives_up() -> None:
    def both(x: Array) -> tuple[float, Array]:
        return float(-x[0]), np.array([-1.0])

    assert strong_wolfe(both, np.zeros(1), np.ones(1), *both(np.zeros(1)), 1.0) is None
