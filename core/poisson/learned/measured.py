"""What trained weights are worth: iterations on the systems of the acceptance table, beside CG.

White and constant right-hand side, true residual 1e-6, conjugate to the last two directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.iterate import Iterate, drain
from core.poisson.conjugate_directions import conjugate_directions
from core.poisson.krylov import conjugate_gradients
from core.poisson.learned.fitting import put_on
from core.poisson.learned.weights import Weights
from core.poisson.problem import Box, Disc, OpenBox
from core.poisson.system import GridSystem

RTOL, KEPT, LIMIT, CG_LIMIT = 1e-6, 2, 100, 5000
#: Cells a side, by dimension.
SIDES = {2: (64, 128, 256), 3: (32, 64)}


def systems(boundary: str, dim: int) -> Iterator[tuple[str, GridSystem]]:
    """Yield name and system: without an obstacle and with a disc that no training grid has."""
    for rhs in ("white", "ones"):
        for n in SIDES[dim]:
            size = {"n": n, "dim": dim, "rhs": rhs}
            empty = Box(**size) if boundary == "box" else OpenBox(**size)  # type: ignore[arg-type]
            yield f"empty, {n}^{dim}, {rhs}", drain(empty.build(0))
            disc = Disc(**size, boundary=boundary)  # type: ignore[arg-type]
            yield f"{'disc' if dim == 2 else 'ball'}, {n}^{dim}, {rhs}", drain(disc.build(0))


def measure(weights: Weights) -> Iterator[dict[str, Any]]:
    """Yield for each system ``problem``, ``cg`` and ``learned`` (iterations) and ``status``."""
    about = weights.about
    for name, system in systems(about["boundary"], int(about["architecture"]["dim"])):
        operator = put_on(system.grid, weights)
        learned = _last(conjugate_directions(system, operator, rtol=RTOL, max_iterations=LIMIT, k=KEPT))
        cg = _last(conjugate_gradients(system, None, rtol=RTOL, max_iterations=CG_LIMIT))
        yield {"problem": name, "cg": cg.k, "learned": learned.k, "status": learned.status.name.lower()}


def _last(items: Iterator[Iterate]) -> Iterate:
    *_, last = items
    return last
