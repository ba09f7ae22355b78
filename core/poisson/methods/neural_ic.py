"""NeuralIF: a graph network writes an incomplete Cholesky factor, for any sparse matrix."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.iterate import Array, Iterate, Preparation, Progress
from core.poisson.krylov import SCALARS as CG_SCALARS
from core.poisson.krylov import conjugate_gradients
from core.poisson.matrix import MatrixSystem
from core.poisson.monitor import limit_param, rtol_param
from core.poisson.preconditioners import Factor, on_grid
from core.poisson.sparse_matrix import csr
from core.poisson.system import LinearSystem
from core.registry import Scalar, Scale, method, param

#: Entries of the lower triangle up to which the network's messages fit into memory.
MAX_ENTRIES = 2**21

SCALARS: Mapping[str, Scalar] = {
    **CG_SCALARS,
    "factor_residual": Scalar("‖L Lᵀ − S‖_F / ‖S‖_F, S = A with unit diagonal", scale=Scale.LOG),
}


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A system with its learned factor.

    Attributes
    ----------
    cells : where the unknowns lie in the system's vectors.
    residual : how far L Lᵀ is from the matrix.
    """

    system: LinearSystem
    factor: Factor
    cells: NDArray[np.int64]
    residual: float
    units: float = 1.0

    def apply(self, r: Array, z: Array) -> float:
        """Set z = (L Lᵀ)⁻¹ r and return r·z."""
        if self.system.size == len(self.cells):
            return self.factor.apply(r, z)
        solved = np.zeros(len(self.cells))
        found = self.factor.apply(r[self.cells], solved)
        z[self.cells] = solved
        return found


@method(
    "neural_ic",
    lab="poisson",
    title="Learned incomplete Cholesky CG",
    source="Häusner, Öktem & Sjölund 2024, Neural incomplete factorization: learning preconditioners for "
    "the conjugate gradient method, TMLR, arXiv 2305.16368",
    assumes="A symmetric positive definite, or semidefinite with b in its range",
    example="model_matrix",
    scalars=SCALARS,
    colour=23,
    order=140,
)
@dataclass(frozen=True)
class NeuralIc:
    """CG with M⁻¹ = L Lᵀ, L on the pattern of A's lower triangle, its entries written by a graph network.

    The network is trained on the matrix at hand before the first step, without any solution: L Lᵀ z should be
    A z for random z. The diagonal of L is positive whatever the network says, so M is positive definite and
    plain CG may use it.

    Notes
    -----
    A matrix with many entries is learned from patches, the unknowns around random ones; the network then
    writes the factor of the whole at once. As an incomplete Cholesky factor costs less than one training step
    and is found exactly, expect more steps than `ic_pcg`: what the network offers is a factor without the
    sequence of pivots, which never fails. Set-up holds the training. On a grid the matrix is assembled.

    Beside the paper: the matrix is scaled to a unit diagonal, a node does not see its number, edges carry
    eight numbers instead of one, and there are two blocks of 32 hidden units instead of three of 8, which
    learn more reliably in few steps.

    References
    ----------
    Häusner, Öktem & Sjölund 2024, Sec. 4, Eq. 9.
    """

    rtol: float = rtol_param()
    max_iterations: int = limit_param()
    training_steps: int = param(
        200, low=1, high=20_000, log=True, doc="steps of the training on this matrix, before the first step"
    )
    rate: float = param(
        1e-2, low=1e-5, high=1.0, log=True, label="learning rate", advanced=True, doc="of AdamW, at its peak"
    )
    hidden: int = param(32, low=2, high=128, advanced=True, doc="hidden units of each perceptron")
    blocks: int = param(2, low=1, high=8, advanced=True, doc="passes along the lower triangle and back")
    weight_seed: int = param(
        0, low=0, high=2**31 - 1, advanced=True, doc="of the weights at the start and the random vectors"
    )

    def prepare(self, problem: LinearSystem) -> Preparation[Learned]:
        """Train the network and write the factor."""
        yield Progress("matrix")
        unknowns, row = problem.unknowns, problem.row_work
        if unknowns * (row + 1.0) / 2.0 > MAX_ENTRIES:
            raise InputError(
                "problem", f"at most {MAX_ENTRIES} entries in the lower triangle, which a network can hold",
                f"{unknowns * (row + 1.0) / 2.0:.3g}", "take ic_pcg, or a smaller matrix",
            )  # fmt: skip
        if isinstance(problem, MatrixSystem):
            assembled = problem
        else:
            given = on_grid(problem, "the assembly of a matrix")
            A, b = csr(given)
            A.sort_indices()
            assembled = MatrixSystem(A, b, given.grid.components)
        yield Progress("loading torch")
        from core.poisson.learned.factor_training import FactorSettings, learn_factor

        settings = FactorSettings(self.training_steps, self.rate, self.hidden, self.blocks, self.weight_seed)
        learned = yield from learn_factor(assembled.A, settings)
        factor = Factor(assembled, learned.starts, learned.columns, learned.values)
        return Learned(problem, factor, np.flatnonzero(problem.diagonal_values()), learned.residual)

    def iterate(self, problem: Learned) -> Iterator[Iterate]:
        """Yield the iterates with residual and direction."""
        items = conjugate_gradients(
            problem.system, problem, rtol=self.rtol, max_iterations=self.max_iterations
        )
        return (_told(item, problem.residual) for item in items)


def _told(item: Iterate, residual: float) -> Iterate:
    """Return the item; the first one also says how good the factor is."""
    if item.k:
        return item
    return dataclasses.replace(item, scalars={**item.scalars, "factor_residual": residual})
