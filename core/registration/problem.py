"""The registration problem: two scans, cleaned, thinned and searchable at every level of a pyramid.

Two frames appear. The *user's* frames are those of the two files: poses come in and go out in them. The
*internal* frames are the same up to a translation each, subtracted before anything else; all arithmetic
happens there.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.io.pointcloud import PointCloud, read_isolated
from core.iterate import Array, Preparation, Progress
from core.linalg.lie import read_pose
from core.registration.correspondences import SearchTree
from core.registration.first_guess import FIRST_GUESSES, with_first_guess
from core.registration.kernels import summarise, voxel_centroids
from core.registry import param, problem

MIN_POINTS = 10
#: Voxels are numbered with 21 signed bits an axis.
MAX_VOXELS = 2**20
FEW_POINTS = 100
#: No scanner of this kind measures farther [m]: coordinates beyond it are those of a map.
MAP_COORDINATE = 1e4
#: Spread across over spread along, below which points are a line, also one written with few digits.
LINE = 1e-4
#: Distance of the centroid from the origin, in RMS radii, beyond which the origin is hardly the sensor.
FAR_ORIGIN = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One level of the pyramid.

    Attributes
    ----------
    voxel : edge of the cells whose centroids are kept [m].
    source : (N, 3) source points, internal source frame [m].
    target : target points on surfaces with their normals, internal target frame.
    """

    voxel: float
    source: Array
    target: SearchTree


@dataclass(frozen=True, slots=True, eq=False)
class ScanPair:
    """Two scans to be registered.

    Attributes
    ----------
    levels : coarsest first; the last one has the voxel size asked for.
    T_initial : (4, 4) start, source to target, user's frames.
    T_true : (4, 4) true pose where it is known, user's frames.
    source_offset, target_offset : (3,) translations subtracted from the files' coordinates [m].
    source, target : the clouds as they were read, for display.
    notes : sentences for the user: what was dropped, what is suspicious.
    """

    levels: tuple[Level, ...]
    T_initial: Array
    T_true: Array | None
    source_offset: Array
    target_offset: Array
    source: PointCloud
    target: PointCloud
    notes: tuple[str, ...] = ()

    def to_internal(self, T: Array) -> Array:
        """Return the pose `T` (4, 4) of the user's frames in the internal frames."""
        out = T.copy()
        out[:3, 3] += T[:3, :3] @ self.source_offset - self.target_offset
        return out

    def to_user(self, T: Array) -> Array:
        """Return the internal pose `T` (4, 4) in the user's frames."""
        out = T.copy()
        out[:3, 3] += self.target_offset - T[:3, :3] @ self.source_offset
        return out


@dataclass(frozen=True)
class Preprocessing:
    """What happens to every pair of scans before a method sees it."""

    initial: str = param(
        "", form="pose", label="start pose",
        doc="T_target_source where the iteration starts; empty: the identity, or the scene's own start",
    )  # fmt: skip
    voxel: float = param(
        0.25, low=0.001, high=100.0, log=True, unit="m",
        doc="one point a cube of this size is kept, the mean of the points in it",
    )  # fmt: skip
    levels: int = param(
        1, low=1, high=4, doc="coarse to fine: each level before the last doubles the voxel size"
    )
    origin: str = param(
        "sensor",
        choices={"sensor": "file's origin is the sensor", "centroid": "recentre on the source's centroid",
                 "keep": "file's origin, no questions"},
        label="reference point", advanced=True,
        doc="point of the source that translations are said about; weak translations depend on it",
    )  # fmt: skip
    normals_k: int = param(
        10, low=5, high=50, label="neighbours for normals", advanced=True,
        doc="a target point's normal comes from this many nearest points",
    )  # fmt: skip
    planarity: float = param(
        0.05, low=0.001, high=0.34, advanced=True,
        doc="target points whose neighbourhood is less flat are left out; 1/3 and more: none",
    )  # fmt: skip


@dataclass(frozen=True)
class ScanFiles:
    """The two files."""

    source: str = param("", form="file", doc="the scan that moves")
    target: str = param(
        "", form="file", doc="the scan that stays; the pose maps source points into its frame"
    )
    truth: str = param(
        "", form="pose", label="true pose", doc="T_target_source, where it is known: errors are given"
    )


@problem("scans", lab="registration", title="Your scans", order=10)
@dataclass(frozen=True)
class Scans(Preprocessing, ScanFiles):
    """Two scans of your own: PLY, PCD, KITTI .bin, XYZ, CSV, NPY, LAS, E57, VTK.

    The source is moved onto the target. Give a start pose when the scans were taken more than a metre or
    some 15 degrees apart.
    """

    drop_zeros: bool = param(
        True, label="drop (0, 0, 0)", doc="points at exactly (0, 0, 0) are directions without a return"
    )
    bin_columns: str = param(
        "0", label="columns of .bin", advanced=True,
        choices={"0": "guess", "3": "x y z", "4": "x y z intensity", "5": "x y z intensity ring"},
        doc="numbers a point in a file without a header",
    )  # fmt: skip
    source_scan: int = param(0, low=0, high=10_000, advanced=True, doc="which scan of a source file; 0 = all")
    target_scan: int = param(0, low=0, high=10_000, advanced=True, doc="which scan of a target file; 0 = all")
    first_guess: str = param(
        "none", choices=FIRST_GUESSES, label="first guess",
        doc="finds a start by features for large motions or little overlap; the start pose is then not used",
    )  # fmt: skip

    def build(self, seed: int) -> Preparation[ScanPair]:
        """Read both files and prepare them; only a first guess is random."""
        notes = []
        T_initial, T_true = np.eye(4), None
        if self.initial:
            T_initial, note = read_pose(self.initial, "start pose")
            notes.append(note)
        if self.truth:
            T_true, note = read_pose(self.truth, "true pose")
            notes.append(note)
        columns = int(self.bin_columns) or None
        clouds: dict[str, PointCloud] = {}
        for role, path, scan in (
            ("source", self.source, self.source_scan),
            ("target", self.target, self.target_scan),
        ):
            if not path:
                raise InputError(role, "the path of a scan", "nothing", f"give the {role} a file")
            clouds[role] = yield from read_isolated(path, columns=columns, scan=scan or None)
        pair = yield from prepare_pair(
            clouds["source"], clouds["target"], self, T_initial,
            T_true=T_true, drop_zeros=self.drop_zeros, notes=[n for n in notes if n],
        )  # fmt: skip
        return (
            pair
            if self.first_guess == "none"
            else (yield from with_first_guess(pair, self.first_guess, seed))
        )


def prepare_pair(
    source: PointCloud,
    target: PointCloud,
    settings: Preprocessing,
    T_initial: Array,
    *,
    T_true: Array | None = None,
    drop_zeros: bool = False,
    notes: Sequence[str] = (),
) -> Preparation[ScanPair]:
    """Clean, shift and thin two clouds and make the target searchable.

    Parameters
    ----------
    T_initial, T_true : (4, 4) source to target, user's frames.
    notes : sentences that stand before those about the points.

    Raises
    ------
    InputError
        If a cloud has fewer than 10 points, is one point or one line, or if the voxel size does not suit it.
    """
    yield Progress("checking points")
    remarks = [*notes, *_said_by(source, "source"), *_said_by(target, "target")]
    source_points, source_summary = usable_points(source, "source", drop_zeros, remarks)
    target_points, target_summary = usable_points(target, "target", drop_zeros, remarks)
    _compare(source_points, target_points, source_summary, target_summary, remarks)
    source_offset = _offset(source_summary, "source", settings.origin, remarks)
    target_offset = _offset(target_summary, "target", settings.origin, remarks)
    if settings.origin == "sensor" and not source_offset.any():
        _question_origin(source_summary, remarks)

    if source_offset.any():
        source_points = source_points - source_offset
    if target_offset.any():
        target_points = target_points - target_offset
    source_box, target_box = source_summary.box - source_offset, target_summary.box - target_offset
    levels = []
    for i in range(settings.levels):
        voxel = settings.voxel * 2 ** (settings.levels - 1 - i)
        levels.append(
            (yield from _level(source_points, target_points, source_box, target_box, voxel, i, settings))
        )
    return ScanPair(
        tuple(levels), T_initial, T_true, source_offset, target_offset, source, target, tuple(remarks)
    )


def _level(
    source: Array,
    target: Array,
    source_box: Array,
    target_box: Array,
    voxel: float,
    i: int,
    settings: Preprocessing,
) -> Generator[Progress, None, Level]:
    """Thin both clouds and give the target its tree and normals."""
    total = settings.levels
    yield Progress(f"voxels of {voxel:g} m", i, total)
    thin_source = thin(source, source_box, "source", voxel)
    thin_target = thin(target, target_box, "target", voxel)
    yield Progress(f"search tree of {len(thin_target)} points", i, total)
    tree = SearchTree.build(thin_target)
    yield Progress(f"normals of {len(thin_target)} points", i, total)
    tree = tree.with_normals(settings.normals_k, settings.planarity)
    if len(tree.points) < MIN_POINTS:
        raise InputError(
            "target", f"at least {MIN_POINTS} points on locally flat surfaces",
            f"{len(tree.points)} of {len(thin_target)} at {voxel:g} m voxels",
            "raise the planarity limit or change the voxel size",
        )  # fmt: skip
    return Level(voxel, thin_source, tree)


def _said_by(cloud: PointCloud, role: str) -> list[str]:
    """Return the reader's notes, each with the cloud that it is about."""
    return [f"{role} {cloud.name}: {note}" for note in cloud.notes]


def require_pair(problem: object) -> ScanPair:
    """Return the problem if it is a pair of scans; InputError otherwise."""
    if not isinstance(problem, ScanPair):
        raise InputError(
            "the problem", "two scans", "a sequence of scans", "choose a pair, or the method odometry"
        )
    return problem


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """What the checks need to know of a cloud.

    Attributes
    ----------
    zeros : points at exactly (0, 0, 0).
    mean : (3,) [m].
    box : (2, 3) least and largest coordinates [m].
    covariance : (3, 3) [m²].
    """

    zeros: int
    mean: Array
    box: Array
    covariance: Array

    @classmethod
    def of(cls, points: Array, skip_zeros: bool) -> Summary:
        """Measure the points (N, 3), or those that are not at (0, 0, 0)."""
        figures = summarise(points, skip_zeros)
        xx, xy, xz, yy, yz, zz = figures[11:].tolist()
        covariance = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return cls(int(figures[0]), figures[2:5], figures[5:11].reshape(2, 3), covariance)


def usable_points(cloud: PointCloud, role: str, drop_zeros: bool, notes: list[str]) -> tuple[Array, Summary]:
    """Return the usable points; append what the user should know about them."""
    points: Array = np.require(cloud.points, np.float64, ["C", "W"])
    what = f"{role} {cloud.name}"
    total = len(points)
    summary = Summary.of(points, drop_zeros)
    zeros = summary.zeros
    if drop_zeros and zeros:
        x, y, z = points.T
        points = points[(x != 0) | (y != 0) | (z != 0)]
        notes.append(
            f"{what}: {zeros} of {total} points at (0, 0, 0), directions without a return, were dropped."
        )
    elif zeros > 0.01 * total and zeros > 1:
        notes.append(f"{what}: {zeros} of {total} points at exactly (0, 0, 0) are kept; they pull the "
                     "result towards no motion.")  # fmt: skip
    if len(points) < MIN_POINTS:
        dropped = f" after dropping {zeros} at (0, 0, 0)" if drop_zeros and zeros else ""
        raise InputError(
            what, f"at least {MIN_POINTS} points", f"{len(points)}{dropped}", "choose another file"
        )
    if len(points) < FEW_POINTS:
        notes.append(f"{what}: only {len(points)} points; the result may mean little.")
    _check_shape(summary, len(points), what)
    return points, summary


def _check_shape(summary: Summary, count: int, what: str) -> None:
    """Refuse clouds that are one point or one line."""
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(summary.covariance), 0.0))
    # rounding of the coordinates themselves limits what "no spread" can mean
    rounding = 1e-12 * float(np.abs(summary.box).max())
    if spread[2] <= rounding:
        raise InputError(what, "points that differ", f"{count} times the same point", "choose another file")
    if spread[1] <= max(rounding, LINE * spread[2]):
        raise InputError(
            what, "points on surfaces", f"{count} points on one line",
            "a line does not tell how it is turned about itself; choose another file",
        )  # fmt: skip


def _compare(
    source: Array, target: Array, source_summary: Summary, target_summary: Summary, notes: list[str]
) -> None:
    """Append what is suspicious about the two clouds as a pair."""
    if source.shape == target.shape and np.array_equal(source, target):
        notes.append("Source and target are the same points: every motion looks observable, because each "
                     "point finds itself again. Scans from two places show what is held.")  # fmt: skip
    ratio = float(np.ptp(source_summary.box, axis=0).max() / np.ptp(target_summary.box, axis=0).max())
    if not 0.02 < ratio < 50:
        notes.append(
            f"The source is {ratio:.3g} times as large as the target: the two may have different units."
        )


def _offset(summary: Summary, role: str, origin: str, notes: list[str]) -> Array:
    """Return the translation (3,) to subtract; map coordinates are always shifted."""
    centroid = summary.mean
    if origin == "centroid":
        return centroid
    if np.abs(centroid).max() <= MAP_COORDINATE:
        return np.zeros(3)
    shift: Array = np.round(centroid)
    text = ", ".join(f"{v:.0f}" for v in shift)
    about = " Weak translations are said about this point." if role == "source" else ""
    notes.append(f"The {role} has map coordinates; ({text}) m is subtracted before computing and put back "
                 f"into the pose.{about}")  # fmt: skip
    return shift


def _question_origin(source: Summary, notes: list[str]) -> None:
    """Append a note if the origin can hardly be the sensor; a weak translation depends on it."""
    radius = math.sqrt(float(np.trace(source.covariance)))
    distance = float(np.linalg.norm(source.mean))
    if distance > FAR_ORIGIN * radius:
        notes.append(f"The source's points lie {distance:.3g} m from its origin but spread {radius:.3g} m: "
                     "the origin is hardly where the sensor stood. Translations may then look weak which are "
                     "not; choose the centroid as reference point.")  # fmt: skip


def thin(points: Array, box: Array, role: str, voxel: float) -> Array:
    """Return voxel centroids; InputError if the voxel size does not suit the cloud with this box (2, 3)."""
    reach = float(np.abs(box).max())
    if reach >= MAX_VOXELS * voxel:
        raise InputError(
            "voxel", f"more than {reach / MAX_VOXELS:.2g} m for the {role}, which reaches {reach:,.0f} m",
            f"{voxel:g} m", "raise the voxel size",
        )  # fmt: skip
    thin = voxel_centroids(points, voxel)
    if len(thin) < MIN_POINTS:
        extent = float((box[1] - box[0]).max())
        raise InputError(
            "voxel", f"a size that leaves at least {MIN_POINTS} points of the {role} ({extent:.3g} m across)",
            f"{voxel:g} m, which leaves {len(thin)}", "lower the voxel size or the number of levels",
        )  # fmt: skip
    return thin
