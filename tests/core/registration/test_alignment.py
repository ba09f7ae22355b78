"""The shared loop: what an item holds, when it stops and why, and how levels follow each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from core.iterate import Iterate, Status
from core.linalg.lie import T_from_xyzrpy, exp_se3, exp_so3, inverse, log_se3, pose, rotation_angle
from core.registration.alignment import align
from core.registration.correspondences import make_linearisation
from core.registration.problem import ScanPair
from core.registration.settings import SCALARS, AlignmentSettings, PlaneSettings
from core.registration.solvers import Step, direct
from tests.oracles_clouds import box_surface, make_pair

START = T_from_xyzrpy(0.15, -0.1, 0.08, 1.0, -1.5, 2.0)
NEVER = {"rtol_rotation": 1e-14, "rtol_translation": 1e-14}


def room(T_initial: np.ndarray = START, **kwargs: Any) -> ScanPair:
    target = box_surface(3000, 0, noise=0.005)
    source = box_surface(3000, 1, noise=0.005)
    return make_pair(source, target, T_initial, T_true=np.eye(4), **kwargs)


def run(pair: ScanPair, settings: AlignmentSettings | None = None, **kwargs: Any) -> list[Iterate]:
    treatment = kwargs.pop("treatment", direct("eigen"))
    return list(align(pair, settings or plain(), treatment, **kwargs))


def plain(**changes: Any) -> PlaneSettings:
    """Least squares without a robust kernel."""
    return PlaneSettings(**{"kernel": "l2", **changes})


def x(item: Iterate) -> np.ndarray:
    return item.x() if callable(item.x) else item.x


def array(item: Iterate, name: str) -> np.ndarray:
    value = item.arrays[name]
    return value() if callable(value) else value


@pytest.mark.parametrize("factor", ["plane", "point"])
def test_items_count_from_zero_and_only_the_last_is_terminal(factor: Any) -> None:
    items = run(room(), factor=factor)
    assert [item.k for item in items] == list(range(len(items)))
    assert [item.status.terminal for item in items] == [False] * (len(items) - 1) + [True]
    assert items[-1].status is Status.CONVERGED
    assert items[-1].note
    assert all(set(item.scalars) == set(SCALARS) for item in items)


def test_the_run_starts_at_the_start_and_ends_at_the_truth() -> None:
    items = run(room())
    np.testing.assert_array_equal(x(items[0]), START)
    # 5 mm of noise and normals bent at the edges of the box
    np.testing.assert_allclose(x(items[-1]), np.eye(4), atol=5e-3)


@pytest.mark.parametrize("factor", ["plane", "point"])
def test_an_item_holds_the_correspondences_found_at_its_own_pose(factor: Any) -> None:
    pair = room()
    for item in run(pair, factor=factor):
        level = pair.levels[0]
        system = make_linearisation(level.source, level.target, factor=factor, max_distance=1.0)(x(item))
        np.testing.assert_array_equal(array(item, "H"), system.H)
        np.testing.assert_array_equal(array(item, "g"), system.g)
        assert item.scalars["rmse"] == system.rmse
        assert item.scalars["correspondences"] == system.correspondences
        assert item.scalars["fitness"] == system.correspondences / len(level.source)


@pytest.mark.parametrize("update", ["se3", "so3"])
def test_each_pose_follows_from_the_system_of_the_item_before(update: str) -> None:
    for before, after in pairwise(run(room(), plain(update=update))):
        delta = np.linalg.solve(array(before, "H"), array(before, "g"))
        move = exp_se3(delta) if update == "se3" else pose(exp_so3(delta[:3]), delta[3:])
        np.testing.assert_allclose(x(after), x(before) @ move, atol=1e-13)
        assert after.scalars["step_rotation"] == pytest.approx(np.linalg.norm(delta[:3]), rel=1e-9)
        assert after.scalars["step_translation"] == pytest.approx(np.linalg.norm(delta[3:]), rel=1e-9)


def test_both_updates_end_at_the_same_pose() -> None:
    ends = [
        x(run(room(), plain(update=u, rtol_rotation=1e-10, rtol_translation=1e-9))[-1])
        for u in ("se3", "so3")
    ]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-8)


def test_it_converges_when_both_norms_are_small_and_not_before() -> None:
    settings = plain(rtol_rotation=1e-4, rtol_translation=1e-4)
    items = run(room(), settings)

    def small(item: Iterate) -> bool:
        return item.scalars["step_rotation"] < 1e-4 and item.scalars["step_translation"] < 1e-4

    assert [small(item) for item in items[1:]] == [False] * (len(items) - 2) + [True]


def test_a_start_at_the_solution_gives_one_terminal_item() -> None:
    cloud = box_surface(2000, 0)
    items = run(make_pair(cloud, cloud, np.eye(4), planarity=0.34))
    assert [(item.k, item.status) for item in items] == [(0, Status.CONVERGED)]
    assert items[0].scalars["step_rotation"] == 0.0
    assert "start" in items[0].note


def test_a_start_at_the_solution_gives_one_item_through_all_levels() -> None:
    cloud = box_surface(2000, 0)
    items = run(make_pair(cloud, cloud, np.eye(4), voxels=(0.4, 0.2), planarity=0.34))
    assert len(items) == 1
    assert items[0].scalars["level"] == 0


def test_the_true_pose_is_a_fixed_point_of_noise_free_copies() -> None:
    target, T = box_surface(2000, 0), T_from_xyzrpy(1, 2, 3, 10, 20, 30)
    source = (target - T[:3, 3]) @ T[:3, :3]
    items = run(make_pair(source, target, T, planarity=0.34))
    assert len(items) == 1
    assert items[0].scalars["rmse"] < 1e-14


@pytest.mark.parametrize("limit", [1, 3])
def test_the_iteration_limit_is_the_number_of_steps(limit: int) -> None:
    items = run(room(), plain(max_iterations=limit, **NEVER))
    assert len(items) == limit + 1
    assert items[-1].status is Status.MAX_ITERATIONS


def test_too_few_pairs_are_a_breakdown_with_a_reason() -> None:
    items = run(room(T_from_xyzrpy(100, 0, 0, 0, 0, 0)))
    assert [(item.k, item.status) for item in items] == [(0, Status.BREAKDOWN)]
    assert "0 of 3000 source points" in items[0].note
    assert np.isnan(items[0].scalars["rmse"])
    assert np.isnan(items[0].scalars["condition_full"])


def test_losing_all_pairs_on_the_way_ends_at_the_pose_where_they_were_lost() -> None:
    items = run(room(), treatment=lambda H, g: Step(np.array([0, 0, 0, 40.0, 0, 0])))
    assert [item.status for item in items] == [Status.RUNNING, Status.BREAKDOWN]
    assert np.isfinite(x(items[-1])).all()


@pytest.mark.parametrize(
    ("delta", "status"), [(np.full(6, np.nan), Status.BREAKDOWN), (np.full(6, 1e9), Status.DIVERGED)]
)
def test_a_useless_step_is_not_taken(delta: np.ndarray, status: Status) -> None:
    items = run(room(), treatment=lambda H, g: Step(delta))
    assert [(item.k, item.status) for item in items] == [(0, status)]
    np.testing.assert_array_equal(x(items[0]), START)


def test_a_pose_that_comes_back_again_and_again_is_called_stalled() -> None:
    sign = [1.0]

    def to_and_fro(H: np.ndarray, g: np.ndarray) -> Step:
        sign[0] = -sign[0]
        return Step(sign[0] * np.array([0, 0, 0, 0.01, 0, 0]))

    items = run(room(), plain(max_iterations=100), treatment=to_and_fro)
    assert items[-1].status is Status.STALLED
    assert len(items) < 15
    assert "repeats" in items[-1].note


def test_slow_progress_is_not_called_stalled() -> None:
    items = run(
        room(np.eye(4)),
        plain(max_iterations=30),
        treatment=lambda H, g: Step(np.array([2e-5, 0, 0, 0, 0, 0])),
    )
    assert items[-1].status is Status.MAX_ITERATIONS


def test_levels_go_from_coarse_to_fine_and_the_radius_halves() -> None:
    items = run(room(voxels=(0.8, 0.4, 0.2)), plain(max_distance=0.5))
    levels = [int(item.scalars["level"]) for item in items]
    assert levels == sorted(levels, reverse=True)
    assert set(levels) == {0, 1, 2}
    assert all(item.scalars["max_distance"] == 0.5 * 2 ** item.scalars["level"] for item in items)
    assert [item.k for item in items] == list(range(len(items)))
    assert items[-1].status is Status.CONVERGED


def test_no_level_takes_the_iterations_of_the_finer_ones() -> None:
    turn = np.array([2e-3, 0, 0, 0, 0, 0])
    items = run(room(voxels=(0.8, 0.4, 0.2)), plain(max_iterations=30), treatment=lambda H, g: Step(turn))
    levels = [int(item.scalars["level"]) for item in items]
    # the start is shown on the coarsest level, then ten steps each
    assert [levels.count(level) for level in (2, 1, 0)] == [11, 10, 10]


def test_what_coarse_levels_leave_goes_to_the_finest() -> None:
    turns = iter([1e-9, 1e-9])

    def settle_twice(H: np.ndarray, g: np.ndarray) -> Step:
        return Step(np.array([next(turns, 2e-3), 0, 0, 0, 0, 0]))

    items = run(room(voxels=(0.8, 0.4, 0.2)), plain(max_iterations=30), treatment=settle_twice)
    assert [item.scalars["level"] for item in items] == [0] * 31


def test_with_fewer_iterations_than_levels_the_finest_level_is_used() -> None:
    items = run(room(voxels=(0.8, 0.4, 0.2)), plain(max_iterations=1, **NEVER))
    assert [item.scalars["level"] for item in items] == [0, 0]


def test_the_first_step_of_a_finer_level_uses_its_own_points() -> None:
    pair = room(voxels=(0.8, 0.3))
    items = run(pair)
    first = next(i for i, item in enumerate(items) if item.scalars["level"] == 0)
    system = make_linearisation(pair.levels[1].source, pair.levels[1].target, max_distance=1.0)(
        x(items[first - 1])
    )
    delta = np.linalg.solve(system.H, system.g)
    np.testing.assert_allclose(x(items[first]), x(items[first - 1]) @ exp_se3(delta), atol=1e-13)


def test_work_counts_every_search_and_the_points_in_it() -> None:
    pair = room(voxels=(0.8, 0.2))
    items = run(pair)
    coarse, fine = (len(level.source) for level in pair.levels)
    shown = [sum(item.scalars["level"] == level for item in items) for level in (1, 0)]
    # the change of level costs one search that no item shows
    assert items[-1].work.evaluation == sum(shown) + 1
    assert items[-1].work.units == pytest.approx(shown[0] * coarse / fine + shown[1] + 1)
    assert items[-1].work.operator == 0


def test_products_of_the_treatment_are_counted() -> None:
    items = run(room(), treatment=lambda H, g: Step(np.linalg.solve(H, g), products=6))
    assert [item.work.operator for item in items] == [6 * (i + 1) for i in range(len(items))]


def test_the_offsets_of_the_frames_do_not_change_the_result() -> None:
    shift_s, shift_t = np.array([500.0, -200.0, 30.0]), np.array([-100.0, 900.0, 10.0])
    plain = room()
    far = make_pair(
        plain.source.points + shift_s,
        plain.target.points + shift_t,
        pose(START[:3, :3], START[:3, 3] + shift_t - START[:3, :3] @ shift_s),
        source_offset=shift_s.tolist(),
        target_offset=shift_t.tolist(),
    )
    a, b = run(plain), run(far)
    assert len(a) == len(b)
    expected = x(a[-1])
    in_far_frames = pose(expected[:3, :3], expected[:3, 3] + shift_t - expected[:3, :3] @ shift_s)
    # coordinates of 1000 m carry 1e-13 of rounding
    np.testing.assert_allclose(x(b[-1]), in_far_frames, atol=1e-9)
    np.testing.assert_allclose(x(b[0]), far.T_initial, atol=1e-12)


def test_moving_only_the_target_leaves_every_system_as_it_is() -> None:
    A = T_from_xyzrpy(5, -3, 2, 20, -30, 40)
    plain = room()
    moved = make_pair(plain.source.points, plain.target.points @ A[:3, :3].T + A[:3, 3], A @ START)
    for a, b in zip(run(plain), run(moved), strict=True):
        scale = np.abs(array(a, "H")).max()
        np.testing.assert_allclose(array(b, "H"), array(a, "H"), atol=1e-9 * scale)
        np.testing.assert_allclose(inverse(A) @ x(b), x(a), atol=1e-10)


def test_the_same_call_gives_the_same_bytes() -> None:
    pair = room()
    for a, b in zip(run(pair), run(pair), strict=True):
        assert x(a).tobytes() == x(b).tobytes()
        assert a.scalars == b.scalars


def test_runs_that_take_turns_do_not_disturb_each_other() -> None:
    pair = room()
    alone = run(pair)
    first, second = (align(pair, plain(), direct("eigen")) for _ in range(2))
    next(second)
    for expected, item in zip(alone, first, strict=True):
        next(second, None)
        assert x(item).tobytes() == x(expected).tobytes()


def test_what_an_item_gives_away_is_not_used_by_the_next() -> None:
    pair = room()
    expected = run(pair)
    items: Iterator[Iterate] = align(pair, plain(), direct("eigen"))
    for want, item in zip(expected, items, strict=True):
        got = x(item)
        assert got.tobytes() == x(want).tobytes()
        for value in (got, array(item, "H"), array(item, "g")):
            value[:] = np.nan


def test_items_kept_for_later_still_give_their_own_pose() -> None:
    poses = [x(item) for item in run(room())]
    one_by_one = [x(item) for item in align(room(), plain(), direct("eigen"))]
    np.testing.assert_array_equal(poses, one_by_one)


def test_a_thinned_start_changes_the_path_and_not_the_end() -> None:
    full = run(room(), plain(**NEVER, max_iterations=100))
    thinned = run(room(), plain(**NEVER, max_iterations=100, start_stride=8))
    assert thinned[0].scalars["correspondences"] < 400
    assert thinned[-1].scalars["correspondences"] > 2500
    # several poses a fraction of the noise apart are fixed points
    np.testing.assert_allclose(x(thinned[-1]), x(full[-1]), atol=5e-4)


def test_a_thinned_start_keeps_enough_points() -> None:
    target, source = box_surface(2000, 0), box_surface(500, 1)
    items = run(make_pair(source, target, START), plain(start_stride=64))
    assert items[0].scalars["correspondences"] > 300


def test_the_point_factor_records_point_to_plane_evidence_too() -> None:
    pair = room()
    item = run(pair, factor="point")[-1]
    level = pair.levels[0]
    expected = make_linearisation(level.source, level.target, max_distance=1.0)(x(item)).H
    np.testing.assert_array_equal(array(item, "plane_hessian"), expected)
    H_tt = array(item, "H")[3:, 3:]
    np.testing.assert_allclose(H_tt, item.scalars["correspondences"] * np.eye(3), atol=1e-9)


def test_a_robust_kernel_records_unweighted_evidence_beside_its_own_system() -> None:
    pair = room()
    item = run(pair, PlaneSettings(kernel="cauchy", kernel_scale=0.01))[-1]
    level = pair.levels[0]
    expected = make_linearisation(level.source, level.target, max_distance=1.0)(x(item)).H
    np.testing.assert_array_equal(array(item, "plane_hessian"), expected)
    assert np.trace(array(item, "H")) < 0.9 * np.trace(expected)
    assert "plane_hessian" not in run(pair)[-1].arrays


def test_coarser_levels_double_the_scale_of_the_kernel() -> None:
    pair = room(voxels=(0.8, 0.4))
    first = run(pair, PlaneSettings(kernel="cauchy", kernel_scale=0.03))[0]
    level = pair.levels[0]
    system = make_linearisation(
        level.source, level.target, kernel="cauchy", kernel_scale=0.06, max_distance=2.0
    )(x(first))
    np.testing.assert_array_equal(array(first, "H"), system.H)


def test_robust_kernels_resist_a_moved_part_of_the_scene() -> None:
    target = box_surface(3000, 0, noise=0.005)
    source = box_surface(3000, 1, noise=0.005)
    source[source[:, 0] > 2.99] += [0.3, 0.0, 0.0]
    pair = make_pair(source, target, np.eye(4))

    def error(kernel: str) -> float:
        return float(np.linalg.norm(x(run(pair, plain(kernel=kernel, kernel_scale=0.05))[-1])[:3, 3]))

    assert error("l2") > 0.05
    for kernel in ("cauchy", "geman_mcclure", "tukey"):
        assert error(kernel) < 0.02


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": "l3"},
        {"solver": "lu"},
        {"update": "euler"},
        {"max_distance": -1.0},
        {"kernel_scale": 0.0},
        {"max_iterations": 0},
        {"start_stride": 0},
        {"rtol_rotation": 0.0},
        {"rtol_translation": float("nan")},
    ],
)
def test_unusable_settings_are_refused_at_the_call(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown|must be"):
        align(room(), dataclasses.replace(PlaneSettings(), **change), direct("eigen"))


def test_planes_through_five_points_cannot_be_asked_of_the_point_factor() -> None:
    with pytest.raises(ValueError, match="loam"):
        align(room(), plain(), direct("eigen"), factor="point", correspondence="loam")


def test_the_steps_recorded_are_the_motion_between_items() -> None:
    for before, after in pairwise(run(room())):
        motion = log_se3(inverse(x(before)) @ x(after))
        assert after.scalars["step_translation"] == pytest.approx(
            np.linalg.norm(motion[3:]), rel=1e-6, abs=1e-14
        )
        angle = rotation_angle((inverse(x(before)) @ x(after))[:3, :3])
        assert after.scalars["step_rotation"] == pytest.approx(angle, rel=1e-6, abs=1e-14)
