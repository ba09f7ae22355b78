"""The benchmark of GICP: both sides solve the same problem, and the table says by how much they differ."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from core.linalg.lie import exp_se3
from core.registration import bench
from core.registration.bench_gicp import Contender, bench_gicp, small_gicp_discs
from core.registration.methods.gicp import Gicp
from core.registration.methods.vgicp import Vgicp
from core.registration.metrics import pose_error
from tests.oracles_surfaces import Array, room

TRUTH = exp_se3([0.01, -0.02, 0.03, 0.1, -0.05, 0.08])
RULE = {
    "max_correspondence_distance": bench.MAX_DISTANCE, "max_iterations": bench.MAX_ITERATIONS,
    "rotation_epsilon": bench.ROTATION_STOP, "translation_epsilon": bench.TRANSLATION_STOP,
}  # fmt: skip


def clouds() -> tuple[Array, Array]:
    source = room(np.random.default_rng(30), 20_000)
    target = room(np.random.default_rng(31), 20_000) @ TRUTH[:3, :3].T + TRUTH[:3, 3]
    return source, target


def ours() -> dict[str, Contender]:
    gicp, vgicp = (bench._ours(method, bench._until_small_step) for method in (Gicp(), Vgicp()))
    return {"gicp": gicp, "gicp thinned": gicp, "vgicp": vgicp}


@pytest.mark.parametrize("kind", ["GICP", "VGICP"])
def test_small_gicp_reaches_our_pose(kind: str) -> None:
    pytest.importorskip("small_gicp")
    theirs = small_gicp_discs(kind, 1, voxel=bench.VOXEL, neighbours=bench.NEIGHBOURS, rule=RULE)(*clouds())
    T = ours()[kind.lower()](*clouds())
    np.testing.assert_allclose(T, theirs, atol=1e-4)
    assert pose_error(T, TRUTH)[0] < 0.02


def test_the_table_has_a_row_for_each_pair() -> None:
    pytest.importorskip("small_gicp")
    lines: list[str] = []

    def race(
        contenders: dict[str, Contender], source: Array, target: Array
    ) -> dict[str, tuple[float, Array]]:
        return {
            name: (2.0 if name.islower() else 4.0, contender(source, target))
            for name, contender in contenders.items()
        }

    bench_gicp(lines.append, [("a room", *clouds(), TRUTH)], ours(), [1], 0.25, 10, RULE, race)
    (row,) = (line for line in lines if line.startswith("| a room"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:6] == ["2.0", "2.0", "4.0", "0.50", "0.50"]
    assert float(cells[6].removesuffix(" m")) < 1e-4


def test_without_small_gicp_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "small_gicp", None)
    lines: list[str] = []
    bench_gicp(lines.append, [], {}, [1], 0.25, 10, RULE, lambda *_: {})
    assert "small_gicp" in "".join(lines)
    assert not [line for line in lines if line.startswith("|")]
