"""How far directions are from being conjugate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.iterate import Array
from core.poisson.system import LinearSystem


def conjugacy(system: LinearSystem, directions: Sequence[Array]) -> Array:
    """Return |p_i·A p_j| / √(p_i·A p_i · p_j·A p_j), (m, m).

    Parameters
    ----------
    directions : as snapshots hold them, in the shape of the problem; a zero one gives a zero row.
    """
    vectors = [system.embed(p) for p in directions]
    images = []
    for p in vectors:
        image = np.zeros(system.size)
        system.apply(p, image)
        images.append(image)
    products = np.array([[float(np.dot(p, Aq)) for Aq in images] for p in vectors]).reshape(
        (len(vectors),) * 2
    )
    lengths = np.sqrt(np.maximum(np.diag(products), 0.0))
    scale = np.outer(lengths, lengths)
    found: Array = np.divide(np.abs(products), scale, out=np.zeros_like(products), where=scale > 0.0)
    return found
