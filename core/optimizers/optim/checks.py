"""What all optimizers of ours ask of their hyper-parameters."""

from __future__ import annotations

import math


def check_non_negative(**values: float) -> None:
    """Raise ValueError naming the first value that is negative or not finite."""
    for name, value in values.items():
        if not (math.isfinite(value) and value >= 0.0):
            raise ValueError(f"{name} must be a finite number from 0, not {value!r}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise ValueError unless both decay rates lie in [0, 1)."""
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"betas[{i}] must be in [0, 1), not {beta!r}")


def check_share(**values: float) -> None:
    """Raise ValueError naming the first value outside [0, 1]."""
    for name, value in values.items():
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} must be in [0, 1], not {value!r}")
