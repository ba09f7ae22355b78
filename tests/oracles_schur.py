"""Slow and obvious versions of the 6x6 arithmetic of degeneracy detection, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def golden_system() -> tuple[Array, Array]:
    """Return the system whose every number was published."""
    B = np.eye(6)
    B[0, 2], B[1, 5], B[2, 5], B[3, 2], B[4, 5] = 0.35, 0.15, 0.45, 0.20, 0.25
    J = B @ np.diag([6, 4.5, 1.1, 5, 3.5, 0.18])
    return J.T @ J, np.array([0.8, -1.1, 0.6, -0.5, 0.3, 1.4])


def random_rows(seed: int, n: int = 40) -> Array:
    """Return point-to-plane rows [p × n, n] (n, 6) of random points and normals."""
    rng = np.random.default_rng(seed)
    p = rng.normal(size=(n, 3)) * rng.uniform(1, 10, 3)
    normals = rng.normal(size=(n, 3)) * rng.uniform(0.05, 1, 3)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return np.hstack([np.cross(p, normals), normals])


def schur(H: Array, block: int) -> Array:
    """Return S_R (block 0) or S_t (block 1)."""
    keep, drop = (slice(0, 3), slice(3, 6)) if block == 0 else (slice(3, 6), slice(0, 3))
    return H[keep, keep] - H[keep, drop] @ np.linalg.solve(H[drop, drop], H[drop, keep])


def named_modes(S: Array) -> tuple[Array, Array]:
    """Return eigenvalue (3,) and unit eigenvector (3, 3, column a) named after each axis, greedily."""
    eigenvalues, V = np.linalg.eigh(S)
    free = [0, 1, 2]
    values, vectors = np.empty(3), np.empty((3, 3))
    for axis in range(3):
        j = max(free, key=lambda j: abs(V[axis, j]))
        free.remove(j)
        values[axis] = eigenvalues[j]
        vectors[:, axis] = V[:, j] * (1 if V[axis, j] >= 0 else -1)
    return values, vectors


def preconditioner(H: Array, threshold: float, target: float) -> Array:
    """Return DCReg's P ≈ H⁻¹ (6, 6)."""
    P = np.zeros((6, 6))
    for block in range(2):
        values, V = named_modes(schur(H, block))
        flagged = values.max() / values > threshold
        values = np.where(flagged, np.maximum(values, values.max() / target), values)
        P[3 * block : 3 * block + 3, 3 * block : 3 * block + 3] = V @ np.diag(1 / values) @ V.T
    return P
