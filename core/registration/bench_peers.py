"""Peers in one go: Open3D and small_gicp from raw points to the pose, coarse to fine as our methods.

`core.registration.peers` drives a peer step by step, which costs what the peer alone does not; what the bench
times is here. A peer thins, makes trees and normals, and stops by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.iterate import Array
from core.registration.alignment import COARSE_TOLERANCE
from core.registration.libraries import load_open3d, load_small_gicp
from core.registration.methods.open3d_plane import Open3dPlane
from core.registration.methods.small_gicp_peers import SmallGicpGicp, SmallGicpPlane
from core.registration.peers import PeerSettings
from core.registration.problem import ScanPair

#: Open3D stops when fitness and RMSE [m] change by less than this, its default.
CHANGE_STOP = 1e-6
#: Iterations that Open3D is forced to, and from how many on they are counted, to find the time of one.
FORCED = (1, 11)

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, eq=False)
class WholeRun:
    """What a peer did.

    Attributes
    ----------
    T : (4, 4) T_target_source, internal frames.
    iterations : of all levels; NaN where the peer does not tell.
    seconds : from raw points to the pose.
    seconds_iteration : of one iteration.
    status : the peer's own word.
    """

    T: Array
    iterations: float
    seconds: float
    seconds_iteration: float
    status: str


def run_peer(
    peer: PeerSettings, pair: ScanPair, normals_k: int, clock: Clock, *, threads: int = 1
) -> WholeRun:
    """Let a peer align the points of a pair as they were read.

    Parameters
    ----------
    peer : a method of the registry that drives a peer.
    normals_k : neighbours of a normal for Open3D; small_gicp's are a parameter of the method.

    Raises
    ------
    ValueError
        If no way is known to run this peer in one go.
    InputError
        If the peer cannot be loaded.
    """
    source, target = (
        np.ascontiguousarray(cloud.points[cloud.points.any(axis=1)] - offset)
        for cloud, offset in ((pair.source, pair.source_offset), (pair.target, pair.target_offset))
    )
    if isinstance(peer, SmallGicpPlane | SmallGicpGicp):
        return _run_small_gicp(peer, pair, source, target, clock, threads)
    if isinstance(peer, Open3dPlane):
        return _run_open3d(peer, pair, source, target, normals_k, clock, threads)
    raise ValueError(f"no way is known to run {type(peer).__name__} in one go")


def _run_small_gicp(
    peer: SmallGicpPlane | SmallGicpGicp, pair: ScanPair, source: Array, target: Array, clock: Clock,
    threads: int,
) -> WholeRun:  # fmt: skip
    """Thin, prepare and align on each level; its stop rule is ours: both parts of a step below limits."""
    small_gicp = load_small_gicp()
    is_gicp = isinstance(peer, SmallGicpGicp)
    T = pair.to_internal(pair.T_initial)
    iterations, aligning, start = 0, 0.0, clock()
    for i, level in enumerate(pair.levels):
        height = len(pair.levels) - 1 - i
        loose = COARSE_TOLERANCE if height else 1.0
        thin_target, thin_source = (
            small_gicp.voxelgrid_sampling(points, level.voxel, num_threads=threads)
            for points in (target, source)
        )
        tree = small_gicp.KdTree(thin_target, num_threads=threads)
        if is_gicp:
            own_tree = small_gicp.KdTree(thin_source, num_threads=threads)
            small_gicp.estimate_covariances(thin_target, tree, peer.neighbours, num_threads=threads)
            small_gicp.estimate_covariances(thin_source, own_tree, peer.neighbours, num_threads=threads)
        else:
            small_gicp.estimate_normals(thin_target, tree, peer.neighbours, num_threads=threads)
        began = clock()
        answer = small_gicp.align(
            thin_target, thin_source, tree, T, registration_type="GICP" if is_gicp else "PLANE_ICP",
            max_correspondence_distance=peer.max_distance * 2.0**height, num_threads=threads,
            max_iterations=peer.max_iterations, rotation_epsilon=loose * peer.rtol_rotation,
            translation_epsilon=loose * peer.rtol_translation,
        )  # fmt: skip
        aligning += clock() - began
        iterations += answer.iterations + 1
        T = np.array(answer.T_target_source)
    status = "converged" if answer.converged else "not converged"
    return WholeRun(T, iterations, clock() - start, aligning / iterations, status)


def _run_open3d(
    peer: Open3dPlane, pair: ScanPair, source: Array, target: Array, normals_k: int, clock: Clock,
    threads: int,
) -> WholeRun:  # fmt: skip
    """Thin, prepare and align on each level; afterwards find the time of an iteration on the finest."""
    open3d = load_open3d(threads)
    registration = open3d.pipelines.registration
    T = T_initial = pair.to_internal(pair.T_initial)

    def thin(points: Array, voxel: float) -> Any:
        return open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points)).voxel_down_sample(voxel)

    def align(source: Any, target: Any, height: int, T: Array, change: float, limit: int) -> Array:
        answer = registration.registration_icp(
            source, target, peer.max_distance * 2.0**height, T,
            peer.estimation(open3d, peer.kernel_scale * 2.0**height),
            registration.ICPConvergenceCriteria(change, change, limit),
        )  # fmt: skip
        return np.array(answer.transformation)

    start = clock()
    for i, level in enumerate(pair.levels):
        thin_target, thin_source = thin(target, level.voxel), thin(source, level.voxel)
        thin_target.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(normals_k))
        height = len(pair.levels) - 1 - i
        T = align(thin_source, thin_target, height, T, CHANGE_STOP, peer.max_iterations)
    seconds = clock() - start
    forced = []
    for limit in FORCED:
        began = clock()
        align(thin_source, thin_target, 0, T_initial, 0.0, limit)
        forced.append(clock() - began)
    one = (forced[1] - forced[0]) / (FORCED[1] - FORCED[0])
    return WholeRun(T, float("nan"), seconds, one, "not told")
