"""The bench of methods: runs, medians and tables; its peers work alone and find the pose too."""

from __future__ import annotations

import csv
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from core import cli, registry
from core.iterate import drain
from core.registration import bench_tables
from core.registration.bench_detection import judge
from core.registration.bench_methods import (
    Case,
    MethodRun,
    pair_methods,
    real_cases,
    rows,
    run_method,
    run_methods,
    scene_cases,
)
from core.registration.bench_pairs import stated
from core.registration.bench_peers import run_peer
from core.registration.methods.icp_point import IcpPoint
from core.registration.metrics import pose_error
from core.registration.peers import PeerSettings
from core.registration.scenes import Room

PEERS = [spec for spec in pair_methods() if issubclass(spec.cls, PeerSettings)]


def silent(_: str) -> None:
    return None


@pytest.fixture(scope="module")
def room() -> Case:
    scene = Room(voxel=0.3)
    return Case("room", "held", drain(scene.build(0)), scene)


def methods(*keys: str) -> list[registry.MethodSpec]:
    return [registry.method_spec("registration", key) for key in keys]


def run(method: str = "icp_plane", problem: str = "room", **values: Any) -> MethodRun:
    made = MethodRun(method, problem, "held", 10.0, 0.001, 0.02, 0.01, math.radians(1.0), "converged")
    return replace(made, **values)


def test_analyses_and_odometry_align_no_pair() -> None:
    keys = {spec.key for spec in pair_methods()}
    assert keys >= {"icp_plane", "dcreg", "gicp", "xicp"}
    assert not keys & {"basin_map", "objective_landscape", "odometry"}


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("spec", PEERS, ids=lambda spec: spec.key)
def test_a_peer_alone_finds_the_pose(spec: registry.MethodSpec, levels: int) -> None:
    """Noise of 2 cm over thousands of points; the start is 12 cm and 1.5 degrees off."""
    pair = drain(Room(levels=levels).build(1))
    whole = run_peer(spec.cls(), pair, 10, time.perf_counter)
    assert pair.T_true is not None
    translation, rotation = pose_error(pair.to_user(whole.T), pair.T_true)
    assert translation < 0.03
    assert rotation < math.radians(0.3)
    assert whole.seconds > whole.seconds_iteration


def test_a_peer_that_nobody_knows_is_refused(room: Case) -> None:
    with pytest.raises(ValueError, match="in one go"):
        run_peer(PeerSettings(), room.pair, 10, time.perf_counter)


def test_methods_take_turns_and_each_turn_counts(room: Case) -> None:
    found = run_methods([replace(room, turns=2)], methods("icp_plane", "dcreg"), time.perf_counter)
    assert [r.method for r in found] == ["icp_plane", "dcreg"] * 2
    for r in found:
        assert r.status == "converged"
        assert r.translation_error < 0.02
        assert r.seconds_whole > r.seconds_iteration > 0.0
        assert r.within_bound is None


def test_the_parameters_of_a_case_reach_the_methods_that_have_them(room: Case) -> None:
    short = replace(room, settings={"max_iterations": 2, "of_no_method": 1.0}, bound=(1e-9, 1e-9))
    (found,) = run_methods([short], methods("icp_plane"), time.perf_counter)
    assert (found.status, found.iterations, found.within_bound) == ("max_iterations", 2.0, False)


def test_a_refusal_is_a_status_with_its_words(room: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object, problem: object) -> None:
        raise ValueError("not on a Tuesday")

    monkeypatch.setattr(IcpPoint, "iterate", refuse)
    (spec,) = methods("icp_point")
    found = run_method(spec, room, 0.0, time.perf_counter, 1)
    assert (found.status, found.note) == ("refused", "not on a Tuesday")
    (row,) = rows([found])
    assert row.status == "refused: not on a Tuesday"
    assert math.isnan(row.ms_whole)


def test_a_row_holds_medians_and_says_how_runs_ended() -> None:
    errors = (0.1, 0.3, 0.2)
    found = rows([run(translation_error=e, within_bound=e < 0.25) for e in errors] + [run(method="dcreg")])
    assert [row.method for row in found] == ["icp_plane", "dcreg"]
    row = found[0]
    assert (row.translation_error, row.within_bound) == (0.2, False)
    assert (row.ms_iteration, row.ms_whole, row.rotation_error) == pytest.approx((1.0, 20.0, 1.0))
    mixed = rows([run(), run(status="stalled"), run()])[0]
    assert mixed.status == "converged 2, stalled 1"


def test_scenes_are_sorted_by_whether_they_hold_all_motions() -> None:
    cases = list(scene_cases(["tunnel", "room"], [0], silent))
    assert [(case.problem, case.group) for case in cases] == [("tunnel", "lost"), ("room", "held")]


@pytest.mark.data
def test_real_pairs_come_with_their_bound(data: Path) -> None:
    (case,) = real_cases(data, ["split_hdl32"], 1, silent)
    assert case.group == "real"
    assert case.bound is not None
    found = run_methods([case], methods("icp_plane", "small_gicp_gicp"), time.perf_counter)
    assert [r.within_bound for r in found] == [True, True]


def test_a_pair_that_cannot_be_read_is_left_out_in_words(tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_text(
        '{"pairs": [{"id": "gone", "source": "a.ply", "target": "b.ply", "transform": "", '
        '"suggested_init": "identity", "check_voxel_m": 0.5}]}'
    )
    said: list[str] = []
    assert list(real_cases(tmp_path, None, 1, said.append)) == []
    assert "gone is left out" in said[-1]


def test_the_largest_number_of_a_stated_uncertainty_counts() -> None:
    assert stated("1-3 cm, 0.02-0.2 deg") == (0.03, 0.2)
    assert stated("exact") == (0.0, 0.0)


def test_tables_are_written_as_markdown_and_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_tables, "SCENES", ("room",))
    monkeypatch.setattr(bench_tables, "pair_methods", lambda: methods("icp_plane", "fcn_sr"))
    monkeypatch.setattr(bench_tables, "judge", lambda seeds, say: judge(["room"], seeds, ["schur", "fcn"]))
    printed: list[str] = []
    bench_tables.bench_tables(
        printed.append, silent, time.perf_counter, data=None, folder=tmp_path, threads=1, quick=True
    )
    text = (tmp_path / "registration.md").read_text(encoding="utf-8")
    assert all(line in text for line in printed)
    with (tmp_path / "registration.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [(r["table"], r["method"], r["problem"]) for r in found] == [
        ("alignment", "icp_plane", "room"), ("alignment", "fcn_sr", "room"),
        ("detection", "schur", "room"), ("detection", "fcn", "room"),
    ]  # fmt: skip
    assert float(found[0]["translation_error"]) < 0.02
    assert (found[2]["mask"], found[2]["status"]) == ("000000", "right")
    assert (found[3]["mask"], found[3]["status"]) == ("000111", "wrong")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables if "icp_plane" in line}) == 2  # summary and details


def test_the_command_hands_folder_and_haste_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.registration import bench

    asked: dict[str, Any] = {}
    monkeypatch.setattr(bench, "bench", lambda out, **options: asked.update(options))
    folder = tmp_path / "new" / "tables"
    CliRunner().invoke(cli.main, ["bench", "registration", "--out", str(folder), "--quick"])
    assert folder.is_dir()
    assert (asked["folder"], asked["quick"]) == (folder, True)
