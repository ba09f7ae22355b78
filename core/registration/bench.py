"""Speed of registration beside Open3D and small_gicp: from raw points to the pose, in one process.

Every contender gets the same float64 arrays and does the whole work: voxel centroids, search tree, target
normals, iterations. Runs of all contenders take turns, and medians are compared, so that a busy machine hurts
all alike. Peers differ in two settings that cannot be made equal: Open3D's voxel grid starts at the cloud's
minimum, and small_gicp damps its steps (Levenberg-Marquardt) and weighs the components of a residual apart.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError
from core.io.pointcloud import PointCloud, read
from core.iterate import Array, Iterate, drain
from core.registration import kernels
from core.registration.bench_gicp import bench_gicp
from core.registration.bench_tables import bench_tables
from core.registration.correspondences import SearchTree, make_linearisation
from core.registration.libraries import load_open3d
from core.registration.methods.dcreg import DCReg
from core.registration.methods.gicp import Gicp
from core.registration.methods.icp_plane import IcpPlane
from core.registration.methods.vgicp import Vgicp
from core.registration.metrics import pose_error
from core.registration.problem import Level, ScanPair
from core.registration.settings import AlignmentSettings
from core.registration.solvers import SOLVERS, solve_dcreg

PAIRS = (
    "kitti00_0_1",
    "small_gicp_hdl32",
    "newer_college_01_0_1",
    "hall_004_005",
    "street_000005_000006",
    "corridor_0_1",
    "split_hdl32",
)
VOXEL, MAX_DISTANCE, NEIGHBOURS, MAX_ITERATIONS = 0.25, 1.0, 10, 30
#: small_gicp's stop rule: a step below both.
ROTATION_STOP, TRANSLATION_STOP = math.radians(0.1), 1e-3
#: Open3D's stop rule: fitness and RMSE [m] change by less than this.
CHANGE_STOP = 1e-6
#: The contender called "thinned" begins with every so many-th point.
THINNED = 8

#: Turns source and target points into T_target_source.
Contender = Callable[[Array, Array], Array]
#: Runs a method with these settings on a pair until a stop rule holds, and returns T_target_source.
Rule = Callable[[ScanPair, AlignmentSettings], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """What one contender reached: median time [ms] and its error in m and rad."""

    milliseconds: float
    translation_error: float
    rotation_error: float

    @property
    def error(self) -> str:
        """Centimetres and degrees."""
        return f"{100 * self.translation_error:.2f} / {math.degrees(self.rotation_error):.2f}"


def bench(
    out: Callable[[str], None], *, data: Path | None = None, threads: int = 1, repeats: int = 5,
    folder: Path | None = None, quick: bool = False, say: Callable[[str], None] = lambda line: None,
) -> None:  # fmt: skip
    """Print tables of times and ratios, in Markdown, and a summary of all methods and detectors.

    Parameters
    ----------
    out : takes one line at a time.
    data : folder that holds the scans' README; without it the real pairs are left out.
    threads : threads of the peers; with 1, CPU time is compared; with more, wall time, small_gicp at the
        faster of 1 and `threads`. Ours always has one.
    repeats : runs of each contender on each pair; one if `quick`.
    folder, quick, say : see `core.registration.bench_tables.bench_tables`.
    """
    repeats = 1 if quick else repeats
    # Open3D takes its number of threads when it is loaded
    os.environ["OMP_NUM_THREADS"] = str(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    drain(kernels.COMPILED.compile_all())
    out(f"{'CPU' if threads == 1 else 'wall'} time, median of {repeats} interleaved runs, voxel {VOXEL} m, "
        f"pairs within {MAX_DISTANCE} m, {NEIGHBOURS} neighbours a normal, identity start.")  # fmt: skip
    out("Errors in cm / degrees against the known pose. Ratio = ours / peer; below 1 ours is faster.")
    scans = data / "open" if data is not None and (data / "open" / "pairs.json").exists() else None
    if scans is None:
        out("")
        out("Real pairs left out: no scans found; give their folder by --data or ITERSCOPE_DATA.")
    else:
        say("speed beside the peers")
        _bench_pairs(out, scans, threads, repeats, clock)
    _bench_treatment(out, clock)
    bench_tables(out, say, clock, data=scans, folder=folder, threads=threads, quick=quick)


def _bench_pairs(
    out: Callable[[str], None], folder: Path, threads: int, repeats: int, clock: Callable[[], float]
) -> None:
    """Print one table for each peer."""
    entries = {p["id"]: p for p in json.loads((folder / "pairs.json").read_text())["pairs"]}
    loaded = []
    for name in PAIRS:
        entry = entries[name]
        source, target = (_returns(read(folder / entry[role])) for role in ("source", "target"))
        loaded.append((name, source, target, np.loadtxt(folder / entry["transform"])))
    peers: list[tuple[str, str, Rule, Callable[[int], Contender] | None, list[int]]] = [
        ("small_gicp", "PLANE_ICP", _until_small_step, _small_gicp(), sorted({1, threads})),
        ("open3d", "point-to-plane ICP", _until_little_changes, _open3d(), [threads]),
    ]
    for package, factor, rule, make_peer, counts in peers:
        if make_peer is None:
            out("")
            out(f"{package} is not installed: pip install 'iterscope[peers]'.")
            continue
        contenders: dict[str, Contender] = {
            "icp_plane": _ours(IcpPlane(), rule),
            "dcreg": _ours(DCReg(), rule),
            "thinned": _ours(DCReg(start_stride=THINNED), rule),
            **{f"peer {count}": make_peer(count) for count in counts},
        }
        out("")
        out(f"Against {package} {version(package)} {factor}, with its stop rule; thinned = dcreg that begins "
            f"with every {THINNED}th point:")  # fmt: skip
        out("")
        out("| pair | points | icp_plane ms | dcreg ms | thinned ms | peer ms | icp_plane / peer | "
            "dcreg / peer | thinned / peer | error dcreg | error thinned | error peer |")  # fmt: skip
        out("|---|---|---|---|---|---|---|---|---|---|---|---|")
        for name, source, target, truth in loaded:
            timings = _race(contenders, source, target, truth, repeats, clock)
            peer = min((timings[f"peer {c}"] for c in counts), key=lambda timing: timing.milliseconds)
            ours = [timings[key] for key in ("icp_plane", "dcreg", "thinned")]
            cells = [name, str(len(kernels.voxel_centroids(source, VOXEL)))]
            cells += [f"{t.milliseconds:.1f}" for t in (*ours, peer)]
            cells += [f"{t.milliseconds / peer.milliseconds:.2f}" for t in ours]
            cells += [t.error for t in (ours[1], ours[2], peer)]
            out("| " + " | ".join(cells) + " |")
    ours_by_name = {
        "gicp": _ours(Gicp(), _until_small_step),
        "gicp thinned": _ours(Gicp(start_stride=THINNED), _until_small_step),
        "vgicp": _ours(Vgicp(), _until_small_step),
    }
    limits = {
        "max_correspondence_distance": MAX_DISTANCE, "max_iterations": MAX_ITERATIONS,
        "rotation_epsilon": ROTATION_STOP, "translation_epsilon": TRANSLATION_STOP,
    }  # fmt: skip
    bench_gicp(
        out, loaded, ours_by_name, sorted({1, threads}), VOXEL, NEIGHBOURS, limits,
        lambda contenders, source, target: _times(contenders, source, target, repeats, clock),
    )  # fmt: skip


def _returns(cloud: PointCloud) -> Array:
    """Return the points (N, 3) that are not at exactly (0, 0, 0)."""
    return np.ascontiguousarray(cloud.points[cloud.points.any(axis=1)])


def _race(
    contenders: dict[str, Contender],
    source: Array,
    target: Array,
    truth: Array,
    repeats: int,
    clock: Callable[[], float],
) -> dict[str, Timing]:
    """Let the contenders take turns and compare their poses with the known one."""
    times = _times(contenders, source, target, repeats, clock)
    return {name: Timing(time, *pose_error(T, truth)) for name, (time, T) in times.items()}


def _times(
    contenders: dict[str, Contender],
    source: Array,
    target: Array,
    repeats: int,
    clock: Callable[[], float],
) -> dict[str, tuple[float, Array]]:
    """Let the contenders take turns; return median times [ms] and poses. The first round does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    poses: dict[str, Array] = {}
    for _ in range(repeats + 1):
        for name, contender in contenders.items():
            start = clock()
            poses[name] = contender(source, target)
            seconds[name].append(clock() - start)
    return {name: (1e3 * float(np.median(seconds[name][1:])), poses[name]) for name in contenders}


# --- ours -----------------------------------------------------------------------------------------------


def _ours(settings: AlignmentSettings, rule: Rule) -> Contender:
    """Return a contender that prepares both clouds and iterates by `rule`.

    No planarity limit and no robust kernel, because the peers have none here.
    """
    settings = replace(settings, max_iterations=MAX_ITERATIONS, max_distance=MAX_DISTANCE, kernel="l2")

    def run(source: Array, target: Array) -> Array:
        tree = SearchTree.build(kernels.voxel_centroids(target, VOXEL)).with_normals(NEIGHBOURS, 1.0)
        level = Level(VOXEL, kernels.voxel_centroids(source, VOXEL), tree)
        cloud = PointCloud(source, None, None, None, "", ())
        return rule(ScanPair((level,), np.eye(4), None, np.zeros(3), np.zeros(3), cloud, cloud), settings)

    return run


def _pose(item: Iterate) -> Array:
    return item.x() if callable(item.x) else item.x


def _iterate(settings: AlignmentSettings, pair: ScanPair) -> Iterator[Iterate]:
    method: Any = settings
    items: Iterator[Iterate] = method.iterate(pair)
    return items


def _until_small_step(pair: ScanPair, settings: AlignmentSettings) -> Array:
    """Iterate until a step is below small_gicp's limits."""
    rule = replace(settings, rtol_rotation=ROTATION_STOP, rtol_translation=TRANSLATION_STOP)
    for item in _iterate(rule, pair):
        last = item
    return _pose(last)


def _until_little_changes(pair: ScanPair, settings: AlignmentSettings) -> Array:
    """Iterate until fitness and RMSE, over all points, change less than Open3D's limits."""
    points = len(pair.levels[-1].source)
    before = (math.inf, math.inf)
    for item in _iterate(replace(settings, rtol_rotation=1e-14, rtol_translation=1e-14), pair):
        last = item
        fitness, rmse = item.scalars["fitness"], item.scalars["rmse"]
        if round(item.scalars["correspondences"] / max(fitness, 1e-300)) != points:
            continue  # the thinned start cannot end the run
        if abs(fitness - before[0]) < CHANGE_STOP and abs(rmse - before[1]) < CHANGE_STOP:
            break
        before = (fitness, rmse)
    return _pose(last)


# --- peers ----------------------------------------------------------------------------------------------


def _small_gicp() -> Callable[[int], Contender] | None:
    """Return what makes the contender for a number of threads, or None if the package is missing."""
    try:
        import small_gicp
    except ImportError:
        return None

    def make(threads: int) -> Contender:
        def run(source: Array, target: Array) -> Array:
            # its one-call helper would also estimate the source's normals, which this factor does not use
            thin_target = small_gicp.voxelgrid_sampling(target, VOXEL, num_threads=threads)
            thin_source = small_gicp.voxelgrid_sampling(source, VOXEL, num_threads=threads)
            tree = small_gicp.KdTree(thin_target, num_threads=threads)
            small_gicp.estimate_normals(thin_target, tree, NEIGHBOURS, num_threads=threads)
            answer = small_gicp.align(
                thin_target,
                thin_source,
                tree,
                registration_type="PLANE_ICP",
                max_correspondence_distance=MAX_DISTANCE,
                num_threads=threads,
                max_iterations=MAX_ITERATIONS,
                rotation_epsilon=ROTATION_STOP,
                translation_epsilon=TRANSLATION_STOP,
            )
            return np.asarray(answer.T_target_source)

        return run

    return make


def _open3d() -> Callable[[int], Contender] | None:
    """Return what makes the contender, or None if the package cannot be loaded."""
    try:
        open3d = load_open3d()
    except InputError:
        return None
    registration = open3d.pipelines.registration

    def thin(points: Array) -> Any:
        cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
        return cloud.voxel_down_sample(VOXEL)

    def run(source: Array, target: Array) -> Array:
        thin_target, thin_source = thin(target), thin(source)
        thin_target.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(NEIGHBOURS))
        answer = registration.registration_icp(
            thin_source,
            thin_target,
            MAX_DISTANCE,
            np.eye(4),
            registration.TransformationEstimationPointToPlane(),
            registration.ICPConvergenceCriteria(CHANGE_STOP, CHANGE_STOP, MAX_ITERATIONS),
        )
        return np.asarray(answer.transformation)

    def make(threads: int) -> Contender:
        load_open3d(threads)
        return run

    return make


# --- the 6x6 part ---------------------------------------------------------------------------------------


def _bench_treatment(out: Callable[[str], None], clock: Callable[[], float], points: int = 25_000) -> None:
    """Print what DCReg's detection and solve cost beside an iteration, on a simulated box room."""
    source, target = (_box(np.random.default_rng(seed), points) for seed in (0, 1))
    tree = SearchTree.build(target).with_normals(NEIGHBOURS, 1.0)
    T = np.eye(4)
    T[:3, 3] = 0.3, -0.2, 0.1
    linearise = make_linearisation(source, tree, max_distance=MAX_DISTANCE)
    passes = []
    for _ in range(10):
        start = clock()
        system = linearise(T)
        passes.append(clock() - start)
        delta = SOLVERS["eigen"](system.H, system.g)
        T[:3, 3] += T[:3, :3] @ delta[3:]
    cost = {
        "plain solve": _each(lambda: SOLVERS["eigen"](system.H, system.g), clock),
        "DCReg's detection and solve": _each(
            lambda: solve_dcreg(
                system.H, system.g, condition_threshold=10.0, condition_target=10.0, rtol=1e-6,
                max_iterations=10, fallback=SOLVERS["qr"],
            ),
            clock,
        ),
    }  # fmt: skip
    out("")
    out(f"The 6x6 part beside matching and summing {points} + {points} points (simulated room): "
        f"{1e3 * float(np.mean(passes)):.2f} ms an iteration in the mean, {1e3 * min(passes):.2f} ms at the "
        "end, when hardly a pair changes.")  # fmt: skip
    out("")
    out("| | µs | share of a mean iteration | share of the last iteration |")
    out("|---|---|---|---|")
    for name, seconds in cost.items():
        mean, last = seconds / float(np.mean(passes)), seconds / min(passes)
        out(f"| {name} | {1e6 * seconds:.1f} | {mean:.2%} | {last:.2%} |")


def _each(call: Callable[[], object], clock: Callable[[], float], times: int = 2000) -> float:
    """Return the mean time of a call [s]; the first one does not count."""
    call()
    start = clock()
    for _ in range(times):
        call()
    return (clock() - start) / times


def _box(rng: np.random.Generator, n: int) -> Array:
    """Return (n, 3) points on the inside of a box of 20 x 12 x 4 m, with 1 cm of noise."""
    points = rng.uniform(-1.0, 1.0, (n, 3))
    points[np.arange(n), rng.integers(0, 3, n)] = rng.choice([-1.0, 1.0], n)
    return np.asarray(points * np.array([10.0, 6.0, 2.0]) + rng.normal(0.0, 0.01, (n, 3)))
