"""A look at a session's run: what a page draws of it, and what was computed for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

import streamlit as st

from core import registry
from core.iterate import Status
from core.registry import ExperimentSpec
from core.run import MemberView, RunView, State
from pages.figures import recording
from pages.ui import explain
from pages.ui.session import LabState, current_run

P = TypeVar("P")
T = TypeVar("T")


@dataclass(slots=True)
class _Memory:
    """What a session computed of the run that it shows in one lab."""

    run: str = ""
    revision: int = -1
    of_run: dict[Any, Any] = field(default_factory=dict)
    of_revision: dict[Any, Any] = field(default_factory=dict)

    def turn_to(self, run: str, revision: int) -> None:
        """Forget what holds for another run or another revision."""
        if self.run != run:
            self.of_run = {}
        if (self.run, self.revision) != (run, revision):
            self.of_revision = {}
        self.run, self.revision = run, revision


@dataclass(frozen=True, slots=True, eq=False)
class Look(Generic[P]):
    """A run, or a recording of one, with what the page derives from it.

    Attributes
    ----------
    run : identity; a new one resets zoom and cursor.
    problem : None for a recording.
    of_run, of_revision : what was computed for the whole run, and for this revision of it.
    """

    LAB: ClassVar[str]
    run: str
    view: RunView
    problem: P
    of_run: dict[Any, Any] = field(default_factory=dict)
    of_revision: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def now(cls, state: LabState) -> Self | None:
        """Return a look at the session's run, if it has begun."""
        run = current_run(state)
        return None if run is None or run.problem is None else cls.at(state, run.poll(), run.problem)

    @classmethod
    def at(cls, state: LabState, view: RunView, problem: P) -> Self:
        """Return a look at the session's run as `view` shows it."""
        memory: _Memory = st.session_state.setdefault(f"look.{cls.LAB}", _Memory())
        memory.turn_to(state.run_key, view.revision)
        return cls(state.run_key, view, problem, memory.of_run, memory.of_revision)

    @property
    def members(self) -> list[MemberView]:
        """The methods that have begun."""
        return [m for m in self.view.members if len(m.view)]

    @property
    def moving(self) -> bool:
        """Whether more iterates will come by themselves."""
        return self.view.state in (State.QUEUED, State.PREPARING, State.RUNNING)

    @property
    def results(self) -> tuple[dict[str, Any], ...]:
        """The lab's result of every method; empty while something moves."""
        if self.moving:
            return ()
        result = registry.lab(self.LAB).result
        return self.cached("results", lambda: tuple(result(self.problem, m.view) for m in self.members))

    def cached(self, key: Any, compute: Callable[[], T]) -> T:
        """Return what `compute` gave the first time that this revision was asked for it."""
        return _remembered(self.of_revision, key, compute)

    def kept(self, key: Any, compute: Callable[[], T]) -> T:
        """Return what `compute` gave the first time that this run was asked for it."""
        return _remembered(self.of_run, key, compute)

    @property
    def experiment(self) -> ExperimentSpec | None:
        """The experiment that exactly this run computes; None while it is not over."""
        ended = bool(self.results) and len(self.members) == len(self.view.members)
        if not ended or any(m.view.status is Status.RUNNING for m in self.members):
            return None
        return recording.experiment_of([m.recipe for m in self.members])


def _remembered(memory: dict[Any, Any], key: Any, compute: Callable[[], T]) -> T:
    if key not in memory:
        memory[key] = compute()
    return memory[key]  # type: ignore[no-any-return]


def draw_claim(look: Look[Any] | None) -> None:
    """Draw the claim that the shown run tests, if it is one of its lab's experiments."""
    experiment = None if look is None else look.experiment
    if look is None or experiment is None:
        return
    found = recording.finding(experiment, look.members, look.results)
    explain.claim_card(experiment, found, "recorded earlier" if look.problem is None else "just now")
