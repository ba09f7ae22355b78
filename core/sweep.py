"""Several runs, one after the other: over the values of a parameter of their problem, or over problems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.iterate import Status
from core.recipe import Recipe, make
from core.run import RunView, State


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a sweep came to.

    Attributes
    ----------
    member : place of the method among those that are compared.
    value : of the parameter.
    status : of the last iterate; None if there is none, because the method refused or the time ran out.
    iterations, work, seconds : at the end, the method's set-up included in `seconds`; NaN without iterate.
    note : why it ended where it did not converge.
    """

    member: int
    value: float
    recipe: Recipe
    status: Status | None
    iterations: float
    work: float
    seconds: float
    note: str

    @property
    def converged(self) -> bool:
        """Whether the method reached its tolerance."""
        return self.status is Status.CONVERGED


class Sweep:
    """Recipes in, outcomes out; whoever has a place to run them takes `next` and brings the view back.

    Each recipe is a run of its own: one that is refused, diverges or takes too long is an outcome as well.

    Parameters
    ----------
    recipes : of one problem, each with another method.
    parameter : of the problem.
    values : ascending; all methods are run at one value before the next.

    Examples
    --------
    >>> from core.recipe import make
    >>> from core.run import Run
    >>> sweep = Sweep([make("poisson", "box", "cg")], "n", [16, 32])
    >>> while (recipe := sweep.next) is not None:
    ...     sweep.collect(Run([recipe]).inline().view())
    >>> [int(o.iterations) for o in sweep.outcomes]  # doubles
    [44, 85]
    """

    def __init__(self, recipes: Sequence[Recipe], parameter: str, values: Sequence[float]) -> None:
        self.recipes, self.parameter, self.values = tuple(recipes), parameter, tuple(values)
        self.outcomes: list[Outcome] = []
        self._queue = [
            (i, value, _with(recipe, parameter, value))
            for value in values
            for i, recipe in enumerate(recipes)
        ]

    @classmethod
    def of(cls, columns: Sequence[Sequence[Recipe]], members: int) -> Sweep:
        """Return a sweep over problems, each with the same methods in the same order.

        Parameters
        ----------
        columns : the recipes of each problem; its number is the `value` of their outcomes.
        members : recipes in a column.

        Raises
        ------
        ValueError
            If a column has another number of recipes.
        """
        if any(len(column) != members for column in columns):
            raise ValueError(f"every problem needs {members} recipes")
        sweep = cls((), "", range(len(columns)))
        sweep._queue = [(i, float(j), r) for j, column in enumerate(columns) for i, r in enumerate(column)]
        return sweep

    @property
    def total(self) -> int:
        """Runs in all."""
        return len(self._queue)

    @property
    def next(self) -> Recipe | None:
        """The recipe to run next; None when all have been."""
        done = len(self.outcomes)
        return self._queue[done][2] if done < self.total else None

    def collect(self, view: RunView) -> None:
        """Take the end of the run of `next`.

        Raises
        ------
        ValueError
            If it is another run, or has not ended.
        """
        i, value, recipe = self._queue[len(self.outcomes)]
        member = view.members[0]
        if member.recipe != recipe or not view.state.ended:
            raise ValueError("not the end of the next recipe's run")
        trace = member.view
        if len(trace) and view.state is not State.FAILED:
            self.outcomes.append(
                Outcome(
                    i, value, recipe, trace.status, float(trace.k[-1]), float(trace.work["units"][-1]),
                    member.setup_seconds + float(trace.seconds[-1]), view.note or trace.note,
                )
            )  # fmt: skip
        else:
            self.outcomes.append(Outcome(i, value, recipe, None, math.nan, math.nan, math.nan, view.note))

    def growth(self, quantity: str) -> Mapping[int, float]:
        """Return how a quantity grows while the value doubles, for each method that converged twice.

        Parameters
        ----------
        quantity : "iterations", "work" or "seconds".

        Returns
        -------
        Member → factor q with quantity ∝ value^log₂(q), from the two largest values at which it converged.
        """
        found = {}
        for i in range(len(self.recipes)):
            ended = [o for o in self.outcomes if o.member == i and o.converged][-2:]
            if len(ended) == 2:
                low, high = (max(float(getattr(o, quantity)), 1e-12) for o in ended)
                found[i] = (high / low) ** (1.0 / math.log2(ended[1].value / ended[0].value))
        return found


def _with(recipe: Recipe, parameter: str, value: float) -> Recipe:
    params = {**recipe.problem_params, parameter: value}
    return make(
        recipe.lab, recipe.problem, recipe.method, params, recipe.method_params, recipe.seed, files=True
    )
