"""Compiled 6x6 arithmetic of degeneracy detection and of DCReg's linear solve.

One call analyses a system: Schur complements, their eigenvectors named by axes, mask; a second kernel adds
clamping, preconditioner and PCG. Results come packed in one vector each, since returning many small arrays
costs more than computing them; `core.registration.degeneracy` and `.solvers` unpack them.

Order of the six motions: roll, pitch, yaw, x, y, z. Source: DCReg, arXiv 2509.06285; the steps are those of
the published implementation, and the pseudo-inverse and the optimal assignment are additions.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from core.registration.kernels.compiled import kernel

#: Eigenvalues below this fraction of max(largest, 1) are not inverted.
PSEUDO_INVERSE_CUTOFF = 1e-9
#: Floor of an eigenvalue in a ratio or an inverse.
EIGENVALUE_FLOOR = 1e-12
CLAMP_FLOOR = 1e-9
#: Layout of what `analyse` returns: name → (start, shape).
LAYOUT = {
    "schur_rotation": (0, (3, 3)),
    "schur_translation": (9, (3, 3)),
    "eigenvalues": (18, (6,)),  # rotation ascending, translation ascending
    "vectors": (24, (2, 3, 3)),  # column a = eigenvector assigned to axis a
    "aligned": (42, (6,)),  # eigenvalue assigned to each axis
    "mask": (48, (6,)),
    "condition": (54, (3,)),  # rotation, translation, full
}
PACKED = 57
#: Where PCG's residual norms start behind the step (6), its iterations (1) and whether it fell back (1).
SOLUTION_HEAD = 8

_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": {"contract", "nsz"}}

_inner = numba.njit(forceinline=True, **_OPTIONS)  # see `kernel_part`


@_inner
def _jacobi(A: Any, V: Any, n: int, with_vectors: bool) -> None:
    """Diagonalise the symmetric A (n, n) in place by cyclic Jacobi rotations; V receives the eigenvectors."""
    if with_vectors:
        for i in range(n):
            for j in range(n):
                V[i, j] = 1.0 if i == j else 0.0
    for _ in range(30):
        off = 0.0
        diagonal = 0.0
        for i in range(n):
            diagonal += A[i, i] * A[i, i]
            for j in range(i + 1, n):
                off += A[i, j] * A[i, j]
        if off <= 1e-34 * diagonal or off == 0.0:
            return
        for p in range(n - 1):
            for q in range(p + 1, n):
                apq = A[p, q]
                if abs(apq) <= 1e-18 * np.sqrt(abs(A[p, p] * A[q, q])):
                    continue
                tau = (A[q, q] - A[p, p]) / (2.0 * apq)
                # the root of smaller magnitude: rotation angles stay below 45°
                if abs(tau) > 1e150:
                    t = 0.5 / tau
                else:
                    t = 1.0 / (abs(tau) + np.sqrt(1.0 + tau * tau))
                    if tau < 0.0:
                        t = -t
                c = 1.0 / np.sqrt(1.0 + t * t)
                s = t * c
                A[p, p] -= t * apq
                A[q, q] += t * apq
                A[p, q] = A[q, p] = 0.0
                for k in range(n):
                    if k not in (p, q):
                        akp, akq = A[k, p], A[k, q]
                        A[k, p] = A[p, k] = c * akp - s * akq
                        A[k, q] = A[q, k] = s * akp + c * akq
                if with_vectors:
                    for k in range(n):
                        vkp, vkq = V[k, p], V[k, q]
                        V[k, p] = c * vkp - s * vkq
                        V[k, q] = s * vkp + c * vkq


@_inner
def _schur(H: Any, keep: int, drop: int, S: Any, A: Any, V: Any, X: Any) -> None:
    """S = H_kk − H_kd H_dd⁺ H_dk for 3x3 blocks that start at rows `keep` and `drop`; A, V, X are scratch."""
    for i in range(3):
        for j in range(3):
            A[i, j] = 0.5 * (H[drop + i, drop + j] + H[drop + j, drop + i])
    _jacobi(A, V, 3, True)
    largest = max(A[0, 0], A[1, 1], A[2, 2])
    cutoff = PSEUDO_INVERSE_CUTOFF * max(largest, 1.0)
    for i in range(3):
        for j in range(3):
            # row j of Vᵀ H_dk, column i of the kept block
            X[j, i] = (
                V[0, j] * H[drop, keep + i]
                + V[1, j] * H[drop + 1, keep + i]
                + V[2, j] * H[drop + 2, keep + i]
            )
    for i in range(3):
        for j in range(i, 3):
            value = 0.5 * (H[keep + i, keep + j] + H[keep + j, keep + i])
            for m in range(3):
                if A[m, m] > cutoff:
                    value -= X[m, i] * X[m, j] / A[m, m]
            S[i, j] = S[j, i] = value


@_inner
def _sort3(A: Any, V: Any, values: Any) -> None:
    """Sort the diagonal of A ascending into `values` and the columns of V with it."""
    for i in range(3):
        values[i] = A[i, i]
    for i in range(2):
        for j in range(2 - i):
            if values[j] > values[j + 1]:
                values[j], values[j + 1] = values[j + 1], values[j]
                for k in range(3):
                    V[k, j], V[k, j + 1] = V[k, j + 1], V[k, j]


@_inner
def _assign(V: Any, optimal: bool, order: Any) -> None:
    """order[axis] = column of V that is named after the axis.

    Greedy in the order x, y, z as published; or the permutation with the largest sum of |v| on the axes.
    """
    if not optimal:
        used = 0
        for axis in range(3):
            best = -1.0
            for j in range(3):
                if not (used >> j) & 1 and abs(V[axis, j]) > best:
                    best = abs(V[axis, j])
                    order[axis] = j
            used |= 1 << order[axis]
        return
    best = -1.0
    for i in range(3):
        for j in range(3):
            if i != j:
                k = 3 - i - j
                total = abs(V[0, i]) + abs(V[1, j]) + abs(V[2, k])
                if total > best:
                    best = total
                    order[0], order[1], order[2] = i, j, k


@_inner
def _analyse(H: Any, threshold: float, optimal: bool, out: Any) -> None:
    """Fill `out` (57,) as `LAYOUT` says, but for the condition of the full matrix."""
    S = np.empty((3, 3))
    A = np.empty((3, 3))
    V = np.empty((3, 3))
    X = np.empty((3, 3))
    values = np.empty(3)
    order = np.empty(3, dtype=np.int64)
    for block in range(2):
        keep, drop = 3 * block, 3 - 3 * block
        _schur(H, keep, drop, S, A, V, X)
        for i in range(3):
            for j in range(3):
                out[9 * block + 3 * i + j] = S[i, j]
                A[i, j] = S[i, j]
        _jacobi(A, V, 3, True)
        _sort3(A, V, values)
        _assign(V, optimal, order)
        for axis in range(3):
            j = order[axis]
            sign = -1.0 if V[axis, j] < 0.0 else 1.0
            for k in range(3):
                out[24 + 9 * block + 3 * k + axis] = sign * V[k, j]
            out[18 + keep + axis] = values[axis]
            out[42 + keep + axis] = values[j]
            ratio = values[2] / max(values[j], EIGENVALUE_FLOOR)
            out[48 + keep + axis] = 1.0 if ratio > threshold else 0.0
        out[54 + block] = values[2] / max(values[0], EIGENVALUE_FLOOR)


@_inner
def _full_condition(H: Any) -> float:
    """Return λ_max/λ_min of H (6, 6), inf if λ_min is not positive."""
    A = np.empty((6, 6))
    for i in range(6):
        for j in range(6):
            A[i, j] = 0.5 * (H[i, j] + H[j, i])
    _jacobi(A, A, 6, False)
    low = high = A[0, 0]
    for i in range(1, 6):
        low = min(low, A[i, i])
        high = max(high, A[i, i])
    return high / low if low > EIGENVALUE_FLOOR else np.inf


@kernel("degeneracy", "float64[::1](float64[:,::1], float64, boolean)", _OPTIONS)
def analyse(H: Any, threshold: float, optimal: bool) -> Any:
    """Analyse H (6, 6): both Schur complements, eigenvectors by axis, mask, condition numbers.

    Parameters
    ----------
    threshold : an axis is flagged if λ_max/λ exceeds it.
    optimal : whether axes are assigned jointly instead of one after the other.

    Returns
    -------
    (57,) packed as `LAYOUT` says.
    """
    out = np.empty(PACKED)
    _analyse(H, threshold, optimal, out)
    out[56] = _full_condition(H)
    return out


@kernel("degeneracy of a run", "float64[:,::1](float64[:,:,::1], float64, boolean)", _OPTIONS)
def analyse_stack(H: Any, threshold: float, optimal: bool) -> Any:
    """`analyse` for each of H (n, 6, 6); returns (n, 57)."""
    out = np.empty((H.shape[0], PACKED))
    for i in range(H.shape[0]):
        _analyse(H[i], threshold, optimal, out[i])
        out[i, 56] = _full_condition(H[i])
    return out


@kernel("plain solve", "float64[::1](float64[:,::1], float64[::1], float64)", _OPTIONS)
def eigen_solve(H: Any, g: Any, cutoff: float) -> Any:
    """Return Σ v (vᵀg)/λ over the eigenpairs of H (6, 6) with λ > cutoff·λ_max."""
    A = np.empty((6, 6))
    V = np.empty((6, 6))
    for i in range(6):
        for j in range(6):
            A[i, j] = 0.5 * (H[i, j] + H[j, i])
    _jacobi(A, V, 6, True)
    largest = 0.0
    for j in range(6):
        largest = max(largest, A[j, j])
    delta = np.zeros(6)
    for j in range(6):
        if A[j, j] > cutoff * largest:
            coefficient = 0.0
            for i in range(6):
                coefficient += V[i, j] * g[i]
            coefficient /= A[j, j]
            for i in range(6):
                delta[i] += coefficient * V[i, j]
    return delta


@_inner
def _precondition(M: Any, r: Any, z: Any) -> None:
    """Apply the preconditioner, z = blkdiag(M[0], M[1]) r."""
    for block in range(2):
        for i in range(3):
            value = 0.0
            for j in range(3):
                value += M[block, i, j] * r[3 * block + j]
            z[3 * block + i] = value


@_inner
def _dot(a: Any, b: Any) -> float:
    value = 0.0
    for i in range(6):
        value += a[i] * b[i]
    return value


@_inner
def _clamped_preconditioner(analysis: Any, target: float, M: Any) -> None:
    """M[block] = V diag(1/λ̃) Vᵀ with λ̃ = max(λ, λ_max/target) on flagged axes, λ elsewhere."""
    for block in range(2):
        largest = analysis[18 + 3 * block + 2]
        for i in range(3):
            for j in range(3):
                M[block, i, j] = 0.0
        for axis in range(3):
            value = analysis[42 + 3 * block + axis]
            if analysis[48 + 3 * block + axis] > 0.5:
                value = max(value, largest / target)
            weight = 1.0 / max(value, CLAMP_FLOOR)
            for i in range(3):
                vi = analysis[24 + 9 * block + 3 * i + axis]
                for j in range(3):
                    M[block, i, j] += weight * vi * analysis[24 + 9 * block + 3 * j + axis]


@kernel(
    "DCReg's solve", "float64[::1](float64[:,::1], float64[::1], float64, float64, float64, int64)", _OPTIONS
)
def dcreg_solve(H: Any, g: Any, threshold: float, target: float, rtol: float, max_iterations: int) -> Any:
    """Solve H δ = g by PCG with DCReg's clamped Schur preconditioner.

    Parameters
    ----------
    H, g : (6, 6) and (6,) normal equations.
    threshold, target : condition number above which an axis is flagged, and to which it is clamped.
    rtol : PCG stops when ‖r‖ ≤ rtol · max(1, ‖g‖).
    max_iterations : at least 6 are made.

    Returns
    -------
    (8 + n + 1,) δ, iterations n, 1 if PCG broke down (then δ is its unusable last state), and ‖r‖ after
    0, 1, …, n iterations.
    """
    analysis = np.empty(PACKED)
    _analyse(H, threshold, False, analysis)
    M = np.empty((2, 3, 3))
    _clamped_preconditioner(analysis, target, M)
    limit = max(max_iterations, 6)
    out = np.zeros(SOLUTION_HEAD + limit + 1)
    r = g.copy()
    z = np.empty(6)
    Hp = np.empty(6)
    norm = np.sqrt(_dot(g, g))
    out[SOLUTION_HEAD] = norm
    if norm < 1e-12:
        return out[: SOLUTION_HEAD + 1].copy()
    _precondition(M, r, z)
    p = z.copy()
    rz = _dot(r, z)
    n = 0
    broken = 1.0
    while n < limit:
        for i in range(6):
            value = 0.0
            for j in range(6):
                value += 0.5 * (H[i, j] + H[j, i]) * p[j]
            Hp[i] = value
        pHp = _dot(p, Hp)
        # no absolute floor: 1e-20, as published, also stops a good run on a system of large entries
        if not (pHp > 0.0 and rz > 0.0):
            break
        alpha = rz / pHp
        for i in range(6):
            out[i] += alpha * p[i]
            r[i] -= alpha * Hp[i]
        n += 1
        residual = np.sqrt(_dot(r, r))
        out[SOLUTION_HEAD + n] = residual
        if residual <= rtol * max(1.0, norm):
            broken = 0.0
            break
        _precondition(M, r, z)
        rz_next = _dot(r, z)
        beta = rz_next / rz
        rz = rz_next
        for i in range(6):
            p[i] = z[i] + beta * p[i]
    for i in range(6):
        if not np.isfinite(out[i]):
            broken = 1.0
    out[6] = n
    out[7] = broken
    return out[: SOLUTION_HEAD + n + 1].copy()
