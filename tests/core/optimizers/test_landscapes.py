"""Every landscape's derivatives, minima and starts against finite differences and local search."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from core import registry
from core.errors import InputError
from core.iterate import Array, drain
from core.optimizers.landscape import Landscape, parse_start, scaled
from core.recipe import make

KEYS = [
    spec.key for spec in registry.problems("optimizers")
    if spec.kind is None and isinstance(drain(spec.cls().build(0)), Landscape)
]  # fmt: skip
VARIANTS: list[tuple[str, dict[str, object]]] = [(key, {}) for key in KEYS] + [
    ("ravine", {"kappa": 300.0, "rotation": 35.0}),
    ("lse", {"n": 2, "mu": 0.1}),
    ("logistic", {"n": 2, "margin": 1.0}),
    ("norm_power", {"p": 2.0}),
    ("norm_power", {"p": 4.5}),
    ("chebyshev_chain", {"n": 4, "p": 3.0}),
    ("matrix_factorization", {"size": 4, "rank": 2}),
    ("formula", {"formula": "tanh(x*y) + sqrt(x^2+1.5)/(2+cos(y)) - 2**x + abs(x-7)*log(y**2+1)"}),
]
each = pytest.mark.parametrize(("key", "values"), VARIANTS, ids=[f"{k}-{v or ''}" for k, v in VARIANTS])


def built(key: str, values: dict[str, object]) -> Landscape:
    landscape = drain(registry.instantiate(registry.problem_spec("optimizers", key), values, "-p ").build(3))
    assert isinstance(landscape, Landscape)
    return landscape


def points(landscape: Landscape, count: int) -> Array:
    """Points of the window, or around the start, off the kinks."""
    rng = np.random.default_rng(1)
    if landscape.window:
        low, high = np.array(landscape.window).T
        return low + (high - low) * rng.random((count, landscape.n))
    return landscape.start + 0.3 * rng.standard_normal((count, landscape.n))


def differences(f: object, x: Array, h: float) -> Array:
    """Central differences of a function at one point, over the last axis of the result."""
    steps = h * np.eye(len(x))
    return np.stack([(f(x + s) - f(x - s)) / (2 * h) for s in steps], axis=-1)  # type: ignore[operator]


@each
def test_gradients_agree_with_finite_differences(key: str, values: dict[str, object]) -> None:
    landscape = built(key, values)
    f = landscape.function
    for x in points(landscape, 50 if landscape.n <= 4 else 3):
        # truncation h²·f''' and rounding ε·f/h both stay below this for functions up to 1e6
        scale = 1.0 + np.abs(f.gradient(x)).max() + np.abs(f.value(x))
        np.testing.assert_allclose(f.gradient(x), differences(f.value, x, 1e-6), rtol=0, atol=2e-7 * scale)


@each
def test_hessians_agree_with_finite_differences_of_gradients(key: str, values: dict[str, object]) -> None:
    landscape = built(key, values)
    f = landscape.function
    for x in points(landscape, 50 if landscape.n <= 4 else 2):
        H = f.hessian(x)
        scale = 1.0 + np.abs(H).max() + np.abs(f.gradient(x)).max()
        np.testing.assert_allclose(H, differences(f.gradient, x, 1e-6), rtol=0, atol=2e-7 * scale)
        np.testing.assert_allclose(H, H.T, rtol=1e-12, atol=1e-12 * scale)


@each
def test_many_points_at_once_give_what_they_give_one_by_one(key: str, values: dict[str, object]) -> None:
    landscape = built(key, values)
    f, x = landscape.function, points(landscape, 6).reshape(2, 3, -1)
    at = [(i, j) for i in range(2) for j in range(3)]
    for together, alone in ((f.value, f.value), (f.gradient, f.gradient), (f.hessian, f.hessian)):
        found = together(x)
        assert isinstance(found, np.ndarray)
        for index in at:
            np.testing.assert_allclose(found[index], alone(x[index]), rtol=1e-11, atol=1e-11)
    value, gradient = f.value_and_gradient(x[0, 0])
    assert isinstance(value, float)
    assert value == float(f.value(x[0, 0]))
    np.testing.assert_array_equal(gradient, f.gradient(x[0, 0]))
    assert np.shape(landscape.distance_to_minimum(x)) == (2, 3)


@each
def test_known_minima_are_stationary_and_as_low_as_said(key: str, values: dict[str, object]) -> None:
    landscape = built(key, values)
    for minimiser in np.nan_to_num(landscape.minima):
        f = landscape.function
        if key != "diffgrad_f3":  # a corner
            assert np.abs(f.gradient(minimiser)).max() < 1e-5
        assert landscape.minimum is not None
        assert f.value(minimiser) == pytest.approx(landscape.minimum, abs=1e-9)
        np.testing.assert_allclose(landscape.distance_to_minimum(minimiser), 0.0, atol=1e-12)
    if landscape.minimum is not None:
        assert (landscape.function.value(points(landscape, 200)) >= landscape.minimum - 1e-9).all()


@pytest.mark.parametrize(
    "key", [k for k in KEYS if len(built(k, {}).minima) and built(k, {}).n == 2 and k != "nexus_valley"]
)
def test_a_search_from_many_points_finds_no_lower_minimum(key: str) -> None:
    landscape = built(key, {})
    f = landscape.function
    low, high = np.array(landscape.window).T
    found = [minimize(f.value, x, jac=f.gradient) for x in points(landscape, 30)]
    # McCormick's function falls without end outside its window
    ends = [end.fun for end in found if ((end.x >= low) & (end.x <= high)).all()]
    assert landscape.minimum is not None
    assert min(ends) > landscape.minimum - 1e-9


@each
def test_the_start_is_finite_and_has_a_slope(key: str, values: dict[str, object]) -> None:
    landscape = built(key, values)
    value, gradient = landscape.function.value_and_gradient(landscape.start)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert np.linalg.norm(gradient) > 0
    assert sum(int(np.prod(shape)) for shape in landscape.tensor_shapes) == landscape.n


@pytest.mark.parametrize(
    ("key", "values"),
    [(k, v) for k, v in VARIANTS if built(k, v).approximations],
    ids=lambda item: str(item),
)
def test_approximate_hessians_are_symmetric_and_leave_out_only_negative_curvature_at_zero_residuals(
    key: str, values: dict[str, object]
) -> None:
    landscape = built(key, values)
    for x in points(landscape, 5):
        for name, approximate in landscape.approximations.items():
            H = approximate(x)
            np.testing.assert_allclose(H, H.T, rtol=1e-12, atol=1e-12 * np.abs(H).max())
            assert np.linalg.eigvalsh(H).min() >= -1e-9 * max(1.0, np.abs(H).max()), name
    # residuals vanish at the minimum, and with them what Gauss–Newton leaves out
    if "gauss_newton" in landscape.approximations and key not in ("lse", "norm_power", "chebyshev_chain"):
        x = landscape.minima[0]
        np.testing.assert_allclose(
            landscape.approximations["gauss_newton"](x), landscape.function.hessian(x), rtol=1e-9, atol=1e-9
        )


def test_the_log_sum_exp_hessian_loses_a_rank_one_term_and_the_logistic_fisher_is_of_outer_products() -> None:
    lse = built("lse", {})
    g = lse.function.gradient(lse.start)
    lost = lse.approximations["gauss_newton"](lse.start) - lse.function.hessian(lse.start)
    np.testing.assert_allclose(lost, np.outer(g, g), rtol=0, atol=1e-12)
    logistic = built("logistic", {})
    x = logistic.start + 0.1
    rows = logistic.function.signed  # type: ignore[attr-defined]
    each_gradient = -rows / (1 + np.exp(rows @ x))[:, None]
    fisher = np.mean([np.outer(g, g) for g in each_gradient], axis=0)
    np.testing.assert_allclose(logistic.approximations["fisher"](x), fisher, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("p", [2.0, 3.0, 4.5])
def test_approximations_of_a_power_of_a_norm_are_of_its_residuals(p: float) -> None:
    landscape = built("norm_power", {"p": p})
    f = landscape.function
    for x in points(landscape, 5):
        u, J = np.array([1 - x[0], 10 * (x[1] - x[0] ** 2)]), np.array([[-1.0, 0.0], [-20 * x[0], 10.0]])
        fisher = (p - 2) / (p * f.value(x)) * np.outer(f.gradient(x), f.gradient(x))
        np.testing.assert_allclose(landscape.approximations["fisher"](x), fisher, rtol=1e-10, atol=1e-10)
        gauss_newton = np.linalg.norm(u) ** (p - 2) * J.T @ J + fisher
        np.testing.assert_allclose(landscape.approximations["gauss_newton"](x), gauss_newton, rtol=1e-10)


def test_himmelblau_has_its_hill() -> None:
    f = built("himmelblau", {}).function
    top = np.array([-0.270845, -0.923039])
    assert f.value(top) == pytest.approx(181.617, abs=1e-3)
    assert np.linalg.eigvalsh(f.hessian(top)).max() < 0


def test_the_scale_invariant_valley_does_not_feel_length() -> None:
    landscape = built("scale_invariant_rosenbrock", {})
    f = landscape.function
    for w in points(landscape, 10):
        assert f.value(3 * w) == pytest.approx(f.value(w), rel=1e-12)
        assert abs(f.gradient(w) @ w) < 1e-12 * (1 + np.abs(f.gradient(w)).max())
        np.testing.assert_allclose(f.gradient(3 * w), f.gradient(w) / 3, rtol=1e-9, atol=1e-12)
    ray = 2.5 * np.array([np.cos(1.0) ** 2, np.cos(1.0) * np.sin(1.0), np.sin(1.0)])
    assert f.value(ray) < 1e-25
    assert landscape.distance_to_minimum(ray) < 1e-12


def test_the_ravine_turns_as_a_whole() -> None:
    rng = np.random.default_rng(0)
    straight = built("ravine", {"kappa": 80.0}).function
    turned = built("ravine", {"kappa": 80.0, "rotation": 30.0}).function
    c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
    R = np.array([[c, -s], [s, c]])
    for x in rng.standard_normal((5, 2)):
        assert turned.value(R @ x) == pytest.approx(straight.value(x), rel=1e-12)
    assert sorted(np.linalg.eigvalsh(turned.hessian(np.zeros(2)))) == pytest.approx([1.0, 80.0])


def test_ackley_has_gradient_zero_at_its_tip_and_formulas_without_value_give_nan() -> None:
    ackley = built("ackley", {}).function
    assert (ackley.gradient(np.zeros(2)) == 0).all()
    broken = built("formula", {"formula": "log(x) + 1/y"}).function
    assert np.isnan(broken.value(np.array([-1.0, 1.0])))
    assert np.isinf(broken.value(np.array([1.0, 0.0])))
    assert np.isposinf(built("formula", {"formula": "exp(x)"}).function.value(np.array([1e4, 0.0])))


def test_the_published_pieces_of_f2_do_not_meet() -> None:
    f = built("diffgrad_f2", {}).function
    assert f.value(np.array([-0.9])) == pytest.approx(0.85, abs=1e-9)
    assert f.value(np.array([-0.9 + 1e-12])) == pytest.approx(0.835, abs=1e-3)


@pytest.mark.parametrize(
    ("x", "slope"), [(-0.5, -1.0), (-0.4, 1.0), (0.0, -0.875), (0.4, 0.875), (0.5, -1.0)]
)
def test_breakpoints_of_f3_take_the_slope_on_their_left(x: float, slope: float) -> None:
    assert built("diffgrad_f3", {}).function.gradient(np.array([x]))[0] == slope


def test_f2_can_be_descended_by_the_notebooks_slope() -> None:
    x = np.array([0.3])
    true, notebook = (built("diffgrad_f2", {"gradient": g}).function for g in ("true", "notebook"))
    assert true.gradient(x)[0] - notebook.gradient(x)[0] == pytest.approx(7 * 0.3 * np.cos(2.4), rel=1e-12)


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b", "nan,1", "1e9,0", "1,,"])
def test_a_start_that_cannot_be_one_is_refused(text: str) -> None:
    if text == "1,,":
        np.testing.assert_array_equal(parse_start(text, 2), [1.0, 1.0])
        return
    with pytest.raises(InputError):
        parse_start(text, 2)


@pytest.mark.parametrize("problem", ["ravine", "diffgrad_f1", "diffgrad_f2", "diffgrad_f3"])
def test_a_loss_in_other_units_is_the_same_landscape_times_a_number(problem: str) -> None:
    plain = drain(make("optimizers", problem, "adam").build_problem())
    large = drain(make("optimizers", problem, "adam", {"scale": 250.0}).build_problem())
    x = np.random.default_rng(0).uniform(-1.4, 1.4, (20, plain.n))
    for name in ("value", "gradient", "hessian"):
        np.testing.assert_allclose(
            getattr(large.function, name)(x), 250.0 * getattr(plain.function, name)(x), rtol=1e-12
        )
    value, gradient = large.function.value_and_gradient(x[0])
    assert value == pytest.approx(float(large.function.value(x[0])))
    np.testing.assert_array_equal(gradient, large.function.gradient(x[0]))
    assert large.minimum == 250.0 * plain.minimum
    np.testing.assert_array_equal(large.minima, plain.minima)


def test_approximated_hessians_are_not_left_behind_by_a_scale() -> None:
    built = drain(make("optimizers", "rosenbrock", "adam").build_problem())
    with pytest.raises(ValueError, match="without approximated Hessians"):
        scaled(built, 2.0)
