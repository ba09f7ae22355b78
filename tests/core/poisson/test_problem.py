"""The registered grids."""

from __future__ import annotations

import numpy as np
import pytest

from core import registry
from core.errors import InputError
from core.poisson.system import AIR, FLUID, SOLID
from tests.oracles_poisson import system

KEYS = [spec.key for spec in registry.problems("poisson")]
GRIDS = [k for k in KEYS if any(p.name == "n" for p in registry.problem_spec("poisson", k).parameters)]
NULL = {"walls": 1}


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("key", GRIDS)
def test_every_generated_grid_has_its_shape_and_its_null_space(key: str, dim: int) -> None:
    given = system(key, n=12, dim=dim)
    assert given.grid.shape == (12,) * dim
    assert given.singular == NULL.get(key, 0)
    assert given.unknowns == int((given.grid.flags == FLUID).sum()) > 0
    assert np.count_nonzero(given.b) <= given.unknowns


@pytest.mark.parametrize(("boundary", "null"), [("box", 0), ("open_box", 0), ("walls", 1)])
@pytest.mark.parametrize("key", ["disc", "maze", "blobs"])
def test_an_obstacle_takes_any_boundary(key: str, boundary: str, null: int) -> None:
    assert system(key, n=16, boundary=boundary).singular == null


def test_the_open_side_is_a_layer_or_lies_outside() -> None:
    layer, outside = (system("open_box", n=8, air=air).grid for air in ("layer", "outside"))
    assert (layer.flags[-1] == AIR).all()
    assert (layer.flags[:-1] == FLUID).all()
    assert (outside.flags == FLUID).all()
    assert outside.sides == ((SOLID, AIR), (SOLID, SOLID))


def test_a_grid_that_is_too_large_is_refused_before_it_is_made() -> None:
    spec = registry.problem_spec("poisson", "box")
    with pytest.raises(InputError, match="at most 256 cells a side in 3-D"):
        registry.instantiate(spec, {"n": 257, "dim": 3}, "-p ")


def test_geometry_and_right_hand_side_follow_the_seed() -> None:
    first, same, other = (system("blobs", seed, n=24) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.b, same.b)
    assert not np.array_equal(first.grid.flags, other.grid.flags)


def test_the_mean_can_be_left_in_to_see_what_happens() -> None:
    removed, kept = system("walls", n=8), system("walls", n=8, mean="kept")
    assert abs(removed.b.sum()) < 1e-10 < abs(kept.b.sum())
    assert removed.removed > 0.0
