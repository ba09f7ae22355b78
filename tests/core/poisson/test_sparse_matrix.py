"""The matrix that peers get."""

from __future__ import annotations

import numpy as np
import pytest

from core.poisson.sparse_matrix import csr
from tests.oracles_poisson import compact, matrix, system


@pytest.mark.parametrize(("problem", "dim"), [("box", 2), ("disc", 2), ("disc", 3)])
def test_the_peers_get_the_same_matrix(problem: str, dim: int) -> None:
    given = system(problem, n=10, dim=dim, air="outside")
    A, b = csr(given)
    assert abs(A - matrix(given.grid)).max() == 0.0
    np.testing.assert_array_equal(b, compact(given.grid, given.b))
