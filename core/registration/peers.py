"""Other people's programs as methods: loading them, and driving them one iteration at a time.

A peer is asked for a single iteration from the present pose, and what it returns is the next pose. Everything
else, from the stop rule to the recorded numbers, is that of our own methods, so that curves compare. The
price is time: a peer builds its search tree anew at every call and may search twice, and our own
linearisation comes on top, so the seconds of such a run are not those of the peer; ``iterscope bench``
measures them whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.iterate import Array, Iterate
from core.registration.alignment import Linearise, align
from core.registration.correspondences import make_linearisation
from core.registration.libraries import load_small_gicp
from core.registration.pose_step import Advance, PoseStep
from core.registration.problem import Level, ScanPair
from core.registration.settings import AlignmentSettings
from core.registry import inherited


@dataclass(frozen=True)
class PeerSettings:
    """What can be set for every peer: how far pairs reach, and when our loop stops."""

    #: Its library is loaded when it is chosen, not before.
    is_peer: ClassVar[bool] = True

    max_iterations: int = inherited(AlignmentSettings, "max_iterations")
    max_distance: float = inherited(AlignmentSettings, "max_distance")
    rtol_rotation: float = inherited(AlignmentSettings, "rtol_rotation")
    rtol_translation: float = inherited(AlignmentSettings, "rtol_translation")


def align_by_peer(
    pair: ScanPair,
    peer: PeerSettings,
    make_advance: Callable[[Level, float, float], Advance],
    *,
    kernel: str = "l2",
    kernel_scale: float = 1.0,
) -> Iterator[Iterate]:
    """Align by the shared loop with the steps of a peer.

    Parameters
    ----------
    make_advance : gives one iteration of the peer on a level, from the level, the largest distance of a pair
        [m] and the scale of the robust kernel [m].
    kernel, kernel_scale : robust kernel of the recorded system, as the peer has it.

    Yields
    ------
    The items of `core.registration.alignment.align`. ``H`` and ``g`` are point-to-plane, ours; the step is
    the peer's and does not solve them.
    """
    settings = AlignmentSettings(
        max_iterations=peer.max_iterations, max_distance=peer.max_distance, kernel=kernel,
        kernel_scale=kernel_scale, rtol_rotation=peer.rtol_rotation, rtol_translation=peer.rtol_translation,
    )  # fmt: skip
    step = PoseStep()

    def make(index: int, stride: int, max_distance: float, scale: float) -> Linearise:
        level = pair.levels[index]
        own = make_linearisation(
            level.source, level.target, kernel=kernel, kernel_scale=scale, max_distance=max_distance
        )
        return step.linearisation(own, make_advance(level, max_distance, scale))

    return align(pair, settings, step, make_linearise=make)


def one_iteration_of_small_gicp(
    level: Level, max_distance: float, registration_type: str, neighbours: int
) -> Advance:
    """Return one outer iteration of small_gicp's Levenberg-Marquardt on a level.

    small_gicp takes no normals or covariances from outside: it estimates its own, for all thinned points.
    """
    small_gicp = load_small_gicp()
    points = (level.target.complete or level.target).points
    target, source = small_gicp.PointCloud(points), small_gicp.PointCloud(level.source)
    tree = small_gicp.KdTree(target)
    if registration_type == "PLANE_ICP":
        small_gicp.estimate_normals(target, tree, neighbours)
    else:
        small_gicp.estimate_covariances(target, tree, neighbours)
        small_gicp.estimate_covariances(source, small_gicp.KdTree(source), neighbours)

    def advance(T: Array) -> Array:
        answer = small_gicp.align(
            target, source, tree, T, registration_type=registration_type,
            max_correspondence_distance=max_distance, num_threads=1, max_iterations=1,
        )  # fmt: skip
        return np.array(answer.T_target_source)

    return advance
