"""Poses on a grid over two of the six motions, and what the analyses that sweep it have in common.

A pose of the grid is T = C·P(a, b): the centre C, then a displacement P in the source frame with the two
motions at a and b and the other four at zero; P = [Rz(yaw) Ry(pitch) Rx(roll) | x y z], as poses are given
everywhere. All of it happens in the internal frames, so that a turn is one about the reference point of the
source and not about the far origin of a map.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import registry
from core.errors import InputError
from core.iterate import Array, Lazy, Preparation, Progress
from core.linalg.lie import T_from_xyzrpy, inverse, rotation_angle, xyzrpy
from core.registration.degeneracy import MOTIONS
from core.registration.kernels import COMPILED
from core.registration.problem import ScanPair, require_pair
from core.registration.settings import KERNELS, AlignmentSettings
from core.registry import inherited, param
from core.trace import Snapshot, TraceView

#: Methods that an analysis can run, with what the page calls them.
ALIGNERS = {"icp_plane": "point-to-plane ICP", "dcreg": "DCReg", "icp_point": "point-to-point ICP"}
OWN_KERNEL = "own"
CENTRES = {
    "auto": "true pose where known, else the pose reached",
    "true": "true pose",
    "final": "pose that the method reaches from the start",
    "initial": "start pose",
}  # fmt: skip
#: Row and column of the motions in x, y, z, roll, pitch, yaw.
_POSITION = {"x": 0, "y": 1, "z": 2, "roll": 3, "pitch": 4, "yaw": 5}
_CHOICES = {name: name for name in _POSITION}


@dataclass(frozen=True)
class GridSettings:
    """Which poses are looked at, and what aligns."""

    first: str = param("x", choices=_CHOICES, label="first motion", doc="what varies along a row")
    second: str = param("yaw", choices=_CHOICES, label="second motion", doc="what varies down a column")
    resolution: int = param(21, low=2, high=201, doc="poses along each of the two motions")
    translation_range: float = param(
        2.0, low=0.001, high=100.0, log=True, unit="m", label="reach of translations",
        doc="a translation varies from minus this to plus this about the centre",
    )  # fmt: skip
    rotation_range: float = param(
        40.0, low=0.01, high=180.0, log=True, unit="°", label="reach of rotations",
        doc="a rotation varies from minus this to plus this about the centre",
    )  # fmt: skip
    centre: str = param("auto", choices=CENTRES, doc="the pose in the middle of the grid")
    method: str = param("icp_plane", choices=ALIGNERS, doc="what aligns")
    max_iterations_per_start: int = inherited(
        AlignmentSettings,
        "max_iterations",
        label="iterations a start",
        doc="steps that one alignment may take",
    )
    max_distance: float = inherited(AlignmentSettings, "max_distance", doc="farther points are no pair")
    kernel: str = inherited(
        AlignmentSettings, "kernel", default=OWN_KERNEL, choices={OWN_KERNEL: "the method's own", **KERNELS}
    )
    kernel_scale: float = inherited(
        AlignmentSettings, "kernel_scale", doc="residual at which the robust kernel sets in"
    )

    def aligner(self, **further: registry.Value) -> Any:
        """Return the chosen method with these settings; names that it does not have are left out."""
        spec = registry.method_spec("registration", self.method)
        chosen = {
            "max_iterations": self.max_iterations_per_start,
            "max_distance": self.max_distance,
            "kernel": self.kernel,
            "kernel_scale": self.kernel_scale,
            **further,
        }
        if self.kernel == OWN_KERNEL:
            del chosen["kernel"]
        names = {p.name for p in spec.parameters}
        return spec.cls(**{name: value for name, value in chosen.items() if name in names})


@dataclass(frozen=True, slots=True, eq=False)
class PoseGrid:
    """Poses about a centre.

    Attributes
    ----------
    centre : (4, 4) source to target, internal frames.
    motions : the two that vary: along a row (columns), down a column (rows).
    offsets : (n,) of each, ascending [m or rad].
    """

    centre: Array
    motions: tuple[str, str]
    offsets: tuple[Array, Array]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (second motion) and columns (first motion)."""
        return len(self.offsets[1]), len(self.offsets[0])

    def pose(self, row: int, column: int) -> Array:
        """Return the (4, 4) pose of a cell, internal frames."""
        amounts = [0.0] * 6
        for motion, offsets, index in zip(self.motions, self.offsets, (column, row), strict=True):
            in_degrees = _POSITION[motion] >= 3
            amounts[_POSITION[motion]] = math.degrees(offsets[index]) if in_degrees else float(offsets[index])
        return self.centre @ T_from_xyzrpy(*amounts)

    def coarse_to_fine(self) -> Iterator[tuple[int, int]]:
        """Yield every cell once: those of a coarse sub-grid first, then of one twice as fine, and so on.

        Within a pass rows run to and fro, so that successive poses are neighbours.
        """
        rows, columns = self.shape
        # the coarsest pass has at least four cells a side, if there are so many
        stride = 2 ** max(0, int(math.log2(max(1, min(rows, columns) - 1))) - 2)
        coarser = 0
        while stride:
            for turn, row in enumerate(range(0, rows, stride)):
                line = range(0, columns, stride)
                for column in line if turn % 2 == 0 else reversed(line):
                    if not (coarser and row % coarser == 0 and column % coarser == 0):
                        yield row, column
            coarser, stride = stride, stride // 2

    def arrays(self, pair: ScanPair) -> dict[str, Lazy]:
        """Return what an item of an analysis holds beside its values.

        ``centre`` (4, 4) in the user's frames, ``motions`` (2,) indices into `MOTIONS`, ``first`` and
        ``second`` (n,) offsets [m or rad].
        """
        return {
            "centre": lambda: pair.to_user(self.centre),
            "motions": lambda: np.array([MOTIONS.index(motion) for motion in self.motions]),
            "first": self.offsets[0].copy,
            "second": self.offsets[1].copy,
        }

    @classmethod
    def of(cls, snapshot: Snapshot, pair: ScanPair) -> PoseGrid:
        """Return the grid that a recorded item of an analysis belongs to."""
        a, b = (MOTIONS[i] for i in snapshot["motions"].tolist())
        return cls(pair.to_internal(snapshot["centre"]), (a, b), (snapshot["first"], snapshot["second"]))


@dataclass(frozen=True, slots=True, eq=False)
class GridProblem:
    """A pair with the grid of poses to look at.

    Attributes
    ----------
    T_reference : (4, 4) what errors are measured against, internal frames: the true pose where it is known,
        else the pose that the method reaches from the pair's own start.
    """

    pair: ScanPair
    grid: PoseGrid
    T_reference: Array


def prepare_grid(settings: GridSettings, pair: ScanPair) -> Preparation[GridProblem]:
    """Find the centre of the grid; aligns once where that is needed.

    Raises
    ------
    InputError
        If both motions are the same, or the true pose is asked for and not known.
    """
    if settings.first == settings.second:
        raise InputError("second motion", f"another one than {settings.first}", settings.second)
    if settings.centre == "true" and require_pair(pair).T_true is None:
        raise InputError("centre", "a pair whose true pose is known", "one without", "choose another centre")
    yield from COMPILED.compile_all()
    T = require_pair(pair).T_true
    reached = T if T is not None else pair.T_initial
    if T is None or settings.centre == "final":
        for item in settings.aligner().iterate(pair):
            yield Progress("aligning from the start pose", item.k)
        reached = item.x() if callable(item.x) else item.x
    reference = T if T is not None else reached
    centre = {"auto": reference, "true": reference, "final": reached, "initial": pair.T_initial}
    reach = {
        name: math.radians(settings.rotation_range) if i >= 3 else settings.translation_range
        for name, i in _POSITION.items()
    }
    motions = settings.first, settings.second
    a, b = (np.linspace(-reach[name], reach[name], settings.resolution) for name in motions)
    grid = PoseGrid(pair.to_internal(centre[settings.centre]), motions, (a, b))
    return GridProblem(pair, grid, pair.to_internal(reference))


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Poses seen on the two motions of a grid.

    Attributes
    ----------
    k : (n,) iterates.
    first, second : (n,) coordinates [m or rad].
    left_translation, left_rotation : (n,) what the other four motions amount to: how far [m] and by which
        angle [rad] a pose is from the one drawn. A path lies on the surface only where both are small.
    """

    k: NDArray[np.int64]
    first: Array
    second: Array
    left_translation: Array
    left_rotation: Array


def project(grid: PoseGrid, poses: Array, k: NDArray[np.int64] | None = None) -> Path:
    """Project poses onto the two motions of a grid; a pose of the grid gives its own offsets.

    Parameters
    ----------
    poses : (n, 4, 4) internal frames.
    k : (n,) iterates; 0, 1, … by default.
    """
    n = len(poses)
    coordinates, left = np.zeros((n, 2)), np.zeros((n, 2))
    for i, T in enumerate(poses):
        displacement = inverse(grid.centre) @ T
        amounts = xyzrpy(displacement)
        shown = np.zeros(6)
        for j, motion in enumerate(grid.motions):
            at = _POSITION[motion]
            shown[at] = amounts[at]
            coordinates[i, j] = math.radians(amounts[at]) if at >= 3 else amounts[at]
        rest = inverse(T_from_xyzrpy(*shown.tolist())) @ displacement
        left[i] = float(np.linalg.norm(rest[:3, 3])), rotation_angle(rest[:3, :3])
    steps = np.arange(n) if k is None else k
    return Path(steps, coordinates[:, 0], coordinates[:, 1], left[:, 0], left[:, 1])


def project_trace(pair: ScanPair, analysis: TraceView, alignment: TraceView) -> Path:
    """Project the kept iterates of an alignment onto the grid of an analysis of the same pair."""
    grid = PoseGrid.of(analysis.snapshots[int(analysis.kept[-1])], pair)
    poses = [pair.to_internal(alignment.snapshots[int(k)]["x"]) for k in alignment.kept]
    return project(grid, np.reshape(poses, (-1, 4, 4)), alignment.kept)


def summary(view: TraceView) -> dict[str, Any]:
    """Return the lab's result for an analysis: the grid and the newest numbers, JSON-ready.

    ``T_target_source`` is the centre of the grid in the user's frames; ranges are in m or degrees.
    """
    snapshot = view.snapshots[int(view.kept[-1])]
    motions = [MOTIONS[i] for i in snapshot["motions"].tolist()]
    ranges = []
    for motion, offsets in zip(motions, (snapshot["first"], snapshot["second"]), strict=True):
        ends = np.degrees(offsets) if _POSITION[motion] >= 3 else offsets
        ranges.append([round(float(ends[0]), 9), round(float(ends[-1]), 9), len(ends)])
    scalars = view.final_scalars()
    numbers: Mapping[str, float | None] = {
        name: value if math.isfinite(value) else None for name, value in scalars.items()
    }
    return {
        "T_target_source": snapshot["centre"].tolist(),
        "motions": motions,
        "ranges": ranges,
        **numbers,
    }


def with_start(pair: ScanPair, T: Array) -> ScanPair:
    """Return the pair with another start, (4, 4) in internal frames; clouds and trees are shared."""
    return dataclasses.replace(pair, T_initial=pair.to_user(T))
