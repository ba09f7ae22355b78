"""A table to try: pendulums on three worlds, their periods by the exact law with an error of measurement."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from scipy.special import ellipk

#: Acceleration of a falling body [m/s²].
GRAVITY = {"Earth": 9.81, "Mars": 3.71, "Moon": 1.62}
NAME = "pendulums.csv"
#: Pendulums, and relative error of a measured period.
COUNT, ERROR = 600, 0.01


def pendulums(seed: int = 0, count: int = COUNT) -> pd.DataFrame:
    """Return pendulums: ``length_m``, ``amplitude_deg``, ``mass_kg``, ``world`` and ``period_s``.

    The period is 4 √(L/g) K(sin²(θ/2)) with the complete elliptic integral K; the mass plays no part in it.

    Parameters
    ----------
    seed : of lengths, amplitudes, masses, worlds and errors of measurement.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    length, amplitude = rng.uniform(0.2, 3.0, count), rng.uniform(5.0, 150.0, count)
    world = rng.choice(sorted(GRAVITY), count)
    g = np.array([GRAVITY[name] for name in world])
    period = 4.0 * np.sqrt(length / g) * ellipk(np.sin(np.radians(amplitude) / 2.0) ** 2)
    measured = period * (1.0 + ERROR * rng.standard_normal(count))
    columns = {"length_m": length, "amplitude_deg": amplitude, "mass_kg": rng.uniform(0.1, 2.0, count)}
    return pd.DataFrame({**columns, "world": world, "period_s": measured}).round(4)


def sample_csv() -> bytes:
    """Return the pendulums as a CSV file."""
    buffer = io.StringIO()
    pendulums().to_csv(buffer, index=False)
    return buffer.getvalue().encode()
