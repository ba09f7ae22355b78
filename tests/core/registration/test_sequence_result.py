"""The result of a sequence: its keys, units, and what is not known."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest

from core.iterate import Iterate, Status
from core.linalg.lie import T_from_xyzrpy
from core.registration.degeneracy import MOTIONS
from core.registration.lab import result
from core.registration.sequence import Frame, ScanSequence
from core.trace import Trace, TraceView

KEYS = {
    "poses", "frames", "path_length", "rmse", "fitness", "degeneracy", "ate_rmse", "ate_max", "alignment",
    "rte", "rre", "segment_lengths", "rpe_translation", "rpe_rotation",
}  # fmt: skip
OF_TRUTH = KEYS - {"poses", "frames", "path_length", "rmse", "fitness", "degeneracy"}
NAMES = ("rmse", "fitness", "condition_rotation", "condition_translation")


def powers(step: np.ndarray, n: int) -> np.ndarray:
    return np.stack([np.linalg.matrix_power(step, k) for k in range(n)])


def sequence(T_true: np.ndarray | None, n: int) -> ScanSequence:
    return ScanSequence((Frame("", (np.zeros((1, 3)),)),) * n, (0.4,), 10, 0.1, T_true)


def trace(poses: np.ndarray, masks: np.ndarray | None = None, budget: int = 2**20) -> TraceView:
    made = Trace(NAMES, "rmse", budget)
    for k, T in enumerate(poses):
        numbers: dict[str, Any] = dict(zip(NAMES, (0.01 * (k + 1), 0.5, 2.0, math.inf), strict=True))
        mask = np.zeros(6, bool) if masks is None else masks[k]
        status = Status.CONVERGED if k == len(poses) - 1 else Status.RUNNING
        made.append(Iterate(k, T, numbers, {"mask": mask}, status=status), 0.0)
    return made.view()


def test_all_keys_are_there_and_json_can_hold_them() -> None:
    poses = powers(T_from_xyzrpy(1, 0, 0, 0, 0, 2), 10)
    for truth in (poses, None):
        answer = result(sequence(truth, 10), trace(poses))
        assert set(answer) == KEYS
        assert json.loads(json.dumps(answer, allow_nan=False)) == answer
        assert all((answer[key] is None) == (truth is None) for key in OF_TRUTH)
    np.testing.assert_array_equal(answer["poses"], poses)
    assert answer["degeneracy"]["condition_translation"] == [None] * 10
    assert answer["degeneracy"]["condition_rotation"] == [2.0] * 10


def test_errors_are_in_metres_percent_and_degrees() -> None:
    n = 21
    truth = powers(T_from_xyzrpy(1, 0, 0, 0, 0, 0), n)
    longer = powers(T_from_xyzrpy(1.02, 0, 0, 0, 0, 0), n)
    answer = result(sequence(truth, n), trace(longer))
    # deviations from the mean grow by 2 %: 0.02 · rms(k − 10), k = 0 … 20
    assert answer["ate_rmse"] == pytest.approx(0.02 * math.sqrt((n**2 - 1) / 12))
    assert answer["ate_max"] == pytest.approx(0.2)
    assert answer["rpe_translation"] == pytest.approx(0.02)
    assert answer["segment_lengths"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert answer["rte"] == pytest.approx(2.0)
    turning = powers(T_from_xyzrpy(1, 0, 0, 0, 0, 0.5), n)
    answer = result(sequence(truth, n), trace(turning))
    assert answer["rpe_rotation"] == pytest.approx(0.5)
    assert answer["rre"] == pytest.approx(0.5)


def test_medians_leave_the_first_scan_out() -> None:
    answer = result(sequence(None, 4), trace(powers(np.eye(4), 4)))
    assert answer["rmse"] == pytest.approx(0.03)


def test_weak_motions_are_given_by_frame_and_by_name() -> None:
    masks = np.zeros((4, 6), bool)
    masks[1:, 3] = True
    masks[3, 0] = True
    found = result(sequence(None, 4), trace(powers(np.eye(4), 4), masks))["degeneracy"]
    assert found["masks"] == ["000000", "000100", "000100", "100100"]
    assert found["weak_share"] == dict(zip(MOTIONS, [0.25, 0, 0, 0.75, 0, 0], strict=True))


def test_a_run_in_progress_has_a_result() -> None:
    truth = powers(T_from_xyzrpy(0.3, 0, 0, 0, 0, 0), 9)
    for n in (1, 2, 3):
        answer = result(sequence(truth, 9), trace(truth[:n]))
        assert len(answer["poses"]) == n
        assert (answer["ate_rmse"] is None) == (n < 3)
        assert (answer["rpe_translation"] is None) == (n < 2)
        assert answer["rte"] is None


def test_a_thinned_trace_is_compared_with_the_true_poses_of_its_frames() -> None:
    n = 200
    truth = powers(T_from_xyzrpy(0.1, 0, 0, 0, 0, 1), n)
    view = trace(truth, budget=20_000)
    assert len(view.kept) < n
    answer = result(sequence(truth, n), view)
    assert answer["frames"] == view.kept.tolist()
    assert answer["ate_rmse"] == pytest.approx(0.0, abs=1e-9)


def test_the_alignment_leads_to_the_world_of_the_true_poses() -> None:
    world = T_from_xyzrpy(100, -20, 3, 10, 20, 30)
    poses = powers(T_from_xyzrpy(1, 0.1, 0.05, 1, 2, 5), 12)
    answer = result(dataclasses.replace(sequence(None, 12), T_true=world @ poses), trace(poses))
    np.testing.assert_allclose(answer["alignment"], world, atol=1e-9)
