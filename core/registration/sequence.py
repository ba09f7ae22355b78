"""A sequence of scans and how it is prepared: read, cleaned, thinned at every level, true poses beside it.

The frame of each scan is that of its sensor. The world's frame is the first scan's: T_world_0 = I.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from core.errors import InputError
from core.io.pointcloud import read_isolated
from core.io.sequence_files import SequenceFiles, list_scans, unpack
from core.io.trajectory_files import read_pose_list, times_in_names
from core.iterate import Array, Preparation, Progress
from core.linalg.lie import T_from_xyzrpy, inverse
from core.registration import scenes
from core.registration.correspondences import SearchTree
from core.registration.problem import (
    MAP_COORDINATE,
    MIN_POINTS,
    Preprocessing,
    Scans,
    thin,
    usable_points,
)
from core.registration.raycast import SENSORS, scan
from core.registry import inherited, param, problem

#: Most points of all thinned scans together: 600 MB.
MAX_POINTS = 25_000_000
#: A true pose counts for a scan if their times differ by no more than this [s].
LARGEST_DELAY = 0.05
#: Notes about single scans that are shown; of more, only the number is.
SHOWN_NOTES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One scan of a sequence.

    Attributes
    ----------
    name : of its file.
    levels : thinned points (N, 3) at every level, coarsest first, sensor frame [m].
    """

    name: str
    levels: tuple[Array, ...]

    @property
    def points(self) -> Array:
        """The points (N, 3) of the finest level."""
        return self.levels[-1]


@dataclass(frozen=True, slots=True, eq=False)
class ScanSequence:
    """Scans in the order in which they were taken.

    Attributes
    ----------
    frames : at least two.
    voxels : edge of the cells of every level [m], coarsest first.
    normals_k, planarity : how normals are estimated, see `SearchTree.with_normals`.
    T_true : (N, 4, 4) true T_world_sensor of every frame, in a world of its own, or None.
    notes : sentences for the user.
    """

    frames: tuple[Frame, ...]
    voxels: tuple[float, ...]
    normals_k: int
    planarity: float
    T_true: Array | None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def trees(self, levels: Iterable[Array]) -> tuple[SearchTree, ...] | None:
        """Return the search trees, with normals, of points of this sequence at every level.

        None if fewer than `MIN_POINTS` of a level lie on surfaces.
        """
        found = []
        for points in levels:
            try:
                tree = SearchTree.build(points).with_normals(self.normals_k, self.planarity)
            except InputError:
                return None
            if len(tree.points) < MIN_POINTS:
                return None
            found.append(tree)
        return tuple(found)


@dataclass(frozen=True)
class SequencePreparation:
    """What happens to every scan of a sequence."""

    voxel: float = inherited(Preprocessing, "voxel", default=0.4)
    levels: int = inherited(Preprocessing, "levels", default=3)
    normals_k: int = inherited(Preprocessing, "normals_k")
    planarity: float = inherited(Preprocessing, "planarity", default=0.1)

    def voxels(self) -> tuple[float, ...]:
        """Return the voxel size of every level, coarsest first."""
        return tuple(self.voxel * 2.0 ** (self.levels - 1 - i) for i in range(self.levels))

    def frame(self, name: str, points: Array) -> Frame:
        """Return a scan thinned at every level; InputError if the voxel size does not suit it."""
        box = np.stack([points.min(axis=0), points.max(axis=0)])
        return Frame(name, tuple(thin(points, box, f"scan {name}", voxel) for voxel in self.voxels()))

    def sequence(self, frames: Iterable[Frame], T_true: Array | None, notes: Iterable[str]) -> ScanSequence:
        """Return the prepared sequence."""
        return ScanSequence(
            tuple(frames), self.voxels(), self.normals_k, self.planarity, T_true, tuple(notes)
        )


@problem("sequence", lab="registration", title="Your sequence", order=12)
@dataclass(frozen=True)
class SequenceFolder(SequencePreparation):
    """Several scans of your own, in the order of their names: a folder, or a zip archive of one.

    Each scan is given in the frame of its sensor. With a list of true poses, errors of the path are shown.
    """

    folder: str = param("", form="file", doc="a folder of scans, or a zip archive of one")
    poses: str = param(
        "", form="file", label="true poses",
        doc="one line a scan: 12 numbers (KITTI) or t x y z qx qy qz qw (TUM, also by the times that scans "
        "are named after); empty: a list found beside the scans",
    )  # fmt: skip
    drop_zeros: bool = inherited(Scans, "drop_zeros")
    bin_columns: str = inherited(Scans, "bin_columns")
    first: int = param(0, low=0, high=9_999, label="first scan", doc="scans before it are left out")
    stride: int = param(1, low=1, high=100, doc="every n-th scan is taken")
    max_frames: int = param(500, low=2, high=10_000, log=True, label="most scans", doc="no more are taken")

    def build(self, seed: int) -> Preparation[ScanSequence]:
        """Read the scans and prepare them; nothing here is random."""
        if not self.folder:
            raise InputError(
                "folder", "a folder of scans or a zip archive", "nothing", "give the sequence one"
            )
        path = Path(self.folder)
        yield Progress("listing scans")
        if path.is_dir():
            return (yield from self._read(list_scans(path)))
        if not path.is_file():
            raise InputError(path.name, "a folder or a zip archive", "no such file", "check the path")
        with tempfile.TemporaryDirectory(prefix="iterscope-") as unpacked:
            files = yield from unpack(path, Path(unpacked))
            return (yield from self._read(files))

    def _read(self, files: SequenceFiles) -> Preparation[ScanSequence]:
        chosen = range(self.first, len(files.scans), self.stride)[: self.max_frames]
        if len(chosen) < 2:
            raise InputError(
                "folder", "at least two scans", f"{len(chosen)} of {len(files.scans)}",
                "lower the first scan or the stride" if len(files.scans) > 1 else "add scans",
            )  # fmt: skip
        notes = list(files.notes)
        if len(chosen) < len(files.scans):
            notes.append(f"{len(chosen)} of {len(files.scans)} scans are used.")
        T_true = self._true_poses(files, notes)
        frames: list[Frame] = []
        remarks: list[str] = []
        points = 0
        for done, i in enumerate(chosen):
            yield Progress("reading scans", done, len(chosen))
            frame = yield from self._frame(files.scans[i], remarks)
            frames.append(frame)
            points += sum(len(level) for level in frame.levels)
            if points > MAX_POINTS:
                raise InputError(
                    "folder", f"at most {MAX_POINTS:,} points after thinning",
                    f"more in {done + 1} of {len(chosen)} scans", "raise the voxel size or take fewer scans",
                )  # fmt: skip
        if len(remarks) > SHOWN_NOTES:
            remarks[SHOWN_NOTES:] = [f"There are {len(remarks) - SHOWN_NOTES} more notes on single scans."]
        return self.sequence(frames, None if T_true is None else T_true[list(chosen)], [*notes, *remarks])

    def _frame(self, path: Path, remarks: list[str]) -> Preparation[Frame]:
        cloud = yield from read_isolated(path, columns=int(self.bin_columns) or None)
        remarks += [f"scan {cloud.name}: {note}" for note in cloud.notes]
        points, _ = usable_points(cloud, "scan", self.drop_zeros, remarks)
        if np.abs(points.mean(axis=0)).max() > MAP_COORDINATE:
            raise InputError(
                f"scan {cloud.name}", "coordinates in the sensor's own frame", "map coordinates",
                "export the scans without their poses applied",
            )  # fmt: skip
        return self.frame(cloud.name, points)

    def _true_poses(self, files: SequenceFiles, notes: list[str]) -> Array | None:
        """Return the true pose of every scan of the folder, or None."""
        path = Path(self.poses) if self.poses else files.poses
        if path is None:
            return None
        listed = read_pose_list(path)
        if len(listed.poses) == len(files.scans):
            if not self.poses:
                notes.append(f"The true poses are those of {path.name}, found beside the scans.")
            return listed.poses
        times = times_in_names(scan.name for scan in files.scans)
        if listed.times is not None and times is not None:
            chosen = listed.nearest(times, LARGEST_DELAY)
            if (chosen >= 0).all():
                notes.append(f"The true poses are those of {path.name} nearest to the times in the names.")
                return listed.poses[chosen]
        found = f"{len(listed.poses)} poses for {len(files.scans)} scans"
        if self.poses:
            raise InputError(
                path.name, "one pose for each scan of the folder, or times that the scans are named after",
                found, f"a scan and its pose are at most {LARGEST_DELAY:g} s apart",
            )  # fmt: skip
        notes.append(f"{path.name} is not used: it holds {found}.")
        return None


@problem("simulated_sequence", lab="registration", title="Simulated sequence", order=40)
@dataclass(frozen=True)
class SimulatedSequence(SequencePreparation):
    """A sensor that moves through a simulated place; the true path is known exactly.

    By default it walks backwards, away from the wall that closes a corridor, and sees 10 m far. While the
    wall is in sight, all is well; then nothing tells how far along the corridor the sensor has come.
    """

    SCENES: ClassVar[dict[str, type[scenes.Scene]]] = {
        "corridor_end": scenes.CorridorEnd, "corridor": scenes.Corridor, "tunnel": scenes.Tunnel,
        "room": scenes.Room, "parking": scenes.Parking,
    }  # fmt: skip

    voxel: float = inherited(SequencePreparation, "voxel", default=0.2)
    scene: str = param(
        "corridor_end",
        choices={"corridor_end": "corridor with an end", "corridor": "corridor", "tunnel": "tunnel",
                 "room": "room", "parking": "parking ground"},
        doc="the place",
    )  # fmt: skip
    frames: int = param(16, low=2, high=200, doc="number of scans")
    step: float = param(-0.4, low=-2.0, high=2.0, unit="m", doc="the sensor moves ahead so much a scan")
    turn: float = param(0.0, low=-20.0, high=20.0, unit="deg", doc="the sensor turns left so much a scan")
    sensor: str = inherited(scenes.Scene, "sensor", doc="the spinning LiDAR")
    reach: float = param(10.0, low=2.0, high=100.0, unit="m", doc="farther surfaces give no return")
    noise: float = inherited(scenes.Scene, "noise")

    def build(self, seed: int) -> Preparation[ScanSequence]:
        """Walk and scan."""
        layout, *of_frames = (
            np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(1 + self.frames)
        )
        surfaces = self.SCENES[self.scene]().surfaces(layout)
        T_scene_sensor = T_from_xyzrpy(0.0, 0.0, scenes.SENSOR_HEIGHT, 0.0, 0.0, 0.0)
        motion = T_from_xyzrpy(self.step, 0.0, 0.0, 0.0, 0.0, self.turn)
        taken, poses = [], []
        for k, rng in enumerate(of_frames):
            yield Progress("casting rays", k, self.frames)
            points, _ = scan(
                surfaces, SENSORS[self.sensor], T_scene_sensor, rng,
                noise=self.noise, max_range=self.reach, what=self.scene,
            )  # fmt: skip
            taken.append(self.frame(f"scan {k}", points))
            poses.append(T_scene_sensor)
            T_scene_sensor = T_scene_sensor @ motion
        first = inverse(poses[0])
        return self.sequence(taken, np.stack([first @ T for T in poses]), ())
