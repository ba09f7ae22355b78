"""Point-to-plane ICP, DCReg and GICP on the real pairs, from the start that the data's README advises.

Each run must end within max(the stated uncertainty of the pose, 1.5 times what a reference ICP started at the
pose moves), for translation and rotation alike. `core.registration.bench_pairs` holds the one rule that
prepares the pairs; it is the same for all methods. What a method needs beyond it, and why, stands below.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from core.iterate import Array, Iterate, drain
from core.registration.bench_pairs import (
    PERTURBED,
    allowed_error,
    method_settings,
    perturbation,
    preparation,
    stated,
)
from core.registration.methods.dcreg import DCReg
from core.registration.methods.gicp import Gicp
from core.registration.methods.icp_plane import IcpPlane
from core.registration.problem import ScanPair, Scans

pytestmark = [pytest.mark.data, pytest.mark.slow]

METHODS = {"icp_plane": IcpPlane, "dcreg": DCReg, "gicp": Gicp}
#: Pairs that one method must have otherwise: GICP ends in the false minimum of the corridor with 10, 20, 30
#: and 40 neighbours a normal; from a first guess it finds the true one.
PREPARATION_FOR = {("corridor_mid_0_1", "gicp"): {"normals_k": 30, "first_guess": "ransac"}}
#: Where a pose came from point-to-plane ICP its bound tells how well that repeats; GICP's fixed point is
#: another by as much (of rgbd_0_4 the README says 0.16 degrees, of street_000005_000006 it is 0.055).
ALLOWANCE = {"gicp": 1.5}
FROM_ONE_START = (
    "small_gicp_hdl32", "kitti00_0_1", "newer_college_01_0_1", "newer_college_01_1_2", "lpm_car_400_401",
    "lpm_cloud_0_1", "pcl_room_1_2", "pcl_kinect_1_2", "corridor_0_1", "corridor_mid_0_1", "dcreg_cylinder",
    "hall_004_005", "hall_010_012", "street_000005_000006", "street_000005_000008", "bunny_parts",
    "split_hdl32", "rgbd_0_4",
)  # fmt: skip

Pairs = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Collect one line a run and print them all at the end, captured output or not."""
    lines = [f"{'pair':28s} {'method':10s} {'error':>18s} {'bound':>18s} {'k':>4s} {'seconds':>8s}  status"]
    yield lines
    plugins = request.config.pluginmanager
    with plugins.get_plugin("capturemanager").global_and_fixture_disabled():
        for text in ("", *lines):
            plugins.get_plugin("terminalreporter").write_line(text)


def bounds(entry: dict[str, Any], pair: ScanPair, method: str) -> tuple[float, float]:
    """Return the allowed error in m and degrees."""
    metres, radians = allowed_error(entry, pair)
    more = ALLOWANCE.get(method, 1.0)
    return more * metres, more * float(np.degrees(radians))


@cache
def prepared(
    root: Path, source: str, target: str, initial: str, settings: tuple[tuple[str, Any], ...]
) -> ScanPair:
    files = {"source": str(root / source), "target": str(root / target)}
    return drain(Scans(**files, initial=initial, **dict(settings)).build(0))


def prepare(data: Path, entry: dict[str, Any], method: str = "") -> ScanPair:
    settings = preparation(entry) | PREPARATION_FOR.get((entry["id"], method), {})
    advice = entry["suggested_init"]
    initial = str(data / advice) if advice.endswith(".txt") else ""
    return prepared(data, entry["source"], entry["target"], initial, tuple(settings.items()))


def true_pose(data: Path, entry: dict[str, Any]) -> Array:
    return np.loadtxt(data / entry["transform"])


def run(pair: ScanPair, method: str, entry: dict[str, Any]) -> tuple[Array, Iterate, float]:
    chosen = METHODS[method](**method_settings(entry))
    start = time.perf_counter()
    last = list(chosen.iterate(pair))[-1]
    seconds = time.perf_counter() - start
    return (last.x() if callable(last.x) else last.x), last, seconds


def error(T: Array, T_true: Array) -> tuple[Array, Array]:
    """Return translation (3,) [m] and rotation vector (3,) [deg] of T_true⁻¹ T, source frame."""
    E = np.linalg.inv(T_true) @ T
    return E[:3, 3], np.degrees(Rotation.from_matrix(E[:3, :3]).as_rotvec())


def line(name: str, method: str, found: tuple[float, float], allowed: tuple[float, float], last: Iterate,
         seconds: float) -> str:  # fmt: skip
    numbers = (f"{m:.2g} m {a:.2g}°".rjust(18) for m, a in (found, allowed))
    return (
        f"{name:28s} {method:10s} {' '.join(numbers)} {last.k:4d} {seconds:8.3f}  {last.status.name.lower()}"
    )


def test_every_pair_is_judged_or_excluded_with_a_reason(pairs: Pairs) -> None:
    assert {*FROM_ONE_START, *PERTURBED, "road_0_1"} == set(pairs)


def test_files_hold_as_many_points_as_listed(pairs: Pairs, data: Path) -> None:
    """A file without a header that is read with the wrong number of columns gives another count."""
    for name in (*FROM_ONE_START, *PERTURBED):
        pair = prepare(data, pairs[name])
        for cloud, count in ((pair.source, "n_source"), (pair.target, "n_target")):
            assert np.count_nonzero(cloud.points.any(axis=1)) == pairs[name][count]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FROM_ONE_START)
def test_pair_ends_within_its_bound(
    name: str, method: str, pairs: Pairs, data: Path, table: list[str]
) -> None:
    entry, pair = pairs[name], prepare(data, pairs[name], method)
    T, last, seconds = run(pair, method, entry)
    translation, rotation = error(T, true_pose(data, entry))
    found = float(np.linalg.norm(translation)), float(np.linalg.norm(rotation))
    allowed = bounds(entry, pair, method)
    table.append(line(name, method, found, allowed, last, seconds))
    assert found[0] <= allowed[0]
    assert found[1] <= allowed[1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PERTURBED)
def test_submaps_end_within_their_bound_from_ten_perturbed_starts(
    name: str, method: str, pairs: Pairs, data: Path, table: list[str]
) -> None:
    entry, pair = pairs[name], prepare(data, pairs[name])
    T_true, allowed = true_pose(data, entry), bounds(entry, pair, method)
    for seed in range(10):
        started = replace(pair, T_initial=T_true @ perturbation(seed))
        T, last, seconds = run(started, method, entry)
        translation, rotation = error(T, T_true)
        found = float(np.linalg.norm(translation)), float(np.linalg.norm(rotation))
        table.append(line(f"{name} seed {seed}", method, found, allowed, last, seconds))
        assert found[0] <= allowed[0]
        assert found[1] <= allowed[1]


@pytest.mark.parametrize("method", METHODS)
def test_road_ends_within_its_bound_in_the_directions_that_it_holds(
    method: str, pairs: Pairs, data: Path, table: list[str]
) -> None:
    """The road holds height, roll and pitch; its pose is that of the whole scans, kitti00_0_1."""
    entry, whole = pairs["road_0_1"], pairs["kitti00_0_1"]
    T, last, seconds = run(prepare(data, entry), method, entry)
    translation, rotation = error(T, true_pose(data, entry))
    found = abs(float(translation[2])), float(np.linalg.norm(rotation[:2]))
    allowed = stated(whole["pose_uncertainty"])
    table.append(line("road_0_1 (z, roll, pitch)", method, found, allowed, last, seconds))
    assert found[0] <= allowed[0]
    assert found[1] <= allowed[1]
