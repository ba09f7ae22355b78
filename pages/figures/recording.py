"""Recorded runs that ship with the app: what a page shows before anything was computed.

A recording is a folder in ``assets/gallery`` named after its experiment: the clouds as the browser gets them,
a Parquet trace for each method, the results. ``make gallery`` computes them anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core import registry
from core.iterate import Array, Progress
from core.recipe import Recipe, make
from core.registration.correspondences import residuals
from core.registration.problem import ScanPair
from core.registry import ExperimentSpec, Finding
from core.run import MemberView, Run, RunView, State
from core.trace import from_parquet, to_parquet
from pages.figures.cloud import display_offsets, display_sample, geometry_payload, scalars_payload

GALLERY = Path(__file__).resolve().parents[2] / "assets" / "gallery"
#: A recording stays below so many bytes: its clouds get what its iterates leave, up to so many points each.
RECORDING_BYTES, POINTS, HEADER_BYTES = 100_000, 6_000, 2_500
#: Bytes that a point of each cloud takes: 3 · 16 bits twice, and the source's residual colour.
_POINT_BYTES = 13


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """The clouds as the browser gets them.

    Attributes
    ----------
    payload : message of `pages.figures.cloud.geometry_payload`.
    offsets : (2, 3) origins of the display frames.
    anchor : (3,) the source-frame point at which the weak motions hold.
    truth : (4, 4) true pose, or None.
    scalars : residual colours at the last iterate; empty where they are computed on demand.
    """

    payload: bytes
    offsets: Array
    anchor: Array
    truth: Array | None
    scalars: bytes = b""

    @classmethod
    def of(
        cls,
        source: Array,
        target: Array,
        problem: ScanPair,
        *,
        view: str,
        group: str,
        limit: int,
    ) -> Geometry:
        """Encode two clouds (N, 3) and (M, 3) of a problem with its start and true pose."""
        payload = geometry_payload(
            source, target,
            view=view, group=group, initial=problem.T_initial, truth=problem.T_true, limit=limit,
        )  # fmt: skip
        return cls(payload, display_offsets(source, target), problem.source_offset, problem.T_true)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A finished run that was computed earlier."""

    key: str
    view: RunView
    geometry: Geometry
    results: tuple[dict[str, Any], ...]


def recipes_of(experiment: ExperimentSpec) -> tuple[Recipe, ...]:
    """Return one recipe for each method of an experiment."""
    return tuple(
        make(experiment.lab, experiment.problem, method, experiment.problem_params, params, experiment.seed)
        for method, params in experiment.methods.items()
    )


@cache
def load(experiment_key: str, lab: str = "registration") -> Recording | None:
    """Return the recording of an experiment; None if there is none."""
    folder = GALLERY / experiment_key
    if not folder.is_dir():
        return None
    experiment = registry.experiment_spec(lab, experiment_key)
    facts = json.loads((folder / "result.json").read_text())
    members = []
    for recipe in recipes_of(experiment):
        view, _ = from_parquet(folder / f"{recipe.method}.parquet")
        members.append(MemberView(recipe, view))
    truth = None if facts["truth"] is None else np.array(facts["truth"])
    geometry = Geometry(
        (folder / "clouds.bin").read_bytes(),
        np.array(facts["offsets"]),
        np.array(facts["anchor"]),
        truth,
        (folder / "residuals.bin").read_bytes(),
    )
    view = RunView(
        0, State.FINISHED, "", Progress(""), 0, facts["setup_seconds"], facts["seconds"], tuple(members)
    )
    return Recording(f"recorded.{experiment_key}", view, geometry, tuple(facts["results"]))


def find(recipes: Sequence[Recipe]) -> Recording | None:
    """Return the recording of exactly these recipes, if one ships."""
    experiment = experiment_of(recipes)
    return None if experiment is None else load(experiment.key, experiment.lab)


def experiment_of(recipes: Sequence[Recipe]) -> ExperimentSpec | None:
    """Return the experiment that poses exactly these recipes, if there is one."""
    for experiment in registry.experiments(recipes[0].lab) if recipes else ():
        if recipes_of(experiment) == tuple(recipes):
            return experiment
    return None


def finding(
    experiment: ExperimentSpec, members: Sequence[MemberView], results: Sequence[dict[str, Any]]
) -> Finding:
    """Check an experiment's claim against traces of its methods and their results."""
    views = {m.recipe.method: m.view for m in members}
    return experiment.check(views, dict(zip(views, results, strict=True)))


def record(experiment: ExperimentSpec) -> Path:
    """Compute an experiment and write its recording."""
    recipes = recipes_of(experiment)
    run = Run(recipes).inline()
    view, problem = run.view(), run.problem
    if run.error is not None:
        raise run.error
    folder = GALLERY / experiment.key
    folder.mkdir(parents=True, exist_ok=True)
    results = [registry.lab(experiment.lab).result(problem, m.view) for m in view.members]
    for member in view.members:
        to_parquet(
            member.view, folder / f"{member.recipe.method}.parquet", {"recipe": member.recipe.canonical()}
        )
    facts = {
        "truth": None if problem.T_true is None else problem.T_true.tolist(),
        "setup_seconds": view.setup_seconds,
        "seconds": view.active_seconds,
        "results": results,
    }
    iterates = sum((folder / f"{m.recipe.method}.parquet").stat().st_size for m in view.members)
    left = RECORDING_BYTES - HEADER_BYTES - iterates - len(json.dumps(facts))
    source, target, colours = _small(problem, view.members[0], min(POINTS, left // _POINT_BYTES))
    geometry = Geometry.of(
        source, target, problem, view=f"recorded.{experiment.key}", group=experiment.lab, limit=POINTS
    )
    (folder / "clouds.bin").write_bytes(geometry.payload)
    (folder / "residuals.bin").write_bytes(colours)
    facts |= {"offsets": geometry.offsets.tolist(), "anchor": geometry.anchor.tolist()}
    (folder / "result.json").write_text(json.dumps(facts))
    return folder


def _small(problem: ScanPair, member: MemberView, points: int) -> tuple[Array, Array, bytes]:
    """Return at most `points` points of both clouds, user's frames, and the source's residual colours."""
    level, target = problem.levels[-1], problem.target.points
    source = level.source[display_sample(len(level.source), points)]
    target = target[display_sample(len(target), points)]
    T, k = member.view.last("x"), int(member.view.kept[-1])
    reach = float(member.view.scalars["max_distance"][-1])
    sent = source[display_sample(len(source), points)]
    values = residuals(sent, level.target, problem.to_internal(T), reach)
    colours = scalars_payload(
        values, group=member.recipe.lab, rev=f"recorded.{k}", member=member.recipe.method, k=k
    )
    return source + problem.source_offset, target, colours


if __name__ == "__main__":
    # clouds are what a recording holds; other labs compute theirs when they are opened
    for spec in registry.experiments("registration"):
        written = record(spec)
        size = sum(path.stat().st_size for path in written.iterdir())
        sys.stdout.write(f"{spec.key}: {size / 1000:.0f} kB\n")
