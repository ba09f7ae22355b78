"""Learned directions for the benchmark: their systems, a solve, a training afresh."""

from __future__ import annotations

from collections.abc import Callable

from core.iterate import Array
from core.poisson.conjugate_directions import conjugate_directions
from core.poisson.learned.command import training
from core.poisson.learned.fitting import put_on
from core.poisson.learned.weights import Weights
from core.poisson.problem import Disc, GridParameters
from core.poisson.system import GridSystem

#: (side, dimension) of the table of each network.
STENCIL_SIZES = ((128, 2), (256, 2), (64, 3))
DIRECTION_SIZES = ((64, 2), (128, 2))
#: Presets of the stencil network by dimension, of the direction network.
STENCIL_PRESETS, DIRECTION_PRESET = {2: "d", 3: "f"}, "a"
#: Directions kept, iteration limit.
KEPT, LIMIT = 2, 200


def stencil_problems(n: int, dim: int) -> list[tuple[str, GridParameters]]:
    """Return a disc or ball that no training grid has, walls on all sides but one, air there."""
    return [(f"unseen {'disc' if dim == 2 else 'ball'}, layer of air {n}^{dim}", Disc(n=n, dim=dim))]


def direction_problems(n: int, dim: int) -> list[tuple[str, GridParameters]]:
    """Return a disc in a box that is open all round."""
    return [(f"unseen disc, open all round {n}^{dim}", Disc(n=n, dim=dim, boundary="box"))]


def learned_solve(system: GridSystem, weights: Weights, rtol: float) -> Callable[[], tuple[Array, int]]:
    """Return a solve from the weights in memory on: the network is put on the grid, then asked."""

    def run() -> tuple[Array, int]:
        operator = put_on(system.grid, weights)
        for item in conjugate_directions(system, operator, rtol=rtol, max_iterations=LIMIT, k=KEPT):
            last = item
        x = last.x() if callable(last.x) else last.x
        return x[system.grid.fluid()], last.k

    return run


def fresh(preset: str, out: Callable[[str], None]) -> Weights:
    """Train a preset, print what that took and what the weights are worth, and return them."""
    run, finish = training(preset, 0, 3600.0, 0, "")
    run.inline()
    member = run.view().members[0]
    out("")
    out(f"Preset {preset.upper()}, trained afresh: {len(member.view) - 1} steps in "
        f"{member.view.seconds[-1]:.1f} s, its vectors in {member.setup_seconds:.1f} s.")  # fmt: skip
    return finish(out, None)
