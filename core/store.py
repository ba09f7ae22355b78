"""The runs of this process, by unguessable id, and the janitor that pauses and frees unwatched ones."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence

from core.recipe import Recipe
from core.run import Run, State

#: Seconds without a poll after which a solver is paused: a hidden tab polls about once a minute.
PAUSE_AFTER = 90.0
#: Seconds without a poll after which a run is freed.
FREE_AFTER = 15 * 60.0
#: Runs that one owner may keep; the oldest is dropped.
KEPT = 8
#: Bytes that the traces of one owner may take together; the oldest that have ended are dropped.
OWNER_BYTES = 256 * 2**20
#: Runs of one owner that may compute at once.
RUNNING = 2


class RunStore:
    """Runs by id, each with an owner (a session's own secret).

    Parameters
    ----------
    owner_bytes : what the traces of one owner may take; the newest run always stays.
    """

    def __init__(self, owner_bytes: int = OWNER_BYTES) -> None:
        self._owner_bytes = owner_bytes
        self._runs: dict[str, tuple[str, Run]] = {}
        self._lock = threading.Lock()

    def add(self, owner: str, run: Run) -> str:
        """Keep a run and return its id.

        The owner's oldest runs beyond `KEPT` are dropped, its oldest computing ones beyond `RUNNING`
        cancelled.
        """
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._runs[key] = (owner, run)
            own = [(k, r) for k, (o, r) in self._runs.items() if o == owner]
            computing = [r for _, r in own if r.state in (State.QUEUED, State.PREPARING, State.RUNNING)]
            for _, old in own[:-KEPT]:
                old.cancel()
            for old in computing[:-RUNNING]:
                old.cancel()
            for k, _ in own[:-KEPT]:
                del self._runs[k]
        return key

    def get(self, owner: str, key: str) -> Run | None:
        """Return the owner's run; None if it was freed or belongs to somebody else."""
        with self._lock:
            holder, run = self._runs.get(key, ("", None))
        return run if holder == owner else None

    def drop(self, owner: str, key: str) -> None:
        """End a run of the owner's and forget it."""
        run = self.get(owner, key)
        if run is not None:
            run.cancel()
            with self._lock:
                self._runs.pop(key, None)

    def find(self, owner: str, recipes: Sequence[Recipe]) -> str:
        """Return the id of the owner's newest run of exactly these recipes, or nothing."""
        with self._lock:
            own = [(key, run) for key, (holder, run) in self._runs.items() if holder == owner]
        for key, run in reversed(own):
            if run.recipes == tuple(recipes) and run.state not in (State.FAILED, State.EXPIRED):
                return key
        return ""

    def sweep(self, now: float) -> None:
        """Pause solvers that nobody has watched for long, free runs that nobody has watched for longer."""
        with self._lock:
            runs = list(self._runs.items())
        for key, (_, run) in runs:
            idle = now - run.polled
            if idle > FREE_AFTER and (run.kind != "training" or run.state.ended):
                run.cancel(State.EXPIRED)
                with self._lock:
                    self._runs.pop(key, None)
            elif idle > PAUSE_AFTER and run.kind == "solver":
                run.pause()
        for owner in {owner for _, (owner, _) in runs}:
            self._bound(owner)

    def _bound(self, owner: str) -> None:
        """Drop the owner's oldest ended runs until the rest fits."""
        with self._lock:
            own = [(key, run) for key, (holder, run) in self._runs.items() if holder == owner]
            total = sum(run.nbytes for _, run in own)
            for key, run in own[:-1]:
                if total <= self._owner_bytes:
                    return
                if run.state.ended:
                    total -= run.nbytes
                    del self._runs[key]

    def watch(self, interval: float = 5.0) -> None:
        """Start the janitor's thread."""

        def keep_house() -> None:
            while True:
                time.sleep(interval)
                self.sweep(time.monotonic())

        threading.Thread(target=keep_house, name="janitor", daemon=True).start()
