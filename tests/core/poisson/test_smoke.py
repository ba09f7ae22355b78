"""The smoke plume."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import spsolve

from core.errors import InputError
from core.poisson.smoke import SmokePlume
from core.poisson.system import make_system
from tests.oracles_poisson import Array, compact, matrix, system


def exact(plume: SmokePlume, source: Array) -> Array:
    grid = plume.grid
    given = make_system(grid, source)
    p = np.zeros(grid.shape)
    A, b = matrix(grid), compact(grid, given.b)
    p[grid.fluid()] = (
        np.linalg.pinv(A.toarray(), rcond=1e-11) @ b if given.singular else spsolve(A.tocsc(), b)
    )
    return p


@pytest.mark.parametrize(
    ("problem", "params"),
    [("disc", {"n": 20}), ("disc", {"n": 20, "air": "outside", "dirichlet": "face"}), ("walls", {"n": 16}),
     ("box", {"n": 16}), ("blobs", {"n": 9, "dim": 3})],
)  # fmt: skip
def test_an_exact_pressure_leaves_no_divergence(problem: str, params: dict[str, object]) -> None:
    plume = SmokePlume(system(problem, **params).grid)
    for _ in range(4):
        plume.project(exact(plume, plume.advance()))
        fastest = max(float(np.abs(v).max()) for v in plume.velocity)
        assert fastest > 0.0
        assert np.abs(plume.divergence()).max() <= 1e-10 * fastest


def test_an_approximate_pressure_leaves_what_its_residual_says() -> None:
    grid = system("disc", n=20).grid
    plume = SmokePlume(grid)
    source = plume.advance()
    p = exact(plume, source) * 0.9
    r = source[grid.fluid()] - matrix(grid) @ p[grid.fluid()]
    plume.project(p)
    assert np.linalg.norm(plume.divergence()) == pytest.approx(float(np.linalg.norm(r)), rel=1e-9)


def test_smoke_rises_and_walls_stop_it() -> None:
    grid = system("disc", n=32).grid
    plume = SmokePlume(grid)
    heights = []
    for _ in range(25):
        plume.project(exact(plume, plume.advance()))
        heights.append(float((plume.density.sum(axis=1) * np.arange(32)).sum() / plume.density.sum()))
    assert heights[-1] > heights[5] + 1.0
    assert not plume.density[~grid.fluid()].any()
    assert np.isfinite(plume.density).all()


def test_the_right_hand_side_of_a_frame_is_that_of_the_simulation() -> None:
    given = system("disc", n=24, rhs="divergence", frame=3)
    plume = SmokePlume(given.grid)
    for _ in range(2):
        plume.project(exact(plume, plume.advance()))
    expected = plume.advance()
    # the frames before were solved to 1e-6
    np.testing.assert_allclose(given.grid.extract(given.b), expected, atol=1e-4 * np.abs(expected).max())


def test_a_variable_coefficient_is_refused() -> None:
    with pytest.raises(InputError, match="constant coefficient"):
        system("box", n=8, rhs="divergence", coefficient="smooth")
