"""A symmetric matrix as a graph for a network: unknowns are nodes, entries of the lower triangle are edges.

The matrix is scaled to a unit diagonal first, S = D^(−1/2) A D^(−1/2), so that units do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order
from torch import Tensor

#: Numbers that describe a node.
NODE_FEATURES = 7


@dataclass(frozen=True, slots=True, eq=False)
class MatrixGraph:
    """The lower triangle of S, entry by entry, in the order of the upper triangle's CSR form.

    Attributes
    ----------
    row, column : (E,) of each entry, column ≤ row.
    entries : (E,) float32 values of S.
    nodes : (n, 7) degree of the node; least, largest, mean and spread of its neighbours' degrees; how
        dominant the diagonal is over the row's sum and over its largest entry, in [0, 1].
    in_row, in_column : (n, 1) entries of each row and each column of the triangle.
    """

    row: Tensor
    column: Tensor
    entries: Tensor
    nodes: Tensor
    in_row: Tensor
    in_column: Tensor

    @property
    def size(self) -> int:
        """Unknowns."""
        return len(self.nodes)

    @property
    def on_diagonal(self) -> Tensor:
        """Which entries lie on the diagonal."""
        return self.row == self.column


def unit_diagonal(A: sparse.csr_array) -> sparse.csr_array:
    """Return S with the pattern of A, explicit zeros included."""
    root = np.sqrt(A.diagonal())
    scaled = A.data / (np.repeat(root, np.diff(A.indptr)) * root[A.indices])
    return sparse.csr_array((scaled, A.indices, A.indptr), A.shape)


def matrix_graph(S: sparse.csr_array) -> MatrixGraph:
    """Return the graph of a symmetric matrix with unit diagonal and sorted indices."""
    upper = sparse.triu(S).tocsr()
    upper.sort_indices()
    in_column = np.diff(upper.indptr)
    column, row = np.repeat(np.arange(S.shape[0]), in_column), upper.indices.astype(np.int64)
    return MatrixGraph(
        torch.from_numpy(row), torch.from_numpy(column), torch.from_numpy(upper.data.astype(np.float32)),
        torch.from_numpy(_describe(S)), _counts(np.bincount(row, minlength=S.shape[0])), _counts(in_column),
    )  # fmt: skip


def _counts(counts: np.ndarray) -> Tensor:
    return torch.from_numpy(counts.astype(np.float32))[:, None]


def _describe(S: sparse.csr_array) -> np.ndarray:
    """Return the features of the nodes: local degree profile, dominance and decay of the diagonal."""
    degree = np.diff(S.indptr).astype(np.float64)
    near, starts = degree[S.indices], S.indptr[:-1]
    mean = np.add.reduceat(near, starts) / degree
    square = np.add.reduceat(near**2, starts) / degree
    beside = np.abs(S.data) * (S.indices != np.repeat(np.arange(S.shape[0]), np.diff(S.indptr)))
    profile = [
        degree, np.minimum.reduceat(near, starts), np.maximum.reduceat(near, starts), mean,
        np.sqrt(np.maximum(square - mean**2, 0.0)),
    ]  # fmt: skip
    dominance = 1.0 / (1.0 + np.add.reduceat(beside, starts))
    decay = 1.0 / (1.0 + np.maximum.reduceat(beside, starts))
    # a typical row has about ten entries
    return np.stack([*(p / 10.0 for p in profile), dominance, decay], axis=1).astype(np.float32)


def patches(
    S: sparse.csr_array, entries: int, count: int, rng: np.random.Generator
) -> list[sparse.csr_array]:
    """Return principal submatrices of about `entries` entries in the lower triangle; S itself if it is small.

    Each holds the unknowns nearest to a random one in the graph, in their old order: positive definite if S
    is, and alike wherever S is.
    """
    lower = (S.nnz + S.shape[0]) / 2
    if lower <= entries:
        return [S]
    rows = max(2, int(S.shape[0] * entries / lower))
    found = []
    for start in rng.choice(S.shape[0], count):
        order = breadth_first_order(S, int(start), directed=False, return_predecessors=False)
        chosen = np.sort(order[:rows])
        found.append(sparse.csr_array(S[chosen][:, chosen]))
        found[-1].sort_indices()
    return found
