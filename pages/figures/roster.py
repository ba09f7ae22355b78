"""Who takes part in a race: short names, colours, and how each one ended; the same for every lab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from core.iterate import Status
from core.recipe import Recipe
from core.run import MemberView
from pages.figures import style


class Entrant(Protocol):
    """Whatever was made from a recipe."""

    @property
    def recipe(self) -> Recipe:
        """What it is."""
        ...


def labels(members: Sequence[Entrant], short: Mapping[str, str]) -> list[str]:
    """Return a short name of every method; two of the same kind are told apart by what differs.

    Parameters
    ----------
    short : method → its short name; the title of a method that is not there.
    """
    names = []
    for member in members:
        recipe = member.recipe
        name = short.get(recipe.method, recipe.method_spec.title)
        twins = [m.recipe for m in members if m.recipe.method == recipe.method]
        differing = [
            p for p in recipe.method_spec.parameters
            if any(t.method_params[p.name] != recipe.method_params[p.name] for t in twins)
        ]  # fmt: skip
        values = [f"{p.label} {_value(recipe.method_params[p.name])}" for p in differing]
        names.append(f"{name} ({', '.join(values)})" if values else name)
    return names


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def indices(members: Sequence[Entrant]) -> list[int]:
    """Return the colour index of every method; the second of a kind gets the next dash of its colour."""
    return distinct([member.recipe.method_spec.colour for member in members])


def distinct(colours: Sequence[int]) -> list[int]:
    """Return colour indices of which no two look alike: a repeated one gets the next dash of its colour."""
    found: list[int] = []
    for index in colours:
        # colours and dashes come round together after so many
        while any((index - other) % (style.COLOURS * len(style.DASHES)) == 0 for other in found):
            index += style.COLOURS
        found.append(index)
    return found


def tone(member: MemberView) -> str:
    """Return how a method ended: "reached", "failed", "limit", or "" while it goes on."""
    match member.view.status:
        case Status.RUNNING:
            return ""
        case Status.CONVERGED:
            return "reached"
        case Status.DIVERGED | Status.BREAKDOWN:
            return "failed"
    return "limit"
