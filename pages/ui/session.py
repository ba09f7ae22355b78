"""Who looks at the page, and what the process keeps for them."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.recipe import Recipe
from core.run import Limits, Run, State
from core.store import RunStore
from core.uploads import UploadStore

#: Cookie that names a browser; set by the server on the first visit, so that a reload finds its scans again.
OWNER_COOKIE = "iterscope_owner"


@dataclass(slots=True)
class LabState:
    """What one session shows in one lab."""

    run_key: str = ""
    pending_key: str = ""
    recipes: tuple[Recipe, ...] = ()
    refused: str = ""
    ignored: tuple[str, ...] | None = None


@st.cache_resource
def _stores() -> tuple[RunStore, UploadStore]:
    runs, uploads = RunStore(), UploadStore()
    runs.watch()

    def keep_house() -> None:
        while True:
            time.sleep(60.0)
            uploads.sweep(time.monotonic())

    threading.Thread(target=keep_house, name="uploads", daemon=True).start()
    return runs, uploads


def runs() -> RunStore:
    """Return the runs of this process."""
    return _stores()[0]


def uploads() -> UploadStore:
    """Return the files of this process."""
    return _stores()[1]


def owner() -> str:
    """Return the secret that names this browser: its cookie, or one for this session alone."""
    cookie = st.context.cookies.get(OWNER_COOKIE)
    if cookie:
        return cookie
    return st.session_state.setdefault("owner", secrets.token_urlsafe(16))


def lab_state(lab: str) -> LabState:
    """Return this session's state of a lab."""
    return st.session_state.setdefault(f"state.{lab}", LabState())


def current_run(state: LabState) -> Run | None:
    """Return the run that the session shows; None if there is none or it was freed."""
    return runs().get(owner(), state.run_key) if state.run_key else None


def pending_run(state: LabState) -> Run | None:
    """Return the run that will replace the shown one once it has something to show."""
    return runs().get(owner(), state.pending_key) if state.pending_key else None


def start_run(
    state: LabState, recipes: Sequence[Recipe], engine: tuple[float, Limits], *, paused: bool
) -> None:
    """Start a run; it is shown from its first iterate on, the one before stays until then.

    Parameters
    ----------
    engine : seconds to wait after every iteration (slow motion), and limits.
    paused : stop at the start, ready to go.
    """
    for old in (current_run(state), pending_run(state)):
        if old is not None:
            old.cancel()
    run = Run(recipes, engine[1], delay=engine[0])
    if paused:
        run.pause()
        run.step(1)
    state.pending_key = runs().add(owner(), run)
    state.recipes, state.refused = tuple(recipes), ""
    run.start()


def promote(state: LabState, pending: Run) -> bool:
    """Show the pending run if it has an iterate, drop it if it was refused; tell whether either happened."""
    view = pending.poll()
    if any(len(member.view) for member in view.members):
        state.run_key, state.pending_key = state.pending_key, ""
        return True
    if view.state.ended:
        state.refused = view.note if view.state is State.FAILED else ""
        state.pending_key = ""
        return True
    return False


def follow_controls(
    state: LabState,
    recipes: Sequence[Recipe],
    engine: tuple[float, Limits],
    *,
    recorded: bool,
    from_link: bool,
    at_once: bool = False,
) -> None:
    """Prepare what the controls ask for, if that changed.

    Parameters
    ----------
    recorded : a recording of exactly this is shown; it stays until the user presses Run.
    from_link : the address asked for something: a link computes at once.
    at_once : computing takes no time to speak of: every change of the controls computes.
    """
    if not recipes or tuple(recipes) == state.recipes:
        return
    first, state.recipes = not state.recipes, tuple(recipes)
    if first and (known := runs().find(owner(), recipes)):
        state.run_key = known  # the page was reloaded: its run goes on
    elif not (first and recorded):
        start_run(state, recipes, engine, paused=not (at_once or (first and from_link)))
