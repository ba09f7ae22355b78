"""LiDAR odometry: every scan of a sequence is placed by aligning it to the one before, or to a local map.

The alignment of a scan is that of any method of this lab; nothing about it is written here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core import registry
from core.iterate import Array, Iterate, Method, Status, Work
from core.linalg.lie import inverse
from core.registration.correspondences import SearchTree
from core.registration.local_map import LocalMap
from core.registration.placement import align_frame, array_of, lost, placed, summary, total
from core.registration.problem import ScanPair
from core.registration.sequence import Frame, ScanSequence
from core.registration.settings import AlignmentSettings
from core.registry import Scalar, Scale, inherited, method, param

#: Methods that can place a scan.
REGISTRATIONS = {"icp_plane": "point-to-plane ICP", "dcreg": "DCReg", "icp_point": "point-to-point ICP"}
#: What the tolerances are for here.
PLACED = "a scan is placed when a step turns and moves less than both tolerances"


@method(
    "odometry",
    lab="registration",
    title="Odometry",
    source="Zhang & Singh 2014, LOAM: LiDAR odometry and mapping in real-time, RSS; Vizzo et al. 2023, "
    "KISS-ICP, IEEE RA-L 8(2), arXiv 2209.15397",
    assumes="scans in the order in which they were taken, near enough to each other to be aligned",
    example="simulated_sequence",
    scalars={
        "rmse": Scalar("RMS point-to-plane distance", "m", Scale.LOG),
        "fitness": Scalar("share of the scan's points with a partner"),
        "correspondences": Scalar("pairs"),
        "iterations": Scalar("iterations of the scan's alignment"),
        "settled": Scalar("1 if the alignment reached its tolerances"),
        "rotation": Scalar("turn since the scan before", "rad"),
        "translation": Scalar("motion since the scan before", "m"),
        "condition_rotation": Scalar("κ of rotation (S_R)", "", Scale.LOG),
        "condition_translation": Scalar("κ of translation (S_t)", "", Scale.LOG),
        "weak_motions": Scalar("weak motions of six"),
        "target_points": Scalar("points that the scan was aligned to"),
    },
    colour=3,
    order=90,
)
@dataclass(frozen=True)
class Odometry:
    """Place scan k = 0, 1, … of a sequence in the frame of the first.

    1. Prediction: the last motion goes on, T_k ≈ T_{k−1} · (T_{k−2}⁻¹ T_{k−1}), or, where that leaves scan
       k farther from its target, the sensor stands.
    2. Alignment from there, to scan k − 1 or to the map: T_k.
    3. To the map: scan k is merged into it if it is far enough from the newest scan in it.

    Notes
    -----
    Errors of single alignments add up along the path; to a map they do so more slowly, because it remembers
    more than one scan. Neither closes loops.

    Which motions are weak is told from the unweighted point-to-plane Hessian at T_k, in the frame of sensor
    k. Along a weak motion the alignment follows noise and scan pattern; the prediction is lost there.

    Scan 0 is compared with itself: it has no error, but its geometry shows what is weak.

    References
    ----------
    Zhang & Singh 2014 for scan-to-scan and scan-to-map; Vizzo et al. 2023 for point-to-point on a voxel map
    with constant velocity. Their feature points and adaptive thresholds are left out.
    """

    target: str = param(
        "map", choices={"map": "local map", "previous": "previous scan"}, doc="what a scan is aligned to"
    )
    registration: str = param("icp_plane", choices=REGISTRATIONS, doc="how a scan is aligned")
    prediction: str = param(
        "fitting",
        choices={"fitting": "whichever fits better", "velocity": "the last motion goes on",
                 "none": "no motion"},
        doc="where the alignment of a scan starts",
    )  # fmt: skip
    frame_iterations: int = inherited(
        AlignmentSettings, "max_iterations", default=50, high=1000, label="iterations a scan",
        doc="limit for all levels together",
    )  # fmt: skip
    max_distance: float = inherited(AlignmentSettings, "max_distance")
    kernel: str = inherited(AlignmentSettings, "kernel")
    kernel_scale: float = inherited(AlignmentSettings, "kernel_scale", default=0.1)
    rtol_rotation: float = inherited(AlignmentSettings, "rtol_rotation", default=1e-4, doc=PLACED)
    rtol_translation: float = inherited(AlignmentSettings, "rtol_translation", doc=PLACED)
    map_radius: float = param(
        50.0, low=1.0, high=1000.0, log=True, unit="m", doc="the map ends so far from the sensor"
    )
    map_keyframes: int = param(20, low=1, high=500, log=True, doc="the newest scans of which the map is made")
    keyframe_distance: float = param(
        1.0, low=0.0, high=100.0, unit="m", advanced=True,
        doc="a scan so far from the newest one in the map is merged into it; 0: every scan",
    )  # fmt: skip
    keyframe_angle: float = param(
        15.0, low=0.0, high=180.0, unit="deg", advanced=True,
        doc="a scan turned so much from the newest one in the map is merged into it; 0: every scan",
    )  # fmt: skip

    def iterate(self, problem: ScanSequence) -> Iterator[Iterate]:
        """Yield frame k = 0, 1, …: x = T_world_sensor (4, 4), arrays ``H`` (6, 6) and ``mask`` (6,) bool.

        Raises
        ------
        ValueError
            If the problem is no sequence.
        """
        if not isinstance(problem, ScanSequence):
            raise ValueError("odometry needs a sequence of scans; two scans are aligned by the other methods")
        spec = registry.method_spec("registration", self.registration)
        given = dataclasses.asdict(self) | {"max_iterations": self.frame_iterations}
        shared = ("max_iterations", "max_distance", "kernel", "kernel_scale", "rtol_rotation",
                  "rtol_translation")  # fmt: skip
        own = {p.name for p in spec.parameters}
        return self._place(problem, spec.cls(**{name: given[name] for name in shared if name in own}))

    def _place(self, sequence: ScanSequence, registration: Method[ScanPair]) -> Iterator[Iterate]:
        scan_map = LocalMap(
            sequence, radius=self.map_radius, most=self.map_keyframes, distance=self.keyframe_distance,
            angle=math.radians(self.keyframe_angle),
        )  # fmt: skip
        T, motion, trees, work = np.eye(4), np.eye(4), sequence.trees(sequence.frames[0].levels), Work()
        unsettled = 0
        for k, frame in enumerate(sequence.frames):
            is_to_map = self.target == "map" and k > 0
            if trees is None:
                note = f"scan {k} has nothing flat to be aligned to: raise the planarity or the voxel size"
                yield lost(k, T.copy(), work, Status.BREAKDOWN, note)
                return
            base = T if is_to_map else np.eye(4)
            start = base @ self._predict(motion, base, frame, trees[0])
            aligned = align_frame(registration, sequence, k, trees, start, only_first=k == 0)
            work = total(work, aligned.work)
            if aligned.status in (Status.BREAKDOWN, Status.DIVERGED):
                yield lost(k, T.copy(), work, aligned.status, f"scan {k}, {frame.name}: {aligned.note}")
                return
            found = start if k == 0 else array_of(aligned.x)
            previous, T = T, found if is_to_map else T @ found
            moved = inverse(previous) @ T
            settled = k == 0 or aligned.status is Status.CONVERGED
            unsettled += not settled
            is_last = k == len(sequence) - 1
            yield placed(
                k, T, moved, aligned, work,
                settled=settled, target_points=len(trees[-1].points),
                end=summary(len(sequence), unsettled) if is_last else None,
            )  # fmt: skip
            if is_last:
                return
            motion = moved
            if self.target == "map":
                scan_map.add(k, T)
                trees = scan_map.trees
            elif k > 0:
                trees = sequence.trees(frame.levels)

    def _predict(self, motion: Array, base: Array, frame: Frame, target: SearchTree) -> Array:
        """Return the motion since the scan before that the alignment starts with.

        Parameters
        ----------
        motion : (4, 4) of the scan before since the one before that.
        base : (4, 4) pose of the scan before in the frame of `target`, the coarsest level's tree.
        """
        if self.prediction != "fitting":
            return motion if self.prediction == "velocity" else np.eye(4)
        reach = self.max_distance * 2.0 ** (len(frame.levels) - 1)

        def misfit(candidate: Array) -> float:
            """Mean squared distance to the nearest target point, each at most `reach`."""
            T = base @ candidate
            _, distances = target.nearest(frame.levels[0] @ T[:3, :3].T + T[:3, 3], reach)
            return float((np.minimum(distances, reach) ** 2).mean())

        return min((motion, np.eye(4)), key=misfit)
