"""How often each detector is right about the simulated scenes; recorded for the page and for the bench.

Each scene is scanned from two places, the sensor having moved, and every detector judges the true pose by the
same pairs with its default thresholds. ``python -m core.registration.bench_detection --write`` measures the
summary that the page shows and writes it to ``assets/registration_detection.json``.

Which motions may be flagged without being lost (`Scene.may`) was set by looking at what Schur condition
numbers flag in each scene, so that the scores favour that test where the two differ.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core import registry
from core.iterate import drain
from core.registration.degeneracy import MOTIONS
from core.registration.detectors import DETECTORS, Thresholds
from core.registration.scenes import Scene
from core.registration.scoring import DetectionScore, score_scene, tally

FILE = Path(__file__).resolve().parents[2] / "assets" / "registration_detection.json"
SCENES = (
    "corridor", "tunnel", "plane", "sphere", "sphere_off", "vcyl", "corridor_end", "parking", "stairwell",
    "room", "forest",
)  # fmt: skip
SEEDS = tuple(range(10))
MAX_DISTANCE = 1.0
GRADES = ("right", "partly", "wrong")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one detector said of one scene, scanned with one seed.

    Attributes
    ----------
    points : source points that looked for a partner.
    """

    detector: str
    scene: str
    seed: int
    points: int
    score: DetectionScore

    @property
    def mask(self) -> str:
        """Six characters 0 or 1: roll, pitch, yaw, x, y, z."""
        flagged = self.score.hits | self.score.tolerated | self.score.false_alarms
        return "".join("1" if name in flagged else "0" for name in MOTIONS)

    @property
    def grade(self) -> str:
        """One of `GRADES`.

        Right: must ⊆ mask ⊆ must ∪ may. Partly: some lost motion was flagged, but another missed or a
        well-held one flagged too. Wrong: anything else.
        """
        if self.score.is_right:
            return "right"
        return "partly" if self.score.hits else "wrong"


def judge(
    scenes: Sequence[str] = SCENES,
    seeds: Iterable[int] = SEEDS,
    detectors: Collection[str] = tuple(DETECTORS),
    say: Callable[[str], None] = lambda line: None,
) -> list[Judgement]:
    """Let detectors judge scenes at the true pose.

    Parameters
    ----------
    scenes : keys of registered scenes.
    say : is told what is being done.
    """
    found = []
    seeds = tuple(seeds)
    for i, key in enumerate(scenes):
        say(f"detection in {key} ({i + 1} of {len(scenes)})")
        scene = scene_of(key)
        for seed in seeds:
            pair = drain(scene.build(seed))
            scores = score_scene(scene, pair, names=detectors, max_distance=MAX_DISTANCE)
            points = len(pair.levels[-1].source)
            found += [Judgement(name, key, seed, points, score) for name, score in scores.items()]
    return found


def scene_of(key: str) -> Scene:
    """Return a registered scene with its default parameters."""
    scene: Scene = registry.problem_spec("registration", key).cls()
    return scene


def grades(judgements: Sequence[Judgement]) -> dict[str, int]:
    """Return how many judgements got each grade."""
    return {grade: sum(judgement.grade == grade for judgement in judgements) for grade in GRADES}


def totals(judgements: Iterable[Judgement]) -> dict[str, Any]:
    """Return counts, recall and precision of some judgements, JSON-ready.

    ``exact`` counts the masks that equal the lost motions: what "right" would be if nothing were tolerated.
    """
    found = list(judgements)
    added = tally(judgement.score for judgement in found)
    return {
        "judgements": len(found),
        **grades(found),
        "exact": sum(not (j.score.misses | j.score.tolerated | j.score.false_alarms) for j in found),
        "hits": added.hits,
        "misses": added.misses,
        "false_alarms": added.false_alarms,
        "recall": added.recall,
        "precision": added.precision,
    }


def summary(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Return what was measured, where and how; JSON-ready.

    Returns
    -------
    ``date``, ``versions``, ``seeds``, ``setting`` (defaults of the scenes), ``thresholds``, ``scenes`` (by
    key: title, must, may, median number of source points), ``detectors`` (by key: title, `totals`, and by
    scene `grades` with ``masks``, one a seed).
    """
    keys = list(dict.fromkeys(judgement.scene for judgement in judgements))
    names = list(dict.fromkeys(judgement.detector for judgement in judgements))

    def of(name: str, scene: str) -> list[Judgement]:
        return [j for j in judgements if j.detector == name and j.scene == scene]

    return {
        "date": date.today().isoformat(),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in ("iterscope", "numpy")}},
        "seeds": sorted({judgement.seed for judgement in judgements}),
        "setting": {"max_distance": MAX_DISTANCE, **_shared_defaults(keys)},
        "thresholds": dataclasses.asdict(Thresholds()),
        "scenes": {key: _scene_entry(key, of(names[0], key)) for key in keys},
        "detectors": {
            name: {
                "title": DETECTORS[name],
                **totals(j for j in judgements if j.detector == name),
                "by_scene": {
                    key: {**grades(of(name, key)), "masks": " ".join(j.mask for j in of(name, key))}
                    for key in keys
                },
            }
            for name in names
        },
    }


def _shared_defaults(keys: Iterable[str]) -> dict[str, Any]:
    """Return the parameters that these scenes share, with the values that most of them have."""
    values = [dataclasses.asdict(scene_of(key)) for key in keys]
    shared = {}
    for name in ("sensor", "noise", "motion", "voxel", "normals_k", "planarity"):
        found = [value[name] for value in values]
        shared[name] = max(found, key=found.count)
    return shared


def _scene_entry(key: str, judgements: Sequence[Judgement]) -> dict[str, Any]:
    scene = scene_of(key)
    return {
        "title": registry.problem_spec("registration", key).title,
        "must": [name for name in MOTIONS if name in scene.must],
        "may": [name for name in MOTIONS if name in scene.may],
        "points": int(np.median([judgement.points for judgement in judgements])),
    }


def recorded() -> dict[str, Any]:
    """Return the summary that ships with the program."""
    answer: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return answer


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main(arguments: Sequence[str]) -> None:
    """Measure, and write the file or the summary's totals."""
    if set(arguments) - {"--write"}:
        sys.exit("usage: python -m core.registration.bench_detection [--write]")
    measured = summary(judge(say=_say))
    if "--write" in arguments:
        FILE.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    else:
        sys.stdout.write(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
