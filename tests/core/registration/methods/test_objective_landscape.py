"""The landscape against brute force, its slope against the normal equations."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from core.iterate import Iterate, drain
from core.linalg.lie import exp_se3
from core.recipe import make
from core.registration.correspondences import make_linearisation
from core.registration.methods.objective_landscape import (
    BATCH,
    QUANTITIES,
    Objective,
    ObjectiveLandscape,
)
from core.registration.problem import ScanPair
from core.registration.scenes import Corridor, Room
from core.run import Run, State
from tests.oracles_clouds import box_surface, make_pair

T_TRUE = exp_se3(np.array([0.01, -0.02, 0.05, 0.3, -0.2, 0.1]))


def pair() -> ScanPair:
    source = (box_surface(600, 1, noise=0.01) - T_TRUE[:3, 3]) @ T_TRUE[:3, :3]
    return make_pair(source, box_surface(2500, 0, noise=0.01), np.eye(4), T_true=T_TRUE)


def items(settings: ObjectiveLandscape, problem: ScanPair) -> list[tuple[Iterate, np.ndarray]]:
    return [(i, i.x()) for i in settings.iterate(drain(settings.prepare(problem)))]  # type: ignore[operator]


def brute_force(
    problem: ScanPair, T: np.ndarray, max_distance: float, k: float
) -> tuple[float, float, float]:
    """Return mean Cauchy cost, RMS and share of pairs, one nearest neighbour at a time."""
    target = problem.levels[-1].target
    tree, costs, squares = cKDTree(target.points), [], []
    for p in problem.levels[-1].source:
        x = T[:3, :3] @ p + T[:3, 3]
        d, j = tree.query(x)
        r = float(target.normals[j] @ (x - target.points[j])) if d < max_distance else max_distance
        costs.append(0.5 * k * k * math.log(1 + (r / k) ** 2))
        if d < max_distance:
            squares.append(r * r)
    return float(np.mean(costs)), math.sqrt(float(np.mean(squares))), len(squares) / len(costs)


def test_a_cell_is_the_objective_at_its_pose() -> None:
    settings = ObjectiveLandscape(
        centre="true", resolution=4, max_distance=0.8, kernel_scale=0.1, first="yaw", second="y",
        translation_range=1.0, rotation_range=10.0,
    )  # fmt: skip
    values = items(settings, pair())[-1][1]
    for row, column in ((0, 0), (1, 2), (3, 1)):
        a, b = math.radians(-10 + 20 / 3 * column), -1 + 2 / 3 * row
        T = T_TRUE @ exp_se3(np.array([0, 0, 0, 0, b, 0])) @ exp_se3(np.array([0, 0, a, 0, 0, 0]))
        np.testing.assert_allclose(values[:, row, column], brute_force(pair(), T, 0.8, 0.1), rtol=1e-9)


@pytest.mark.parametrize("kernel", ["l2", "huber", "cauchy", "tukey"])
def test_the_slope_is_the_gradient_of_the_normal_equations(kernel: str) -> None:
    problem, z = pair(), np.array([0.1, -0.2, 0.3, 0.5, 0.4, -0.6])
    level, T = problem.levels[-1], T_TRUE @ exp_se3(np.array([0.01, 0, 0, 0.03, 0, 0.02]))
    objective = Objective(problem, kernel, 0.05, 1.0)
    h = 1e-7
    slope = (objective(T @ exp_se3(h * z))[0] - objective(T @ exp_se3(-h * z))[0]) / (2 * h)
    system = make_linearisation(level.source, level.target, kernel=kernel, kernel_scale=0.05)(T)
    # rounding ε·E/h ≈ 1e-11, curvature h² E''' smaller still; one point that flips its partner changes E by
    # less than h·|z|·r/N
    assert slope == pytest.approx(-float(system.g @ z) / len(level.source), rel=1e-3)


def test_the_lowest_cell_of_a_closed_box_is_the_true_pose() -> None:
    for first, second in (("x", "yaw"), ("roll", "z")):
        settings = ObjectiveLandscape(
            centre="true", resolution=9, first=first, second=second, translation_range=0.4
        )
        values = items(settings, pair())[-1][1]
        assert np.unravel_index(values[0].argmin(), (9, 9)) == (4, 4)


def test_a_corridor_is_a_flat_valley_along_its_length() -> None:
    settings = ObjectiveLandscape(
        centre="true", resolution=9, first="x", second="y", translation_range=0.4, kernel="l2"
    )

    def slices(scene: type[Corridor | Room]) -> tuple[np.ndarray, np.ndarray]:
        values = items(settings, drain(scene(motion="0.5 0.1 0 0 0 0").build(0)))[-1][1][0]
        return values[4], values[:, 4]

    along, across = slices(Corridor)
    # what slope there is comes from the ends of the scans: they draw the source back to where they coincide
    assert np.ptp(along) < 0.12 * np.ptp(across)
    assert along.argmin() == 0
    along, across = slices(Room)
    assert np.ptp(along) > 0.5 * np.ptp(across)
    assert along.argmin() == 4


def test_the_surface_fills_in_by_batches_and_what_is_done_stays() -> None:
    found = items(ObjectiveLandscape(centre="true", resolution=11, translation_range=0.5), pair())
    assert [item.scalars["done"] for item, _ in found] == [min(k * BATCH, 121) for k in range(5)]
    for (_, before), (_, after) in itertools.pairwise(found):
        done = np.isfinite(before)
        np.testing.assert_array_equal(after[done], before[done])
    last, values = found[-1]
    assert np.isfinite(values).all()
    assert last.scalars["lowest"] == values[0].min()
    assert last.scalars["rmse"] == values[1].min()
    for i, name in enumerate(QUANTITIES):
        np.testing.assert_array_equal(last.arrays[name](), values[i])  # type: ignore[operator]


def test_poses_without_a_pair_cost_most_and_have_no_rms() -> None:
    settings = ObjectiveLandscape(
        centre="true", resolution=3, first="x", second="y", translation_range=90.0, kernel="l2"
    )
    objective, rmse, fitness = items(settings, pair())[-1][1]
    assert objective[0, 0] == pytest.approx(0.5)  # ½ · (1 m)²
    assert (fitness[0, 0], fitness[1, 1]) == (0.0, 1.0)
    assert np.isnan(rmse[0, 0])
    assert objective[1, 1] < 1e-3


@pytest.mark.parametrize("settings", [{"second": "x"}, {"centre": "true"}])
def test_what_cannot_be_drawn_is_a_refusal_of_the_run(settings: dict[str, Any]) -> None:
    problem = "room" if "second" in settings else None
    if problem is None:
        with pytest.raises(ValueError, match="true pose"):
            items(ObjectiveLandscape(**settings), make_pair(box_surface(99, 1), box_surface(999, 0), T_TRUE))
        return
    run = Run([make("registration", problem, "objective_landscape", {}, settings)]).inline()
    assert run.state is State.FAILED
    assert run.refused
    assert "second motion: expected another one than x" in run.view().note
