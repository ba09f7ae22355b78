"""Small curves for cards: real traces as an SVG picture that draws itself once.

A picture knows no theme, so its colours are those of the palette that hold on both backgrounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.run import MemberView

WIDTH, HEIGHT, MARGIN = 300.0, 72.0, 4.0
COLOURS = ("#0072B2", "#A6417A", "#B36B00", "#7A63DD", "#2B7A78", "#8A6D3B", "#1F8FBF", "#70757E")
_STYLE = (
    "polyline{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}"
    "@media (prefers-reduced-motion:no-preference){polyline{animation:draw 2s ease-out}}"
    "@keyframes draw{from{stroke-dasharray:0 1}to{stroke-dasharray:1 0}}"
)


def curves(members: Sequence[MemberView], name: str) -> str:
    """Return an SVG of one recorded number of every method, logarithmic; nothing without data."""
    columns = [np.asarray(m.view.scalars[name], dtype=float) for m in members]
    positive = np.concatenate([c[np.isfinite(c) & (c > 0)] for c in columns]) if columns else np.empty(0)
    if not len(positive):
        return ""
    low, high = np.log(positive.min()), np.log(positive.max())
    longest = max(len(c) for c in columns)
    lines = []
    for member, column in zip(members, columns, strict=True):
        x = MARGIN + np.arange(len(column)) / max(longest - 1, 1) * (WIDTH - 2 * MARGIN)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (np.log(column) - low) / max(high - low, 1e-12)
        y = HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
        colour = COLOURS[member.recipe.method_spec.colour % len(COLOURS)]
        dash = "" if not lines else ' stroke-dasharray="0.02 0.02"'
        lines.append(f'<polyline stroke="{colour}"{dash} pathLength="1" points="{points}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'preserveAspectRatio="none"><style>{_STYLE}</style>{"".join(lines)}</svg>'
    )
