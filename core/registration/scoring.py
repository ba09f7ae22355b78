"""How well detectors name what a scene leaves open: hits, misses and false alarms.

A scene knows which motions are exactly unobservable (`must`) and which are weak without being lost (`may`). A
perfect detector flags all of the first, may flag the second, and flags nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from core.iterate import Array
from core.registration.correspondences import make_linearisation
from core.registration.degeneracy import MOTIONS
from core.registration.detectors import DETECTORS, Thresholds, Weakness, detect
from core.registration.evidence import Pairs
from core.registration.problem import ScanPair
from core.registration.scenes import Scene


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """One judgement held against the truth; names of motions.

    Attributes
    ----------
    hits : unobservable and flagged.
    misses : unobservable and not flagged.
    tolerated : weak, not lost, and flagged.
    false_alarms : well held and flagged.
    """

    hits: frozenset[str]
    misses: frozenset[str]
    tolerated: frozenset[str]
    false_alarms: frozenset[str]

    @property
    def is_right(self) -> bool:
        """Whether must ⊆ mask ⊆ must ∪ may."""
        return not self.misses and not self.false_alarms


@dataclass(frozen=True, slots=True)
class DetectionTally:
    """Scores added up over scenes and seeds."""

    judgements: int
    right: int
    hits: int
    misses: int
    false_alarms: int

    @property
    def recall(self) -> float:
        """Share of unobservable motions that were flagged; 1 where there was none."""
        lost = self.hits + self.misses
        return self.hits / lost if lost else 1.0

    @property
    def precision(self) -> float:
        """Share of flagged motions that are unobservable, tolerated ones left out; 1 where none was."""
        flagged = self.hits + self.false_alarms
        return self.hits / flagged if flagged else 1.0


def score_mask(mask: str, must: Collection[str], may: Collection[str] = ()) -> DetectionScore:
    """Score one mask.

    Parameters
    ----------
    mask : six characters 0 or 1: roll, pitch, yaw, x, y, z.
    must, may : names of motions, as a `core.registration.scenes.Scene` knows them.

    Raises
    ------
    ValueError
        If the mask is not six of 0 and 1, or a name is no motion.
    """
    if len(mask) != len(MOTIONS) or set(mask) - {"0", "1"}:
        raise ValueError(f"a mask is six characters 0 or 1, not {mask!r}")
    lost, weak = frozenset(must), frozenset(may)
    if odd := (lost | weak) - set(MOTIONS):
        raise ValueError(f"{', '.join(sorted(odd))}: no motion; motions are {', '.join(MOTIONS)}")
    flagged = frozenset(name for name, bit in zip(MOTIONS, mask, strict=True) if bit == "1")
    return DetectionScore(flagged & lost, lost - flagged, (flagged & weak) - lost, flagged - lost - weak)


def tally(scores: Iterable[DetectionScore]) -> DetectionTally:
    """Add scores up."""
    found = list(scores)
    return DetectionTally(
        judgements=len(found),
        right=sum(score.is_right for score in found),
        hits=sum(len(score.hits) for score in found),
        misses=sum(len(score.misses) for score in found),
        false_alarms=sum(len(score.false_alarms) for score in found),
    )


def detections(
    pair: ScanPair,
    T: Array,
    *,
    names: Collection[str] = tuple(DETECTORS),
    thresholds: Thresholds | None = None,
    max_distance: float = 1.0,
) -> dict[str, Weakness]:
    """Let detectors judge one pose, all by the same unweighted point-to-plane pairs of the finest level.

    Parameters
    ----------
    T : (4, 4) T_target_source, user's frames.
    names : keys of `DETECTORS`.
    max_distance : pairs are closer than this [m].

    Raises
    ------
    ValueError
        If there is no pair, or as `core.registration.detectors.detect`.
    """
    level, pose = pair.levels[-1], pair.to_internal(T)
    linearise = make_linearisation(level.source, level.target, max_distance=max_distance)
    system = linearise(pose)
    if not system.correspondences:
        raise ValueError(f"no source point has a partner within {max_distance:g} m at this pose")

    @cache
    def pairs() -> Pairs:
        return linearise.pairs(pose)

    return {name: detect(name, system.H, thresholds, pairs) for name in names}


def score_scene(
    scene: Scene,
    pair: ScanPair,
    *,
    names: Collection[str] = tuple(DETECTORS),
    thresholds: Thresholds | None = None,
    max_distance: float = 1.0,
) -> dict[str, DetectionScore]:
    """Score detectors at the true pose of a pair that `scene` built.

    Raises
    ------
    ValueError
        If the pair has no true pose, or as `detections`.
    """
    if pair.T_true is None:
        raise ValueError("detectors are scored at the true pose, and this pair has none")
    found = detections(pair, pair.T_true, names=names, thresholds=thresholds, max_distance=max_distance)
    return {name: score_mask(weakness.mask_text, scene.must, scene.may) for name, weakness in found.items()}
