"""The scene builder: a place made to measure, from an endless corridor to a cluttered room.

One thing can be changed at a time: move the end wall closer, add a door, put up a pillar, and watch which
motions the scans begin to hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.iterate import Array
from core.linalg.lie import T_from_xyzrpy, adjoint, inverse, parse_pose
from core.registration.raycast import MIN_RANGE, Box, Cylinder, Rectangle, Surface
from core.registration.scenes import AXES, SENSOR_HEIGHT, Scene, Twist
from core.registry import param, problem

_FAR = 200.0
#: A door [m]: opening in the wall, how deep it lies in the wall, and the length of wall that it takes.
DOOR_WIDTH, DOOR_HEIGHT, DOOR_DEPTH, DOOR_PITCH = 0.9, 1.9, 0.3, 1.6
#: Doors, pillars and boxes stand no farther ahead or behind than this [m], where the sensor still sees them.
NEARBY = 8.0
#: Pillars and boxes leave so much space [m] about the middle of each sensor.
CLEARANCE = 0.5
#: Corridors below this width [m] look better held along them than they are.
NARROW = 2.0
#: A null direction belongs to an axis that holds so much of its square.
NEAR_AXIS = 0.9


@dataclass(frozen=True)
class Place:
    """What stands round the sensor, apart from the sensor itself."""

    shape: str = param(
        "corridor", choices={"corridor": "corridor", "room": "room", "tunnel": "round tunnel",
                             "open_ground": "open ground"},
        doc="what surrounds the sensor",
    )  # fmt: skip
    width: float = param(
        3.0, low=1.0, high=30.0, log=True, unit="m", doc="from side wall to side wall; of a tunnel, across"
    )
    height: float = param(
        2.8, low=2.0, high=20.0, log=True, unit="m",
        doc="of corridor and room; on open ground, of end walls and pillars",
    )  # fmt: skip
    end_walls: str = param(
        "none", choices={"none": "none: endless", "one": "one, ahead", "both": "ahead and behind"},
        label="end walls", doc="where there is none, the place goes on out of sight; a room always has both",
    )  # fmt: skip
    end_wall_distance: float = param(
        8.0, low=2.0, high=60.0, log=True, unit="m", label="end wall at",
        doc="a single end wall stands so far ahead of the sensor, which sees 30 m",
    )  # fmt: skip
    length: float = param(
        12.0, low=4.0, high=60.0, log=True, unit="m",
        doc="from end wall to end wall where there are both; the sensor stands midway",
    )  # fmt: skip
    doors: int = param(
        4, low=0, high=10, doc="in the side walls of a corridor or room, 30 cm deep in the wall"
    )
    pillars: int = param(0, low=0, high=30, doc="round pillars, 20 to 50 cm thick")
    boxes: int = param(0, low=0, high=30, doc="boxes on the floor, 30 to 80 cm wide")
    sensor_yaw: float = param(
        0.0, low=-90.0, high=90.0, unit="deg", label="sensor yaw",
        doc="how far both sensors are turned to the left of the place's long axis",
    )  # fmt: skip

    @property
    def ends(self) -> tuple[float, float]:
        """Where the walls behind and ahead stand (x) [m]; ±200 m, out of sight, where there is none."""
        if self.shape == "room" or self.end_walls == "both":
            return -self.length / 2, self.length / 2
        return -_FAR, self.end_wall_distance if self.end_walls == "one" else _FAR

    @property
    def _is_walled(self) -> bool:
        """Whether there are flat side walls."""
        return self.shape in ("corridor", "room")

    def shell(self, rng: np.random.Generator) -> list[Surface]:
        """Return ground, walls and ceiling with the doors, which `rng` places."""
        behind, ahead = self.ends
        low, high, half = 0.0, self.height, self.width / 2
        surfaces: list[Surface] = []
        if self.shape == "tunnel":
            low, high = SENSOR_HEIGHT - half, SENSOR_HEIGHT + half
            surfaces.append(Cylinder(0, (0.0, 0.0, SENSOR_HEIGHT), half, behind, ahead))
        elif self.shape == "open_ground":
            half = _FAR
            surfaces.append(Rectangle(2, 0.0, (-_FAR, -_FAR), (_FAR, _FAR)))
        else:
            surfaces += [Rectangle(2, z, (behind, -half), (ahead, half)) for z in (0.0, self.height)]
            surfaces += self._side_walls(rng)
        surfaces += [Rectangle(0, x, (-half, low), (half, high)) for x in self.ends if abs(x) < _FAR]
        return surfaces

    def _side_walls(self, rng: np.random.Generator) -> list[Surface]:
        """Return both side walls with doors let into them."""
        behind, ahead = self.ends
        slots = self._door_slots()
        if self.doors > len(slots):
            raise InputError(
                "doors", f"at most {len(slots)} so near an end wall", str(self.doors),
                "move the end wall away or take doors out",
            )  # fmt: skip
        # every slot has its shift before one is chosen: one more door leaves the others where they are
        shifts = rng.uniform(-0.3, 0.3, len(slots))
        chosen = rng.permutation(len(slots))[: self.doors]
        walls: list[Surface] = []
        for side in (-1.0, 1.0):
            y = side * self.width / 2
            lefts = [slots[i][1] + shifts[i] - DOOR_WIDTH / 2 for i in chosen if slots[i][0] == side]
            openings = tuple(((x, 0.0), (x + DOOR_WIDTH, DOOR_HEIGHT)) for x in lefts)
            walls.append(Rectangle(1, y, (behind, 0.0), (ahead, self.height), openings))
            near, far = sorted((y, y + side * DOOR_DEPTH))
            walls += [Box((x, near, 0.0), (x + DOOR_WIDTH, far, DOOR_HEIGHT), is_hollow=True) for x in lefts]
        return walls

    def _door_slots(self) -> list[tuple[float, float]]:
        """Return side (±1) and middle (x) [m] of every stretch of wall that takes a door."""
        n = int(2 * min(NEARBY, self.ends[1] - 0.1, -self.ends[0] - 0.1) / DOOR_PITCH)
        return [(side, (i - (n - 1) / 2) * DOOR_PITCH) for side in (-1.0, 1.0) for i in range(n)]

    def clutter(
        self, pillars: np.random.Generator, boxes: np.random.Generator, sensors: Array
    ) -> list[Surface]:
        """Return pillars and boxes, none of them near a sensor; `sensors` (n, 3) are their places."""
        found: list[Surface] = []
        for _ in range(self.pillars):
            radius = float(pillars.uniform(0.1, 0.25))
            x, y = self._free_spot(pillars, radius, sensors)
            bottom, top = (0.0, self.height) if self.shape != "tunnel" else (-_FAR, _FAR)
            found.append(Cylinder(2, (x, y, 0.0), radius, bottom, top))
        for _ in range(self.boxes):
            half, tall = boxes.uniform(0.15, 0.4), boxes.uniform(0.3, 1.5)
            x, y = self._free_spot(boxes, float(half), sensors)
            bottom = self._ground(y)
            found.append(Box((x - half, y - half, bottom - 1.0), (x + half, y + half, bottom + tall)))
        return found

    def _free_spot(self, rng: np.random.Generator, half: float, sensors: Array) -> tuple[float, float]:
        """Return where something of half width `half` may stand.

        Two sensors never fill the shortest place, so that the search ends.
        """
        along = min(NEARBY, *(abs(x) - half for x in self.ends))
        across = NEARBY if self.shape == "open_ground" else min(NEARBY, max(self.width / 2 - half, 0.0))
        while True:
            x, y = rng.uniform(-along, along), rng.uniform(-across, across)
            # a box reaches half·√2 from its middle
            if np.linalg.norm(sensors[:, :2] - (x, y), axis=1).min() > CLEARANCE + np.sqrt(2.0) * half:
                return float(x), float(y)

    def _ground(self, y: float) -> float:
        """Return the height [m] of the ground at y, which in a tunnel is round."""
        if self.shape != "tunnel":
            return 0.0
        return SENSOR_HEIGHT - float(np.sqrt(max((self.width / 2) ** 2 - y * y, 0.0)))

    def room_round(self, place: Array) -> float:
        """Return the distance [m] from a point (3,) to the nearest wall or ground, negative outside."""
        x, y, z = place.tolist()
        behind, ahead = self.ends
        gaps = [x - behind, ahead - x]
        if self.shape == "tunnel":
            gaps.append(self.width / 2 - float(np.hypot(y, z - SENSOR_HEIGHT)))
        else:
            gaps.append(z)
        if self._is_walled:
            gaps += [self.width / 2 - abs(y), self.height - z]
        return float(min(gaps))


@problem("built", lab="registration", title="Scene builder", order=31)
@dataclass(frozen=True)
class BuiltScene(Scene, Place):
    """A place of your own: choose its shape and size, its end walls, doors, pillars and boxes.

    It begins as an endless corridor with four doors. Take the doors away and motion along the corridor (x)
    is lost; add them one by one, or move an end wall closer, and x comes back. The seed places doors, pillars
    and boxes.

    What is lost in the bare place is known exactly. With doors, pillars or boxes nothing is claimed to be
    lost: what they hold depends on where they stand.
    """

    @property
    def T_scene_sensor(self) -> Array:  # noqa: N802 (T is the pose's symbol throughout)
        """The pose (4, 4) of the first sensor, turned by `sensor_yaw`."""
        return T_from_xyzrpy(0.0, 0.0, SENSOR_HEIGHT, 0.0, 0.0, self.sensor_yaw)

    @property
    def sensors(self) -> Array:
        """Where the first and the second sensor stand (2, 3) [m]."""
        first = self.T_scene_sensor
        return np.stack([first[:3, 3], (first @ parse_pose(self.motion, "motion"))[:3, 3]])

    def surfaces(self, rng: np.random.Generator) -> list[Surface]:
        """Return the place and what stands in it; each kind of thing is placed by numbers of its own.

        Raises
        ------
        InputError
            If the second sensor is not inside, or there are more doors than the walls take.
        """
        second = self.sensors[1]
        room = self.room_round(second)
        if room < MIN_RANGE:
            place = ", ".join(f"{v:.2f}" for v in second)
            found = f"{room:.2f} m away" if room > 0 else "beyond them"
            raise InputError(
                "motion", f"a second sensor at least {MIN_RANGE:g} m inside walls and ground",
                f"({place}) m, {found}", "shorten the motion or make the place larger",
            )  # fmt: skip
        doors, pillars, boxes = rng.spawn(3)
        return [*self.shell(doors), *self.clutter(pillars, boxes, self.sensors)]

    @property
    def _sees_an_end(self) -> bool:
        """Whether both sensors see an end wall."""
        return any(np.abs(self.sensors[:, 0] - x).max() < self.max_range for x in self.ends)

    @property
    def _is_bare(self) -> bool:
        """Whether nothing stands in the place and no door breaks its walls."""
        return not (self.pillars or self.boxes or (self.doors and self._is_walled))

    @property
    def null_space(self) -> tuple[Twist, ...]:
        """Null twists of the bare place, first sensor's frame; none is claimed if anything stands in it.

        An end wall that only one of the sensors sees holds nothing.
        """
        if not self._is_bare:
            return ()
        turned = adjoint(inverse(T_from_xyzrpy(0.0, 0.0, 0.0, 0.0, 0.0, self.sensor_yaw)))
        return tuple(tuple((turned @ np.eye(6)[AXES.index(name)]).tolist()) for name in self._lost)

    @property
    def _lost(self) -> tuple[str, ...]:
        """Unobservable motions of the bare place for a sensor that looks along it."""
        if self.shape == "open_ground":
            return ("y",) if self._sees_an_end else ("yaw", "x", "y")
        about = ("roll",) if self.shape == "tunnel" else ()
        return about if self._sees_an_end else (*about, "x")

    @property
    def _shares(self) -> dict[str, float]:
        """Squared length of each axis within the null space; 1 = the axis itself is lost."""
        twists = np.array(self.null_space, dtype=float).reshape(-1, 6)
        return dict(zip(AXES, (twists**2).sum(axis=0).tolist(), strict=True))

    @property
    def must(self) -> frozenset[str]:
        """Axes that are lost, or so nearly that a null direction goes by their name."""
        return frozenset(name for name, share in self._shares.items() if share > NEAR_AXIS)

    @property
    def may(self) -> frozenset[str]:
        """Axes that some proportions make weak: short levers, far walls, ground out of the sensor's view."""
        weak = {"pitch", "yaw", "x", "y"} if self.shape == "open_ground" else {"roll", "pitch", "x", "z"}
        if self.sensor_yaw:
            weak |= {"roll", "pitch", "x", "y"}
        return frozenset(weak) - self.must

    @property
    def missed(self) -> frozenset[str]:
        """Between near walls the noise of their normals feigns information, which hides what is lost."""
        is_narrow = self._is_walled and self.width < NARROW
        return self.must & {"x", "y"} if is_narrow else frozenset()
