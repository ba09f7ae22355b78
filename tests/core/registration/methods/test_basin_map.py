"""The basin map against single alignments from the same starts."""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading
from typing import Any

import numpy as np
import pytest

from core import registry
from core.iterate import Iterate, Status, drain
from core.linalg.lie import exp_se3
from core.recipe import make
from core.registration.methods import basin_map
from core.registration.methods.basin_map import QUANTITIES, BasinMap
from core.registration.methods.dcreg import DCReg
from core.registration.methods.icp_plane import IcpPlane
from core.registration.methods.icp_point import IcpPoint
from core.registration.problem import ScanPair
from core.run import Run, State
from tests.oracles_clouds import box_surface, make_pair

T_TRUE = exp_se3(np.array([0.01, -0.02, 0.05, 0.3, -0.2, 0.1]))
ALIGNERS = {"icp_plane": IcpPlane, "dcreg": DCReg, "icp_point": IcpPoint}
WIDE: dict[str, Any] = {"resolution": 5, "translation_range": 2.0, "rotation_range": 60.0}


def pair(**settings: Any) -> ScanPair:
    source = (box_surface(600, 1, noise=0.01) - T_TRUE[:3, 3]) @ T_TRUE[:3, :3]
    settings = {"T_true": T_TRUE, **settings}
    return make_pair(source, box_surface(2500, 0, noise=0.01), np.eye(4), **settings)


def items(settings: BasinMap, problem: ScanPair) -> list[tuple[Iterate, np.ndarray]]:
    return [(i, i.x()) for i in settings.iterate(drain(settings.prepare(problem)))]  # type: ignore[operator]


@pytest.fixture(scope="module")
def wide() -> list[tuple[Iterate, np.ndarray]]:
    return items(BasinMap(**WIDE), pair())


def perturbed(a: float, b: float) -> np.ndarray:
    """Return the true pose displaced by a along x [m] and then b about z [rad]."""
    return T_TRUE @ exp_se3(np.array([0, 0, 0, a, 0, 0])) @ exp_se3(np.array([0, 0, b, 0, 0, 0]))


@pytest.mark.parametrize("method", ALIGNERS)
def test_a_cell_is_the_alignment_from_its_start(method: str) -> None:
    values = items(BasinMap(method=method, **WIDE), pair())[-1][1]
    for row, column in ((0, 0), (2, 2), (1, 3), (4, 2)):
        a, b = -2.0 + column, math.radians(-60 + 30 * row)
        start = dataclasses.replace(pair(), T_initial=perturbed(a, b))
        last = list(ALIGNERS[method]().iterate(start))[-1]
        E = np.linalg.inv(T_TRUE) @ last.x()  # type: ignore[operator]
        success, translation, rotation, iterations = values[:, row, column]
        # starts agree to rounding, and ICP forgets a start's last digits or stops a step apart
        assert translation == pytest.approx(np.linalg.norm(E[:3, 3]), abs=1e-6)
        assert rotation == pytest.approx(math.acos(min(1.0, (np.trace(E[:3, :3]) - 1) / 2)), abs=1e-6)
        assert iterations == last.k
        assert success == (translation <= 0.1 and math.degrees(rotation) <= 1.0)


def test_the_map_has_both_successes_and_failures(wide: list[tuple[Iterate, np.ndarray]]) -> None:
    last, values = wide[-1]
    assert values[0, 2, 2] == 1
    assert 0 < last.scalars["success_share"] < 1
    assert last.scalars["success_share"] == values[0].mean()
    assert last.status is Status.CONVERGED
    assert last.note == f"{int(values[0].sum())} of 25 starts succeed"


def test_the_map_fills_in_and_what_is_done_stays(wide: list[tuple[Iterate, np.ndarray]]) -> None:
    for k, (item, values) in enumerate(wide):
        assert item.k == k == item.scalars["done"]
        assert (np.isfinite(values).sum(axis=(1, 2)) == k).all()
    for (_, before), (_, after) in itertools.pairwise(wide):
        done = np.isfinite(before)
        np.testing.assert_array_equal(after[done], before[done])


def test_layers_are_also_arrays_by_name(wide: list[tuple[Iterate, np.ndarray]]) -> None:
    last, values = wide[-1]
    for i, name in enumerate(QUANTITIES):
        np.testing.assert_array_equal(last.arrays[name](), values[i])  # type: ignore[operator]
    np.testing.assert_allclose(last.arrays["first"](), [-2, -1, 0, 1, 2])  # type: ignore[operator]
    np.testing.assert_allclose(np.degrees(last.arrays["second"]()), [-60, -30, 0, 30, 60])  # type: ignore[operator]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_no_bit(
    workers: int, wide: list[tuple[Iterate, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basin_map, "WORKERS", workers)
    again = items(BasinMap(**WIDE), pair())
    for (a, x), (b, y) in zip(wide, again, strict=True):
        np.testing.assert_array_equal(x, y)
        assert a.scalars.keys() == b.scalars.keys()
        np.testing.assert_array_equal(list(a.scalars.values()), list(b.scalars.values()))
        assert a.work == b.work


def test_closing_leaves_no_thread_behind() -> None:
    settings = BasinMap(resolution=21)
    source = settings.iterate(drain(settings.prepare(pair())))
    for _, _ in zip(range(3), source, strict=False):
        pass
    assert any(t.name.startswith("basin") for t in threading.enumerate())
    source.close()  # type: ignore[attr-defined]
    assert not any(t.name.startswith("basin") for t in threading.enumerate())


def test_a_cancelled_run_keeps_the_part_that_is_done() -> None:
    run = Run([make("registration", "corridor", "basin_map")]).start()
    while len(run.poll().members[0].view) < 5:
        assert not run.state.ended, run.poll().note
        run.join(0.02)
    run.cancel()
    assert run.join(30).state is State.CANCELLED
    view = run.view().members[0].view
    success = view.last("success")
    assert success.shape == (21, 21)
    assert np.isfinite(success).sum() == view.final_scalars()["done"] < 441
    answer = registry.lab("registration").result(run.problem, view)
    assert answer["motions"] == ["x", "yaw"]
    assert answer["ranges"] == [[-2.0, 2.0, 21], [-40.0, 40.0, 21]]
    np.testing.assert_allclose(answer["T_target_source"], run.problem.T_true, atol=1e-12)


def test_the_frames_of_the_files_do_not_matter() -> None:
    source_shift, target_shift = np.array([1e5, -2e5, 30.0]), np.array([1e5, -2e5, 10.0])
    near = pair()
    T_map = T_TRUE.copy()
    T_map[:3, 3] += target_shift - T_TRUE[:3, :3] @ source_shift
    far = dataclasses.replace(
        near,
        T_initial=np.eye(4),
        T_true=T_map,
        source_offset=source_shift,
        target_offset=target_shift,
    )
    small = BasinMap(resolution=3, translation_range=0.5, rotation_range=10.0)
    (_, expected), (_, values) = items(small, near)[-1], items(small, far)[-1]
    # coordinates of 2e5 m leave 3e-11 m
    np.testing.assert_allclose(values[1:3], expected[1:3], atol=1e-6)
    np.testing.assert_array_equal(values[0], expected[0])


def test_starts_out_of_reach_fail_and_are_done_all_the_same() -> None:
    settings = BasinMap(resolution=2, translation_range=90.0, rotation_range=1.0)
    last, values = items(settings, pair())[-1]
    assert last.scalars["success_share"] == 0.0
    np.testing.assert_array_equal(values[3], 0.0)
    np.testing.assert_allclose(values[1], 90.0, rtol=1e-6)


def test_iterations_of_a_start_are_limited() -> None:
    settings = BasinMap(max_iterations_per_start=2, resolution=3, rotation_range=10.0)
    assert items(settings, pair())[-1][1][3].max() == 2


def test_thresholds_decide_what_is_a_success() -> None:
    loose = BasinMap(**WIDE, success_translation=100.0, success_rotation=180.0)
    assert items(loose, pair())[-1][0].scalars["success_share"] == 1.0
    strict = BasinMap(**WIDE, success_translation=1e-6)
    assert items(strict, pair())[-1][0].scalars["success_share"] == 0.0
