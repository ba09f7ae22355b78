"""PyAMG's hierarchies inside our loop."""

from __future__ import annotations

import numpy as np
import pytest

from core import registry
from core.iterate import drain
from core.poisson.algebraic_multigrid import AlgebraicMultigrid
from tests.oracles_poisson import compact, iterates, padded, solve, system

pytest.importorskip("pyamg")


def build(method: str, problem: str, **params: object) -> AlgebraicMultigrid:
    made: AlgebraicMultigrid = drain(
        registry.method_spec("poisson", method).cls().prepare(system(problem, **params))
    )
    return made


@pytest.mark.parametrize(
    ("method", "problem", "n", "dim", "expected"),
    [("pyamg_sa", "box", 64, 2, 6), ("pyamg_sa", "disc", 64, 2, 7), ("pyamg_sa", "disc", 16, 3, 7),
     ("pyamg_rs", "box", 64, 2, 4), ("pyamg_rs", "disc", 64, 2, 6), ("pyamg_rs", "disc", 16, 3, 5)],
)  # fmt: skip
def test_the_count_is_the_published_one(method: str, problem: str, n: int, dim: int, expected: int) -> None:
    assert abs(solve(system(problem, n=n, dim=dim, air="outside"), method).k - expected) <= 1


@pytest.mark.parametrize(("method", "complexity"), [("pyamg_sa", 1.34), ("pyamg_rs", 2.20)])
def test_the_hierarchy_has_the_usual_complexity(method: str, complexity: float) -> None:
    made = build(method, "box", n=64)
    assert made.operator_complexity() == pytest.approx(complexity, abs=0.05)
    table = made.table()
    assert table[0]["unknowns"] == 64 * 64
    assert 1.0 / table[0]["share"] == pytest.approx(made.operator_complexity())


@pytest.mark.parametrize("method", ["pyamg_sa", "pyamg_rs"])
def test_a_cycle_is_symmetric(method: str) -> None:
    made = build(method, "disc", n=20)
    grid = made.system.grid
    rng = np.random.default_rng(0)
    x, y = (padded(grid, rng.standard_normal(made.system.unknowns)) for _ in range(2))
    mx, my = np.zeros(grid.size), np.zeros(grid.size)
    xmx, ymy = made.apply(x, mx), made.apply(y, my)
    assert abs(x @ my - y @ mx) < 1e-12 * np.sqrt(xmx * ymy)
    np.testing.assert_array_equal(mx, padded(grid, compact(grid, mx)))


def test_thin_walls_do_not_trouble_algebraic_coarse_grids() -> None:
    maze = system("maze", n=64)
    assert 3 * solve(maze, "pyamg_sa").k < solve(maze, "multigrid_pcg").k


def test_aggregates_and_splitting_can_be_drawn_on_every_level() -> None:
    aggregates, splitting = build("pyamg_sa", "disc", n=32), build("pyamg_rs", "disc", n=32)
    fluid = aggregates.system.grid.fluid()
    assert (aggregates.is_splitting, splitting.is_splitting) == (False, True)
    for level, row in list(enumerate(aggregates.table()))[1:]:
        groups = aggregates.groups(level)
        assert (groups[~fluid] == -1).all()
        assert len(np.unique(groups[fluid])) == row["unknowns"]
        if level > 1:  # what was joined stays together
            finer = aggregates.groups(level - 1)[fluid]
            for number in np.unique(finer):
                assert len(np.unique(groups[fluid][finer == number])) == 1
    for level, row in list(enumerate(splitting.table()))[1:]:
        groups = splitting.groups(level)
        assert groups[fluid].sum() == row["unknowns"]
        if level > 1:
            assert (groups[fluid] <= splitting.groups(level - 1)[fluid]).all()
    with pytest.raises(ValueError, match="levels from 1"):
        aggregates.groups(0)


def test_the_global_generator_is_left_as_it_was_and_the_hierarchy_is_the_same_again() -> None:
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    counts = [
        [i.scalars["residual_norm"] for i in iterates(system("disc", n=32), "pyamg_sa")] for _ in range(2)
    ]
    assert counts[0] == counts[1]
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
