"""A first guess of the pose without any start: features at both clouds' points, matched anywhere.

Each point gets a fast point feature histogram (FPFH) of the normals around it, points with similar histograms
are paired, and one of two searches finds the motion that most pairs agree on: fast global registration (FGR),
or RANSAC. Both are Open3D's. The answer is good to about a cell of the thinned clouds and is meant as the
start of an iterative method.

References
----------
Rusu, Blodow & Beetz 2009, Fast point feature histograms (FPFH) for 3D registration, ICRA.
Zhou, Park & Koltun 2016, Fast global registration, ECCV.
Fischler & Bolles 1981, Random sample consensus, Communications of the ACM 24(6).
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import InputError
from core.iterate import Array, Preparation, Progress
from core.linalg.lie import xyzrpy
from core.registration.kernels import voxel_centroids
from core.registration.libraries import load_open3d

if TYPE_CHECKING:
    from core.registration.problem import ScanPair

#: What the page calls the searches.
FIRST_GUESSES = {"none": "none", "fgr": "fast global registration", "ransac": "RANSAC"}
#: The clouds are thinned, by doubling the voxel, to at most so many points.
MOST_POINTS = 5000
#: In voxels: radius of normals, of features; how near partners must come in RANSAC and when counted; in FGR.
NORMAL_RADIUS, FEATURE_RADIUS, PARTNER_DISTANCE, FGR_DISTANCE = 2.0, 5.0, 1.5, 0.5
#: At most so many neighbours make a normal, a feature.
NORMAL_NEIGHBOURS, FEATURE_NEIGHBOURS = 30, 100
#: RANSAC: draws of three pairs at most, how sure it must be to stop before, how alike edges must be.
DRAWS, CONFIDENCE, EDGE_LIKENESS = 100_000, 0.999, 0.9
#: With a smaller share of partners the guess is doubtful.
DOUBTFUL_SHARE = 0.4

#: Open3D has one random generator for all threads.
_random = threading.Lock()


def with_first_guess(pair: ScanPair, search: str, seed: int) -> Preparation[ScanPair]:
    """Return the pair with a start pose found by features; its own start is not used.

    Parameters
    ----------
    search : "fgr" or "ransac".
    seed : of the random draws.

    Notes
    -----
    The same seed gives the same pose, because `load_open3d` leaves Open3D one thread; with more, draws would
    be dealt out in whatever order threads ask for them. Open3D before 0.20 heeds ``OMP_NUM_THREADS=1``
    instead, which the app sets. Another version or processor may draw another pose from the same seed.

    RANSAC is the more robust of the two where features repeat, as in simulated rooms of bare walls; FGR is
    the more precise on scans of real places.

    Normals are turned towards the origin of each cloud, where its sensor stands; if it stands elsewhere and
    inside the scene, features of both clouds may disagree and the guess fail.

    Raises
    ------
    ValueError
        If `search` is neither.
    InputError
        If Open3D cannot be loaded, or no motion is found.
    """
    if search not in ("fgr", "ransac"):
        raise ValueError(f"search must be fgr or ransac, not {search!r}")
    yield Progress("loading Open3D")
    open3d = load_open3d()
    level = pair.levels[-1]
    tree = level.target.complete or level.target
    voxel, source, target = _thin(level.voxel, level.source, tree.points)
    clouds: list[tuple[Any, Any]] = []
    for role, points in (("source", source), ("target", target)):
        yield Progress(f"features of {len(points)} {role} points", len(clouds), 3)
        clouds.append(_with_features(open3d, points, voxel))
    yield Progress(f"first guess by {FIRST_GUESSES[search]}", 2, 3)
    T, share = _search(open3d, *clouds[0], *clouds[1], voxel, search, seed)
    if not share > 0.0:
        raise InputError(
            "first guess", "two clouds with similar places", "no motion that brings features together",
            "give a start pose, change the voxel size, or try the other search",
        )  # fmt: skip
    start = pair.to_user(T)
    return replace(pair, T_initial=start, notes=(*pair.notes, _remark(start, share, voxel, search)))


def _thin(voxel: float, source: Array, target: Array) -> tuple[float, Array, Array]:
    """Double the voxel until neither cloud has more points than features are worth."""
    while max(len(source), len(target)) > MOST_POINTS:
        voxel *= 2.0
        source, target = voxel_centroids(source, voxel), voxel_centroids(target, voxel)
    return voxel, source, target


def _with_features(open3d: Any, points: Array, voxel: float) -> tuple[Any, Any]:
    """Return Open3D's cloud with normals towards the origin, and its features."""
    neighbourhood = open3d.geometry.KDTreeSearchParamHybrid
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points))
    cloud.estimate_normals(neighbourhood(NORMAL_RADIUS * voxel, NORMAL_NEIGHBOURS))
    cloud.orient_normals_towards_camera_location(np.zeros(3))
    features = open3d.pipelines.registration.compute_fpfh_feature(
        cloud, neighbourhood(FEATURE_RADIUS * voxel, FEATURE_NEIGHBOURS)
    )
    return cloud, features


def _search(
    open3d: Any,
    source: Any,
    source_features: Any,
    target: Any,
    target_features: Any,
    voxel: float,
    search: str,
    seed: int,
) -> tuple[Array, float]:
    """Return the pose (4, 4) and the share of source points that it brings near a target point."""
    registration = open3d.pipelines.registration
    near = PARTNER_DISTANCE * voxel
    with _random:
        open3d.utility.random.seed(seed % 2**31)
        if search == "fgr":
            option = registration.FastGlobalRegistrationOption(
                maximum_correspondence_distance=FGR_DISTANCE * voxel,
                use_absolute_scale=True,
                decrease_mu=True,
            )
            found = registration.registration_fgr_based_on_feature_matching(
                source, target, source_features, target_features, option
            )
        else:
            found = registration.registration_ransac_based_on_feature_matching(
                source, target, source_features, target_features, True, near,
                registration.TransformationEstimationPointToPoint(False), 3,
                [registration.CorrespondenceCheckerBasedOnEdgeLength(EDGE_LIKENESS),
                 registration.CorrespondenceCheckerBasedOnDistance(near)],
                registration.RANSACConvergenceCriteria(DRAWS, CONFIDENCE),
            )  # fmt: skip
    T = np.array(found.transformation)
    return T, float(registration.evaluate_registration(source, target, near, T).fitness)


def _remark(T: Array, share: float, voxel: float, search: str) -> str:
    """Say where the run starts and whether that is to be trusted."""
    x, y, z, roll, pitch, yaw = xyzrpy(T)
    text = (
        f"First guess by {FIRST_GUESSES[search]}: x {x:.3g}, y {y:.3g}, z {z:.3g} m, roll {roll:.3g}, pitch "
        f"{pitch:.3g}, yaw {yaw:.3g} degrees; {share:.0%} of the source's points come within "
        f"{PARTNER_DISTANCE * voxel:.3g} m of the target."
    )
    return f"{text} That is little: the guess may be wrong." if share < DOUBTFUL_SHARE else text
