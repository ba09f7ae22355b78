"""Open3D's point-to-plane ICP, one iteration at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.iterate import Array, Iterate, Preparation, Progress
from core.registration.libraries import load_open3d, peer_version
from core.registration.peers import PeerSettings, align_by_peer
from core.registration.pose_step import Advance
from core.registration.problem import Level, ScanPair
from core.registration.settings import KERNELS, SCALARS, AlignmentSettings
from core.registry import inherited, method

_LOSSES = {
    "l2": "L2Loss", "l1": "L1Loss", "huber": "HuberLoss", "cauchy": "CauchyLoss", "geman_mcclure": "GMLoss",
    "tukey": "TukeyLoss",
}  # fmt: skip


@dataclass(frozen=True)
class Open3dPlane(PeerSettings):
    """Point-to-plane ICP by Open3D, on our thinned points with our normals.

    Each step is ``registration_icp`` with one iteration from the present pose. Open3D perturbs the pose from
    the left and turns its step into a rotation by Euler angles; both change the path in second order only,
    and the fixed points are those of `icp_plane`.

    Notes
    -----
    Pose, rmse, fitness, H and condition numbers are computed by our own linearisation at each of Open3D's
    poses; Open3D's "inlier_rmse" is a distance between points and would not compare.

    The seconds are not Open3D's: each step builds the search tree anew and searches twice, where a run in one
    go builds once, and our linearisation comes on top. ``iterscope bench`` times whole runs.

    Open3D solves a singular system without a test, so that on an unobservable motion its step is arbitrary.

    References
    ----------
    Zhou, Park & Koltun 2018, Open3D: A modern library for 3D data processing, arXiv 1801.09847.
    """

    kernel: str = inherited(AlignmentSettings, "kernel", choices={key: KERNELS[key] for key in _LOSSES})
    kernel_scale: float = inherited(AlignmentSettings, "kernel_scale")

    def prepare(self, problem: ScanPair) -> Preparation[ScanPair]:
        """Load Open3D."""
        yield Progress("loading Open3D")
        load_open3d()
        return problem

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose and our system at it; see `core.registration.peers.align_by_peer`."""
        if self.kernel not in _LOSSES:
            raise ValueError(f"kernel must be one of {', '.join(_LOSSES)}, not {self.kernel!r}")
        return align_by_peer(
            problem, self, self._one_iteration, kernel=self.kernel, kernel_scale=self.kernel_scale
        )

    def estimation(self, open3d: Any, scale: float) -> Any:
        """Return Open3D's point-to-plane estimation whose kernel has this scale [m]."""
        registration = open3d.pipelines.registration
        make = getattr(registration, _LOSSES[self.kernel])
        if self.kernel in ("l1", "l2"):
            loss = make()
        else:  # Geman-McClure's number is a squared residual: k/(k + r²)²
            loss = make(scale**2 if self.kernel == "geman_mcclure" else scale)
        return registration.TransformationEstimationPointToPlane(loss)

    def _one_iteration(self, level: Level, max_distance: float, scale: float) -> Advance:
        open3d = load_open3d()
        registration, vectors = open3d.pipelines.registration, open3d.utility.Vector3dVector
        source = open3d.geometry.PointCloud(vectors(level.source))
        target = open3d.geometry.PointCloud(vectors(level.target.points))
        target.normals = vectors(level.target.normals)
        estimation = self.estimation(open3d, scale)
        # the loop counts iterations; none is left out because little would change
        criteria = registration.ICPConvergenceCriteria(0.0, 0.0, 1)

        def advance(T: Array) -> Array:
            answer = registration.registration_icp(source, target, max_distance, T, estimation, criteria)
            return np.array(answer.transformation)

        return advance


if _VERSION := peer_version("open3d"):
    method(
        "open3d_plane",
        lab="registration",
        title=f"Point-to-plane ICP by Open3D {_VERSION}",
        source="Zhou, Park & Koltun 2018, Open3D: A modern library for 3D data processing, arXiv 1801.09847",
        assumes="surfaces that are locally flat, and a start within about max_distance of the solution",
        example="room",
        scalars=SCALARS,
        colour=22,
        order=90,
    )(Open3dPlane)
