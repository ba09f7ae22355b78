"""A sweep in the background of a page: one short run after the other, collected by a polling fragment."""

from __future__ import annotations

import streamlit as st

from core.run import Limits, Run
from core.sweep import Sweep
from pages.ui.session import owner, runs

#: Seconds between two looks, and seconds that one look spends on short runs.
TICK, BATCH = 0.3, 0.25


class Sweeping:
    """The sweep that a session holds under a key, with the run that is under way."""

    def __init__(self, key: str, limits: Limits) -> None:
        self._key, self._limits = key, limits

    @property
    def sweep(self) -> Sweep | None:
        """What was started last, done or not."""
        return st.session_state.get(self._key)

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return bool(st.session_state.get(f"{self._key}.run"))

    def start(self, sweep: Sweep) -> None:
        """Begin a sweep; it takes the place of the one before."""
        self.stop()
        st.session_state[self._key] = sweep
        self._next()

    def stop(self) -> None:
        """End the run under way; what was collected stays."""
        runs().drop(owner(), st.session_state.pop(f"{self._key}.run", ""))

    def _next(self) -> None:
        recipe = self.sweep.next if self.sweep is not None else None
        st.session_state[f"{self._key}.run"] = ""
        if recipe is not None:
            run = Run([recipe], self._limits)
            st.session_state[f"{self._key}.run"] = runs().add(owner(), run)
            run.start()

    def advance(self) -> None:
        """Collect what has ended; several short runs at one look."""
        spent = 0.0
        while self.sweep is not None and self.running and spent < BATCH:
            run = runs().get(owner(), st.session_state[f"{self._key}.run"])
            if run is None:  # freed after a long time without a viewer
                self._next()
                return
            run.join(0.05)
            view = run.poll()
            spent += 0.05
            if not view.state.ended:
                continue
            self.sweep.collect(view)
            runs().drop(owner(), st.session_state[f"{self._key}.run"])
            self._next()
