"""Speed of GICP and VGICP beside small_gicp's, from raw points to the pose; called by `bench`.

Both sides estimate their own covariances from equally many neighbours of the same thinned points, so that the
discs, and with them the poses, are the same; the table shows by how much the poses differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import InputError
from core.iterate import Array
from core.registration.libraries import load_small_gicp, peer_version
from core.registration.metrics import pose_error

#: Edge of VGICP's voxels [m], the default of both.
VGICP_VOXEL = 1.0

#: Turns source and target points into T_target_source.
Contender = Callable[[Array, Array], Array]
#: Runs contenders in turns on a source and a target; gives median times [ms] and poses.
Race = Callable[[dict[str, Contender], Array, Array], dict[str, tuple[float, Array]]]


def bench_gicp(
    out: Callable[[str], None],
    pairs: Sequence[tuple[str, Array, Array, Array]],
    ours: Mapping[str, Contender],
    threads: Sequence[int],
    voxel: float,
    neighbours: int,
    rule: Mapping[str, Any],
    race: Race,
) -> None:
    """Print one table: our contenders beside small_gicp's GICP and VGICP, each at its faster thread count.

    Parameters
    ----------
    pairs : name, source, target (N, 3), true pose.
    ours : contenders named "gicp", "gicp thinned" and "vgicp".
    threads : thread counts that small_gicp is tried with.
    rule : its largest distance of a pair and stop rule.
    """
    out("")
    try:
        peers: dict[str, Contender] = {
            f"{kind} {count}": small_gicp_discs(kind, count, voxel=voxel, neighbours=neighbours, rule=rule)
            for kind in ("GICP", "VGICP")
            for count in threads
        }
    except InputError as missing:
        out(str(missing))
        return
    out(f"GICP and VGICP against those of small_gicp {peer_version('small_gicp')}; apart = distance of the "
        "poses; thinned begins with a part of the points:")  # fmt: skip
    out("")
    out("| pair | gicp ms | thinned ms | peer ms | gicp / peer | thinned / peer | apart | vgicp ms | "
        "peer ms | vgicp / peer | apart | error of gicp cm / degrees |")  # fmt: skip
    out("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, source, target, truth in pairs:
        found = race({**ours, **peers}, source, target)
        gicp, thinned, vgicp = (found[key] for key in ("gicp", "gicp thinned", "vgicp"))
        their_gicp, their_vgicp = (
            min((found[f"{kind} {count}"] for count in threads), key=lambda one: one[0])
            for kind in ("GICP", "VGICP")
        )
        translation, rotation = pose_error(gicp[1], truth)
        cells = [
            name, f"{gicp[0]:.1f}", f"{thinned[0]:.1f}", f"{their_gicp[0]:.1f}",
            f"{gicp[0] / their_gicp[0]:.2f}", f"{thinned[0] / their_gicp[0]:.2f}",
            f"{pose_error(gicp[1], their_gicp[1])[0]:.0e} m", f"{vgicp[0]:.1f}", f"{their_vgicp[0]:.1f}",
            f"{vgicp[0] / their_vgicp[0]:.2f}", f"{pose_error(vgicp[1], their_vgicp[1])[0]:.0e} m",
            f"{100 * translation:.2f} / {np.degrees(rotation):.2f}",
        ]  # fmt: skip
        out("| " + " | ".join(cells) + " |")


def small_gicp_discs(
    kind: str, threads: int, *, voxel: float, neighbours: int, rule: Mapping[str, Any]
) -> Contender:
    """Return a contender that does the whole work by small_gicp; `kind` is "GICP" or "VGICP".

    Raises
    ------
    InputError
        If small_gicp is not installed.
    """
    small_gicp = load_small_gicp()

    def discs(points: Array) -> tuple[Any, Any]:
        cloud = small_gicp.voxelgrid_sampling(points, voxel, num_threads=threads)
        tree = small_gicp.KdTree(cloud, num_threads=threads)
        small_gicp.estimate_covariances(cloud, tree, neighbours, num_threads=threads)
        return cloud, tree

    def run(source: Array, target: Array) -> Array:
        (thin_source, _), (thin_target, tree) = discs(source), discs(target)
        if kind == "GICP":
            answer = small_gicp.align(
                thin_target, thin_source, tree, registration_type="GICP", num_threads=threads, **rule
            )
        else:
            voxels = small_gicp.GaussianVoxelMap(VGICP_VOXEL)
            voxels.insert(thin_target)
            answer = small_gicp.align(voxels, thin_source, num_threads=threads, **rule)
        return np.asarray(answer.T_target_source)

    return run
