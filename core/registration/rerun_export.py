"""A registration as a recording for the Rerun viewer, for those who have its SDK installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.iterate import Array
from core.registration.problem import ScanPair
from core.run import MemberView

APPLICATION = "iterscope"
#: Name of the timeline: the iterate k.
TIMELINE = "k"
_SOURCE, _TARGET = (217, 130, 0), (0, 114, 178)


def is_available() -> bool:
    """Whether the package ``rerun-sdk`` is installed; does not import it."""
    return importlib.util.find_spec("rerun") is not None


def rerun_recording(problem: ScanPair, members: Sequence[MemberView], path: Path | str) -> None:
    """Write both clouds, every method's poses and its recorded numbers over the iterates.

    The recording works in the internal frames, the files' coordinates minus one translation each, because
    Rerun stores float32; the note ``frames`` in it says which translations.

    Parameters
    ----------
    problem : the pair that was aligned.
    members : methods with their traces. Poses exist at the kept iterates, numbers at all.
    path : of the ``.rrd`` file to write.

    Raises
    ------
    ModuleNotFoundError
        If ``rerun-sdk`` is not installed.

    Notes
    -----
    Entities: ``target`` (points), ``<method>`` (the pose, source to target) with ``<method>/source`` (points)
    below it, ``scalars/<name>/<method>``, ``frames`` and ``recipe/<method>`` (text).
    """
    rerun: Any = importlib.import_module("rerun")
    recording = rerun.RecordingStream(APPLICATION, recording_id=members[0].recipe.hash())
    recording.save(path)
    recording.log("frames", rerun.TextDocument(_frames(problem)), static=True)
    target = _seen(problem.target.points) - problem.target_offset
    source = (_seen(problem.source.points) - problem.source_offset).astype(np.float32)
    recording.log("target", rerun.Points3D(target.astype(np.float32), colors=_TARGET), static=True)
    for member in members:
        name, view = member.recipe.method, member.view
        recording.log(f"recipe/{name}", rerun.TextDocument(member.recipe.to_json()), static=True)
        recording.log(f"{name}/source", rerun.Points3D(source, colors=_SOURCE), static=True)
        T = np.array([problem.to_internal(view.snapshots[int(k)]["x"]) for k in view.kept])
        moves = rerun.Transform3D.columns(translation=T[:, :3, 3], mat3x3=T[:, :3, :3])
        recording.send_columns(name, [rerun.TimeColumn(TIMELINE, sequence=view.kept)], moves)
        for scalar, column in view.scalars.items():
            known = np.flatnonzero(np.isfinite(column))
            if len(known):
                time = rerun.TimeColumn(TIMELINE, sequence=view.k[known])
                values = rerun.Scalars.columns(scalars=column[known])
                recording.send_columns(f"scalars/{scalar}/{name}", [time], values)
    recording.flush()
    recording.disconnect()


def _seen(points: Array) -> Array:
    """Return the points that are measurements: no-returns stand at the origin."""
    seen: Array = points[np.any(points != 0.0, axis=1)]
    return seen


def _frames(problem: ScanPair) -> str:
    lines = ["Coordinates are those of the files minus:"]
    for name, offset in (("source", problem.source_offset), ("target", problem.target_offset)):
        lines.append(f"{name}: {' '.join(f'{value:.17g}' for value in offset)} m")
    return "\n".join(lines)
