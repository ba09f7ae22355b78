"""What a preset's weights must be worth: at most so many iterations, or so many times fewer than CG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """A bound on the iterations of `core.poisson.learned.measured`, white right-hand side.

    Attributes
    ----------
    places : "empty", "disc", "ball".
    sides : cells a side.
    most : iterations at the most; 0 = no such bound.
    fewer : at most CG's over this; 0 = no such bound.
    """

    places: tuple[str, ...]
    sides: tuple[int, ...]
    most: int = 0
    fewer: float = 0.0

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a measured row keeps the bound."""
        return (
            row["status"] == "converged"
            and (not self.most or row["learned"] <= self.most)
            and (not self.fewer or row["learned"] * self.fewer <= row["cg"])
        )

    def sentence(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Say what is asked for and whether the rows of these systems keep it."""
        names = [row for row in rows if self._concerns(str(row["problem"]))]
        asked = f"at most {self.most}" if self.most else f"at most CG's over {self.fewer:g}"
        where = f"{' and '.join(self.places)} at {', '.join(map(str, self.sides))}"
        found = ", ".join(f"{row['learned']} of CG's {row['cg']}" for row in names)
        verdict = "kept" if names and all(map(self.holds, names)) else "missed"
        return f"{where}: {asked}: {verdict} ({found})"

    def _concerns(self, problem: str) -> bool:
        place, size, rhs = problem.split(", ")
        return place in self.places and int(size.split("^")[0]) in self.sides and rhs == "white"


#: Preset → its bounds; training for longer, or on more, must keep them too.
ACCEPTANCE: Mapping[str, tuple[Line, ...]] = MappingProxyType({
    "a": (Line(("empty", "disc"), (64,), fewer=3.5),),
    "b": (Line(("empty",), (64,), fewer=6.0), Line(("empty",), (128,), fewer=4.0)),
    "c": (Line(("empty",), (64, 128, 256), most=12),),
    "d": (
        Line(("empty",), (64, 128, 256), most=20), Line(("disc",), (64, 128, 256), most=35),
        Line(("empty", "disc"), (128,), fewer=10.0),
    ),
    "f": (
        Line(("empty",), (32, 64), most=18), Line(("ball",), (32, 64), most=40),
        Line(("empty", "ball"), (64,), fewer=8.0),
    ),
})  # fmt: skip


def judged(preset: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each bound of a preset; none where it has none."""
    return [line.sentence(rows) for line in ACCEPTANCE.get(preset, ())]
