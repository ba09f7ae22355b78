"""The recording for Rerun, read back with Rerun's own reader."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.recipe import make
from core.registration import rerun_export
from core.registration.rerun_export import rerun_recording
from core.run import Run

METHODS = ("dcreg", "icp_plane")


@pytest.fixture(scope="module")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    """Return a run and the tables of its recording, by entity."""
    reader = pytest.importorskip(
        "rerun.chunk", reason="rerun-sdk 0.41 is not installed: pip install rerun-sdk"
    )
    run = Run([make("registration", "corridor", method) for method in METHODS]).inline()
    path = tmp_path_factory.mktemp("rerun") / "corridor.rrd"
    rerun_recording(run.problem, run.view().members, path)
    tables = {str(chunk.entity_path): chunk.to_record_batch() for chunk in reader.RrdReader(path).stream()}
    return run, tables


def column(table: Any, name: str) -> np.ndarray:
    (found,) = (name_ for name_ in table.schema.names if name_.endswith(name))
    return np.array(table.column(found).to_pylist())


def test_every_kept_pose_stands_on_the_timeline_of_k(chunks: tuple[Run, dict[str, Any]]) -> None:
    run, tables = chunks
    for member in run.view().members:
        table, view = tables[f"/{member.recipe.method}"], member.view
        np.testing.assert_array_equal(column(table, "k"), view.kept)
        T = np.array([run.problem.to_internal(view.snapshots[int(k)]["x"]) for k in view.kept])
        np.testing.assert_allclose(column(table, ":translation")[:, 0], T[:, :3, 3], atol=1e-6)
        # Rerun keeps matrices by columns
        R = column(table, ":mat3x3")[:, 0].reshape(-1, 3, 3).swapaxes(1, 2)
        np.testing.assert_allclose(R, T[:, :3, :3], atol=1e-6)


def test_every_number_is_there_at_every_iterate(chunks: tuple[Run, dict[str, Any]]) -> None:
    run, tables = chunks
    for member in run.view().members:
        for name, values in member.view.scalars.items():
            known = np.isfinite(values)
            table = tables.get(f"/scalars/{name}/{member.recipe.method}")
            assert (table is not None) == known.any()
            if table is not None:
                np.testing.assert_array_equal(column(table, "k"), member.view.k[known])
                np.testing.assert_array_equal(column(table, ":scalars")[:, 0], values[known])


def test_the_moved_source_lies_on_the_target_as_in_the_files(chunks: tuple[Run, dict[str, Any]]) -> None:
    run, tables = chunks
    problem = run.problem
    for entity, cloud, offset in (
        ("/target", problem.target, problem.target_offset),
        ("/dcreg/source", problem.source, problem.source_offset),
    ):
        points = column(tables[entity], ":positions")[0]
        seen = cloud.points[np.any(cloud.points != 0, axis=1)]
        np.testing.assert_allclose(points, seen - offset, atol=1e-5)


def test_without_rerun_it_is_not_offered_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # None in sys.modules is how Python marks a module that cannot be imported
    monkeypatch.setitem(sys.modules, "rerun", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not rerun_export.is_available()
    run = Run([make("registration", "sphere", "icp_plane", {}, {"max_iterations": 1})]).inline()
    with pytest.raises(ModuleNotFoundError, match="rerun"):
        rerun_recording(run.problem, run.view().members, tmp_path / "x.rrd")
