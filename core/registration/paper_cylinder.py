"""The simulated cylinder of DCReg's publication, up to the random draw of its points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.io.pointcloud import PointCloud
from core.iterate import Array, Preparation, Progress
from core.linalg.lie import parse_pose
from core.registration.problem import Preprocessing, ScanPair, prepare_pair
from core.registry import inherited, param, problem

RADIUS, HEIGHT = 40.0, 20.0
FLOOR_POINTS, WALL_POINTS = 3775, 3787


@problem("paper_cylinder", lab="registration", title="DCReg's cylinder", order=32)
@dataclass(frozen=True)
class PaperCylinder(Preprocessing):
    """The floor and wall of a round hall, as in DCReg's Table 3: source and target are the same points.

    3775 points lie on the floor, a disc of 40 m radius, and 3787 on the wall, 20 m high. Turning about the
    hall's axis (yaw) is what a hall of this shape leaves open. The publication finds height (z) weak instead:
    its planes n·x = −1 cannot pass through the origin, and the floor does (``correspondence=loam``). Lower
    the floor and its result changes; with normals from the covariance of neighbours it does not.
    """

    voxel: float = inherited(Preprocessing, "voxel", default=0.001)
    normals_k: int = inherited(Preprocessing, "normals_k", default=5)
    floor_height: float = param(
        0.0, low=-10.0, high=10.0, unit="m", label="floor at", doc="height of the floor; 0 in the publication"
    )
    perturbation: str = param(
        "0.2 0.8 0.5 0.1 0.1 2", form="pose", doc="the start; the true pose is no motion at all"
    )

    def points(self, seed: int) -> Array:
        """Return floor and wall (7562, 3) [m], drawn uniformly over each."""
        rng = np.random.default_rng(seed)
        radius = np.concatenate(
            [RADIUS * np.sqrt(rng.uniform(size=FLOOR_POINTS)), np.full(WALL_POINTS, RADIUS)]
        )
        angle = rng.uniform(0.0, 2.0 * np.pi, FLOOR_POINTS + WALL_POINTS)
        z = np.concatenate([np.zeros(FLOOR_POINTS), rng.uniform(0.0, HEIGHT, WALL_POINTS)])
        points: Array = np.stack(
            [radius * np.cos(angle), radius * np.sin(angle), z + self.floor_height], axis=1
        )
        return points

    def build(self, seed: int) -> Preparation[ScanPair]:
        """Draw the points and prepare them twice."""
        start = self.initial or self.perturbation
        yield Progress("drawing points")
        cloud = PointCloud(self.points(seed), None, None, None, "cylinder", ())
        return (
            yield from prepare_pair(cloud, cloud, self, parse_pose(start, "start pose"), T_true=np.eye(4))
        )
