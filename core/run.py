"""A run: one problem, one or more methods pulled round-robin in a worker thread, each into its trace.

The page, the command line, the tests and the benchmarks drive the same object. Commands are legal in any
state; pausing is not pulling, cancelling closes the generators. The thread never touches a user interface.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from core import registry
from core.admission import ADMISSION, MATHS_THREADS, Admission
from core.admission import ADMISSION_PLACES as ADMISSION_PLACES
from core.errors import InputError
from core.iterate import Iterate, Preparation, Progress, Status
from core.recipe import Recipe, same_problem
from core.trace import SNAPSHOT_BUDGET, Trace, TraceView

log = logging.getLogger(__name__)

#: Seconds without handing over the GIL after which the worker does.
GIL_INTERVAL = 0.005


class State(Enum):
    """Where a run stands; the value is what the page says."""

    QUEUED = "waiting for a free place"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    TIME_LIMIT = "time limit reached"
    CANCELLED = "stopped by the user"
    FAILED = "failed"
    EXPIRED = "freed after a long time without a viewer"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (State.QUEUED, State.PREPARING, State.RUNNING, State.PAUSED)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use: active seconds (pauses excluded) and bytes of snapshots for each member."""

    seconds: float = 120.0
    snapshot_bytes: int = SNAPSHOT_BUDGET


@dataclass(frozen=True, slots=True)
class MemberView:
    """One method's part of a run."""

    recipe: Recipe
    view: TraceView

    @property
    def setup_seconds(self) -> float:
        """Time of the method's own preparation."""
        return self.view.setup_seconds


@dataclass(frozen=True, slots=True)
class RunView:
    """A frozen look at a run.

    Attributes
    ----------
    revision : rises with every change.
    note : the reason of the state in words, where there is one.
    queue_position : 1 = next; 0 = not waiting.
    setup_seconds, active_seconds : preparation; everything since, pauses excluded.
    members : the methods that take the problem; all of them before that is known, or if none does.
    left_out : a sentence for each method that refused the problem while others took it.
    """

    revision: int
    state: State
    note: str
    progress: Progress
    queue_position: int
    setup_seconds: float
    active_seconds: float
    members: tuple[MemberView, ...]
    left_out: tuple[str, ...] = ()


class _Member:
    def __init__(self, recipe: Recipe, limits: Limits) -> None:
        self.recipe = recipe
        self.method = recipe.build_method()
        self.yardstick = registry.lab(recipe.lab).yardstick
        self.analysis = recipe.kind == "analysis"
        # A solver's own thread: what it waits while the page is drawn says nothing about the method. Analyses
        # use further threads, and some methods another device.
        elsewhere = self.analysis or getattr(self.method, "computes_elsewhere", False)
        self.clock = time.perf_counter if elsewhere else time.thread_time
        scalars = {**recipe.method_spec.scalars, **({} if self.analysis else recipe.problem_spec.scalars)}
        self.trace = Trace(scalars, self.yardstick, limits.snapshot_bytes, newest_only=self.analysis)
        self.iterates: Iterator[Iterate] | None = None
        self.seconds = 0.0
        self.done = False
        self.refusal: Exception | None = None

    def pull(self) -> None:
        """Take one iterate; its time goes on the member's own clock."""
        assert self.iterates is not None
        start = self.clock()
        iterate = next(self.iterates)
        self.seconds += self.clock() - start
        self.trace.append(iterate, self.seconds)
        value = iterate.scalars.get(self.yardstick, 0.0)
        if iterate.status.terminal:
            self.close()
        elif not math.isfinite(value) and not self.analysis:
            self.trace.keep_last()
            self.trace.end(Status.DIVERGED, f"{self.yardstick} = {value} at k = {iterate.k}")
            self.close()

    def close(self) -> None:
        """Run the method's ``finally`` clauses."""
        self.done = True
        iterates, self.iterates = self.iterates, None
        close = getattr(iterates, "close", None)
        if close is not None:
            close()


class Run:
    """A run of one or more recipes that pose the same problem.

    A method that refuses the problem is left out while others take it; if none does, the run fails.

    Parameters
    ----------
    recipes : one a member.
    threads : maths threads; more than one gives no promise of equal bits.
    delay : seconds to wait after every round (slow motion).

    Raises
    ------
    ValueError
        If there is no recipe or the recipes pose different problems.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        limits: Limits = Limits(),
        *,
        threads: int = 1,
        delay: float = 0.0,
        admission: Admission = ADMISSION,
    ) -> None:
        if not recipes or not same_problem(recipes):
            raise ValueError("a run needs one or more recipes of the same problem")
        self.recipes = tuple(recipes)
        self.limits = limits
        self.kind = recipes[0].kind
        self.problem: Any = None
        #: what made the run fail, and whether that is unusable input rather than a fault of ours
        self.error: Exception | None = None
        self.refused = False
        self.delay = delay
        self.polled = time.monotonic()
        self._threads = threads
        self._admission = admission
        self._holds_place = False
        self._members = tuple(_Member(recipe, limits) for recipe in recipes)
        self._state, self._note = State.QUEUED, ""
        self._progress = Progress("")
        self._setup_seconds = self._active_seconds = 0.0
        self._revision = 0
        self._cancel = threading.Event()
        self._end_state = State.CANCELLED
        self._control = threading.Condition()
        self._permits: float = math.inf
        self._started = False
        self._modules = len(sys.modules)
        self._ended = threading.Event()

    # Commands: idempotent, legal in any state.

    def start(self) -> Run:
        """Start the worker thread."""
        with self._control:
            if not self._started:
                self._started = True
                threading.Thread(target=self._work, name="run", daemon=True).start()
        return self

    def pause(self) -> None:
        """Stop pulling after the iterate in flight."""
        with self._control:
            self._permits = 0
            self._control.notify_all()

    def resume(self) -> None:
        """Go on pulling."""
        self._allow(math.inf)

    def step(self, n: int = 1) -> None:
        """Pull every member n more times, then pause."""
        with self._control:
            self._allow(n if math.isinf(self._permits) else self._permits + n)

    def _allow(self, permits: float) -> None:
        with self._control:
            self._permits = permits
            if self._state is State.PAUSED:
                # at once, so that nobody who looks before the worker wakes takes the run for a standing one
                self._set(State.QUEUED)
            self._control.notify_all()

    def cancel(self, state: State = State.CANCELLED) -> None:
        """End the run; the iterates so far stay."""
        with self._control:
            self._end_state = state
            self._cancel.set()
            self._control.notify_all()

    @property
    def state(self) -> State:
        """Where the run stands, without the traces."""
        return self._state

    @property
    def nbytes(self) -> int:
        """Bytes that the traces take."""
        return sum(member.trace.nbytes for member in self._members)

    def poll(self) -> RunView:
        """Return a frozen view; also the sign that somebody watches."""
        self.polled = time.monotonic()
        return self.view()

    def view(self) -> RunView:
        """Return a frozen view without counting as a viewer."""
        with self._control:
            state, note, progress = self._state, self._note, self._progress
            revision, setup, active = self._revision, self._setup_seconds, self._active_seconds
        position = self._admission.position(self) if state is State.QUEUED else 0
        able = [m for m in self._members if m.refusal is None] or self._members
        members = tuple(MemberView(m.recipe, m.trace.view()) for m in able)
        left_out = tuple(_left_out(m) for m in self._members if m not in able)
        return RunView(revision, state, note, progress, position, setup, active, members, left_out)

    def join(self, timeout: float | None = None) -> Run:
        """Wait for the worker to end."""
        if self._started:
            # not Thread.join: interrupted by Ctrl-C, it takes a running thread for an ended one (3.11)
            self._ended.wait(timeout)
        return self

    def inline(self) -> Run:
        """Run to the end in the calling thread; for scripts and tests. ValueError if already started."""
        with self._control:
            if self._started:
                raise ValueError("the run was already started")
            self._started = True
        self._work()
        return self

    # The worker.

    def _set(self, state: State, note: str = "") -> None:
        with self._control:
            self._state, self._note = state, note
            self._revision += 1

    def _work(self) -> None:
        try:
            if self._acquire():
                with MATHS_THREADS.limited(self._threads):
                    self._prepare()
                    self._iterate()
            state, note = (State.FINISHED, "") if self._done() else (self._end_state, "")
        except _TimeLimitError:
            state, note = State.TIME_LIMIT, f"the limit of {self.limits.seconds:g} s was reached"
        except (InputError, _RefusedError) as error:
            self.error, self.refused = error, True
            state, note = State.FAILED, str(error)
        except Exception as error:
            state, note = State.FAILED, self._internal(error)
        except BaseException:  # Ctrl-C in `inline`
            self._end(State.CANCELLED, "")
            raise
        self._end(state, note)

    def _internal(self, error: Exception) -> str:
        """Remember and log a fault of ours; returns what the page says."""
        log.error("run failed", exc_info=error)
        self.error = error
        return f"an internal error ({type(error).__name__}); it is in the server's log"

    def _end(self, state: State, note: str) -> None:
        """Close every member, give the place back, and only then show the final state."""
        try:
            for member in self._members:
                try:
                    if not member.done and state is not State.FAILED:
                        member.trace.keep_last()
                    member.close()
                except Exception as error:
                    state, note = State.FAILED, self._internal(error)
        finally:
            self._release()
            self._set(state, note)
            self._ended.set()

    def _acquire(self) -> bool:
        self._holds_place = self._admission.acquire(self, self._cancel)
        return self._holds_place

    def _release(self) -> None:
        if self._holds_place:
            self._holds_place = False
            self._admission.release()

    def _done(self) -> bool:
        return all(member.done for member in self._members)

    def _prepare(self) -> None:
        start = time.perf_counter()
        self._set(State.PREPARING)
        try:
            self.problem = self._drain(self.recipes[0].build_problem())
            self._limit_newcomers()
            for member in self._members:
                if self._cancel.is_set():
                    return
                try:
                    self._prepare_member(member)
                except (InputError, _RefusedError) as error:
                    member.refusal, member.done = error, True
        finally:
            self._setup_seconds = time.perf_counter() - start
        refusals = [m.refusal for m in self._members if m.refusal is not None]
        if len(refusals) == len(self._members):
            raise (
                refusals[0] if len(refusals) == 1 else _RefusedError(" ".join(map(_left_out, self._members)))
            )

    def _prepare_member(self, member: _Member) -> None:
        start = member.clock()
        prepare = getattr(member.method, "prepare", None)
        problem = self._drain(prepare(self.problem)) if prepare else self.problem
        self._limit_newcomers()
        if not self._cancel.is_set():
            self._call(member, problem)
        member.trace.setup_seconds = member.clock() - start

    def _limit_newcomers(self) -> None:
        """Limit the threads of libraries that a preparation has imported, if there are new modules."""
        if len(sys.modules) != self._modules:
            MATHS_THREADS.limit_newcomers(self._threads)
            self._modules = len(sys.modules)

    def _call(self, member: _Member, problem: Any) -> None:
        """Make the member's generator; here, and only here, a ValueError is the method's refusal."""
        try:
            member.iterates = member.method.iterate(problem)
        except InputError:
            raise
        except ValueError as error:
            raise _RefusedError(f"{member.recipe.method_spec.title}: {error}") from error

    def _drain(self, preparation: Preparation[Any]) -> Any:
        """Run a preparation to its end; None if cancelled, the generator closed."""
        try:
            while not self._cancel.is_set():
                progress = next(preparation)
                with self._control:
                    self._progress = progress
                    self._revision += 1
            return None
        except StopIteration as end:
            return end.value
        finally:
            preparation.close()

    def _iterate(self) -> None:
        """Pull until every member is done or the run is cancelled."""
        handed_over = time.perf_counter()
        while not self._done() and self._permit():
            start = time.perf_counter()
            for member in self._members:
                if not member.done and not self._cancel.is_set():
                    member.pull()
            with self._control:
                self._revision += 1
                self._active_seconds += time.perf_counter() - start
            if self._active_seconds > self.limits.seconds and not self._done():
                raise _TimeLimitError
            if time.perf_counter() - handed_over > GIL_INTERVAL:
                time.sleep(0)
                handed_over = time.perf_counter()
            if self.delay > 0:
                self._cancel.wait(self.delay)

    def _permit(self) -> bool:
        """Use up a permit, waiting (and giving the place back) while there is none; False if cancelled."""
        while not self._cancel.is_set():
            with self._control:
                if self._permits >= 1:
                    self._permits -= 1
                    if self._state is not State.RUNNING:
                        self._state = State.RUNNING
                        self._revision += 1
                    return True
            for member in self._members:
                if not member.done:
                    member.trace.keep_last()
            self._release()
            with self._control:
                while self._permits < 1 and not self._cancel.is_set():
                    if self._state is not State.PAUSED:
                        self._set(State.PAUSED)
                    self._control.wait()
                self._set(State.QUEUED)
            self._acquire()
        return False


class _TimeLimitError(Exception):
    pass


class _RefusedError(ValueError):
    pass


def _left_out(member: _Member) -> str:
    """Say why a method takes no part."""
    reason = member.refusal.__cause__ if isinstance(member.refusal, _RefusedError) else member.refusal
    return f"{member.recipe.method_spec.title} is left out: {reason}."
