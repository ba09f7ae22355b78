"""A race of trainings in sentences with numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from core.optimizers.training import Training
from core.optimizers.training_outcome import alike, reached, turned
from core.run import MemberView
from pages.figures import optimizers as figures
from pages.figures import roster
from pages.ui.status import seconds_text


def training_sentences(
    members: Sequence[MemberView], training: Training, results: Sequence[dict[str, Any]]
) -> list[str]:
    """Say who is best on held-out data, who learnt fastest by which count, and what to make of it."""
    names = figures.labels(members)
    failed = [n for n, m in zip(names, members, strict=True) if roster.tone(m) == "failed"]
    sound = [i for i, m in enumerate(members) if roster.tone(m) != "failed" and len(m.view) > 1]
    said = [_held_out([(names[i], results[i]) for i in sound], training)] if sound else []
    said += _speed([(names[i], members[i], results[i]) for i in sound])
    said += _by_heart([(names[i], members[i]) for i in sound])
    pairs = alike({names[i]: members[i].view for i in sound})
    said += [
        f"{a} and {b} go the same way here: their training losses differ by {d:.1%} at most."
        for a, b, d in pairs
    ]
    said += [f"{n} failed: {m.view.note}." for n, m in zip(names, members, strict=True) if n in failed]
    return said


def _held_out(ends: Sequence[tuple[str, dict[str, Any]]], training: Training) -> str:
    target = training.target
    if training.classes:
        best = sorted(ends, key=lambda end: -(end[1]["accuracy"] or 0.0))
        parts = [f"{name} {result['accuracy'] or 0.0:.1%}" for name, result in best]
        return f"Held-out samples told right: {', '.join(parts)}."
    best = sorted(ends, key=lambda end: end[1]["validation_loss"] or math.inf)
    parts = [
        f"{name} {target.scale * math.sqrt(2.0 * (result['validation_loss'] or 0.0)):.3g}"
        for name, result in best
    ]
    return (
        f"Root mean square error of {target.name} on held-out samples: {', '.join(parts)}; telling always "
        f"the mean has {target.scale:.3g}."
    )


def _speed(ends: Sequence[tuple[str, MemberView, dict[str, Any]]]) -> list[str]:
    known = [end for end in ends if end[2]["train_loss"] is not None]
    if len(known) < 2:
        return []
    slowest = max(known, key=lambda end: end[2]["train_loss"])
    loss = slowest[2]["train_loss"]
    found = [(name, reached(member.view, loss)) for name, member, _ in known]
    there = [(name, at) for name, at in found if at is not None]
    by_step = sorted(there, key=lambda pair: pair[1].step)
    parts = [f"{name} at step {at.step}" for name, at in by_step]
    fastest, at = min(there, key=lambda pair: pair[1].seconds)
    sentence = f"The training loss {loss:.3g}, where {slowest[0]} ended, was reached by {', '.join(parts)}."
    if fastest != by_step[0][0]:
        sentence += f" By the clock {fastest} was first, after {seconds_text(at.seconds)}."
    return [sentence]


def _by_heart(ends: Sequence[tuple[str, MemberView]]) -> list[str]:
    found = [(name, turned(member.view)) for name, member in ends]
    said = []
    for by_heart, what, why in (
        (True, "", "From there on the network learns its samples by heart."),
        (False, " and the training loss with it", "Its steps are too large, or too noisy, to stay there."),
    ):
        parts = [
            f"{name} since step {at.step}, by {at.rise:.0%}"
            for name, at in found
            if at is not None and at.by_heart == by_heart
        ]
        if parts:
            said.append(f"The held-out loss has risen again{what}: {'; '.join(parts)}. {why}")
    return said
