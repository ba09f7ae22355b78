"""Simulated scenes whose unobservable motions are known exactly.

The target is scanned from (0, 0, 1.2) m with x forward and z up, the source from there after `motion`. Walls
without an end reach ±200 m, farther than any range here. In each scene three facts about observability stand
beside the surfaces: the exact null space, which axes a detector must name, and which it may name because
they are weak.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from core.io.pointcloud import PointCloud
from core.iterate import Array, Preparation, Progress
from core.linalg.lie import T_from_xyzrpy, adjoint, inverse, parse_pose
from core.registration.problem import Preprocessing, ScanPair, prepare_pair
from core.registration.raycast import SENSORS, Box, Cylinder, Rectangle, Sphere, Surface, scan
from core.registry import inherited, param, problem

SENSOR_HEIGHT = 1.2
AXES = ("roll", "pitch", "yaw", "x", "y", "z")
_FAR = 200.0
_FLOOR = Rectangle(2, 0.0, (-_FAR, -_FAR), (_FAR, _FAR))

Twist = tuple[float, float, float, float, float, float]
_ROLL: Twist = (1, 0, 0, 0, 0, 0)
_YAW: Twist = (0, 0, 1, 0, 0, 0)
_X: Twist = (0, 0, 0, 1, 0, 0)
_Y: Twist = (0, 0, 0, 0, 1, 0)


@dataclass(frozen=True)
class Scene(Preprocessing, ABC):
    """A place that two simulated scans are taken in.

    Attributes
    ----------
    null_space : twists [ω, v] of the target's sensor frame along which no point leaves its surface.
    must : axes of `null_space`, which a perfect detector flags.
    may : axes that are weak without being lost, which a detector may flag.
    missed : axes of `must` that condition numbers cannot show.
    max_range : farther hits are not returned [m].
    """

    voxel: float = inherited(Preprocessing, "voxel", default=0.2)
    sensor: str = param(
        "beams32", choices={"vlp16": "16 beams, ±15°", "beams32": "32 beams, −25° to 15°",
                            "os1_64": "64 beams, ±22.5°", "os0_128": "128 beams, ±45°"},
        doc="the spinning LiDAR that takes both scans",
    )  # fmt: skip
    noise: float = param(0.02, low=0.0, high=0.5, unit="m", doc="standard deviation of a measured range")
    motion: str = param(
        "0.5 0.1 0 0 0 3", form="pose", doc="from the target's to the source's sensor: the true pose",
    )  # fmt: skip
    perturbation: str = param(
        "0.05 0.1 0.05 1 0.5 1", form="pose",
        doc="error of the start: the iteration starts at the true pose times this",
    )  # fmt: skip

    max_range: ClassVar[float] = 30.0

    @property
    def null_space(self) -> tuple[Twist, ...]:
        """Twists that move no point off its surface; where nothing is lost there are none."""
        return ()

    @property
    def must(self) -> frozenset[str]:
        """Axes that a perfect detector flags."""
        return frozenset()

    @property
    def may(self) -> frozenset[str]:
        """Axes that a detector may flag."""
        return frozenset()

    @property
    def missed(self) -> frozenset[str]:
        """Axes that condition numbers miss."""
        return frozenset()

    @property
    def T_scene_sensor(self) -> Array:  # noqa: N802 (T is the pose's symbol throughout)
        """The pose (4, 4) of the first sensor, that of the target."""
        return T_from_xyzrpy(0.0, 0.0, SENSOR_HEIGHT, 0.0, 0.0, 0.0)

    @property
    def name(self) -> str:
        """What the scene is called in a sentence."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).lower()

    @abstractmethod
    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return what the rays can hit."""

    def null_space_of_source(self) -> Array:
        """Return the exact null space (6, m) at the true pose as twists of the source's sensor frame."""
        twists = np.array(self.null_space, dtype=float).reshape(-1, 6)
        of_source: Array = adjoint(inverse(parse_pose(self.motion, "motion"))) @ twists.T
        return of_source

    def scans(self, seed: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Return points and exact normals (N, 3) of source and target, in their sensors' frames."""
        layout, of_source, of_target = (
            np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)
        )
        surfaces = self.surfaces(layout)
        standing = self.T_scene_sensor
        moved = standing @ parse_pose(self.motion, "motion")

        def take(pose: Array, rng: np.random.Generator) -> tuple[Array, Array]:
            return scan(
                surfaces, SENSORS[self.sensor], pose, rng,
                noise=self.noise, max_range=self.max_range, what=self.name,
            )  # fmt: skip

        return take(moved, of_source), take(standing, of_target)

    def build(self, seed: int) -> Preparation[ScanPair]:
        """Take both scans and prepare them."""
        T_true = parse_pose(self.motion, "motion")
        T_initial = T_true @ parse_pose(self.perturbation, "perturbation")
        if self.initial:
            T_initial = parse_pose(self.initial, "start pose")
        yield Progress("casting rays")
        (source, _), (target, _) = self.scans(seed)
        moved = PointCloud(source, None, None, None, f"{self.name}, moved sensor", ())
        first = PointCloud(target, None, None, None, f"{self.name}, first sensor", ())
        return (yield from prepare_pair(moved, first, self, T_initial, T_true=T_true))


@problem("corridor", lab="registration", title="Corridor", order=20)
@dataclass(frozen=True)
class Corridor(Scene):
    """A straight corridor without ends: two walls 3 m apart, floor and ceiling.

    Motion along the corridor (x) cannot be seen: every wall looks the same a step farther on. Roll is held
    only by the small height of the walls and may look weak.
    """

    null_space: ClassVar = (_X,)
    must: ClassVar = frozenset({"x"})
    may: ClassVar = frozenset({"roll"})

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return two walls, floor and ceiling."""
        return _corridor()


@problem("tunnel", lab="registration", title="Tunnel", order=21)
@dataclass(frozen=True)
class Tunnel(Scene):
    """A round tunnel without ends, radius 2.5 m, the sensor on its axis.

    Neither motion along the tunnel (x) nor rotation about it (roll) can be seen.
    """

    null_space: ClassVar = (_ROLL, _X)
    must: ClassVar = frozenset({"roll", "x"})

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return the tube."""
        return [Cylinder(0, (0.0, 0.0, SENSOR_HEIGHT), 2.5, -_FAR, _FAR)]


@problem("room", lab="registration", title="Room", order=22)
@dataclass(frozen=True)
class Room(Scene):
    """A room of 10 m by 10 m by 3 m with a crate in it.

    Walls in all directions hold all six motions; nothing should be called weak here.
    """

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return the room from inside and the crate from outside."""
        return [Box((-4.0, -5.0, 0.0), (6.0, 5.0, 3.0)), Box((1.0, 2.0, 0.0), (2.0, 3.0, 1.2))]


@problem("plane", lab="registration", title="Open plane", order=23)
@dataclass(frozen=True)
class Plane(Scene):
    """Level ground and nothing else.

    Height, roll and pitch are held by the ground. Sliding over it (x, y) and turning on it (yaw) cannot be
    seen.
    """

    null_space: ClassVar = (_YAW, _X, _Y)
    must: ClassVar = frozenset({"yaw", "x", "y"})

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return the ground."""
        return [_FLOOR]


@problem("corridor_end", lab="registration", title="Corridor with an end", order=24)
@dataclass(frozen=True)
class CorridorEnd(Scene):
    """The corridor, closed by a wall 8 m ahead.

    The end wall alone tells how far along the corridor the sensor stands: few points, but informative ones.
    Roll may look weak as in the open corridor.
    """

    may: ClassVar = frozenset({"roll"})

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return the corridor and its end wall."""
        return [*_corridor(), Rectangle(0, 8.0, (-1.5, 0.0), (1.5, 2.8))]


@problem("parking", lab="registration", title="Parking ground", order=25)
@dataclass(frozen=True)
class Parking(Scene):
    """Level ground with two poles and a kerb.

    The poles and the kerb hold x, y and yaw, but weakly: a few dozen points against thousands on the ground.
    """

    may: ClassVar = frozenset({"yaw", "x", "y"})

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return ground, poles and kerb."""
        return [
            _FLOOR,
            Cylinder(2, (14.0, 6.0, 0.0), 0.15, 0.0, 5.0),
            Cylinder(2, (-11.0, 17.0, 0.0), 0.15, 0.0, 5.0),
            Box((-20.0, 12.0, 0.0), (20.0, 12.2, 0.15)),
        ]


@problem("forest", lab="registration", title="Forest", order=26)
@dataclass(frozen=True)
class Forest(Scene):
    """Level ground with sixty tree trunks, placed by the seed.

    Trunks all round hold what the ground does not; nothing should be called weak here.
    """

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return ground and trunks, none within 1.5 m of either sensor."""
        sensors = np.stack([np.zeros(2), parse_pose(self.motion, "motion")[:2, 3]])
        trunks: list[Surface] = []
        while len(trunks) < 60:
            x, y = rng.uniform(-20.0, 20.0, 2)
            radius = rng.uniform(0.1, 0.35)
            if np.linalg.norm(sensors - (x, y), axis=1).min() > 1.5 + radius:
                trunks.append(Cylinder(2, (x, y, 0.0), radius, 0.0, 8.0))
        return [_FLOOR, *trunks]


@problem("stairwell", lab="registration", title="Stairwell", order=27)
@dataclass(frozen=True)
class Stairwell(Scene):
    """A narrow shaft, 12 m high, with a flight of twelve treads; the sensor climbs one of them.

    Floor and ceiling are out of the sensor's view: only the treads hold the height (z). The walls are so near
    that roll and pitch have short lever arms; which of them looks weaker depends on where the sensor stands.
    """

    voxel: float = inherited(Preprocessing, "voxel", default=0.1)
    motion: str = inherited(Scene, "motion", default="0.1 0.3 0.17 0 0 3")

    may: ClassVar = frozenset({"roll", "pitch", "z"})

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return shaft and treads."""
        treads = [
            Box((-1.2, -2.0 + 0.3 * i, 0.17 * i - 0.2), (0.0, -1.7 + 0.3 * i, 0.17 * i)) for i in range(12)
        ]
        return [Box((-1.2, -2.5, -6.0), (1.2, 2.5, 6.0)), *treads]


@problem("sphere", lab="registration", title="Sphere", order=28)
@dataclass(frozen=True)
class HollowSphere(Scene):
    """The inside of a sphere of 8 m radius, the sensor at its centre.

    No rotation can be seen. Because all three are lost alike, their condition number is near 1 and a test of
    condition numbers finds nothing; only the absolute size of the information shows it.
    """

    null_space: ClassVar = (_ROLL, (0, 1, 0, 0, 0, 0), _YAW)
    must: ClassVar = frozenset({"roll", "pitch", "yaw"})
    missed: ClassVar = must
    may: ClassVar = frozenset({"z"})

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return the sphere about the first sensor."""
        return [Sphere((0.0, 0.0, SENSOR_HEIGHT), 8.0)]


@problem("sphere_off", lab="registration", title="Sphere, off centre", order=29)
@dataclass(frozen=True)
class HollowSphereOff(Scene):
    """The inside of a sphere of 8 m radius, the sensor 2.4 m off its centre.

    Rotations about the sphere's centre cannot be seen; for the sensor they are a turn and a step sideways at
    once. The condition number of the rotations misses them, that of the translations sees the sideways part.
    """

    null_space: ClassVar = ((1, 0, 0, 0, 1, -1), (0, 1, 0, -1, 0, 2), (0, 0, 1, 1, -2, 0))
    must: ClassVar = frozenset({"roll", "pitch", "yaw"})
    missed: ClassVar = must
    may: ClassVar = frozenset({"y", "z"})

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return the sphere about (2, 1, 2.2) m."""
        return [Sphere((2.0, 1.0, 2.2), 8.0)]


@problem("vcyl", lab="registration", title="Round hall", order=30)
@dataclass(frozen=True)
class RoundHall(Scene):
    """A round hall, 80 m across and 20 m high, with floor and ceiling.

    Turning about the hall's axis (yaw) cannot be seen; wall, floor and ceiling hold the rest.
    """

    null_space: ClassVar = (_YAW,)
    must: ClassVar = frozenset({"yaw"})
    max_range: ClassVar = 60.0

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return wall, floor and ceiling."""
        return [
            Cylinder(2, (0.0, 0.0, 0.0), 40.0, 0.0, 20.0),
            Rectangle(2, 0.0, (-40.0, -40.0), (40.0, 40.0)),
            Rectangle(2, 20.0, (-40.0, -40.0), (40.0, 40.0)),
        ]


def _corridor() -> list[Surface]:
    """Return two walls, floor and ceiling, open at both ends."""
    return [
        Rectangle(1, -1.5, (-_FAR, 0.0), (_FAR, 2.8)),
        Rectangle(1, 1.5, (-_FAR, 0.0), (_FAR, 2.8)),
        Rectangle(2, 0.0, (-_FAR, -1.5), (_FAR, 1.5)),
        Rectangle(2, 2.8, (-_FAR, -1.5), (_FAR, 1.5)),
    ]
