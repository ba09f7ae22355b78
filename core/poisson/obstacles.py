"""Solids inside the box: disc or ball, two kinds of blobs, mazes with one-cell walls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree

from core.iterate import Array

Mask = NDArray[np.bool_]

#: The reference obstacle: radius and centre in units of the side.
DISC_RADIUS, DISC_CENTRE = 0.15, (0.5, 0.4, 0.5)
#: Random blobs: how many, and their radius in units of the side.
BLOBS, BLOB_RADIUS = (1, 3), (0.05, 0.18)
#: One hole in an open side of a maze for this many cells of it.
HOLE_EVERY = 8


def cell_centres(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Return the coordinates (i + ½) / n along each axis, ready to broadcast."""
    axes = [(np.arange(n) + 0.5) / n for n in shape]
    return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))


def disc(shape: tuple[int, ...]) -> Mask:
    """Return the solid disc or ball of the reference problems."""
    distance = sum((x - c) ** 2 for x, c in zip(cell_centres(shape), DISC_CENTRE, strict=False))
    return np.asarray(distance <= DISC_RADIUS**2)


def blobs(shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """Return one to three discs or boxes at random places."""
    solid = np.zeros(shape, bool)
    x = cell_centres(shape)
    for _ in range(rng.integers(BLOBS[0], BLOBS[1] + 1)):
        radius = rng.uniform(*BLOB_RADIUS)
        centre = rng.uniform(0.2, 0.8, len(shape))
        away = [np.abs(a - c) for a, c in zip(x, centre, strict=True)]
        if rng.integers(2):
            solid |= np.asarray(sum(a**2 for a in away) <= radius**2)
        else:
            solid |= np.asarray(
                np.broadcast_to(np.maximum.reduce(np.broadcast_arrays(*away)), shape) <= radius
            )
    return solid


def maze(shape: tuple[int, ...], open_sides: list[tuple[int, int]], rng: np.random.Generator) -> Mask:
    """Return the walls of a maze: rooms at odd coordinates, one way between any two of them.

    Parameters
    ----------
    open_sides : (axis, 0 low or 1 high) of every side that gets holes.
    """
    rooms = tuple(max((n - 1) // 2, 1) for n in shape)
    solid = np.ones(shape, bool)
    solid[np.ix_(*(2 * np.arange(m) + 1 for m in rooms))] = False
    index = np.arange(int(np.prod(rooms))).reshape(rooms)
    pairs = []
    for axis in range(len(shape)):
        moved = np.moveaxis(index, axis, 0)
        pairs.append(np.stack([moved[:-1].ravel(), moved[1:].ravel()]))
    edges = np.concatenate(pairs, axis=1)
    graph = sparse.coo_array((rng.uniform(1.0, 2.0, edges.shape[1]), (edges[0], edges[1])), (index.size,) * 2)
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    a = np.stack(np.unravel_index(tree.coords[0], rooms))
    b = np.stack(np.unravel_index(tree.coords[1], rooms))
    # the wall between rooms a and b lies half-way between 2a + 1 and 2b + 1
    solid[tuple(a + b + 1)] = False
    for axis, high in open_sides:
        _pierce(solid, rooms, axis, high, rng)
    return solid


def _pierce(solid: Mask, rooms: tuple[int, ...], axis: int, high: int, rng: np.random.Generator) -> None:
    """Open holes from rooms at a side of the maze to the side of the box."""
    across = [m for i, m in enumerate(rooms) if i != axis]
    total = int(np.prod(across))
    chosen = rng.choice(total, max(1, total // HOLE_EVERY), replace=False)
    places = 2 * np.stack(np.unravel_index(chosen, across)) + 1
    view = np.moveaxis(solid, axis, 0)
    outwards = slice(2 * rooms[axis] - 1, None) if high else slice(0, 2)
    for place in places.T:
        view[(outwards, *place)] = False
