"""Which weights may be used on which grid: a network knows the boundary that it was trained on, no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from core.errors import InputError
from core.iterate import Preparation, Progress
from core.poisson.krylov import Preconditioner
from core.poisson.learned.architectures import StencilArchitecture
from core.poisson.learned.stencil_operator import StencilOperator
from core.poisson.learned.weights import Weights, available, find
from core.poisson.preconditioners import on_grid
from core.poisson.system import AIR, FLUID, Grid, GridSystem, LinearSystem
from core.registry import param

if TYPE_CHECKING:
    from core.poisson.learned.direction_network import DirectionNetwork

AUTO = "auto"
#: The smallest side that a network takes.
SMALLEST = 8

KINDS = {"direction": "DCDM's network", "stencil": "NPSDO's network"}
BOUNDARIES = {
    "box": "open all round, without air cells inside",
    "open_box": "walls and air cells inside the array",
    "mixed": "an open side that no air cell of the array shows",
    "walls": "walls alone, no air at all",
}


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A grid with the network that works on it."""

    system: GridSystem
    operator: Preconditioner


def weights_param() -> str:
    """Declare which weights a method uses."""
    declared: str = param(
        AUTO, label="weights",
        doc="auto = those of the app that fit the grid; else the name or the hash of weights that are there",
    )  # fmt: skip
    return declared


def boundary_of(grid: Grid) -> str:
    """Return which of `BOUNDARIES` a grid has: what is open must show in its cells, or be open all round."""
    has_air = bool((grid.flags == AIR).any())
    open_sides = [kind == AIR for pair in grid.sides for kind in pair]
    if not has_air and all(open_sides):
        return "box"
    for axis, pair in enumerate(grid.sides):
        for index, kind in zip((0, -1), pair, strict=True):
            if kind == AIR and (np.moveaxis(grid.flags, axis, 0)[index] == FLUID).any():
                return "mixed"
    return "open_box" if has_air else "walls"


def refusal(about: Mapping[str, Any], grid: Grid) -> InputError | None:
    """Return why weights do not fit a grid, None if they do."""
    dim = int(about["architecture"]["dim"])
    if grid.dim != dim:
        return InputError("problem", f"a grid in {dim}-D for these weights", f"one in {grid.dim}-D")
    if grid.weights is not None:
        return InputError("problem", "a constant coefficient, as in training", "one that varies")
    if grid.dirichlet != "ghost":
        return InputError(
            "-p dirichlet", "ghost: zero pressure in the centre of air cells, as in training", grid.dirichlet
        )
    if min(grid.shape) < SMALLEST:
        return InputError("problem", f"at least {SMALLEST} cells a side", str(min(grid.shape)))
    boundary = boundary_of(grid)
    if boundary != about["boundary"]:
        hint = "set air=layer" if boundary == "mixed" and about["boundary"] == "open_box" else ""
        return InputError(
            "problem", f"a boundary as in training: {BOUNDARIES[about['boundary']]}", BOUNDARIES[boundary],
            hint,
        )  # fmt: skip
    return None


def choose(system: LinearSystem, kinds: Sequence[str], name: str) -> tuple[Weights, GridSystem]:
    """Return weights for a system; with "auto" the first of the app's own that fit it.

    Raises
    ------
    InputError
        If there are none, they are of another network, or they were trained for another kind of grid.
    """
    given = on_grid(system, "a learned direction")
    wanted = " or ".join(KINDS[kind] for kind in kinds)
    if name != AUTO:
        weights = find(name)
        if weights.about["network"] not in kinds:
            raise InputError("weights", f"weights of {wanted}", f"those of {KINDS[weights.about['network']]}")
        reason = refusal(weights.about, given.grid)
        if reason is not None:
            raise reason
        return weights, given
    reason = None
    for kind in kinds:
        for entry in available():
            if entry.shipped and entry.about["network"] == kind:
                unfit = refusal(entry.about, given.grid)
                if unfit is None:
                    return find(entry.name), given
                # the most telling one: of the right dimension, and best of all with a way out
                same = entry.about["architecture"]["dim"] == given.grid.dim
                if reason is None or (same and not reason.hint):
                    reason = unfit
    if reason is None:
        raise InputError("weights", f"weights of {wanted} that come with the app", "none", "train some")
    raise InputError(
        reason.what,
        reason.expected,
        reason.got,
        reason.hint or "train weights for it, or take another method",
    )


def learned_operator(system: LinearSystem, kinds: Sequence[str], name: str) -> Preparation[Fitted]:
    """Find weights and put their network on the grid; see `choose` for what is refused."""
    yield Progress("weights")
    weights, given = choose(system, kinds, name)
    yield Progress("network")
    return Fitted(given, put_on(given.grid, weights))


def put_on(grid: Grid, weights: Weights) -> Preconditioner:
    """Return the network of some weights at work on a grid; only DCDM's needs torch."""
    about = weights.about
    if about["network"] == "stencil":
        return StencilOperator(grid, StencilArchitecture(**about["architecture"]), weights.tensors)
    from core.poisson.learned.operator import DirectionOperator, load_network

    network = load_network(about["network"], about["architecture"], weights.tensors)
    return DirectionOperator(grid, cast("DirectionNetwork", network))
