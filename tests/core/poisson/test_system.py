"""Grid, operator, null space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from core.errors import InputError
from core.poisson.system import AIR, BOUNDARY, FLUID, SOLID, Grid, make_grid, make_system
from tests.oracles_poisson import Array, compact, matrix, padded


@st.composite
def grids(draw: st.DrawFn) -> tuple[Grid, Array | None]:
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    shape = draw(st.sampled_from([(4, 7), (6, 6), (1, 5), (3, 4, 5), (4, 4, 4)]))
    flags = rng.choice([SOLID, FLUID, AIR], shape, p=[0.2, 0.7, 0.1]).astype(np.int8)
    flags.flat[:2] = FLUID
    flags.reshape(-1, shape[-1])[0, :2] = FLUID
    sides = tuple(tuple(int(s) for s in rng.choice([SOLID, AIR], 2)) for _ in shape)
    coefficient = rng.uniform(0.1, 10.0, shape) if draw(st.booleans()) else None
    dirichlet = draw(st.sampled_from(["ghost", "face"]))
    return make_grid(flags, sides, dirichlet, coefficient), coefficient


@given(grids(), st.integers(0, 100))
def test_the_stencil_is_the_matrix_written_face_by_face(case: tuple[Grid, Array | None], seed: int) -> None:
    grid, coefficient = case
    A = matrix(grid, coefficient)
    u = np.random.default_rng(seed).standard_normal(A.shape[0])
    out = np.zeros(grid.size)
    grid.apply(padded(grid, u), out)
    np.testing.assert_allclose(compact(grid, out), A @ u, atol=1e-12 * abs(A).sum(axis=1).max())
    np.testing.assert_array_equal(out, padded(grid, compact(grid, out)))


@given(grids())
def test_the_matrix_is_symmetric_and_its_null_space_is_that_of_the_components(
    case: tuple[Grid, Array | None],
) -> None:
    A = matrix(*case).toarray()
    np.testing.assert_allclose(A, A.T, atol=1e-12)
    values = np.linalg.eigvalsh(A)
    scale = values[-1]
    assert values[0] >= -1e-12 * scale
    assert int((values < 1e-11 * scale).sum()) == case[0].components.count


@given(grids(), st.integers(0, 100))
def test_projection_removes_exactly_the_null_space(case: tuple[Grid, Array | None], seed: int) -> None:
    grid, coefficient = case
    v = padded(grid, np.random.default_rng(seed).standard_normal(matrix(grid).shape[0]))
    before = compact(grid, v)
    removed = grid.components.project(v)
    after = compact(grid, v)
    values, vectors = np.linalg.eigh(matrix(grid, coefficient).toarray())
    null = vectors[:, values < 1e-11 * values[-1]]
    np.testing.assert_allclose(before - after, null @ (null.T @ before), atol=1e-9)
    assert removed == pytest.approx(float(np.linalg.norm(before - after)), abs=1e-12)


@given(grids(), st.integers(0, 100))
def test_extract_undoes_embed(case: tuple[Grid, Array | None], seed: int) -> None:
    grid, _ = case
    values = np.random.default_rng(seed).standard_normal(grid.shape)
    back = grid.extract(grid.embed(values))
    np.testing.assert_array_equal(back, np.where(grid.fluid(), values, 0.0))


@given(grids())
def test_face_weights_are_the_off_diagonal_entries(case: tuple[Grid, Array | None]) -> None:
    grid, coefficient = case
    A = matrix(grid, coefficient)
    total = sum(w.sum() for w in grid.face_weights())
    assert total == pytest.approx(-float(sparse.triu(A, 1).sum()), abs=1e-9)


def test_a_boundary_flag_is_a_solid() -> None:
    flags = np.full((4, 4), FLUID, np.int8)
    flags[0] = BOUNDARY
    grid = make_grid(flags, ((SOLID, AIR), (SOLID, SOLID)))
    assert (grid.flags[0] == SOLID).all()


def test_an_isolated_cell_becomes_solid_and_is_reported() -> None:
    flags = np.full((5, 5), SOLID, np.int8)
    flags[0, 0] = FLUID
    flags[2, 2:4] = FLUID
    grid = make_grid(flags, ((SOLID, SOLID),) * 2)
    assert grid.flags[0, 0] == SOLID
    assert "1 fluid cells" in grid.notes[0]
    assert grid.components.count == 1


def test_a_grid_without_fluid_is_refused() -> None:
    with pytest.raises(InputError, match="a fluid cell that touches"):
        make_grid(np.full((3, 3), SOLID, np.int8), ((AIR, AIR),) * 2)


def test_two_closed_rooms_and_an_open_one_have_two_null_vectors() -> None:
    flags = np.full((3, 8), FLUID, np.int8)
    flags[:, [2, 5]] = SOLID
    grid = make_grid(flags, ((SOLID, SOLID), (SOLID, AIR)))
    assert grid.components.count == 2
    np.testing.assert_array_equal(grid.components.cells, [6, 6])


def test_the_share_of_the_right_hand_side_that_was_removed_is_reported() -> None:
    grid = make_grid(np.full((4, 4), FLUID, np.int8), ((SOLID, SOLID),) * 2)
    source = np.ones((4, 4))
    source[0, 0] = 5.0
    made = make_system(grid, source)
    mean = 20.0 / 16.0
    assert made.removed == pytest.approx(4.0 * mean / np.sqrt(15.0 + 25.0))
    assert made.b.sum() == pytest.approx(0.0, abs=1e-12)
    assert any("mean of the right-hand side" in note for note in made.notes)
    kept = make_system(grid, source, keep_mean=True)
    assert kept.removed == 0.0
    assert kept.b.sum() == pytest.approx(20.0)


def test_a_right_hand_side_that_is_not_finite_is_refused() -> None:
    grid = make_grid(np.full((4, 4), FLUID, np.int8), ((AIR, AIR),) * 2)
    with pytest.raises(InputError, match="finite"):
        make_system(grid, np.full((4, 4), np.nan))
