"""Some correspondences of a pose, to be drawn as lines."""

from __future__ import annotations

import numpy as np

from core.iterate import Array
from core.registration.correspondences import SearchTree

#: Source points that are searched at once, as a multiple of the pairs that are still missing.
_BATCH = 4


def sample_pairs(
    source: Array, target: SearchTree, T: Array, max_distance: float, *, count: int = 200, seed: int = 0
) -> tuple[Array, Array]:
    """Match random source points to their nearest target points.

    The points are tried in one random order, whatever the pose: from one iterate to the next most of the
    pairs belong to the same source points.

    Parameters
    ----------
    source : (N, 3) source frame [m].
    target : what is searched.
    T : (4, 4) source to target.
    max_distance : pairs are closer than this [m].
    count : pairs wanted; fewer come back if no more source points have a partner.
    seed : of the order.

    Returns
    -------
    points : (m, 3) source points, source frame [m].
    partners : (m, 3) their nearest target points, target frame [m].

    Raises
    ------
    ValueError
        If `count` is negative.
    """
    if count < 0:
        raise ValueError(f"count must not be negative, not {count}")
    order = np.random.default_rng(seed).permutation(len(source))
    # `nearest` answers in rows of the cloud, the points stand in leaf order
    leaf_row = np.zeros(int(target.order.max()) + 1, dtype=np.int64)
    leaf_row[target.order] = np.arange(len(target.order))
    points, partners = [np.zeros((0, 3))], [np.zeros((0, 3))]
    missing = count
    while missing > 0 and len(order):
        tried, order = np.split(order, [_BATCH * missing])
        found, _ = target.nearest(source[tried] @ T[:3, :3].T + T[:3, 3], max_distance)
        has_partner = np.flatnonzero(found >= 0)[:missing]
        points.append(source[tried[has_partner]])
        partners.append(target.points[leaf_row[found[has_partner]]])
        missing -= len(has_partner)
    return np.concatenate(points), np.concatenate(partners)
