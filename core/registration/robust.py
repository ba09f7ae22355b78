"""Robust kernels in closed form: the weight w(r) of a residual and the cost ρ(r) that it comes from.

The compiled kernels weigh by w (iteratively reweighted least squares); what they thereby minimise is Σ ρ(r)
with ρ'(r) = w(r)·r and ρ(0) = 0. ½ Σ w r² is not that sum, unless w = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from core.iterate import Array
from core.registration.kernels import L1_FLOOR, LOAM_SLOPE, ROBUST

_Function = Callable[[Array, float], Array]


def _l1_cost(r: Array, k: float) -> Array:
    return np.where(r > L1_FLOOR, r - 0.5 * L1_FLOOR, r * r / (2.0 * L1_FLOOR))


def _linear_cost(r: Array, k: float) -> Array:
    # constant where the weight is zero, from |r| = k / slope on
    s = np.minimum(r, k / LOAM_SLOPE)
    return np.asarray(0.5 * s**2 - LOAM_SLOPE * s**3 / (3.0 * k))


#: Of |r| and the scale k, both [m].
_WEIGHTS: Mapping[str, _Function] = MappingProxyType(
    {
        "l2": lambda r, k: np.ones_like(r),
        "l1": lambda r, k: 1.0 / np.maximum(r, L1_FLOOR),
        "huber": lambda r, k: 1.0 / np.maximum(r / k, 1.0),
        "cauchy": lambda r, k: 1.0 / (1.0 + (r / k) ** 2),
        "geman_mcclure": lambda r, k: (1.0 + (r / k) ** 2) ** -2.0,
        "tukey": lambda r, k: (1.0 - np.minimum(1.0, r / k) ** 2) ** 2,
        "linear": lambda r, k: np.maximum(0.0, 1.0 - LOAM_SLOPE * r / k),
    }
)
_COSTS: Mapping[str, _Function] = MappingProxyType(
    {
        "l2": lambda r, k: 0.5 * r**2,
        "l1": _l1_cost,
        "huber": lambda r, k: np.where(r <= k, 0.5 * r**2, k * r - 0.5 * k**2),
        "cauchy": lambda r, k: 0.5 * k**2 * np.log1p((r / k) ** 2),
        "geman_mcclure": lambda r, k: 0.5 * r**2 / (1.0 + (r / k) ** 2),
        "tukey": lambda r, k: k**2 / 6.0 * (1.0 - (1.0 - np.minimum(1.0, r / k) ** 2) ** 3),
        "linear": _linear_cost,
    }
)


def robust_weight(r: Array, kernel: str, scale: float) -> Array:
    """Return the weight w of residuals, as the compiled kernels weigh them.

    Parameters
    ----------
    r : residuals [m], any shape; NaN stays NaN except for ``"l2"``, whose weight is 1.
    kernel : a key of `core.registration.kernels.ROBUST`.
    scale : where the kernel sets in [m].

    Raises
    ------
    ValueError
        If there is no such kernel or the scale is not positive.
    """
    return _of(_WEIGHTS, r, kernel, scale)


def robust_cost(r: Array, kernel: str, scale: float) -> Array:
    """Return the cost ρ of residuals: ρ' = w·r, ρ(0) = 0.

    Parameters
    ----------
    r, kernel, scale : as for `robust_weight`.

    Returns
    -------
    Same shape as `r`, in m²; in m for ``"l1"``, whose weight is not free of units.
    """
    return _of(_COSTS, r, kernel, scale)


def _of(table: Mapping[str, _Function], r: Array, kernel: str, scale: float) -> Array:
    if kernel not in table:
        raise ValueError(f"kernel must be one of {', '.join(ROBUST)}, not {kernel!r}")
    if not scale > 0.0:
        raise ValueError(f"the scale of a kernel must be positive, not {scale}")
    return np.asarray(table[kernel](np.abs(r), float(scale)))
