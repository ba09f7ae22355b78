"""small_gicp's point-to-plane and generalised ICP, one iteration at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.iterate import Iterate, Preparation, Progress
from core.registration.libraries import load_small_gicp, peer_version
from core.registration.peers import PeerSettings, align_by_peer, one_iteration_of_small_gicp
from core.registration.pose_step import Advance
from core.registration.problem import Level, ScanPair
from core.registration.settings import SCALARS
from core.registry import method, param

_SOURCE = (
    "Koide 2024, small_gicp: Efficient and parallel algorithms for point cloud registration, JOSS 9(100)"
)


@dataclass(frozen=True)
class _SmallGicp(PeerSettings):
    """What both have in common."""

    neighbours: int = param(
        10,
        low=5,
        high=50,
        advanced=True,
        doc="a point's normal or covariance comes from this many nearest points",
    )

    def prepare(self, problem: ScanPair) -> Preparation[ScanPair]:
        """Load small_gicp."""
        yield Progress("loading small_gicp")
        load_small_gicp()
        return problem

    def _align(self, problem: ScanPair, registration_type: str) -> Iterator[Iterate]:
        def make(level: Level, max_distance: float, scale: float) -> Advance:
            return one_iteration_of_small_gicp(level, max_distance, registration_type, self.neighbours)

        return align_by_peer(problem, self, make)


@dataclass(frozen=True)
class SmallGicpPlane(_SmallGicp):
    """small_gicp's PLANE_ICP, on our thinned points with its own normals.

    Each step is one outer iteration of Levenberg-Marquardt from the present pose, with its damping back at
    its first value of 1e-3, which is nothing beside sums over thousands of points.

    Notes
    -----
    Its error is not the distance to the plane: it is the vector n ⊙ (q − R p − t), component by component, so
    that E = ½ Σ n_k² ρ_k². This equals (n·ρ)² for normals along an axis only; an oblique plane holds all six
    motions in it. Its poses therefore differ from `icp_plane`'s, and no H of it is shown: H, condition
    numbers, rmse and fitness are those of our own point-to-plane linearisation at each of its poses.

    It estimates normals of its own and matches all thinned target points, also those that the planarity limit
    keeps from our methods. The seconds are not small_gicp's: our linearisation comes on top of each call.
    ``iterscope bench`` times whole runs.

    References
    ----------
    Koide 2024.
    """

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose and our system at it; see `core.registration.peers.align_by_peer`."""
        return self._align(problem, "PLANE_ICP")


@dataclass(frozen=True)
class SmallGicpGicp(_SmallGicp):
    """small_gicp's GICP, on our thinned points with its own covariances.

    Each step is one outer iteration of Levenberg-Marquardt from the present pose, as in `small_gicp_plane`.
    The objective is that of `gicp` with ``kernel=l2`` and ε = 1e-3.

    Notes
    -----
    small_gicp takes no covariances from outside, so it estimates its own, and it matches all thinned target
    points, also those that the planarity limit keeps from our methods. With that limit off (0.33 and more)
    its fixed points are those of `gicp`.

    H, condition numbers, rmse and fitness are those of our own point-to-plane linearisation at each of its
    poses. The seconds are not small_gicp's: our linearisation comes on top of each call.
    ``iterscope bench`` times whole runs.

    References
    ----------
    Koide 2024. Segal, Haehnel & Thrun 2009, Generalized-ICP, RSS.
    """

    def iterate(self, problem: ScanPair) -> Iterator[Iterate]:
        """Yield the pose and our system at it; see `core.registration.peers.align_by_peer`."""
        return self._align(problem, "GICP")


if _VERSION := peer_version("small_gicp"):
    method(
        "small_gicp_plane",
        lab="registration",
        title=f"PLANE_ICP by small_gicp {_VERSION}",
        source=_SOURCE,
        assumes="surfaces along the axes of the target's frame, and a start within about max_distance",
        example="room",
        scalars=SCALARS,
        colour=23,
        order=91,
    )(SmallGicpPlane)
    method(
        "small_gicp_gicp",
        lab="registration",
        title=f"GICP by small_gicp {_VERSION}",
        source=_SOURCE,
        assumes="surfaces that are locally flat in both scans, and a start within about max_distance",
        example="room",
        scalars=SCALARS,
        colour=24,
        order=92,
    )(SmallGicpGicp)
