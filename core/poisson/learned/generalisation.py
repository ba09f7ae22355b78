"""How far learned weights carry: trained on one kind of grid, solved on others, in iterations of CG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from core import registry
from core.errors import InputError
from core.iterate import Array
from core.poisson.learned.weights import Entry, available
from core.recipe import Recipe, make
from core.run import Limits, Run
from core.sweep import Outcome, Sweep

#: Kind of network → the method that solves with it.
USERS = {"stencil": "npsdo", "direction": "dcdm"}
#: Iterations after which a learned method is given up, in those of a run of its own.
LIMIT = 200
LIMITS = Limits(seconds=30.0, snapshot_bytes=2**24)


@dataclass(frozen=True, slots=True)
class Ground:
    """A problem that weights are tried on."""

    title: str
    problem: str
    params: Mapping[str, Any]


def grounds(dim: int) -> tuple[Ground, ...]:
    """Return the columns: sizes and obstacles in a box with one open side, and the box open all round."""
    small, middle, large = (32, 64, 128) if dim == 2 else (16, 24, 32)
    kinds = (
        ("box", "box", "box", small), ("box", "box", "box", middle), ("box", "box", "box", large),
        ("box, disc", "disc", "box", middle), ("box, blobs", "blobs", "box", middle),
        ("walls", "open_box", "", middle), ("walls, disc", "disc", "open_box", small),
        ("walls, disc", "disc", "open_box", middle), ("walls, disc", "disc", "open_box", large),
        ("walls, blobs", "blobs", "open_box", middle), ("walls, maze", "maze", "open_box", middle),
    )  # fmt: skip
    found = []
    for title, problem, boundary, n in kinds:
        takes = any(p.name == "boundary" for p in registry.problem_spec("poisson", problem).parameters)
        params = {"n": n, "dim": dim, **({"boundary": boundary} if takes else {})}
        found.append(Ground(f"{title} {n}", problem, MappingProxyType(params)))
    return tuple(found)


class Generalisation:
    """Every set of weights on every ground, beside CG.

    Attributes
    ----------
    rows : the weights that know the dimension. columns : the grounds.
    sweep : what is run; its member 0 is CG, member i + 1 is row i, its value the number of the column.
    """

    def __init__(
        self,
        dim: int,
        rhs: str = "white",
        rtol: float = 1e-6,
        seed: int = 0,
        entries: Sequence[Entry] | None = None,
        columns: Sequence[Ground] | None = None,
    ) -> None:
        entries = available() if entries is None else entries
        fitting = [e for e in entries if not e.about.get("checkpoint") and _dim(e) == dim]
        self.rows = tuple(e for e in fitting if e.about.get("network") in USERS)
        self.columns = grounds(dim) if columns is None else tuple(columns)
        if not self.rows:
            raise InputError("weights", f"weights for grids in {dim}-D", "none", "train some")
        self.sweep = Sweep.of(
            [[*self._column(ground, rhs, rtol, seed)] for ground in self.columns], 1 + len(self.rows)
        )

    def _column(self, ground: Ground, rhs: str, rtol: float, seed: int) -> Iterator[Recipe]:
        params = {**ground.params, "rhs": rhs}
        yield make("poisson", ground.problem, "cg", params, {"rtol": rtol}, seed)
        for entry in self.rows:
            own = {"rtol": rtol, "weights": entry.name, "max_iterations": LIMIT}
            yield make("poisson", ground.problem, USERS[entry.about["network"]], params, own, seed)

    def outcome(self, row: int, column: int) -> Outcome | None:
        """Return how a row's weights did on a column's ground, CG for row −1; None if not yet run."""
        at = column * (1 + len(self.rows)) + row + 1
        return self.sweep.outcomes[at] if at < len(self.sweep.outcomes) else None

    def shares(self) -> Array:
        """Return (rows, columns) iterations over CG's; NaN where not yet run, refused or not reached."""
        found = np.full((len(self.rows), len(self.columns)), np.nan)
        for i, j in np.ndindex(found.shape):
            own, cg = self.outcome(i, j), self.outcome(-1, j)
            if own is not None and cg is not None and own.converged and cg.converged:
                found[i, j] = own.iterations / cg.iterations
        return found

    def text(self, row: int, column: int) -> str:
        """Return what a cell says: iterations, "> n" where the tolerance was not reached, "–" if refused."""
        own = self.outcome(row, column)
        if own is None:
            return ""
        if own.status is None:
            return "–"
        return f"{own.iterations:.0f}" if own.converged else f"> {own.iterations:.0f}"

    def table(self) -> list[dict[str, str]]:
        """Return one row a set of weights and one for CG, as texts by column."""
        titles = ["CG", *(e.name for e in self.rows)]
        return [
            {"trained": title, **{g.title: self.text(i - 1, j) for j, g in enumerate(self.columns)}}
            for i, title in enumerate(titles)
        ]

    def refusals(self) -> dict[str, str]:
        """Return for each set of weights that was refused somewhere the first reason."""
        found = {}
        for i, entry in enumerate(self.rows):
            notes = [
                o.note for j in range(len(self.columns)) if (o := self.outcome(i, j)) and o.status is None
            ]
            if notes:
                found[entry.name] = notes[0]
        return found


def run_all(study: Generalisation) -> Iterator[Outcome]:
    """Run everything, one after the other, and yield each outcome."""
    while (recipe := study.sweep.next) is not None:
        study.sweep.collect(Run([recipe], LIMITS).inline().view())
        yield study.sweep.outcomes[-1]


def _dim(entry: Entry) -> int:
    return int(entry.about.get("architecture", {}).get("dim", 0))
