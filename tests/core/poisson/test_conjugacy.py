"""Conjugate directions."""

from __future__ import annotations

import numpy as np
import pytest

from core.poisson.conjugacy import conjugacy
from tests.oracles_poisson import iterates, matrix, system, value


@pytest.mark.parametrize("method", ["cg", "mic_pcg", "multigrid_pcg", "deflated_pcg"])
def test_the_directions_of_cg_are_conjugate(method: str) -> None:
    given = system("disc", n=20)
    directions = [value(item.arrays["direction"]) for item in iterates(given, method)][1:12]
    found = conjugacy(given, directions)
    np.testing.assert_allclose(np.diag(found), 1.0)
    # the preconditioner of multigrid works in single precision
    limit = 1e-4 if method == "multigrid_pcg" else 1e-8
    assert np.abs(found - np.eye(len(found))).max() < limit


def test_any_directions_are_measured_as_defined() -> None:
    given = system("disc", n=8)
    rng = np.random.default_rng(0)
    directions = [rng.standard_normal((8, 8)) * given.grid.fluid() for _ in range(3)]
    A = matrix(given.grid).toarray()
    P = np.stack([p[given.grid.fluid()] for p in directions])
    G = P @ A @ P.T
    expected = np.abs(G) / np.sqrt(np.outer(np.diag(G), np.diag(G)))
    np.testing.assert_allclose(conjugacy(given, directions), expected, atol=1e-12)
    assert not conjugacy(given, [np.zeros((8, 8))]).any()
    assert conjugacy(given, []).shape == (0, 0)
