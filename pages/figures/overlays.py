"""What follows the cursor on a map: arrows and shapes of a step; the browser draws one step at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.optimizers.overlays import Arrow, Marks, Outline, Overlay, Tint, overlays_of
from core.run import MemberView
from core.trace import TraceView
from pages.figures import style
from pages.figures.maps import SCALE

#: The terms of a step: array → (name on the page, role); the last one points where the method goes.
TERMS = {
    "gradient": ("−gradient", "weak"),
    "momentum": ("−momentum", "source"),
    "preconditioned": ("−preconditioned gradient", "truth"),
    "step": ("step", "text"),
}
#: Roles of the shapes' meanings; a method's own shapes have its colour.
ROLES = {"refused": "weak", "model": "muted", "other": "pairs"}
#: Steps whose shapes are sent.
STEPS = 1500


def arrows(view: TraceView) -> list[dict[str, Any]]:
    """Return the terms of every kept step as arrows that start at the iterate."""
    ks = _steps(view)
    points = np.array([view.snapshots[int(k)]["x"] for k in ks])
    found = []
    for key, (name, role) in TERMS.items():
        if len(ks) and key in view.snapshots[int(ks[0])]:
            terms = np.array([view.snapshots[int(k)][key] for k in ks]) * (1.0 if key == "step" else -1.0)
            found.append(_arrow(name, {"role": role}, ks, points, terms))
    return found


def overlays(member: MemberView, colour: int) -> list[dict[str, Any]]:
    """Return the shapes that a method draws of its steps (`core.optimizers.overlays`).

    Parameters
    ----------
    colour : index of the method's colour.
    """
    method, view = member.recipe.build_method(), member.view
    ks = _steps(view)
    named: dict[str, dict[int, Overlay]] = {}
    for at, k in enumerate(ks):
        for overlay in overlays_of(method, view.snapshots[int(k)]):
            named.setdefault(overlay.name, {})[at] = overlay
    traces = []
    for name, shapes in named.items():
        first = next(iter(shapes.values()))
        role = ROLES.get(first.meaning)
        meta: dict[str, Any] = style.method_meta(colour) if role is None else {"role": role}
        if isinstance(first, Outline):
            trace = _outlines(shapes, len(ks))
            # a method's own dashes are those of its path
            trace["line"] = {"dash": "solid" if role is None else "dash"}
            meta["rings"] = list(first.rings)
        elif isinstance(first, Marks):
            trace = _marks(shapes, len(ks))
            trace["line"] = {"dash": "dot"}
            meta["hollow"] = first.hollow
        else:
            points = np.array([view.snapshots[int(k)]["x"] for k in ks])
            vectors = [
                s.vector if isinstance(s, Arrow) else np.full(2, np.nan) for s in _all(shapes, len(ks))
            ]
            trace = _arrow(name, {}, ks, points, np.array(vectors))
        traces.append(trace | {"name": name, "customdata": ks, "meta": meta | trace.get("meta", {})})
    return traces


def _steps(view: TraceView) -> NDArray[np.int64]:
    """Return the kept iterates that a step leaves, at most `STEPS`."""
    ks = np.array([k for k in view.kept if "step" in view.snapshots[int(k)]], dtype=np.int64)
    return ks[np.unique(np.rint(np.linspace(0, len(ks) - 1, min(STEPS, len(ks)))).astype(int))]


def _all(shapes: dict[int, Overlay], count: int) -> list[Overlay | None]:
    return [shapes.get(at) for at in range(count)]


def _arrow(name: str, meta: dict[str, Any], ks: Any, points: Any, terms: Any) -> dict[str, Any]:
    lengths = np.linalg.norm(terms, axis=1, keepdims=True)
    # only where they point is drawn: their lengths differ by powers of ten and stand in Explain
    unit = np.divide(terms, lengths, out=np.full_like(terms, np.nan), where=lengths > 0)
    return {
        "type": "arrows", "name": name, "x": points[:, 0], "y": points[:, 1], "u": unit[:, 0],
        "v": unit[:, 1], "customdata": ks, "meta": meta,
    }  # fmt: skip


def _outlines(shapes: dict[int, Overlay], count: int) -> dict[str, Any]:
    """Return centres and matrices; NaN where a step has none."""
    numbers = np.full((count, 6), np.nan)
    for at, shape in shapes.items():
        if isinstance(shape, Outline):
            numbers[at] = [*shape.center, *np.asarray(shape.axes).T.ravel()]
    columns = ("x", "y", "ux", "uy", "vx", "vy")
    return {"type": "outline", **{name: numbers[:, i].copy() for i, name in enumerate(columns)}}


def _marks(shapes: dict[int, Overlay], count: int) -> dict[str, Any]:
    """Return all points one after the other, and where those of each step begin."""
    points = [s.points if isinstance(s, Marks) else np.empty((0, 2)) for s in _all(shapes, count)]
    first = np.cumsum([0, *(len(p) for p in points)])
    flat = np.concatenate(points) if points else np.empty((0, 2))
    return {"type": "marks", "x": flat[:, 0], "y": flat[:, 1], "first": first}


def tinted(path: dict[str, Any], tint: Tint) -> list[dict[str, Any]]:
    """Return a path that is coloured by a number, and the scale of its colours.

    Parameters
    ----------
    path : a path of kept iterates in ``customdata``.
    """
    ks: Sequence[int] = path["customdata"]
    at = np.clip(np.searchsorted(tint.ks, ks, side="right") - 1, 0, len(tint.ks) - 1)
    share = np.clip((tint.values[at] - tint.low) / (tint.high - tint.low), 0.0, 1.0)
    ticks = [tint.low, 0.5 * (tint.low + tint.high), tint.high]
    bar = {
        "orientation": "h", "thickness": 8, "len": 0.36, "x": 0.98, "xanchor": "right", "y": 0.02,
        "yanchor": "bottom", "outlinewidth": 0, "ticks": "", "bgcolor": "role:panel@0.85",
        "xpad": 14, "ypad": 4, "ticklabeloverflow": "allow",
        "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks],
        "tickfont": {"size": 11, "color": "role:muted"},
        "title": {"text": tint.title, "side": "top", "font": {"size": 11.5, "color": "role:muted"}},
    }  # fmt: skip
    scale = {
        "type": "scatter", "mode": "markers", "x": np.array([np.nan]), "y": np.array([np.nan]), "name": "",
        "showlegend": False, "hoverinfo": "skip", "meta": {"cursor": False, "role": "muted"},
        "marker": {"color": np.array([tint.low]), "cmin": tint.low, "cmax": tint.high, "showscale": True,
                   "colorscale": SCALE, "colorbar": bar},
    }  # fmt: skip
    return [path | {"meta": path["meta"] | {"tint": share, "scale": list(style.SEQUENTIAL)}}, scale]
