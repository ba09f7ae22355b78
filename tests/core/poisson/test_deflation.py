"""Block deflation against dense algebra."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.poisson.deflation import block_deflation
from core.poisson.monitor import Monitor
from tests.oracles_poisson import compact, matrix, padded, system


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(
    ("problem", "params"),
    [
        ("disc", {"n": 12}),
        ("maze", {"n": 12}),
        ("disc", {"n": 12, "boundary": "walls"}),
        ("blobs", {"n": 7, "dim": 3}),
    ],
)
def test_the_coarse_solve_and_the_projection_are_the_dense_ones(
    problem: str, params: dict[str, object], split: bool
) -> None:
    given = system(problem, **params)
    made = block_deflation(given, 3, split=split)
    A = matrix(given.grid).toarray()
    labels = made.labels.reshape(given.grid.padded)[(slice(1, -1),) * given.grid.dim][given.grid.fluid()]
    W = np.eye(made.columns)[labels]
    inverse = np.linalg.pinv(W.T @ A @ W, rcond=1e-10)
    b = compact(given.grid, given.b)
    np.testing.assert_allclose(compact(given.grid, made.solve(given.b)), W @ inverse @ (W.T @ b), atol=1e-9)
    z = np.random.default_rng(0).standard_normal(given.unknowns)
    removed = padded(given.grid, z)
    monitor = Monitor(given, 1e-6, 10)
    made.remove(removed, monitor)
    np.testing.assert_allclose(compact(given.grid, removed), z - W @ inverse @ (W.T @ (A @ z)), atol=1e-9)
    assert monitor.operator == 1


def test_parts_of_blocks_are_connected() -> None:
    given = system("maze", n=16)
    blocks, parts = (block_deflation(given, 4, split=split) for split in (False, True))
    assert blocks.columns == 16
    assert parts.columns > 16


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(InputError, match="2048"):
        block_deflation(system("box", n=32, dim=3), 16, split=False)
