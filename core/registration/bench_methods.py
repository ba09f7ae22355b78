"""Every pair method on every scene and every real pair: time, accuracy and how each run ended.

All methods take turns on a pair before the next one comes, so that a busy machine hurts all alike. Ours share
the prepared pair; the time of preparing it (voxels, tree, normals) is measured once a turn and added to each.
A peer works alone from raw points, see `core.registration.bench_peers`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core import registry
from core.errors import InputError
from core.iterate import Iterate, drain
from core.registration.bench_pairs import entries, load
from core.registration.bench_peers import Clock, run_peer
from core.registration.metrics import pose_error
from core.registration.peers import PeerSettings
from core.registration.problem import Preprocessing, ScanPair, prepare_pair
from core.registration.scenes import Scene
from core.registry import MethodSpec

LAB = "registration"
#: Solvers that take a sequence of scans.
OF_SEQUENCES = frozenset({"odometry"})


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A pair for all methods.

    Attributes
    ----------
    problem : key of a scene or id of a real pair.
    group : "held" for a scene that holds all motions, "lost" for one that does not, "real" for a real pair.
    turns : how often the methods take turns on it.
    settings : values of the methods' parameters, where a method has them.
    bound : error [m], [rad] that the known pose allows; None where it says nothing.
    """

    problem: str
    group: str
    pair: ScanPair
    preprocessing: Preprocessing
    turns: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    bound: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class MethodRun:
    """One run: seconds, errors [m] and [rad]; NaN where there is none, status "refused" with a note."""

    method: str
    problem: str
    group: str
    iterations: float
    seconds_iteration: float
    seconds_whole: float
    translation_error: float
    rotation_error: float
    status: str
    note: str = ""
    within_bound: bool | None = None


@dataclass(frozen=True, slots=True)
class MethodRow:
    """Medians of one method's runs on one problem; times in ms, errors in m and degrees.

    `status` says how the runs ended and, where not all alike, how many did so.
    """

    method: str
    problem: str
    group: str
    iterations: float
    ms_iteration: float
    ms_whole: float
    translation_error: float
    rotation_error: float
    status: str
    within_bound: bool | None


def pair_methods() -> list[MethodSpec]:
    """Return the registered methods that align two scans, peers only where they are installed."""
    return [spec for spec in registry.methods(LAB) if spec.kind == "solver" and spec.key not in OF_SEQUENCES]


def scene_cases(keys: Sequence[str], seeds: Sequence[int], say: Callable[[str], None]) -> Iterator[Case]:
    """Build scenes with their default parameters."""
    for i, key in enumerate(keys):
        say(f"methods on {key} ({i + 1} of {len(keys)})")
        scene: Scene = registry.problem_spec(LAB, key).cls()
        for seed in seeds:
            yield Case(key, "lost" if scene.must else "held", drain(scene.build(seed)), scene)


def real_cases(
    folder: Path, names: Sequence[str] | None, turns: int, say: Callable[[str], None]
) -> Iterator[Case]:
    """Read and prepare real pairs; None for all of them. One that cannot be prepared is left out in words."""
    names = tuple(entries(folder)) if names is None else names
    for i, name in enumerate(names):
        say(f"methods on {name} ({i + 1} of {len(names)})")
        try:
            (found,) = load(folder, (name,))
        except InputError as error:
            say(f"{name} is left out: {error}")
            continue
        yield Case(name, "real", found.pair, found.problem, turns, found.settings, found.bound)


def run_methods(
    cases: Iterable[Case], methods: Sequence[MethodSpec], clock: Clock, *, threads: int = 1
) -> list[MethodRun]:
    """Run all methods on all cases, in turns.

    Parameters
    ----------
    threads : of the peers; ours always have one.
    """
    runs: list[MethodRun] = []
    is_warm = False
    for case in cases:
        for _ in range(case.turns if is_warm else case.turns + 1):
            start = clock()
            _prepare(case)
            preparing = clock() - start
            turn = [run_method(spec, case, preparing, clock, threads) for spec in methods]
            if is_warm:
                runs += turn
            is_warm = True  # the first turn loads libraries and does not count
    return runs


def _prepare(case: Case) -> ScanPair:
    """Prepare the pair again from its points, for the time that it takes."""
    pair = case.pair
    return drain(prepare_pair(
        pair.source, pair.target, case.preprocessing, pair.T_initial, T_true=pair.T_true,
        drop_zeros=bool(getattr(case.preprocessing, "drop_zeros", False)),
    ))  # fmt: skip


def run_method(spec: MethodSpec, case: Case, preparing: float, clock: Clock, threads: int) -> MethodRun:
    """Run one method once; refusals are words in the result.

    Parameters
    ----------
    preparing : seconds that preparing the pair took.
    """
    names = {parameter.name for parameter in spec.parameters}
    method = spec.cls(**{name: value for name, value in case.settings.items() if name in names})
    try:
        if isinstance(method, PeerSettings):
            whole = run_peer(method, case.pair, case.preprocessing.normals_k, clock, threads=threads)
            T = case.pair.to_user(whole.T)
            iterations, one, seconds = whole.iterations, whole.seconds_iteration, whole.seconds
            status, note = whole.status, ""
        else:
            start = clock()
            problem = drain(method.prepare(case.pair)) if hasattr(method, "prepare") else case.pair
            began = clock()
            last = _last(method.iterate(problem))
            end = clock()
            T = last.x() if callable(last.x) else last.x
            iterations, seconds = float(last.k), preparing + end - start
            one = (end - began) / max(last.work.evaluation, 1)
            status, note = last.status.name.lower(), last.note
    except (ValueError, InputError) as refusal:
        nan = math.nan
        return MethodRun(spec.key, case.problem, case.group, nan, nan, nan, nan, nan, "refused", str(refusal))
    errors = _errors(case, T)
    within = None if case.bound is None else errors[0] <= case.bound[0] and errors[1] <= case.bound[1]
    return MethodRun(
        spec.key, case.problem, case.group, iterations, one, seconds, *errors, status, note, within
    )


def _last(items: Iterator[Iterate]) -> Iterate:
    for item in items:
        last = item
    return last


def _errors(case: Case, T: Any) -> tuple[float, float]:
    """Return the errors [m], [rad]; inf for a pose that is not finite, NaN without a true one."""
    if case.pair.T_true is None:
        return math.nan, math.nan
    return pose_error(T, case.pair.T_true) if np.isfinite(T).all() else (math.inf, math.inf)


def rows(runs: Sequence[MethodRun]) -> list[MethodRow]:
    """Return medians, by problem and method in the order of the runs."""
    groups: dict[tuple[str, str], list[MethodRun]] = {}
    for run in runs:
        groups.setdefault((run.problem, run.method), []).append(run)
    return [_row(found) for found in groups.values()]


def _row(runs: Sequence[MethodRun]) -> MethodRow:
    def median(name: str) -> float:
        values = [value for run in runs if not math.isnan(value := getattr(run, name))]
        return float(np.median(values)) if values else math.nan

    counts = Counter(run.status for run in runs)
    status = (
        ", ".join(f"{name} {n}" for name, n in counts.most_common()) if len(counts) > 1 else runs[0].status
    )
    if refused := next((run.note for run in runs if run.status == "refused"), ""):
        status += f": {refused}"
    judged = [run.within_bound for run in runs if run.within_bound is not None]
    return MethodRow(
        runs[0].method, runs[0].problem, runs[0].group, median("iterations"),
        1e3 * median("seconds_iteration"), 1e3 * median("seconds_whole"), median("translation_error"),
        math.degrees(median("rotation_error")), status, all(judged) if judged else None,
    )  # fmt: skip
