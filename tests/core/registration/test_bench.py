"""The benchmark: its contenders solve the same problem, and its tables come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.linalg.lie import exp_se3
from core.registration import bench
from core.registration.methods.dcreg import DCReg
from core.registration.methods.icp_plane import IcpPlane
from core.registration.metrics import pose_error
from tests.oracles_surfaces import Array, room

TRUTH = exp_se3([0.01, -0.02, 0.03, 0.1, -0.05, 0.08])


def clouds() -> tuple[Array, Array]:
    source = room(np.random.default_rng(30), 20_000)
    target = room(np.random.default_rng(31), 20_000) @ TRUTH[:3, :3].T + TRUTH[:3, 3]
    return source, target


@pytest.mark.parametrize("rule", [bench._until_small_step, bench._until_little_changes])
@pytest.mark.parametrize("settings", [IcpPlane(), DCReg(), DCReg(start_stride=4)])
def test_our_contenders_find_the_pose_under_both_stop_rules(rule: bench.Rule, settings: IcpPlane) -> None:
    translation, rotation = pose_error(bench._ours(settings, rule)(*clouds()), TRUTH)
    assert translation < 0.01
    assert rotation < 0.003


@pytest.mark.parametrize("make", [bench._small_gicp, bench._open3d])
def test_peers_find_the_pose_too(make: object) -> None:
    contender = make()  # type: ignore[operator]
    if contender is None:
        pytest.skip("the peer is not installed")
    translation, rotation = pose_error(contender(1)(*clouds()), TRUTH)
    assert translation < 0.02
    assert rotation < 0.006


def test_without_scans_the_bench_says_so_and_prints_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr(bench, "bench_tables", lambda out, say, clock, **options: asked.update(options))
    lines: list[str] = []
    bench.bench(lines.append, data=tmp_path, repeats=1)
    assert asked["data"] is None
    text = "\n".join(lines)
    assert "no scans found" in text
    assert "| DCReg's detection and solve |" in text
    assert "kitti" not in text
