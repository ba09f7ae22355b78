"""The tab Inside: what each method shows of itself beyond its loss."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from core.optimizers.directions import direction_panels
from core.optimizers.panels import (
    Arrows,
    Bands,
    Compares,
    Course,
    Matrices,
    Panel,
    Strip,
    comparing,
    panels_of,
)
from core.optimizers.steps import SCALARS
from core.registry import Scale
from core.run import MemberView
from pages.figures import panels as charts
from pages.figures.strips import strips
from pages.ui import components
from pages.ui.look import Look

#: Heights [px] of a chart over the steps, of a scatter, of a row of matrices, and of bands.
COURSE_HEIGHT, POINTS_HEIGHT, MATRICES_HEIGHT, BANDS_HEIGHT = 220, 320, 260, 260
#: Names that a legend holds in one row of a narrow head, and height [px] that each further one needs.
FEW_NAMES, NAME_HEIGHT = 3, 24
#: Heights [px] of a strip without rows, and of a row.
STRIP_HEIGHT, ROW_HEIGHT = 96, 22


def inside_tab(shown: Look[Any], k: int | None, group: str) -> None:
    """Draw the panels of all methods of a race at the cursor.

    Parameters
    ----------
    k : where the cursor rests; None while the run moves.
    group : whose cursor the charts follow.
    """
    if k is None:
        st.caption("What goes on inside the methods stands here when the race is over.")
        return
    members = shown.members
    others = comparing(member.recipe.build_method() for member in members)
    found = [
        [
            *shown.kept(("panels", number, k), partial(_panels, shown.problem, member, k, others)),
            *shown.kept(("directions", number), lambda m=member: [*direction_panels(shown.problem, m.view)]),
        ]
        for number, member in enumerate(members)
    ]
    charted = charts.by_key(members, found)
    if not charted:
        st.caption("None of these methods has more to show than its path, its loss and its formulas.")
        return
    left, right = st.columns(2)
    narrow = 0
    for key, panels in charted.items():
        if isinstance(panels[0].panel, Matrices):
            _draw_matrices(shown, key, panels, group)
            continue
        if isinstance(panels[0].panel, Strip):
            _draw_strips(shown, key, panels, group)
            continue
        for part in charts.apart(panels):
            with (left, right)[narrow % 2]:
                _draw_chart(shown, key, part, group, k)
            narrow += 1


def _panels(problem: Any, member: MemberView, k: int, others: list[Compares]) -> list[Panel]:
    """Return a method's panels, and a course of every further number that it alone records."""
    shown = panels_of(member.recipe.build_method(), problem, member.view, k, others)
    common = {*SCALARS, *member.recipe.problem_spec.scalars, *(panel.key for panel in shown)}
    own: list[Panel] = [
        Course(name, _title(scalar.label), member.view.scalars[name], log=scalar.scale is Scale.LOG)
        for name, scalar in member.recipe.method_spec.scalars.items()
        if name not in common and np.isfinite(member.view.scalars[name]).any()
    ]
    return [*shown, *own]


def _title(label: str) -> str:
    """Return a label with a capital, where it begins with a word and not with a symbol."""
    return label.capitalize() if label[0].isascii() else label


def _draw_chart(shown: Look[Any], key: str, panels: list[charts.Shown], group: str, k: int) -> None:
    panel = panels[0].panel
    title = panel.title
    if isinstance(panel, Course):
        figure, height, run = charts.courses(panels), COURSE_HEIGHT, shown.run
    elif isinstance(panel, Arrows):
        figure, height, run = charts.arrows(panel), POINTS_HEIGHT, f"{shown.run}.{k}"
    elif isinstance(panel, Bands):
        figure, height, run = charts.bands(panel), BANDS_HEIGHT, shown.run
    else:
        figure, height, run = charts.points(panels), POINTS_HEIGHT, f"{shown.run}.{k}"
    height += NAME_HEIGHT * max(0, len(panels) - FEW_NAMES)
    if charts.is_apart(panel):
        key, title = f"{key}.{panels[0].name}", f"{panels[0].name}: {title}"
    components.live_figure(
        f"{group}.inside.{key}", figure, group=group, run=f"{run}.{key}", height=height, title=title,
        cursor=isinstance(panel, Course | Bands),
    )  # fmt: skip
    _say(panels)


def _draw_matrices(shown: Look[Any], key: str, panels: list[charts.Shown], group: str) -> None:
    for i, (title, panel) in enumerate(charts.side_by_side(panels)):
        components.live_figure(
            f"{group}.inside.{key}.{i}", charts.matrices(panel), group=group, run=f"{shown.run}.{key}.{i}",
            height=MATRICES_HEIGHT, cursor=False, title=title,
        )  # fmt: skip
    _say(panels)


def _draw_strips(shown: Look[Any], key: str, panels: list[charts.Shown], group: str) -> None:
    rows = sum(len(one.panel.rows) for one in panels if isinstance(one.panel, Strip))
    components.live_figure(
        f"{group}.inside.{key}", strips(panels), group=group, run=f"{shown.run}.{key}",
        height=STRIP_HEIGHT + ROW_HEIGHT * rows, title=panels[0].panel.title,
    )  # fmt: skip
    _say(panels)


def _say(panels: list[charts.Shown]) -> None:
    """Draw the sentences that belong to a chart, each once."""
    for words in dict.fromkeys(one.panel.words for one in panels if one.panel.words):
        st.caption(words)
