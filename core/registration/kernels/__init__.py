"""Compiled kernels: voxel centroids, kd-tree, normals, the fused normal equations of ICP, 6x6 systems.

A kernel has one fixed signature, is compiled on its first use (or ahead, by `COMPILED.compile_all`) and is
then kept on disk until a file of this package changes. No kernel is parallel and all release the GIL, so any
number of threads may run them at once.
"""

from core.registration.kernels import schur
from core.registration.kernels.arrays import Gaps, Index, Rows
from core.registration.kernels.compiled import COMPILED
from core.registration.kernels.gicp import linearise_gicp
from core.registration.kernels.icp import linearise, pair_moments, plane_residuals
from core.registration.kernels.loam import LOAM_THICKNESS, linearise_loam
from core.registration.kernels.search import k_nearest, nearest
from core.registration.kernels.summary import summarise
from core.registration.kernels.sums import L1_FLOOR, LOAM_MINIMUM_WEIGHT, LOAM_SLOPE, ROBUST
from core.registration.kernels.surface_normals import normals
from core.registration.kernels.tree import LEAF_SIZE, build_tree
from core.registration.kernels.vgicp import linearise_vgicp
from core.registration.kernels.voxels import gaussian_voxels, voxel_centroids

__all__ = [
    "COMPILED",
    "L1_FLOOR",
    "LEAF_SIZE",
    "LOAM_MINIMUM_WEIGHT",
    "LOAM_SLOPE",
    "LOAM_THICKNESS",
    "ROBUST",
    "Gaps",
    "Index",
    "Rows",
    "build_tree",
    "gaussian_voxels",
    "k_nearest",
    "linearise",
    "linearise_gicp",
    "linearise_loam",
    "linearise_vgicp",
    "nearest",
    "normals",
    "pair_moments",
    "plane_residuals",
    "schur",
    "summarise",
    "voxel_centroids",
]
