"""Matrices of other problems than pressure: symmetric, positive definite, made here instead of uploaded.

Plate: plane strain, bilinear elements, two unknowns a node; entries of both signs, so no M-matrix. Conductor:
−∇·(K ∇u), bilinear elements, value 0 all round. Network: graph Laplacian of the eight nearest neighbours of
random points with log-normal weights, and a small leak.

References
----------
Hughes 2000, The Finite Element Method, Sec. 2.7 (plate).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from core.iterate import Array, Preparation, Progress
from core.poisson.matrix import MatrixSystem, make_matrix_system
from core.poisson.problem import generator
from core.registry import param, problem

#: Poisson's ratio of the plate, Young's modulus 1.
POISSON_RATIO = 0.3
#: Angle of the well conducting direction with axis 0, conductivity across it (1 along it).
ANGLE, ACROSS = math.pi / 6.0, 1e-2
#: Neighbours of a node of the network, spread of the logarithm of its conductances, leak at every node.
NEIGHBOURS, LOG_SPREAD, LEAK = 8, 1.0, 1e-2
#: Entries below this share of the largest are zero but for rounding.
ROUNDING = 1e-14
#: Streams of the seed: right-hand side as for an uploaded matrix, the network.
_RHS, _NETWORK = 1, 3

KINDS = {
    "elasticity": "elastic plate, clamped on one side",
    "anisotropic": "conductor with grain, 100 : 1",
    "network": "random network of conductances",
}


@problem("model_matrix", lab="poisson", title="Model matrix", order=95)
@dataclass(frozen=True)
class ModelMatrix:
    """A sparse positive definite matrix of another field, given as a matrix alone, without a grid.

    An elastic plate, a conductor with grain, or a random network. Methods that need a grid refuse it and say
    so.
    """

    kind: str = param("elasticity", choices=KINDS, doc="where the matrix comes from")
    elements: int = param(
        20, low=2, high=256, label="elements a side", doc="of the plate and the conductor; √ of the nodes"
    )

    def build(self, seed: int) -> Preparation[MatrixSystem]:
        """Assemble the matrix; the right-hand side is white noise."""
        yield Progress("assembly")
        if self.kind == "elasticity":
            A = elastic_plate(self.elements)
        elif self.kind == "anisotropic":
            A = anisotropic_conductor(self.elements)
        else:
            A = random_network(self.elements**2, generator(seed, _NETWORK))
        b = generator(seed, _RHS).standard_normal(A.shape[0])
        return make_matrix_system(A, b, KINDS[self.kind])


def _gradients() -> list[Array]:
    """Return the gradients (2, 4) of the bilinear shape functions of a unit square at 2 × 2 Gauss points."""
    corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    found = []
    for point in itertools.product((-1.0 / math.sqrt(3.0), 1.0 / math.sqrt(3.0)), repeat=2):
        factors = 1.0 + corners * point
        # d/dx on a unit square is twice d/dξ
        found.append(0.5 * np.stack([corners[:, 0] * factors[:, 1], corners[:, 1] * factors[:, 0]]))
    return found


def _assemble(element: Array, unknowns: NDArray[np.int64], free: NDArray[np.int64]) -> sparse.csr_array:
    """Add an element's matrix up over all elements and keep the free unknowns.

    Parameters
    ----------
    unknowns : (elements, m) numbers of the unknowns of each element's m shape functions.
    """
    m = unknowns.shape[1]
    rows, columns = np.repeat(unknowns, m, axis=1).ravel(), np.tile(unknowns, (1, m)).ravel()
    A = sparse.coo_array((np.tile(element.ravel(), len(unknowns)), (rows, columns))).tocsr()
    A = sparse.csr_array(A[free][:, free])
    A.data[np.abs(A.data) <= ROUNDING * np.abs(A.data).max()] = 0.0
    A.eliminate_zeros()
    return A


def _corners(nodes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (elements, 4) corners of the squares between the nodes of a grid, anticlockwise."""
    return np.stack([nodes[:-1, :-1], nodes[1:, :-1], nodes[1:, 1:], nodes[:-1, 1:]], -1).reshape(-1, 4)


def elastic_plate(elements: int) -> sparse.csr_array:
    """Return the stiffness of a square plate in plane strain, clamped where axis 0 begins."""
    nu = POISSON_RATIO
    stress = np.array([[1.0 - nu, nu, 0.0], [nu, 1.0 - nu, 0.0], [0.0, 0.0, 0.5 - nu]])
    stress /= (1.0 + nu) * (1.0 - 2.0 * nu)
    element = np.zeros((8, 8))
    for gradient in _gradients():
        strain = np.zeros((3, 8))
        strain[0, 0::2], strain[1, 1::2] = gradient
        strain[2, 0::2], strain[2, 1::2] = gradient[1], gradient[0]
        element += 0.25 * strain.T @ stress @ strain
    nodes = np.arange((elements + 1) ** 2).reshape(elements + 1, -1)
    corners = _corners(nodes)
    unknowns = np.stack([2 * corners, 2 * corners + 1], -1).reshape(-1, 8)
    return _assemble(element, unknowns, np.arange(2 * (elements + 1), 2 * nodes.size))


def anisotropic_conductor(elements: int) -> sparse.csr_array:
    """Return −∇·(K ∇u) on a square with u = 0 all round, K = diag(1, 0.01) turned by 30°."""
    along = np.array([math.cos(ANGLE), math.sin(ANGLE)])
    K = np.outer(along, along) + ACROSS * (np.eye(2) - np.outer(along, along))
    element = sum((0.25 * g.T @ K @ g for g in _gradients()), np.zeros((4, 4)))
    nodes = np.arange((elements + 1) ** 2).reshape(elements + 1, -1)
    return _assemble(element, _corners(nodes), nodes[1:-1, 1:-1].ravel())


def random_network(nodes: int, rng: np.random.Generator) -> sparse.csr_array:
    """Return the Laplacian of random points joined to their nearest neighbours, and a leak at every node."""
    points = rng.random((nodes, 2))
    near = np.asarray(cKDTree(points).query(points, min(NEIGHBOURS + 1, nodes))[1])[:, 1:]
    rows = np.repeat(np.arange(nodes), near.shape[1])
    weights = np.exp(LOG_SPREAD * rng.standard_normal(rows.size))
    W = sparse.coo_array((weights, (rows, near.ravel())), (nodes, nodes)).tocsr()
    W = W.maximum(W.T)
    return sparse.csr_array(sparse.diags_array(np.asarray(W.sum(axis=1)).ravel() + LEAK) - W)
