"""Sampled surfaces that the registration tests share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def room(rng: np.random.Generator, n: int, noise: float = 0.01) -> Array:
    """Return (n, 3) points on a floor, two walls and a slanted roof, with Gaussian noise [m]."""
    u, v = rng.uniform(-1, 1, (2, n))
    which = rng.integers(0, 4, n)
    floor = np.stack([6 * u, 4 * v, np.full(n, -1.2)], axis=1)
    wall_x = np.stack([np.full(n, 6.0), 4 * u, 1.5 * v + 0.3], axis=1)
    wall_y = np.stack([6 * u, np.full(n, -4.0), 1.5 * v + 0.3], axis=1)
    roof = np.stack([6 * u, 4 * v, 2.5 + 1.2 * u + 0.8 * v], axis=1)
    points = np.choose(which[:, None], [floor, wall_x, wall_y, roof])
    return points + rng.normal(0.0, noise, points.shape)
