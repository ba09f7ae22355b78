"""What one pair adds to the normal equations, and its robust weight."""

from __future__ import annotations

from core.registration.kernels.compiled import kernel_part

#: The source is summed in this many fixed chunks, so that sums do not depend on how the work is shared.
CHUNKS = 16
#: Columns of the partial sums: H upper triangle row by row, g, Σ w r², Σ r² (point-to-plane), Σ d², pairs.
SUMS = 21 + 6 + 4
#: Robust kernels, by the code that `linearise` takes.
ROBUST = {"l2": 0, "l1": 1, "huber": 2, "cauchy": 3, "geman_mcclure": 4, "tukey": 5, "linear": 6}
#: Smallest |r| [m] that the L1 weight distinguishes from zero.
L1_FLOOR = 1e-6
#: Kernel "linear" and model A: the weight is 1 - slope |r|; model A counts it above the minimum only.
LOAM_SLOPE = 0.9
LOAM_MINIMUM_WEIGHT = 0.1


@kernel_part
def robust_weight(r, robust, scale):  # type: ignore[no-untyped-def]
    """Weight of a residual r by the robust kernel's code; `scale` in the residual's unit."""
    u = abs(r) / scale
    if robust == 0:
        return 1.0
    if robust == 1:
        return 1.0 / max(abs(r), L1_FLOOR)
    if robust == 2:
        return 1.0 / max(u, 1.0)
    if robust == 3:
        return 1.0 / (1.0 + u * u)
    if robust == 4:
        return 1.0 / ((1.0 + u * u) * (1.0 + u * u))
    if robust == 5:
        v = min(1.0, u)
        return (1.0 - v * v) * (1.0 - v * v)
    return max(0.0, 1.0 - LOAM_SLOPE * u)


@kernel_part
def add_row(sums, ax, ay, az, bx, by, bz, w, we):  # type: ignore[no-untyped-def]
    """Add w JᵀJ and -we Jᵀ for the row J = [a, b] to the upper triangle and the right-hand side."""
    wx, wy, wz = w * ax, w * ay, w * az
    sums[0] += wx * ax
    sums[1] += wx * ay
    sums[2] += wx * az
    sums[3] += wx * bx
    sums[4] += wx * by
    sums[5] += wx * bz
    sums[6] += wy * ay
    sums[7] += wy * az
    sums[8] += wy * bx
    sums[9] += wy * by
    sums[10] += wy * bz
    sums[11] += wz * az
    sums[12] += wz * bx
    sums[13] += wz * by
    sums[14] += wz * bz
    wx, wy, wz = w * bx, w * by, w * bz
    sums[15] += wx * bx
    sums[16] += wx * by
    sums[17] += wx * bz
    sums[18] += wy * by
    sums[19] += wy * bz
    sums[20] += wz * bz
    sums[21] -= we * ax
    sums[22] -= we * ay
    sums[23] -= we * az
    sums[24] -= we * bx
    sums[25] -= we * by
    sums[26] -= we * bz


@kernel_part
def add_point(sums, px, py, pz, ex, ey, ez, w):  # type: ignore[no-untyped-def]
    """Add the point-to-point terms, J = [R[p]x, -R] and ρ = q - x turned into the body frame (ex, ey, ez).

    R cancels in JᵀJ, which leaves [[|p|²I - ppᵀ, [p]x], [-[p]x, I]].
    """
    sums[0] += w * (py * py + pz * pz)
    sums[1] -= w * px * py
    sums[2] -= w * px * pz
    sums[4] -= w * pz
    sums[5] += w * py
    sums[6] += w * (px * px + pz * pz)
    sums[7] -= w * py * pz
    sums[8] += w * pz
    sums[10] -= w * px
    sums[11] += w * (px * px + py * py)
    sums[12] -= w * py
    sums[13] += w * px
    sums[15] += w
    sums[18] += w
    sums[20] += w
    sums[21] += w * (py * ez - pz * ey)
    sums[22] += w * (pz * ex - px * ez)
    sums[23] += w * (px * ey - py * ex)
    sums[24] += w * ex
    sums[25] += w * ey
    sums[26] += w * ez


@kernel_part
def add_weighted_pair(sums, px, py, pz, ex, ey, ez, xx, xy, xz, yy, yz, zz):  # type: ignore[no-untyped-def]
    """Add JᵀMJ and -JᵀMe for J = [[p]x, -I], all in the body frame; M comes by its upper triangle.

    JᵀMJ = [[-[p]x M [p]x, [p]x M], [·, M]] and -JᵀMe = [p × Me, Me].
    """
    # rows of [p]x M
    ax, ay, az = py * xz - pz * xy, py * yz - pz * yy, py * zz - pz * yz
    bx, by, bz = pz * xx - px * xz, pz * xy - px * yz, pz * xz - px * zz
    cx, cy, cz = px * xy - py * xx, px * yy - py * xy, px * yz - py * xz
    # -[p]x M [p]x = [p]x ([p]x M)ᵀ: column i is p × row i
    sums[0] += py * az - pz * ay
    sums[1] += py * bz - pz * by
    sums[2] += py * cz - pz * cy
    sums[3] += ax
    sums[4] += ay
    sums[5] += az
    sums[6] += pz * bx - px * bz
    sums[7] += pz * cx - px * cz
    sums[8] += bx
    sums[9] += by
    sums[10] += bz
    sums[11] += px * cy - py * cx
    sums[12] += cx
    sums[13] += cy
    sums[14] += cz
    sums[15] += xx
    sums[16] += xy
    sums[17] += xz
    sums[18] += yy
    sums[19] += yz
    sums[20] += zz
    fx, fy, fz = xx * ex + xy * ey + xz * ez, xy * ex + yy * ey + yz * ez, xz * ex + yz * ey + zz * ez
    sums[21] += py * fz - pz * fy
    sums[22] += pz * fx - px * fz
    sums[23] += px * fy - py * fx
    sums[24] += fx
    sums[25] += fy
    sums[26] += fz
    return ex * fx + ey * fy + ez * fz
