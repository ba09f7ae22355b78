"""A spinning LiDAR in scenes of simple surfaces, by closed-form ray casting.

Every surface gives the distance along a ray and the exact normal there, so that no mesh facets enter: a
cylinder made of facets would tell how the sensor is turned about its axis, which a true one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array

#: Closer hits [m] are those of the sensor's own housing and are not returned.
MIN_RANGE = 0.3


class Surface(Protocol):
    """Something that a ray can hit."""

    def distance(self, origin: Array, directions: Array) -> Array:
        """Return the distance (N,) [m] to the first hit in front of `origin` (3,), inf for a miss."""
        ...

    def normal(self, points: Array) -> Array:
        """Return unit normals (N, 3) at surface points (N, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle in the plane ``x[axis] = offset``.

    Attributes
    ----------
    low, high : bounds of the other two axes.
    openings : low and high corners of rectangles that are cut out.
    """

    axis: int
    offset: float
    low: tuple[float, float]
    high: tuple[float, float]
    openings: tuple[tuple[tuple[float, float], tuple[float, float]], ...] = ()

    def distance(self, origin: Array, directions: Array) -> Array:
        """Ray and plane, kept where the hit lies within the bounds and in no opening."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (self.offset - origin[self.axis]) / directions[:, self.axis]
            hit = origin + t[:, None] * directions
        hit = hit[:, [a for a in range(3) if a != self.axis]]
        inside = (t > 0) & np.all((hit >= self.low) & (hit <= self.high), axis=1)
        for low, high in self.openings:
            inside &= ~np.all((hit > low) & (hit < high), axis=1)
        return np.where(inside, t, np.inf)

    def normal(self, points: Array) -> Array:
        """Return the axis itself."""
        normals = np.zeros_like(points)
        normals[:, self.axis] = 1.0
        return normals


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-parallel box, seen from outside or, as a room, from inside.

    Attributes
    ----------
    is_hollow : whether a ray from outside goes through the near side and hits the far one, as it does in a
        niche, whose near side is an opening of the wall in front.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    is_hollow: bool = False

    def distance(self, origin: Array, directions: Array) -> Array:
        """Slab test: the ray is inside between its last entry and its first exit."""
        with np.errstate(divide="ignore", invalid="ignore"):
            a = (np.asarray(self.low) - origin) / directions
            b = (np.asarray(self.high) - origin) / directions
        entry = np.fmin(a, b).max(axis=1)
        leave = np.fmax(a, b).min(axis=1)
        t = leave if self.is_hollow else np.where(entry > 0, entry, leave)
        return np.where((entry <= leave) & (t > 0), t, np.inf)

    def normal(self, points: Array) -> Array:
        """Return the axis of the face that lies nearest."""
        low, high = np.asarray(self.low), np.asarray(self.high)
        face = np.minimum(np.abs(points - low), np.abs(points - high)).argmin(axis=1)
        normals = np.zeros_like(points)
        normals[np.arange(len(points)), face] = 1.0
        return normals


@dataclass(frozen=True, slots=True)
class Cylinder:
    """The lateral surface of a cylinder parallel to `axis` between `low` and `high`, seen from both sides."""

    axis: int
    centre: tuple[float, float, float]
    radius: float
    low: float
    high: float

    def distance(self, origin: Array, directions: Array) -> Array:
        """Nearer root of the quadratic whose hit lies between the ends, else the farther one."""
        others = [a for a in range(3) if a != self.axis]
        offset = (origin - np.asarray(self.centre))[others]
        d = directions[:, others]
        a, b, c = (d * d).sum(axis=1), d @ offset, offset @ offset - self.radius**2
        roots = _roots(a, b, float(c))
        with np.errstate(invalid="ignore"):
            along = origin[self.axis] + roots * directions[:, self.axis]
        roots[~((roots > 0) & (along >= self.low) & (along <= self.high))] = np.inf
        return _nearer(roots)

    def normal(self, points: Array) -> Array:
        """Return the direction away from the axis."""
        normals: Array = points - np.asarray(self.centre)
        normals[:, self.axis] = 0.0
        normals /= self.radius
        return normals


@dataclass(frozen=True, slots=True)
class Sphere:
    """A sphere, seen from both sides."""

    centre: tuple[float, float, float]
    radius: float

    def distance(self, origin: Array, directions: Array) -> Array:
        """Nearest positive root of the quadratic."""
        offset = origin - np.asarray(self.centre)
        a = (directions * directions).sum(axis=1)
        roots = _roots(a, directions @ offset, float(offset @ offset - self.radius**2))
        roots[~(roots > 0)] = np.inf
        return _nearer(roots)

    def normal(self, points: Array) -> Array:
        """Return the direction away from the centre."""
        normals: Array = (points - np.asarray(self.centre)) / self.radius
        return normals


def _roots(a: Array, b: Array, c: float) -> Array:
    """Return both roots (2, N) of a t² + 2 b t + c, NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(b * b - a * c)
        return np.stack([(-b - root) / a, (-b + root) / a])


def _nearer(roots: Array) -> Array:
    """Return the smaller of two roots (2, N)."""
    nearer: Array = np.minimum(roots[0], roots[1])
    return nearer


@dataclass(frozen=True, slots=True)
class Sensor:
    """A spinning LiDAR: `beams` elevations between `lowest` and `highest` [deg], `steps` azimuths a turn."""

    beams: int
    lowest: float
    highest: float
    steps: int
    max_range: float

    def directions(self, azimuth_offset: float) -> Array:
        """Return unit ray directions (beams · steps, 3) in the sensor frame; `azimuth_offset` in steps."""
        elevation = np.radians(np.linspace(self.lowest, self.highest, self.beams))[:, None]
        azimuth = 2.0 * np.pi * (np.arange(self.steps) + azimuth_offset) / self.steps
        x, y = np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth)
        z = np.broadcast_to(np.sin(elevation), x.shape)
        return np.stack([x, y, z], axis=-1).reshape(-1, 3)


SENSORS = {
    "vlp16": Sensor(16, -15.0, 15.0, 900, 100.0),
    "beams32": Sensor(32, -25.0, 15.0, 900, 120.0),
    "os1_64": Sensor(64, -22.5, 22.5, 1024, 120.0),
    "os0_128": Sensor(128, -45.0, 45.0, 1024, 50.0),
}


def cast(surfaces: Sequence[Surface], origin: Array, directions: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return the distance (N,) to the nearest surface, inf for a miss, and the index (N,) of that surface."""
    nearest = np.full(len(directions), np.inf)
    index = np.zeros(len(directions), dtype=np.int64)
    for i, surface in enumerate(surfaces):
        distance = surface.distance(origin, directions)
        nearer = distance < nearest
        nearest[nearer] = distance[nearer]
        index[nearer] = i
    return nearest, index


def scan(
    surfaces: Sequence[Surface],
    sensor: Sensor,
    pose: Array,
    rng: np.random.Generator,
    *,
    noise: float,
    max_range: float,
    what: str = "scene",
) -> tuple[Array, Array]:
    """Simulate one turn of the sensor; the motion during the turn is left out.

    Parameters
    ----------
    pose : (4, 4) sensor to scene.
    noise : standard deviation of the range [m].
    max_range : farther hits are not returned [m]; the sensor's own limit holds as well.
    what : the scene's name for error messages.

    Returns
    -------
    points : (N, 3) in the sensor frame [m].
    normals : (N, 3) exact unit normals at the noise-free hits, sensor frame, turned towards the sensor.

    Raises
    ------
    InputError
        If fewer than ten rays return.
    """
    directions = sensor.directions(rng.uniform())
    R, origin = pose[:3, :3], pose[:3, 3]
    in_scene = directions @ R.T
    distance, index = cast(surfaces, origin, in_scene)
    seen = (distance > MIN_RANGE) & (distance < min(max_range, sensor.max_range))
    if seen.sum() < 10:
        place = ", ".join(f"{v:.2f}" for v in origin)
        raise InputError(
            what, "a sensor pose from which at least 10 rays return", f"{seen.sum()} from ({place}) m",
            "move the sensor",
        )  # fmt: skip
    hits = origin + distance[seen, None] * in_scene[seen]
    normals = np.empty_like(hits)
    for i, surface in enumerate(surfaces):
        of_surface = index[seen] == i
        normals[of_surface] = surface.normal(hits[of_surface])
    normals = normals @ R
    normals *= -np.sign((normals * directions[seen]).sum(axis=1, keepdims=True))
    ranges = distance[seen] + noise * rng.standard_normal(int(seen.sum()))
    return np.ascontiguousarray(ranges[:, None] * directions[seen]), normals
