"""Solids inside the box."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from core.poisson import obstacles


@pytest.mark.parametrize("dim", [2, 3])
def test_the_disc_has_its_area_and_its_place(dim: int) -> None:
    n = 100
    solid = obstacles.disc((n,) * dim)
    expected = {2: np.pi * 0.15**2, 3: 4 / 3 * np.pi * 0.15**3}[dim]
    assert solid.mean() == pytest.approx(expected, rel=0.02)
    centre = (np.argwhere(solid).mean(axis=0) + 0.5) / n
    np.testing.assert_allclose(centre, [0.5, 0.4, 0.5][:dim], atol=1e-12)


@pytest.mark.parametrize("shape", [(16, 16), (17, 17), (40, 40), (9, 9, 9), (4, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_a_maze_has_one_way_between_any_two_rooms(shape: tuple[int, ...], seed: int) -> None:
    solid = obstacles.maze(shape, [], np.random.default_rng(seed))
    _, parts = ndimage.label(~solid)
    assert parts == 1
    cells = int((~solid).sum())
    # a tree has one link less than it has cells
    links = sum(
        int((np.moveaxis(~solid, axis, 0)[1:] & np.moveaxis(~solid, axis, 0)[:-1]).sum())
        for axis in range(len(shape))
    )
    assert links == cells - 1


@pytest.mark.parametrize("n", [16, 17])
def test_an_open_maze_has_holes_on_that_side_alone(n: int) -> None:
    solid = obstacles.maze((n, n), [(0, 1)], np.random.default_rng(0))
    assert (~solid[-1]).any()
    assert solid[0].all()
    assert solid[:, 0].all()


def test_blobs_differ_and_leave_most_of_the_box() -> None:
    masks = [obstacles.blobs((40, 40), np.random.default_rng(seed)) for seed in range(10)]
    assert all(0 < mask.mean() < 0.5 for mask in masks)
    assert len({mask.tobytes() for mask in masks}) == 10
