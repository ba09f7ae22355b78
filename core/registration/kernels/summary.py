"""A cloud counted and measured for the checks of its input."""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.registration.kernels.arrays import POINTS, VALUES
from core.registration.kernels.compiled import kernel


@kernel("checks", f"{VALUES}({POINTS}, boolean)")
def summarise(points: Array, skip_zeros: bool) -> Array:
    """Count and measure a cloud in two passes, where numpy would need one pass for each figure.

    Parameters
    ----------
    points : (N, 3) array
    skip_zeros : whether points at exactly (0, 0, 0) are left out of all figures but their count

    Returns
    -------
    (17,) array: points at (0, 0, 0); points measured; their mean, least and largest coordinates; their mean
    products about the mean, xx, xy, xz, yy, yz, zz. NaN without a point.
    """
    n = points.shape[0]
    out = np.full(17, np.nan)
    zeros = 0
    started = False
    x0 = y0 = z0 = sx = sy = sz = lx = ly = lz = hx = hy = hz = 0.0
    for i in range(np.uint64(n)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        if x == 0.0 and y == 0.0 and z == 0.0:
            zeros += 1
            if skip_zeros:
                continue
        if not started:
            started = True
            x0 = lx = hx = x
            y0 = ly = hy = y
            z0 = lz = hz = z
        # sums about a point of the cloud: exact where all points are the same
        sx += x - x0
        sy += y - y0
        sz += z - z0
        lx, hx = min(lx, x), max(hx, x)
        ly, hy = min(ly, y), max(hy, y)
        lz, hz = min(lz, z), max(hz, z)
    count = n - zeros if skip_zeros else n
    out[0], out[1] = zeros, count
    if count == 0:
        return out
    cx, cy, cz = x0 + sx / count, y0 + sy / count, z0 + sz / count
    xx = xy = xz = yy = yz = zz = 0.0
    for i in range(np.uint64(n)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        if skip_zeros and x == 0.0 and y == 0.0 and z == 0.0:
            continue
        x, y, z = x - cx, y - cy, z - cz
        xx += x * x
        xy += x * y
        xz += x * z
        yy += y * y
        yz += y * z
        zz += z * z
    out[2], out[3], out[4] = cx, cy, cz
    out[5], out[6], out[7] = lx, ly, lz
    out[8], out[9], out[10] = hx, hy, hz
    out[11], out[12], out[13] = xx / count, xy / count, xz / count
    out[14], out[15], out[16] = yy / count, yz / count, zz / count
    return out
