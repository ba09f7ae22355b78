"""Landscapes in turned coordinates, against plain matrices and against what each method's formulas imply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core import registry
from core.errors import InputError
from core.iterate import drain
from core.optimizers.landscape import Landscape
from core.optimizers.methods.turned_task import TurnedTask
from core.optimizers.turning import SIDES, Turn, rotation, turned
from core.recipe import make
from core.run import Run


def landscape(key: str, **values: object) -> Landscape:
    spec = registry.problem_spec("optimizers", key)
    made: Landscape = drain(registry.instantiate(spec, values, "-p ").build(0))
    return made


def table(methods: str, problem: str, params: dict[str, object], **settings: object) -> Any:
    values = {"methods": methods, "angles": 5, "steps": 60, **settings}
    run = Run([make("optimizers", problem, "turned_task", params, values)]).inline()
    assert run.error is None
    return run.view().members[0].view.last("x")


@pytest.mark.parametrize("side", SIDES)
def test_a_turn_is_one_orthogonal_matrix_and_back_undoes_it(side: str) -> None:
    turn = Turn(((3, 5), (4,), (5, 2)), 33.0, side)
    Q = turn(np.eye(29)).T
    np.testing.assert_allclose(Q @ Q.T, np.eye(29), atol=1e-14)
    x = np.random.default_rng(0).normal(size=(6, 29))
    np.testing.assert_allclose(turn(x), x @ Q.T, atol=1e-14)
    np.testing.assert_allclose(turn.back(turn(x)), x, atol=1e-14)
    H = np.random.default_rng(1).normal(size=(29, 29))
    np.testing.assert_allclose(turn.of_matrix(H), Q @ H @ Q.T, atol=1e-13)


def test_the_sides_are_those_of_the_products() -> None:
    W = np.arange(15.0).reshape(3, 5)
    L, R = rotation(3, 40.0), rotation(5, 40.0)
    expected = {"both": L @ W @ R.T, "left": L @ W, "right": W @ R.T, "basis": L @ W}
    for side, there in expected.items():
        np.testing.assert_allclose(Turn(((3, 5),), 40.0, side)(W.ravel()), there.ravel(), atol=1e-13)
    np.testing.assert_allclose(Turn(((5, 3),), 40.0, "basis")(W.T.ravel()), (W.T @ L.T).ravel(), atol=1e-13)
    np.testing.assert_allclose(rotation(3, 90.0), [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15)


@pytest.mark.parametrize("key", ["rosenbrock", "matrix_factorization", "lse", "scale_invariant_rosenbrock"])
def test_a_turned_landscape_is_the_same_function_in_other_coordinates(key: str) -> None:
    values = {"size": 3, "rank": 2} if key == "matrix_factorization" else {"n": 4} if key == "lse" else {}
    plain = landscape(key, **values)
    there, turn = turned(plain, 25.0)
    rng = np.random.default_rng(0)
    x = plain.start + 0.1 * rng.normal(size=(3, plain.n))
    np.testing.assert_allclose(there.function.value(turn(x)), plain.function.value(x), rtol=1e-12)
    step = 1e-6 * rng.normal(size=plain.n)
    point = turn(x[0])
    change = there.function.value(point + step) - there.function.value(point - step)
    assert change == pytest.approx(2 * there.function.gradient(point) @ step, rel=1e-5)
    change = there.function.gradient(point + step) - there.function.gradient(point - step)
    np.testing.assert_allclose(
        change, 2 * there.function.hessian(point) @ step, rtol=1e-4, atol=1e-5 * np.abs(change).max()
    )
    np.testing.assert_allclose(
        there.distance_to_minimum(turn(x)), plain.distance_to_minimum(x), rtol=1e-12, equal_nan=True
    )


def test_methods_of_angles_and_lengths_turn_with_the_task_and_adam_only_at_a_right_angle() -> None:
    found = table("sgd lr=0.01; gns; adam lr=0.1", "ravine", {"rotation": 10.0})
    sgd, gns, adam = found[..., 1]
    assert sgd.max() < 1e-12
    assert gns.max() < 1e-8
    assert adam[1:4].min() > 1e-3
    assert adam[4] < 1e-12
    np.testing.assert_allclose(found[0, :, 0], found[0, 0, 0], rtol=1e-9)


@pytest.mark.parametrize("rank", [3, 9])
def test_conda_turns_with_the_side_of_its_basis_and_with_no_other(rank: int) -> None:
    params = {"size": 6, "rank": rank}
    own = table("conda lr=0.1; adam lr=0.05", "matrix_factorization", params, side="basis")[..., 1]
    assert own[0].max() < 1e-9
    assert own[1, 1:4].min() > 1e-2
    both = table("conda lr=0.1", "matrix_factorization", params, side="both")[..., 1]
    assert both[0, 1:4].min() > 1e-2


def test_what_cannot_be_turned_is_refused_with_the_reason() -> None:
    for key, words in (("noisy_bowl", "noise"), ("diffgrad_f1", "no angle"), ("digits_mlp", "network")):
        with pytest.raises(ValueError, match=words):
            turned(landscape(key), 30.0)
    with pytest.raises(InputError, match="descend landscapes"):
        TurnedTask(methods="comparison")
    with pytest.raises(InputError, match="1 to"):
        TurnedTask(methods="")
