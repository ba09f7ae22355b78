"""The hierarchy: transfers, coarse operators, symmetry, spectrum of a cycle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from core.errors import InputError
from core.iterate import drain
from core.poisson import kernels
from core.poisson.levels import Level, MultigridParameters
from core.poisson.multigrid import Multigrid, build
from core.poisson.system import AIR, FLUID, SOLID, inner, make_grid, make_system
from tests.oracles_poisson import Array, compact, matrix, padded, system


def hierarchy(problem: str, settings: dict[str, object] | None = None, **params: object) -> Multigrid:
    made: Multigrid = drain(build(system(problem, **params), MultigridParameters(**(settings or {}))))  # type: ignore[arg-type]
    return made


def stencil_matrix(level: Level) -> Array:
    """A level's operator on its fluid cells, applied to one unit vector after the other."""
    cells = np.flatnonzero(level.diagonal)
    A = np.zeros((len(cells), len(cells)))
    nothing = np.zeros_like(level.diagonal)
    s0, s1 = (0, level.shape[-1] + 2) if len(level.shape) == 2 else (
        (level.shape[1] + 2) * (level.shape[2] + 2), level.shape[2] + 2,
    )  # fmt: skip
    for column, cell in enumerate(cells):
        x, out = np.zeros_like(nothing), np.zeros_like(nothing)
        x[cell] = 1.0
        zero = np.float32(0.0)
        if level.weights is None:
            kernels.sweep_unit(x, nothing, level.diagonal, level.inverse, s0, s1, zero, out)
        else:
            kernels.sweep_stored(
                x, nothing, level.diagonal, level.inverse, level.weights, level.offsets, zero, out
            )
        A[:, column] = -out[cells]
    return A


def prolongation(fine: Level, coarse: Level) -> Array:
    """P from one loop over fine cells, their 2^d parents and the weights of the text."""
    fluid = np.argwhere((fine.diagonal != 0).reshape([n + 2 for n in fine.shape]))
    around = np.full([n + 2 for n in coarse.shape], SOLID)
    around[inner(len(coarse.shape))] = coarse.flags
    for index in np.ndindex(around.shape):
        outside = [
            coarse.sides[a][0 if i == 0 else 1] for a, i in enumerate(index) if i in (0, coarse.shape[a] + 1)
        ]
        if outside:
            around[index] = AIR if all(kind == AIR for kind in outside) else SOLID
    number = {tuple(c): i for i, c in enumerate(np.argwhere(around == FLUID))}
    P = np.zeros((len(fluid), len(number)))
    for row, cell in enumerate(fluid):
        near = (cell + 1) // 2
        far = np.where(cell % 2 == 1, near - 1, near + 1)
        total = 0.0
        for choice in itertools.product((0, 1), repeat=len(cell)):
            parent = tuple(int(f if c else n) for c, n, f in zip(choice, near, far, strict=True))
            weight = float(np.prod([0.25 if c else 0.75 for c in choice]))
            if around[parent] != SOLID:
                total += weight
            if around[parent] == FLUID:
                P[row, number[parent]] = weight
        P[row] /= total
    return P


CASES = [("disc", {"n": 16, "boundary": "box"}), ("disc", {"n": 16}), ("maze", {"n": 20}),
         ("disc", {"n": 16, "boundary": "walls", "coefficient": "smooth"}),
         ("open_box", {"n": 10, "dim": 3, "air": "outside"}), ("blobs", {"n": 10, "dim": 3})]  # fmt: skip


@pytest.mark.parametrize(("problem", "params"), CASES)
def test_galerkin_coarse_operators_are_the_triple_products(problem: str, params: dict[str, object]) -> None:
    levels = hierarchy(problem, {"coarse": "galerkin"}, **params).levels
    dim = len(levels[0].shape)
    assert len(levels) > 1
    for fine, coarse in itertools.pairwise(levels):
        A, P = stencil_matrix(fine), prolongation(fine, coarse)
        expected = 4.0 / 2**dim * P.T @ A @ P
        np.testing.assert_allclose(stencil_matrix(coarse), expected, atol=1e-5 * np.abs(A).max())


@pytest.mark.parametrize(("problem", "params"), CASES)
def test_interpolation_and_restriction_are_transposes_of_each_other(
    problem: str, params: dict[str, object]
) -> None:
    fine, coarse = hierarchy(problem, {"coarse": "galerkin"}, **params).levels[:2]
    P = prolongation(fine, coarse)
    rng = np.random.default_rng(0)
    inside, below = np.flatnonzero(fine.diagonal), np.flatnonzero(coarse.diagonal)
    e, r = np.zeros_like(coarse.diagonal), np.zeros_like(fine.diagonal)
    e[below] = rng.standard_normal(len(below))
    r[inside] = rng.standard_normal(len(inside))
    up, down = np.zeros_like(r), np.zeros_like(e)
    kernels.prolong(e, fine.factor, fine.shape3, up)
    kernels.restrict(r, fine.factor, fine.shape3, down, np.float32(1.0))
    kernels.clear_outside(down, coarse.inverse)
    np.testing.assert_allclose(up[inside], P @ e[below], atol=1e-5)
    np.testing.assert_allclose(down[below], P.T @ r[inside], atol=1e-5)
    assert not up[fine.diagonal == 0].any()


def test_interpolation_keeps_constants_away_from_air() -> None:
    fine, coarse = hierarchy("disc", {"coarse": "galerkin"}, n=32, boundary="walls").levels[:2]
    ones, up = (coarse.diagonal != 0).astype(np.float32), np.zeros_like(fine.diagonal)
    kernels.prolong(ones, fine.factor, fine.shape3, up)
    np.testing.assert_allclose(up, fine.diagonal != 0, atol=1e-6)


SETTINGS = [
    {},
    {"coarse": "rediscretised"},
    {"coarse": "rediscretised", "smoother": "red_black", "nu": 1},
    {"coarse": "galerkin", "smoother": "red_black"},
    {"coarse": "unweighted", "nu": 3},
    {"cycle": "W"},
    {"cycle": "F", "band": 1},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(
    ("problem", "params"),
    [("disc", {"n": 32}), ("disc", {"n": 21, "boundary": "box"}), ("blobs", {"n": 16, "dim": 3}),
     ("maze", {"n": 32, "boundary": "box", "dirichlet": "face"})],
)  # fmt: skip
def test_a_cycle_is_symmetric_and_positive(
    problem: str, params: dict[str, object], settings: dict[str, object]
) -> None:
    made = hierarchy(problem, settings, **params)
    grid = made.system.grid
    rng = np.random.default_rng(0)
    x, y = (padded(grid, rng.standard_normal(made.system.unknowns)) for _ in range(2))
    mx, my = np.zeros(grid.size), np.zeros(grid.size)
    xmx, ymy = made.apply(x, mx), made.apply(y, my)
    # single precision inside
    assert abs(x @ my - y @ mx) < 2e-5 * np.sqrt(xmx * ymy)
    assert xmx == pytest.approx(x @ mx, rel=1e-6)
    assert min(xmx, ymy) > 0.0
    np.testing.assert_array_equal(mx, padded(grid, compact(grid, mx)))


def cycle_matrix(made: Multigrid) -> Array:
    grid, n = made.system.grid, made.system.unknowns
    M = np.zeros((n, n))
    for i in range(n):
        z = np.zeros(grid.size)
        made.apply(padded(grid, np.eye(n)[i]), z)
        M[:, i] = compact(grid, z)
    return M


def test_the_spectrum_of_a_galerkin_cycle_on_the_box_is_narrow() -> None:
    made = hierarchy("box", {"coarse": "galerkin"}, n=32)
    A = matrix(made.system.grid).toarray()
    values = np.linalg.eigvals(cycle_matrix(made) @ A).real
    assert len(made.levels) == 3
    assert values.min() > 0.80
    assert values.max() < 1.001


def test_without_the_true_distance_to_an_open_side_eigenvalues_overshoot() -> None:
    largest = []
    for coarse in ("rediscretised", "unweighted"):
        made = hierarchy("box", {"coarse": coarse}, n=24)
        values = np.linalg.eigvals(cycle_matrix(made) @ matrix(made.system.grid).toarray()).real
        assert values.min() > 0.0
        largest.append(values.max())
    assert largest[0] + 0.1 < largest[1] < 2.0


@pytest.mark.parametrize("params", [{"n": 8}, {"n": 6, "dim": 3}, {"n": 7, "boundary": "walls"}])
def test_a_grid_that_is_its_own_coarsest_one_is_solved_at_once(params: dict[str, object]) -> None:
    made = hierarchy("disc", {}, **params)
    assert len(made.levels) == 1
    z = np.zeros(made.system.size)
    made.apply(made.system.b, z)
    dense = np.linalg.pinv(matrix(made.system.grid).toarray(), rcond=1e-10)
    expected = dense @ compact(made.system.grid, made.system.b)
    np.testing.assert_allclose(compact(made.system.grid, z), expected, atol=1e-4 * np.abs(expected).max())


def test_odd_sides_are_padded_to_a_multiple() -> None:
    made = hierarchy("box", {}, n=33)
    assert [level.shape[0] for level in made.levels] == [40, 20, 10, 5]
    thin = make_system(make_grid(np.full((120, 3), FLUID, np.int8), ((AIR, AIR),) * 2), np.ones((120, 3)))
    levels = drain(build(thin, MultigridParameters())).levels
    assert np.prod(levels[0].shape) <= 2 * 360
    assert len(levels) > 1


def test_a_variable_coefficient_needs_galerkin_products() -> None:
    with pytest.raises(InputError, match="coarse=galerkin"):
        hierarchy("box", {"coarse": "rediscretised"}, n=32, coefficient="smooth")


def test_the_table_of_levels_and_the_fields_of_a_cycle() -> None:
    made = hierarchy("disc", {"coarse": "galerkin"}, n=32)
    table = made.table()
    assert [row["unknowns"] for row in table] == [int((level.flags == FLUID).sum()) for level in made.levels]
    assert table[0]["row"] == 5
    assert 9 < table[1]["row"] <= 25
    assert sum(row["share"] for row in table) == pytest.approx(1.0)
    made.apply(made.system.b, np.zeros(made.system.size))
    fields = made.fields()
    assert [b.shape for b, _ in fields] == [level.shape for level in made.levels]
    scale = np.linalg.norm(made.system.b)
    np.testing.assert_allclose(fields[0][0] * scale, made.system.grid.extract(made.system.b), rtol=1e-5)
