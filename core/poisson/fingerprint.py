"""Which frequencies of the error are left: the reference solution and the error by eigenvalue.

The basis is that of the empty box (products of sines and cosines), on an empty box the eigenvectors of A
themselves. With obstacles or a variable coefficient it is still orthonormal and still sorts the error from
smooth to rough, and the sum over all bins is still the squared error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.iterate import Array, drain
from core.poisson.fast_transform import box_modes, empty_box
from core.poisson.krylov import conjugate_gradients
from core.poisson.levels import MultigridParameters
from core.poisson.multigrid import build
from core.poisson.system import FLUID, GridSystem

#: Tolerance of a reference solution; rounding ends it earlier on badly conditioned systems.
REFERENCE_RTOL = 1e-13
REFERENCE_STEPS = 3000


def reference_solution(system: GridSystem) -> Array:
    """Return x* in the shape of the grid, as exact as doubles allow; mean 0 on parts without air."""
    grid = system.grid
    x = np.zeros(system.size)
    if grid.weights is None and (grid.flags == FLUID).all():
        empty_box(system, exact=True).apply(system.b, x)
    elif system.b.any():
        solver = drain(build(system, MultigridParameters()))
        items = conjugate_gradients(system, solver, rtol=REFERENCE_RTOL, max_iterations=REFERENCE_STEPS)
        *_, last = items
        x = grid.embed(last.x() if callable(last.x) else last.x)
    system.project(x)
    return grid.extract(x)


def fingerprint(
    system: GridSystem, snapshots: Sequence[Array], x_star: Array, bins: int = 32
) -> tuple[Array, Array]:
    """Return the squared error of each snapshot by eigenvalue of the empty box.

    Parameters
    ----------
    snapshots : iterates in the shape of the grid.
    x_star : the solution, same shape (`reference_solution`).
    bins : geometric bins from the smallest to the largest eigenvalue; the constant of a box with walls all
        round, which is no error, is left out.

    Returns
    -------
    edges : (bins + 1,) eigenvalues.
    energy : (len(snapshots), bins); each row adds up to ‖x − x*‖₂².
    """
    modes = box_modes(system)
    values = modes.eigenvalues().ravel()
    used = modes.inverse.ravel() > 0.0
    edges = np.geomspace(values[used].min(), values[used].max(), bins + 1)
    place = np.clip(np.searchsorted(edges, values[used], side="right") - 1, 0, bins - 1)
    energy = np.empty((len(snapshots), bins))
    for row, x in zip(energy, snapshots, strict=True):
        error = system.grid.embed(x - x_star)
        system.project(error)
        row[:] = np.bincount(place, weights=modes.coefficients(error).ravel()[used] ** 2, minlength=bins)
    return edges, energy
