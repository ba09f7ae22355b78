"""A landscape of which only the direction counts, on a sphere, and paths through the space around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.optimizers.landscape import Landscape
from core.run import MemberView
from pages.figures import roster, surface
from pages.figures.landscape import position
from pages.figures.optimizers import labels

#: Steps of the sphere's longitudes and latitudes [°].
STEP = 1.0
#: Share of the median value that is added before the logarithm, so that the minimum is no funnel.
LIFT = 1e-4
#: The sphere is seen so far from the side of its start [°]: what leads outwards must not lead to the eye.
ASIDE = 35.0


def is_sphere(landscape: Landscape) -> bool:
    """Whether the landscape is a function of directions in space."""
    return landscape.n == 3 and len(landscape.tensor_shapes) == 1 and landscape.scale_invariant == (0,)


def payload(landscape: Landscape, group: str) -> bytes:
    """Encode the landscape on the sphere through its start."""
    longitudes, latitudes = np.arange(-180.0, 180.0 + STEP, STEP), np.arange(-90.0, 90.0 + STEP, STEP)
    l, b = np.meshgrid(np.radians(longitudes), np.radians(latitudes))
    points = np.stack([np.cos(b) * np.cos(l), np.cos(b) * np.sin(l), np.sin(b)], axis=-1)
    with np.errstate(all="ignore"):
        values = np.asarray(landscape.function.value(points), dtype=np.float64)
    title = "f"
    if landscape.minimum is not None:
        gaps = values - landscape.minimum
        lift = LIFT * float(np.nanmedian(gaps))
        values, title = gaps + lift, f"f − f* + {lift:.2g}"
    radius = float(np.linalg.norm(landscape.start))
    towards = landscape.start / radius + landscape.rays.sum(axis=0)
    look = (
        float(np.degrees(np.arctan2(towards[1], towards[0]))) - ASIDE,
        float(np.degrees(np.arctan2(towards[2], np.hypot(towards[0], towards[1])))),
    )
    return surface.sphere_payload(
        longitudes, latitudes, values, view=f"{landscape.formula}.{radius:.6g}", group=group, radius=radius,
        rays=landscape.rays, look=look, value_title=title, log=landscape.minimum is not None,
    )  # fmt: skip


def paths_payload(members: Sequence[MemberView], *, group: str, rev: str) -> bytes:
    """Encode the methods' paths as they are, not projected to the sphere."""
    tracks = []
    for member, name, index in zip(members, labels(members), roster.indices(members), strict=True):
        ks, points = position(member.view)
        tracks.append(surface.SurfaceTrack(name, index, ks, points[:, 0], points[:, 1], points[:, 2]))
    return surface.paths_payload(tracks, group=group, rev=rev)
