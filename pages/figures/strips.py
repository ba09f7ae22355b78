"""Draws the states of parts of methods over the steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.optimizers.panels import Strip
from pages.figures import optimizers, style
from pages.figures.panels import Shown
from pages.figures.style import FigureDict

#: Roles of the states, the plain one first.
STATES = ("muted@0.4", "source", "primary", "weak", "truth")


def strips(shown: Sequence[Shown]) -> FigureDict:
    """Draw the states of parts over the steps: a bar for each stretch in which a part is in one state."""
    found = [(one, one.panel) for one in shown if isinstance(one.panel, Strip)]
    names = {one.name: one for one, _ in found}
    data: dict[str, dict[str, Any]] = {}
    rows: list[str] = []
    for one, strip in found:
        # a state lasts until the next one is known
        ends = np.append(strip.k[1:], max(strip.k[-1] + 1, one.member.view.k[-1]))
        for row, states in zip(strip.rows, strip.values, strict=True):
            rows.append(f"{one.name}: {row}" if len(names) > 1 else row)
            starts = np.flatnonzero(np.diff(states, prepend=-1))
            stops = np.append(starts[1:], len(states)) - 1
            for start, stop in zip(starts, stops, strict=True):
                state = int(states[start])
                bar = data.setdefault(strip.states[state], _bars(strip.states[state], state))
                bar["x"] += [float(strip.k[start]), float(ends[stop]), None]
                bar["y"] += [rows[-1], rows[-1], None]
    bars = [data[state] for state in found[0][1].states if state in data]
    y_axis = {
        "type": "category", "categoryarray": rows[::-1], "categoryorder": "array", "showgrid": False,
        "fixedrange": True,
    }  # fmt: skip
    figure = style.figure(bars, {"title": {"text": optimizers.X_AXES["steps"]}}, y_axis)
    figure["layout"]["hovermode"] = "closest"
    return figure


def _bars(name: str, state: int) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": [], "y": [], "connectgaps": False,
        "line": {"width": 11, "color": f"role:{STATES[state % len(STATES)]}", "dash": "solid"},
        "meta": {"cursor": False}, "hovertemplate": f"%{{y}}, from or to k = %{{x}}: {name}<extra></extra>",
    }  # fmt: skip
