"""Peer: CG with a preconditioner of PETSc, by the package petsc4py where the user has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from core.iterate import Array, Iterate, Preparation, Progress
from core.poisson.krylov import SCALARS, conjugate_gradients
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.sparse_matrix import matrix_of
from core.poisson.system import LinearSystem
from core.registry import method, param

if find_spec("petsc4py") is None:
    raise ImportError(
        "petsc4py is not installed: pip install petsc petsc4py compiles PETSc, which takes some minutes and "
        "needs a C compiler and BLAS"
    )

#: Passes over a level's matrix in one cycle: two sweeps before and after, and the residual.
SWEEPS = 5.0


class PetscPreconditioner:
    """A PETSc preconditioner of a system's matrix.

    Attributes
    ----------
    units : cost of one application in applications of A.
    """

    def __init__(self, system: LinearSystem, kind: str) -> None:
        from petsc4py import PETSc

        A = matrix_of(system)
        self.system = system
        self._cells = np.flatnonzero(system.diagonal_values())
        entries = (A.indptr.astype(PETSc.IntType), A.indices.astype(PETSc.IntType), A.data)
        # one process: PETSc must not wait for others
        self._matrix = PETSc.Mat().createAIJ(A.shape, csr=entries, comm=PETSc.COMM_SELF)
        self._matrix.setOption(PETSc.Mat.Option.SPD, not system.singular)
        self._pc = PETSc.PC().create(PETSc.COMM_SELF)
        self._pc.setOperators(self._matrix)
        self._pc.setType(kind)
        self._pc.setUp()
        self._r, self._z = self._matrix.createVecs()
        self.units = self._cost(kind, A.nnz)

    def _cost(self, kind: str, entries: int) -> float:
        if kind == "jacobi":
            return len(self._cells) / entries
        if kind != "gamg":
            return 2.0
        levels = range(self._pc.getMGLevels())
        sizes = [self._pc.getMGSmoother(i).getOperators()[0].getInfo()["nz_used"] for i in levels]
        return float(SWEEPS * sum(sizes) / entries)

    def apply(self, r: Array, z: Array) -> float:
        """Set z = M r; returns r·z."""
        self._r.array[:] = r[self._cells]
        self._pc.apply(self._r, self._z)
        z[:] = 0.0
        z[self._cells] = self._z.array
        return float(np.dot(r, z))


@method(
    "petsc_pcg",
    lab="poisson",
    title="PETSc-preconditioned CG (petsc4py)",
    source="Balay et al. 2024, PETSc/TAO Users Manual, ANL-21/39; Dalcin et al. 2011, Parallel distributed "
    "computing using Python, Advances in Water Resources 34",
    assumes="A symmetric positive definite, or semidefinite with b in its range",
    example="disc",
    scalars=SCALARS,
    colour=21,
    order=140,
)
@dataclass(frozen=True)
class PetscPcg:
    """The lab's CG with one of PETSc's preconditioners, on one process.

    Notes
    -----
    The loop is that of every CG method here, so that stopping and counting are the same. GAMG is PETSc's
    smoothed aggregation in its default setting.

    References
    ----------
    Balay et al. 2024; Dalcin et al. 2011.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    pc: str = param(
        "gamg",
        choices={
            "gamg": "smoothed aggregation (GAMG)",
            "icc": "incomplete Cholesky",
            "sor": "symmetric SOR",
            "jacobi": "diagonal",
        },
        label="preconditioner", doc="PETSc's -pc_type",
    )  # fmt: skip

    def prepare(self, problem: LinearSystem) -> Preparation[PetscPreconditioner]:
        """Assemble the matrix and set the preconditioner up."""
        yield Progress("matrix and preconditioner, by PETSc")
        return PetscPreconditioner(problem, self.pc)

    def iterate(self, problem: PetscPreconditioner) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        return conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )
