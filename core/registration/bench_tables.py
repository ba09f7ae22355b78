"""The tables of the bench: methods and detectors, as lines of Markdown and as one CSV file."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import platform
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np

from core.registration.bench_detection import SCENES, Judgement, judge, totals
from core.registration.bench_methods import (
    MethodRow,
    pair_methods,
    real_cases,
    rows,
    run_methods,
    scene_cases,
)
from core.registration.bench_peers import Clock
from core.registration.libraries import peer_version

SEEDS = tuple(range(5))
#: Turns on a real pair.
TURNS = 3
#: What the short run leaves: one seed, one turn, small pairs.
QUICK_PAIRS = ("small_gicp_hdl32", "corridor_0_1", "split_hdl32")

Say = Callable[[str], None]

METHOD_HEAD = (
    "method", "problem", "iterations", "ms an iteration", "ms whole alignment", "translation error [m]",
    "rotation error [°]", "status",
)  # fmt: skip
DETECTOR_HEAD = (
    "detector", "right", "partly", "wrong", "right if nothing were tolerated", "recall", "precision",
    "false alarms",
)  # fmt: skip


def bench_tables(
    out: Say, say: Say, clock: Clock, *, data: Path | None, folder: Path | None, threads: int, quick: bool
) -> None:
    """Run all methods and detectors, print a summary, and write ``registration.md`` and ``registration.csv``.

    Parameters
    ----------
    out, say : take one line of the result, of the progress.
    data : folder of ``pairs.json``; None leaves the real pairs out.
    folder : where the files go; None writes none.
    threads : of the peers.
    quick : one seed, one turn and three real pairs only.
    """
    seeds, turns = (SEEDS[:1], 1) if quick else (SEEDS, TURNS)
    cases = scene_cases(SCENES, seeds, say)
    if data is not None:
        cases = chain(cases, real_cases(data, QUICK_PAIRS if quick else None, turns, say))
    runs = run_methods(cases, pair_methods(), clock, threads=threads)
    judgements = judge(seeds=seeds, say=say)
    found = rows(runs)
    summary = [*method_summary(found), "", *detector_summary(judgements)]
    for line in ("", *summary):
        out(line)
    if folder is not None:
        text = [*_header(len(seeds), turns, threads), *summary, "", *_details(found, judgements)]
        (folder / "registration.md").write_text("\n".join(text) + "\n", encoding="utf-8")
        (folder / "registration.csv").write_text(csv_text(found, judgements), encoding="utf-8")


def method_summary(found: Sequence[MethodRow]) -> list[str]:
    """Return one row a method: medians over problems."""
    head = (
        "method", "ms an iteration", "ms whole alignment", "held scenes: cm / °", "lost scenes: cm / °",
        "real pairs: cm / °", "real pairs within bound", "converged",
    )  # fmt: skip
    lines = [
        "Methods, medians over scenes and real pairs; held scenes hold all six motions, in lost ones the "
        "error along what is lost says nothing about a method:",
        "",
        *_head(head),
    ]
    for method in dict.fromkeys(row.method for row in found):
        of = [row for row in found if row.method == method]
        errors = [
            _number(100.0 * _median(part, "translation_error"))
            + f" / {_number(_median(part, 'rotation_error'))}"
            for part in ([row for row in of if row.group == group] for group in ("held", "lost", "real"))
        ]
        judged = [row.within_bound for row in of if row.within_bound is not None]
        told = [row for row in of if row.status != "not told"]
        lines.append(_line([
            method, _number(_median(of, "ms_iteration")), _number(_median(of, "ms_whole")), *errors,
            f"{sum(judged)} of {len(judged)}" if judged else "–",
            f"{sum(row.status == 'converged' for row in told)} of {len(told)}" if told else "not told",
        ]))  # fmt: skip
    return lines


def detector_summary(judgements: Sequence[Judgement]) -> list[str]:
    """Return one row a detector over all scenes and seeds."""
    seeds = len({judgement.seed for judgement in judgements})
    scenes = len({judgement.scene for judgement in judgements})
    lines = [
        f"Detectors at the true pose, {scenes} scenes, {seeds} seeds. Right: every lost motion is flagged, "
        "and beside them only tolerated weak ones. What is tolerated was set by looking at the Schur test, "
        "which favours it:",
        "",
        *_head(DETECTOR_HEAD),
    ]
    return lines + [
        _line([name, *_detector_cells([j for j in judgements if j.detector == name])])
        for name in dict.fromkeys(judgement.detector for judgement in judgements)
    ]


def _detector_cells(judgements: Sequence[Judgement]) -> list[str]:
    t = totals(judgements)
    return [
        *(str(t[key]) for key in ("right", "partly", "wrong", "exact")),
        f"{t['recall']:.2f}", f"{t['precision']:.2f}" if t["hits"] + t["false_alarms"] else "–",
        str(t["false_alarms"]),
    ]  # fmt: skip


def _header(seeds: int, turns: int, threads: int) -> list[str]:
    versions = {"iterscope": version("iterscope"), "numpy": version("numpy"), "numba": version("numba")}
    versions |= {p: v for p in ("open3d", "small_gicp") if (v := peer_version(p))}
    return [
        "# Registration: methods and detectors",
        "",
        f"{date.today().isoformat()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f"; {platform.machine()}.",
        "",
        f"Medians over {seeds} seeds of each scene and {turns} turns on each real pair; methods take turns "
        "in one process. "
        + ("CPU time, one thread." if threads == 1 else f"Wall time, peers with {threads} threads.")
        + " Ours: voxels, tree and normals are in the whole time; an iteration is a linearisation with its "
        "solve. Peers work alone from raw points and stop by their own rule; Open3D does not tell its "
        "iterations, and its time of one is a tenth of what eleven take longer than one. small_gicp has no "
        "robust kernel, ours and Open3D's is Cauchy's. A first guess by features is in no time.",
        "",
    ]


def _details(found: Sequence[MethodRow], judgements: Sequence[Judgement]) -> list[str]:
    """Return the tables by problem."""
    lines = ["## Methods by scene and pair", ""]
    for problem in dict.fromkeys(row.problem for row in found):
        lines += [f"### {problem}", "", *_head([h for h in METHOD_HEAD if h != "problem"])]
        for row in (row for row in found if row.problem == problem):
            lines.append(_line([
                row.method, _number(row.iterations), _number(row.ms_iteration), _number(row.ms_whole),
                _number(row.translation_error), _number(row.rotation_error), row.status,
            ]))  # fmt: skip
        lines.append("")
    lines += ["## Detectors by scene", ""]
    for scene in dict.fromkeys(judgement.scene for judgement in judgements):
        lines += [f"### {scene}", "", *_head((*DETECTOR_HEAD, "masks (roll pitch yaw x y z)"))]
        for name in dict.fromkeys(judgement.detector for judgement in judgements):
            of = [j for j in judgements if j.scene == scene and j.detector == name]
            masks = " ".join(dict.fromkeys(j.mask for j in of))
            lines.append(_line([name, *_detector_cells(of), masks]))
        lines.append("")
    return lines


def csv_text(found: Sequence[MethodRow], judgements: Sequence[Judgement]) -> str:
    """Return both tables in one file; the column ``table`` says which a row is of.

    What a row has not is empty.
    """
    measured = [{"table": "alignment", **dataclasses.asdict(row)} for row in found]
    names = ["table", "method", "problem", *(f.name for f in dataclasses.fields(MethodRow))]
    detection = []
    for j in judgements:
        scored = {"hits": j.score.hits, "misses": j.score.misses, "false_alarms": j.score.false_alarms}
        detection.append({
            "table": "detection", "method": j.detector, "problem": j.scene, "seed": j.seed, "mask": j.mask,
            "status": j.grade, **{name: len(motions) for name, motions in scored.items()},
        })  # fmt: skip
    names += ["seed", "mask", "hits", "misses", "false_alarms"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(dict.fromkeys(names)), restval="", lineterminator="\n")
    writer.writeheader()
    for entry in (*measured, *detection):
        writer.writerow({k: "" if v is None or (isinstance(v, float) and math.isnan(v)) else v
                         for k, v in entry.items()})  # fmt: skip
    return buffer.getvalue()


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), "|" + "---|" * len(names)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _median(found: Sequence[MethodRow], name: str) -> float:
    values = [value for row in found if not math.isnan(value := getattr(row, name))]
    return float(np.median(values)) if values else math.nan


def _number(value: float) -> str:
    """Return three digits, a dash for what is not known."""
    return "–" if math.isnan(value) else f"{value:.3g}"
