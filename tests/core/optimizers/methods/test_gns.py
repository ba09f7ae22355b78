"""Gradient-normalized smoothness: the published counts, the lemma's test and the invariances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from core.iterate import Array, Iterate, Status
from core.optimizers.composites import LogSumExp
from core.optimizers.explanation import explain
from core.optimizers.expression import Formula
from core.optimizers.landscape import Function, Landscape
from core.optimizers.methods.gns import Gns
from core.recipe import make
from core.run import Run
from core.trace import TraceView


def trace(
    problem: str, method: str = "gns", values: dict[str, object] | None = None, **m: object
) -> TraceView:
    recipe = make("optimizers", problem, method, values or {}, m)
    run = Run([recipe]).inline()
    assert run.error is None, run.error
    return run.view().members[0].view


def counts(view: TraceView) -> tuple[int, int]:
    return len(view) - 1, int(view.scalars["solves"][-1])


def items(landscape: Landscape, **settings: object) -> list[Iterate]:
    return list(Gns(**settings).iterate(landscape))  # type: ignore[arg-type]


class Turned:
    """A function of S x for another function's x."""

    def __init__(self, function: Function, S: Array) -> None:
        self.function, self.S = function, S

    def value(self, x: Array) -> float:
        return float(self.function.value(self.S @ x))

    def gradient(self, x: Array) -> Array:
        return np.asarray(self.S.T @ self.function.gradient(self.S @ x))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        return self.value(x), self.gradient(x)

    def hessian(self, x: Array) -> Array:
        return np.asarray(self.S.T @ self.function.hessian(self.S @ x) @ self.S)


def quadratic(A: Array, start: Array, metric: Array | None = None) -> Landscape:
    class Function:
        def value(self, x: Array) -> float:
            return float(0.5 * x @ A @ x)

        def gradient(self, x: Array) -> Array:
            return np.asarray(A @ x)

        def value_and_gradient(self, x: Array) -> tuple[float, Array]:
            return self.value(x), self.gradient(x)

        def hessian(self, x: Array) -> Array:
            return A

    return Landscape(Function(), start, np.zeros((1, len(start))), 0.0, metric=metric)


def spd(n: int, condition: float, seed: int = 0) -> Array:
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    return np.asarray(Q @ np.diag(np.geomspace(1, condition, n)) @ Q.T)


def test_the_iteration_counts_on_rosenbrock_are_those_of_the_specification() -> None:
    assert counts(trace("rosenbrock")) == (51, 105)
    assert counts(trace("rosenbrock", "gns_gauss_newton")) == (50, 101)
    assert counts(trace("rosenbrock", "gns_zero", steps=20_000))[0] == 9726


@pytest.mark.parametrize(
    ("p", "exact", "inexact", "zero"),
    [(2.0, 51, 49, 9291), (3.0, 53, 50, 5475), (4.0, 55, 55, 3652), (5.0, 56, 57, 2622)],
)
def test_the_iteration_counts_on_powers_of_a_norm_are_those_of_the_specification(
    p: float, exact: int, inexact: int, zero: int
) -> None:
    values: dict[str, object] = {"p": p}
    assert counts(trace("norm_power", "gns", values))[0] == exact
    assert counts(trace("norm_power", "gns_gauss_newton", values))[0] == inexact
    assert counts(trace("norm_power", "gns_zero", values, steps=20_000))[0] == zero


def test_on_log_sum_exp_the_exact_hessian_beats_gauss_newton_and_both_beat_none() -> None:
    values: dict[str, object] = {"mu": 0.25}
    steps = [len(trace("lse", m, values)) for m in ("gns", "gns_gauss_newton", "gns_zero")]
    assert steps[0] < 0.5 * steps[1] < steps[1] < 0.5 * steps[2]


def test_the_counts_on_log_sum_exp_are_those_of_the_specification_on_its_data() -> None:
    # one generator draws the rows for every μ in turn; steps are measured by AᵀA
    rng, steps, gap = np.random.default_rng(0), 2000, {}
    expected = {
        1.0: ((10, 10), (15, 19), (14, 34)),
        0.25: ((13, 18), (58, 107), (113, 237)),
        0.1: ((35, 63), (122, 238), (steps, None)),
    }
    for mu, of_hessian in expected.items():
        A, b = rng.uniform(-1, 1, (200, 50)), rng.uniform(-1, 1, 200)
        A = A - softmax(-b / mu) @ A
        f, origin = LogSumExp(A, b, mu), np.zeros(50)
        landscape = Landscape(
            f, np.ones(50), origin[None], float(f.value(origin)), metric=A.T @ A,
            approximations={"gauss_newton": f.gauss_newton},
        )  # fmt: skip
        for hessian, (count, solves) in zip(("exact", "gauss_newton", "zero"), of_hessian, strict=True):
            *_, last = Gns(steps=steps, hessian=hessian).iterate(landscape)
            assert last.k == count
            assert solves in (None, last.scalars["solves"])
            gap[mu, hessian] = last.scalars["loss"] - f.value(origin)
    assert gap[0.1, "zero"] == pytest.approx(1.5e-3, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("margin", "exact", "fisher", "zero"),
    [(0.0, 6, (7, 12), (10, 12)), (0.3, 17, (55, 100), (60, 105)), (1.0, 16, (4, 5), (4, 4))],
)
def test_newtons_counts_on_logistic_losses_are_those_of_the_specification_and_the_others_near_them(
    margin: float, exact: int, fisher: tuple[int, int], zero: tuple[int, int], seed: int
) -> None:
    # Newton's counts hardly depend on the points drawn, the others do
    def steps(hessian: str) -> int:
        recipe = make("optimizers", "logistic", "gns", {"margin": margin},
                      {"hessian": hessian, "gap": 1e-6}, seed)  # fmt: skip
        return counts(Run([recipe]).inline().view().members[0].view)[0]

    assert steps("exact") == exact
    assert fisher[0] <= steps("fisher") <= fisher[1]
    assert zero[0] <= steps("zero") <= zero[1]


@pytest.mark.parametrize("problem", ["rosenbrock", "himmelblau", "lse", "monkey_saddle"])
def test_accepted_steps_descend_by_the_lemma_and_stay_within_the_radius(problem: str) -> None:
    view = trace(problem)
    losses = view.scalars["loss"]
    assert (np.diff(losses) < 0).all()
    for k in range(len(view) - 1):
        snapshot = view.snapshots[k]
        gamma, damping, norm = snapshot["regularization"]
        new = view.scalars["grad_norm"][k + 1]
        # within the rounding of the difference; where that is all, guard (vi) has accepted
        slack = 1e-14 * max(1.0, abs(losses[k]))
        assert losses[k] - losses[k + 1] >= new**2 / (8 * damping) - slack
        if np.linalg.eigvalsh(snapshot["hessian"]).min() >= 0:
            assert np.linalg.norm(snapshot["step"]) <= (gamma + 1e-8) * (1 + 1e-9)
            radii = gamma * 2.0 ** np.arange(len(snapshot["rejected"]), 0, -1) + 1e-8
            lengths = np.linalg.norm(snapshot["rejected"] - snapshot["x"], axis=1)
            assert (lengths <= radii * (1 + 1e-9)).all()
        assert norm == pytest.approx(view.scalars["grad_norm"][k], rel=1e-14)


def test_on_a_convex_quadratic_every_first_trial_is_taken_and_convergence_is_superlinear() -> None:
    landscape = quadratic(spd(6, 1e3), np.ones(6))
    found = items(landscape, gap=1e-14)
    assert found[-1].status is Status.CONVERGED
    assert [i.scalars["solves"] for i in found] == list(range(len(found)))
    gammas = [i.scalars["gamma"] for i in found[:-1]]
    np.testing.assert_allclose(np.diff(np.log2(gammas)), 1.0, atol=1e-12)
    # the mean of n log-ratios falls without bound
    ratios = np.diff(np.log([i.scalars["loss"] for i in found[-5:]]))
    assert (np.diff(ratios) < 0).all()


def test_without_a_hessian_the_step_is_the_normalized_gradient() -> None:
    view = trace("booth", "gns_zero")
    for k in range(len(view) - 1):
        s = view.snapshots[k]
        gamma, _, norm = s["regularization"]
        np.testing.assert_allclose(s["step"], -(gamma + 1e-8) / norm * s["gradient"], rtol=1e-12)


def test_the_path_follows_an_affine_map_of_the_unknowns_and_of_the_metric() -> None:
    rng = np.random.default_rng(3)
    A, S, start = spd(4, 50.0), rng.standard_normal((4, 4)), rng.standard_normal(4)
    plain = items(quadratic(A, S @ start), gap=1e-12)
    mapped = items(quadratic(S.T @ A @ S, start, metric=S.T @ S), gap=1e-12)
    assert len(plain) == len(mapped)
    for a, b in zip(plain, mapped, strict=True):
        np.testing.assert_allclose(S @ b.x, a.x, rtol=0, atol=1e-9)  # type: ignore[operator,arg-type]


@pytest.mark.parametrize("hessian", ["exact", "zero"])
def test_where_trials_are_rejected_the_path_follows_an_affine_map_too(hessian: str) -> None:
    valley = Formula("(1-x)**2 + 100*(y-x**2)**2")
    S, start = np.array([[2.0, 1.0], [-0.5, 3.0]]), np.array([-1.0, 0.5])
    nowhere = np.empty((0, 2))
    plain = items(Landscape(valley, S @ start, nowhere), steps=25, hessian=hessian)
    mapped = items(Landscape(Turned(valley, S), start, nowhere, metric=S.T @ S), steps=25, hessian=hessian)
    assert plain[-1].scalars["solves"] > 30
    for a, b in zip(plain, mapped, strict=True):
        np.testing.assert_allclose(S @ b.x, a.x, rtol=0, atol=1e-7)  # type: ignore[operator,arg-type]


@pytest.mark.parametrize("x", [-3.0, 0.02, 1.0, 40.0])
@pytest.mark.parametrize("share", [1e-3, 0.5, 1.0])
def test_a_radius_within_the_closed_form_is_accepted_at_once(x: float, share: float) -> None:
    # f = |x|³/6: γ(x) = √(2|f'|) = |x|, the bound √(2‖∇f‖/L) of a Hessian with L = 1
    cubic = Landscape(Formula("abs(x)**3/6"), np.array([x, 0.0]), np.empty((0, 2)))
    first, second = items(cubic, gamma=share * abs(x), steps=1)
    assert second.scalars["solves"] == 1
    assert first.scalars["gamma"] == share * abs(x)


def test_fisher_of_one_residual_norm_is_solved_as_sherman_and_morrison_do() -> None:
    view = trace("norm_power", "gns", {"p": 4.0}, hessian="fisher", steps=40)
    for k in range(len(view) - 1):
        s = view.snapshots[k]
        g, damping = s["gradient"], s["regularization"][1]
        alpha = 2.0 / (4.0 * view.scalars["loss"][k])  # H = α g gᵀ with α = (p−2)/‖u‖ᵖ
        closed = (-g + alpha * g * (g @ g) / (damping + alpha * (g @ g))) / damping
        np.testing.assert_allclose(s["step"], closed, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("scale", "shift"), [(7.0, 0.0), (1.0, 3.0)])
def test_scaling_or_shifting_the_loss_leaves_the_path(scale: float, shift: float) -> None:
    text = "(1-x)**2 + 100*(y-x**2)**2"
    start = np.array([-2.0, 2.0])
    paths = [
        items(Landscape(Formula(t), start, np.empty((0, 2))), steps=40)
        for t in (text, f"{scale}*({text}) + {shift}")
    ]
    for a, b in zip(*paths, strict=True):
        np.testing.assert_allclose(a.x, b.x, rtol=0, atol=1e-8)  # type: ignore[arg-type]


def test_a_hessian_that_is_not_definite_is_a_rejection_and_a_saddle_is_left() -> None:
    view = trace("saddle", gamma=10.0)
    # H + λI with λ = 0.2 is indefinite, and so it is until γ has halved four times
    assert view.snapshots[0]["regularization"][0] == 0.625
    assert view.scalars["solves"][1] == 5
    assert view.status is Status.DIVERGED
    assert "nothing holds it" in view.note


def test_a_trial_without_a_value_is_a_rejection() -> None:
    # from 5 the radii 10 and 5 lead to −5 and 0, where the logarithm has no value
    wall = Landscape(Formula("x**2 - log(x) + y**2"), np.array([5.0, 0.0]), np.empty((0, 2)))
    found = items(wall, gamma=10.0, hessian="zero", steps=50)
    assert found[1].scalars["solves"] == 3
    assert np.isfinite([item.scalars["loss"] for item in found]).all()
    assert found[-1].x[0] == pytest.approx(0.5**0.5, abs=1e-6)  # type: ignore[index]


@pytest.mark.parametrize("gamma", [1.0, 1e3])
def test_a_search_that_finds_nothing_says_so_and_stays(gamma: float) -> None:
    class Uphill(Turned):
        def gradient(self, x: Array) -> Array:
            return -super().gradient(x)

    wrong = Landscape(Uphill(Formula("x + y**2"), np.eye(2)), np.array([1.0, 2.0]), np.empty((0, 2)))
    found = items(wrong, gamma=gamma, hessian="zero")
    assert found[-1].status is Status.BREAKDOWN
    assert "no trial made progress at k = 0" in found[-1].note
    assert len(found) == 1


def test_a_kink_is_not_taken_for_a_minimum() -> None:
    kinked = Landscape(Formula("abs(x) + y**2"), np.array([0.3, 1.0]), np.empty((0, 2)))
    last = items(kinked, hessian="zero")[-1]
    assert last.status is Status.BREAKDOWN
    assert abs(last.x[1]) > 1e-3  # type: ignore[index]


def test_an_exact_minimum_at_the_start_ends_at_once() -> None:
    view = trace("booth", "gns", {"start": "1,3"}, gap=0.0)
    assert (len(view), view.status) == (1, Status.CONVERGED)


def test_with_no_tolerance_it_ends_where_differences_are_rounding() -> None:
    view = trace("rosenbrock", "gns", gap=0.0)
    assert view.status is Status.CONVERGED
    assert view.scalars["loss"][-1] < 1e-25


def test_a_metric_that_is_not_definite_and_a_missing_approximation_are_refused() -> None:
    with pytest.raises(ValueError, match="positive definite"):
        items(quadratic(np.eye(2), np.ones(2), metric=np.diag([1.0, -1.0])))
    with pytest.raises(ValueError, match=r"not symmetric: H and Hᵀ differ by 0\.5"):
        items(quadratic(np.array([[2.0, 1.0], [0.0, 2.0]]), np.ones(2)))
    run = Run([make("optimizers", "rastrigin", "gns_gauss_newton")]).inline()
    assert run.refused
    assert "gauss" in str(run.error)


@pytest.mark.parametrize("hessian", ["exact", "gauss_newton", "diagonal", "zero", "fisher"])
def test_the_numbers_shown_give_the_next_point(hessian: str) -> None:
    problem = "norm_power" if hessian == "fisher" else "rosenbrock"
    view = trace(problem, "gns", hessian=hessian, steps=60)
    for k in range(0, len(view) - 1, 9):
        shown = explain(Gns(hessian=hessian), view, k).numbers
        g, H, B = (np.asarray(shown[name]) for name in ("g", "H", "B"))
        damping = float(shown["norm"]) / (float(shown["gamma"]) + float(shown["eps"]))
        again = np.asarray(shown["x"]) - np.linalg.inv(H + damping * B) @ g
        recorded = view.snapshots[k + 1]["x"]
        # solving with a matrix of condition κ loses log10 κ digits, in the method as here
        kappa = np.linalg.cond(H + damping * B)
        assert np.abs(again - recorded).max() <= 1e-12 * max(1.0, 1e-3 * kappa)
        assert np.abs(np.asarray(shown["x_"]) - recorded).max() <= 1e-12
