"""Conda's matrices at the cursor, against their definitions and the recorded steps."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from core.optimizers.conda_views import basis_share, step_seconds
from core.optimizers.methods.conda import CondaMethod
from core.optimizers.panels import Course, Matrices, Panel
from core.recipe import make
from core.run import Run

STEPS = 12


def run_of(problem: str, params: dict[str, object], **settings: object) -> tuple[object, object, CondaMethod]:
    recipe = make("optimizers", problem, "conda", params, {"steps": STEPS, **settings})
    run = Run([recipe]).inline()
    return run.problem, run.view().members[0].view, recipe.build_method()


def matrices(panels: Iterable[Panel]) -> list[Matrices]:
    return [p for p in panels if isinstance(p, Matrices)]


@pytest.mark.parametrize("rank", [3, 5, 8])
def test_the_direction_shown_makes_the_recorded_step(rank: int) -> None:
    problem, view, method = run_of("matrix_factorization", {"size": 5, "rank": rank}, update_proj_gap=4)
    for k in (0, 3, 4, STEPS - 1):
        panels = matrices(method.panels(problem, view, k))
        assert [p.title for p in panels] == [f"W1, {rank} × 5", f"W2, 5 × {rank}"]
        t = k + 1
        size = method.lr * math.sqrt(1 - method.beta2**t) / (1 - method.beta1**t)
        N = np.concatenate([p.matrices["N"].ravel() for p in panels])
        step = view.snapshots[k]["step"]
        np.testing.assert_allclose(-size * N, step, rtol=1e-9, atol=1e-13 * np.abs(step).max())


def test_where_the_basis_is_new_the_turned_momentum_has_orthogonal_rows_as_long_as_its_singular_values() -> (
    None
):
    problem, view, method = run_of("matrix_factorization", {"size": 6, "rank": 4}, update_proj_gap=5)
    wide, tall = matrices(method.panels(problem, view, 5))
    assert list(wide.matrices) == ["M", "QᵀM", "√v", "N"]
    assert list(tall.matrices) == ["M", "M Q", "√v", "N"]
    for turned, M in ((wide.matrices["QᵀM"], wide.matrices["M"]),
                      (tall.matrices["M Q"].T, tall.matrices["M"])):  # fmt: skip
        sigma = np.linalg.svd(M, compute_uv=False)
        np.testing.assert_allclose(turned @ turned.T, np.diag(sigma**2), atol=1e-10 * sigma[0] ** 2)


def test_the_end_shows_the_last_step() -> None:
    problem, view, method = run_of("matrix_factorization", {"size": 4, "rank": 4})
    last, before = (matrices(method.panels(problem, view, k)) for k in (STEPS, STEPS - 1))
    np.testing.assert_array_equal(last[0].matrices["N"], before[0].matrices["N"])


def test_a_training_keeps_one_matrix_whose_direction_makes_its_step() -> None:
    problem, view, method = run_of("digits_mlp", {"width": 16, "depth": 2})
    (panel,) = matrices(method.panels(problem, view, 7))
    assert panel.title == "weight 2, 16 × 16"
    at = problem.network.names.index("weight 2")
    start = sum(math.prod(shape) for shape in problem.network.shapes[:at])
    part = slice(start, start + 256)
    x = [view.snapshots[k]["x"][part].astype(float) for k in (6, 7)]
    # what is shown at 7 led there: seven steps were made
    size = method.lr * math.sqrt(1 - method.beta2**7) / (1 - method.beta1**7)
    np.testing.assert_allclose(-size * panel.matrices["N"].ravel(), x[1] - x[0], atol=2e-7)
    assert list(method.panels(problem, view, 0))


def test_a_plain_point_has_no_matrices() -> None:
    problem, view, method = run_of("rosenbrock", {})
    assert list(method.panels(problem, view, 3)) == []


def test_the_share_of_the_bases_is_what_their_steps_take_longer() -> None:
    times = np.full(30, 2.0)
    times[[0, 10, 20]] = 100.0, 7.0, 7.0
    # 29 steps after the first: 27 of 2 s and two of 7 s
    assert basis_share(times, 10) == pytest.approx(10.0 / 68.0)
    assert basis_share(times, 1) is None
    assert basis_share(times, 100) is None


def test_the_time_of_every_step_is_shown() -> None:
    problem, view, method = run_of("matrix_factorization", {"size": 4, "rank": 4}, update_proj_gap=5)
    (course,) = [p for p in method.panels(problem, view, 3) if isinstance(p, Course)]
    # the last iterate holds no step
    np.testing.assert_allclose(course.values[1:-1], 1e3 * np.diff(view.seconds)[:-1])
    np.testing.assert_array_equal(step_seconds(np.array([1.0, 3.0, 6.0]), True), [2.0, 3.0])
    np.testing.assert_array_equal(step_seconds(np.array([1.0, 3.0, 6.0]), False), [1.0, 2.0])
    assert "every 5 steps: " in course.words
