"""The radius γ(x) against closed forms, its definition and its invariances; the map of it."""

from __future__ import annotations

import numpy as np
import pytest

from core.iterate import Array, Status, drain
from core.optimizers.expression import Formula
from core.optimizers.landscape import Function, Landscape, Scaled
from core.optimizers.methods.smoothness_map import SmoothnessMap
from core.optimizers.smoothness import directions, hessian_of, radii_below, trusted_radius
from core.optimizers.trust_views import unit_ball
from core.recipe import make

#: What the last bracket leaves open.
BRACKET = 3e-3
HIMMELBLAU = Formula("(x**2+y-11)**2 + (x+y**2-7)**2")


def landscape(key: str, **values: object) -> Landscape:
    return drain(make("optimizers", key, "gns", values).build_problem())


def radius(
    f: Function, x: Array, hessian: Array | None = None, B: Array | None = None, cap: float = 20.0
) -> Array:
    n = x.shape[1]
    ball = np.eye(n) if B is None else unit_ball(B)
    H = f.hessian(x) if hessian is None else hessian
    return trusted_radius(f, x, H, ball, directions(n, 48), radii_below(cap, 12))


def some_points(count: int = 40) -> Array:
    return np.random.default_rng(0).uniform(-4.0, 4.0, (count, 2))


def test_a_cube_of_one_variable_is_trusted_as_far_as_the_origin() -> None:
    x = np.array([-3.0, -0.4, 0.05, 0.7, 2.5])[:, None]
    f = Formula("abs(x)**3/6", ("x",))
    # which is √(2|f'|), the bound for a Hessian of Lipschitz constant 1
    np.testing.assert_allclose(np.sqrt(2 * np.abs(f.gradient(x)[:, 0])), np.abs(x[:, 0]), rtol=1e-12)
    np.testing.assert_allclose(radius(f, x), np.abs(x[:, 0]), rtol=BRACKET)


def test_a_quadratic_is_trusted_up_to_the_cap_and_without_a_hessian_to_its_steepest_curvature() -> None:
    f = Formula("0.5*(x**2 + 30*y**2)")
    x = some_points()
    np.testing.assert_array_equal(radius(f, x), 20.0)
    flat = radius(f, x, np.zeros((len(x), 2, 2)), cap=1000.0)
    np.testing.assert_allclose(flat, np.linalg.norm(f.gradient(x), axis=1) / 30.0, rtol=BRACKET)


def test_no_radius_is_below_the_bound_for_lipschitz_hessians() -> None:
    f = Formula("cos(1.2*x+0.5*y)")
    x = some_points(200)
    slopes, lipschitz = np.linalg.norm(f.gradient(x), axis=1), 1.3**3
    assert (radius(f, x) >= np.sqrt(2 * slopes / lipschitz) * (1 - BRACKET)).all()


@pytest.mark.parametrize("kind", ["exact", "zero", "diagonal"])
def test_within_the_radius_the_inequality_holds_and_beyond_it_fails(kind: str) -> None:
    problem = landscape("himmelblau")
    x = some_points(12)
    H = hessian_of(problem, kind)(x)
    gamma = radius(problem.function, x, H)
    along = directions(2, 360)

    def error_share(i: int, radii: Array) -> float:
        """Return the largest error over r, as a share of the gradient."""
        h = radii[:, None, None] * along
        g = problem.function.gradient(x[i])
        E = problem.function.gradient(x[i] + h) - g - h @ H[i]
        return float((np.linalg.norm(E, axis=-1) / radii[:, None]).max() / np.linalg.norm(g))

    for i in range(len(x)):
        inside, beyond = gamma[i] * np.linspace(0.01, 0.99, 60), gamma[i] * np.array([1.02])
        assert error_share(i, inside) * gamma[i] <= 1.001
        assert error_share(i, beyond) * 1.02 * gamma[i] > 1.0


def test_neither_the_units_of_the_loss_nor_affine_coordinates_change_it() -> None:
    x = some_points()
    plain = radius(HIMMELBLAU, x)
    np.testing.assert_allclose(radius(Scaled(HIMMELBLAU, 1e5), x), plain, rtol=1e-9)
    S = np.array([[2.0, 0.7], [-0.3, 0.5]])

    class Turned:
        def gradient(self, y: Array) -> Array:
            return np.asarray(HIMMELBLAU.gradient(y @ S.T) @ S)

        def hessian(self, y: Array) -> Array:
            return np.asarray(S.T @ HIMMELBLAU.hessian(y @ S.T) @ S)

    y = x @ np.linalg.inv(S).T
    # the directions that are looked at are turned
    np.testing.assert_allclose(radius(Turned(), y, B=S.T @ S), plain, rtol=0.01)  # type: ignore[arg-type]


def test_nothing_is_trusted_at_a_stationary_point_and_where_there_is_no_gradient() -> None:
    assert radius(HIMMELBLAU, np.array([[3.0, 2.0]])) == pytest.approx(0.0, abs=1e-9)
    # the ball ends where the logarithm does
    assert radius(Formula("log(x) + 5*x + y"), np.array([[0.5, 0.0]]))[0] <= 0.5


def test_the_map_holds_the_radius_of_every_point() -> None:
    problem = landscape("rosenbrock")
    items = list(SmoothnessMap("gauss_newton", resolution=20).iterate(problem))
    assert np.isnan(items[0].x).all()  # type: ignore[arg-type]
    assert [i.status for i in items][-1] is Status.CONVERGED
    table, xs, ys = items[-1].x, items[-1].arrays["x_axis"], items[-1].arrays["y_axis"]
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    H = problem.approximations["gauss_newton"](points)
    expected = radius(problem.function, points, H, cap=np.hypot(4.0, 4.0))
    np.testing.assert_allclose(np.ravel(table), expected, rtol=1e-12)  # type: ignore[arg-type]
    assert items[-1].scalars["radius"] == pytest.approx(np.median(expected))


@pytest.mark.parametrize(
    ("key", "hessian", "said"),
    [("diffgrad_f1", "exact", "two variables"), ("noisy_bowl", "exact", "without noise"),
     ("himmelblau", "fisher", "has no fisher matrix; it has exact, gauss_newton, diagonal")],
)  # fmt: skip
def test_a_map_that_cannot_be_made_says_why(key: str, hessian: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SmoothnessMap(hessian).iterate(landscape(key))
