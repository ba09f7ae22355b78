"""What a run is doing, in one sentence."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from core.iterate import Status
from core.run import MemberView, RunView, State

#: Tone of the mark before the sentence; the style sheet has a colour for each.
_TONES = {
    Status.CONVERGED: "reached",
    Status.MAX_ITERATIONS: "limit",
    Status.STALLED: "limit",
    Status.BREAKDOWN: "failed",
    Status.DIVERGED: "failed",
    Status.RUNNING: "running",
}
_OUTCOMES = {
    Status.CONVERGED: "reached its tolerance",
    Status.MAX_ITERATIONS: "stopped at its iteration limit",
    Status.STALLED: "made no more progress",
    Status.BREAKDOWN: "broke down",
    Status.DIVERGED: "diverged",
    Status.RUNNING: "stands",
}


def seconds_text(seconds: float) -> str:
    """Return a duration in the unit that fits it."""
    return f"{1e3 * seconds:.0f} ms" if seconds < 1.0 else f"{seconds:.1f} s"


def member_sentence(member: MemberView) -> str:
    """Say how one method ended; the reason only where it did not end well."""
    view, title = member.view, member.recipe.method_spec.title
    if not len(view):
        return f"{title} has not started"
    count = int(view.k[-1])
    text = f"{title} {_OUTCOMES[view.status]} after {count} iteration{'' if count == 1 else 's'}"
    reason = f": {view.note}" if view.note and view.status is not Status.CONVERGED else ""
    return f"{text}, {seconds_text(float(view.seconds[-1]))}{reason}"


def _outcome(members: Sequence[MemberView]) -> str:
    """Say how the methods ended: one by one if they are few, else who ended in which way."""
    if len(members) <= 2:
        return " · ".join(member_sentence(m) for m in members)
    groups: dict[Status, list[MemberView]] = {}
    for member in members:
        groups.setdefault(member.view.status, []).append(member)
    if set(groups) == {Status.CONVERGED}:
        return f"All {len(members)} methods reached their tolerance"
    parts = []
    for status in sorted(groups, key=list(_TONES).index):
        if status is Status.CONVERGED:
            parts.append(f"{len(groups[status])} of {len(members)} reached their tolerance")
        elif status is Status.MAX_ITERATIONS:
            parts.append(f"{len(groups[status])} of {len(members)} made all their iterations")
        else:
            parts += [member_sentence(m) for m in groups[status]]
    return " · ".join(parts)


def run_sentence(run: RunView) -> tuple[str, str]:
    """Return the tone and the sentence of a run's state."""
    match run.state:
        case State.QUEUED:
            return "waiting", f"Waiting for a free place, number {max(run.queue_position, 1)} in line"
        case State.PREPARING:
            progress = run.progress
            share = f" ({progress.done} of {progress.total})" if progress.total > 1 else ""
            return "running", f"Preparing: {progress.stage}{share}"
        case State.RUNNING if _is_analysis(run):
            return "running", f"Running, {seconds_text(run.active_seconds)}"
        case State.PAUSED if _is_analysis(run):
            return "waiting", f"Paused after {seconds_text(run.active_seconds)}"
        case State.RUNNING if _is_simulation(run):
            return "running", f"Running: frame {_frame(run)}, {seconds_text(run.active_seconds)}"
        case State.PAUSED if _is_simulation(run):
            return "waiting", f"Paused at frame {_frame(run)}"
        case State.RUNNING:
            parts = [
                f"{m.recipe.method_spec.title} at k = {int(m.view.k[-1])}" for m in run.members if len(m.view)
            ]
            return "running", f"Running: {', '.join(parts)} · {_rate(run)}"
        case State.PAUSED if all(len(m.view) <= 1 for m in run.members):
            return "ready", "Ready: at the start, k = 0. Press Run."
        case State.PAUSED:
            parts = [
                f"{m.recipe.method_spec.title} at k = {int(m.view.k[-1])}" for m in run.members if len(m.view)
            ]
            return "waiting", f"Paused: {', '.join(parts)}"
        case State.FINISHED if _is_analysis(run):
            return "reached", f"Done, {seconds_text(run.active_seconds)}"
        case State.FINISHED if _is_simulation(run):
            missed = sum(m.view.status is not Status.CONVERGED for m in run.members)
            rest = (
                f"; {missed} of {len(run.members)} solvers missed the tolerance in some frame"
                if missed
                else ""
            )
            tone = "limit" if missed else "reached"
            return tone, f"Done: {_frame(run)} frames, {seconds_text(run.active_seconds)}{rest}"
        case State.FINISHED:
            worst = max((m.view.status for m in run.members), key=list(_TONES).index)
            return _TONES[worst], _outcome(run.members)
        case State.TIME_LIMIT:
            return "limit", f"Stopped: {run.note}"
        case State.CANCELLED:
            return "limit", "Stopped; what was computed stays"
        case State.EXPIRED:
            return "limit", "Freed after a long time without a viewer; press Run to compute it again"
        case _:
            return "failed", run.note


def _is_analysis(run: RunView) -> bool:
    return all(m.recipe.method_spec.kind == "analysis" for m in run.members)


def _is_simulation(run: RunView) -> bool:
    return all(m.recipe.method_spec.kind == "simulation" for m in run.members)


def _frame(run: RunView) -> int:
    """Return the newest frame of a simulation."""
    return max((int(m.view.k[-1]) for m in run.members if len(m.view)), default=0)


def _rate(run: RunView) -> str:
    count = sum(len(m.view) for m in run.members)
    if run.active_seconds <= 0 or not count:
        return "starting"
    return f"{seconds_text(run.active_seconds)}, {count / run.active_seconds:.0f} iterations a second"


def status_line(tone: str, sentence: str) -> None:
    """Draw the line; screen readers hear it when it changes."""
    st.html(
        f'<div class="it-status" role="status" aria-live="polite"><span class="it-dot it-{tone}"></span>'
        f"<span>{html.escape(sentence)}</span></div>"
    )


def finding(sentences: Sequence[str], quiet: Sequence[str] = (), *, warns: bool = False) -> None:
    """Draw what was found, in sentences; screen readers hear it when it changes.

    Parameters
    ----------
    quiet : what stands below in a fainter colour.
    warns : whether it is something to be careful about.
    """
    body = "".join(f"<p>{html.escape(s)}</p>" for s in sentences)
    body += "".join(f'<p class="it-muted">{html.escape(s)}</p>' for s in quiet)
    st.html(f'<div class="it-finding{" it-weak" if warns else ""}" aria-live="polite">{body}</div>')
