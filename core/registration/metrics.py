"""Numbers that judge a pose: its error where the truth is known, the scale of residuals where it is not."""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.linalg.lie import inverse, log_so3, rotation_angle


def pose_error(T: Array, T_true: Array) -> tuple[float, float]:
    """Return the error E = T_true⁻¹ T as ‖E_t‖ [m] and the angle of E_R [rad].

    Parameters
    ----------
    T, T_true : (4, 4) in the same frames.
    """
    E = inverse(T_true) @ T
    return float(np.linalg.norm(E[:3, 3])), rotation_angle(E[:3, :3])


def error_by_axis(T: Array, T_true: Array) -> Array:
    """Return the error E = T_true⁻¹ T by motion: log(E_R) [rad] and E_t [m], in the true source frame.

    Parameters
    ----------
    T, T_true : (4, 4) in the same frames.

    Returns
    -------
    (6,) roll, pitch, yaw, x, y, z; the lengths of its halves are those of `pose_error`.
    """
    E = inverse(T_true) @ T
    return np.concatenate([log_so3(E[:3, :3]), E[:3, 3]])


def residual_scale(residuals: Array) -> float:
    """Return the standard deviation of residuals, not misled by outliers: 1.4826 · MAD.

    Parameters
    ----------
    residuals : (N,) [m]; NaN where a point has no partner.

    Returns
    -------
    [m]; NaN if there is no residual.

    Notes
    -----
    MAD is the median distance from the median; the factor makes it the standard deviation of a Gaussian.
    """
    present = residuals[np.isfinite(residuals)]
    if not len(present):
        return float("nan")
    return 1.4826 * float(np.median(np.abs(present - np.median(present))))
