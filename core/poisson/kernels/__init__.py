"""Compiled stencils, triangular solves, multigrid transfers and stencil networks on padded grids.

All share one layout. A vector is flat, the C order of the grid with one cell of padding on every side, and
is zero wherever there is no fluid. ``s0`` and ``s1`` are the distances of neighbours along the first two of
three axes; the last axis has distance 1. A 2-D grid has ``s0 = 0``: one plane, no neighbours along axis 0.

Loops run over the padding too: its diagonal is zero, so its results are, and one flat loop vectorises where
rows would not. Vectors of Krylov methods are float64, those inside multigrid and networks float32.
"""

from core.poisson.kernels.incomplete_factors import (
    factorise_matrix,
    incomplete_cholesky,
    solve_matrix_triangles,
    solve_triangles_unit,
    solve_triangles_weighted,
)
from core.poisson.kernels.layout import COMPILED, Index, Single
from core.poisson.kernels.operator import apply_unit, apply_weighted, direction_unit, scale, update
from core.poisson.kernels.smoothing import begin, end, relax_colour, sweep_from_zero, sweep_stored, sweep_unit
from core.poisson.kernels.stencil_network import (
    average_2d,
    average_3d,
    convolve_varying,
    interpolate_2d,
    interpolate_3d,
)
from core.poisson.kernels.transfer import clear_outside, galerkin, prolong, restrict
from core.poisson.kernels.varying_convolution import (
    convolve_batch,
    derivative_by_batch,
    derivative_by_kernels,
)

__all__ = [
    "COMPILED",
    "Index",
    "Single",
    "apply_unit",
    "apply_weighted",
    "average_2d",
    "average_3d",
    "begin",
    "clear_outside",
    "convolve_batch",
    "convolve_varying",
    "derivative_by_batch",
    "derivative_by_kernels",
    "direction_unit",
    "end",
    "factorise_matrix",
    "galerkin",
    "incomplete_cholesky",
    "interpolate_2d",
    "interpolate_3d",
    "prolong",
    "relax_colour",
    "restrict",
    "scale",
    "solve_matrix_triangles",
    "solve_triangles_unit",
    "solve_triangles_weighted",
    "sweep_from_zero",
    "sweep_stored",
    "sweep_unit",
    "update",
]
