"""Charts of the optimizer lab's analyses: tuned rates, maps of starts, phase diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.iterate import Array
from core.optimizers.landscape import Landscape
from core.run import MemberView
from core.trace import Snapshot
from pages.figures import landscape, style
from pages.figures.maps import SCALE, filled
from pages.figures.style import FigureDict
from pages.figures.surface import number

#: Layers of a map of starts and of a phase diagram: what the page calls each → its place in x.
STARTS = {"which minimum": 0, "steps until there": 1, "final loss": 2}
PHASES = {"final loss": 0, "distance to the minimum": 1}


def tuning(logs: Sequence[tuple[str, int, Array]], criterion: str) -> FigureDict:
    """Draw the final loss (or distance) of every run against its rate, one curve a method.

    Parameters
    ----------
    logs : (name, colour index, rows of `core.optimizers.methods.lr_tuning.COLUMNS`) of every method.
    criterion : "loss" or "distance_to_minimum".
    """
    data: list[dict[str, Any]] = []
    column = 1 if criterion == "loss" else 2
    for name, index, log in logs:
        done = log[np.isfinite(log[:, 0])]
        done = done[np.argsort(done[:, 0])]
        y = np.where(np.isfinite(done[:, column]), done[:, column], np.nan)
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "x": done[:, 0], "y": y, "name": name,
                "line": style.method_line(index), "marker": {"size": 5}, "meta": style.method_meta(index),
                "hovertemplate": f"{name}, rate %{{x:.3g}}: %{{y:.4g}}<extra></extra>",
            }
        )  # fmt: skip
        if np.isfinite(y).any():
            best = int(np.nanargmin(y))
            data.append(
                {
                    "type": "scatter", "mode": "markers", "x": done[best : best + 1, 0],
                    "y": y[best : best + 1], "name": "", "showlegend": False, "hoverinfo": "skip",
                    "marker": {"size": 13, "symbol": "circle-open", "line": {"width": 2}},
                    "meta": style.method_meta(index),
                }
            )  # fmt: skip
    logarithmic = all(bool((np.asarray(t["y"])[np.isfinite(t["y"])] > 0).all()) for t in data)
    y_axis = {"type": "log", "exponentformat": "power"} if logarithmic else {}
    x_axis = {"type": "log", "exponentformat": "power", "title": {"text": "learning rate"}}
    figure = style.figure(data, x_axis, y_axis)
    figure["layout"]["hovermode"] = "closest"
    return figure


def starts(snapshot: Snapshot, layer: str, minima: Array) -> FigureDict:
    """Colour every start by where a method goes from it.

    Parameters
    ----------
    layer : a key of `STARTS`.
    minima : (m, 2) that the numbers of the first layer mean; drawn as crosses.
    """
    grid, values = snapshot["starts"], snapshot["x"][..., STARTS[layer]]
    if "minima" not in snapshot:  # the map is not complete yet
        values = filled(values, np.isnan(snapshot["x"][..., STARTS["final loss"]]))
    x, y = grid[0, :, 0], grid[:, 0, 1]
    hover = f"start (%{{x:.3g}}, %{{y:.3g}}): {layer} %{{customdata:.4g}}<extra></extra>"
    heat: dict[str, Any] = {"type": "heatmap", "x": x, "y": y, "customdata": values, "hovertemplate": hover}
    if layer == "which minimum":
        heat |= _categories(values, max(len(minima), 1))
    else:
        heat |= _coloured(values, layer)
    known = minima[np.isfinite(minima).all(axis=1)] if len(minima) else np.empty((0, 2))
    crosses = {
        "type": "scatter", "mode": "markers", "x": known[:, 0], "y": known[:, 1], "name": "",
        "marker": {"symbol": "cross-thin", "size": 12, "line": {"width": 2.5, "color": "role:text"}},
        "hovertemplate": "minimum at (%{x:.4g}, %{y:.4g})<extra></extra>", "showlegend": False,
    }  # fmt: skip
    figure = style.figure([heat, crosses], {"title": {"text": "start x"}}, {"title": {"text": "start y"}})
    figure["layout"]["hovermode"] = "closest"
    for name, edge in (("xaxis", x), ("yaxis", y)):
        half = 0.5 * (edge[1] - edge[0])
        figure["layout"][name] |= {"range": [edge[0] - half, edge[-1] + half]}
    return figure


def smoothness(
    snapshot: Snapshot, problem: Landscape, members: Sequence[MemberView], shapes_of: int | None
) -> FigureDict:
    """Colour every point by γ there, with the contour lines of f, the minima and paths over it.

    Parameters
    ----------
    members : whose paths are drawn; on the same landscape.
    shapes_of : member whose shapes are drawn at the cursor.
    """
    values = filled(snapshot["x"])
    heat = {
        "type": "heatmap", "x": snapshot["x_axis"], "y": snapshot["y_axis"], "customdata": values,
        "hovertemplate": "(%{x:.3g}, %{y:.3g}): γ = %{customdata:.4g}<extra></extra>",
        **_coloured(values, "γ"),
    }  # fmt: skip
    figure = landscape.contours(landscape.plane(problem, beyond=False), problem, members, shapes_of)
    ground, *over = (trace for trace in figure["data"] if trace["type"] != "arrows")
    lines = {**ground, "contours": {**ground["contours"], "coloring": "none"}, "opacity": 0.7}
    for trace in over:
        if "trail" in trace.get("meta", {}):
            trace["meta"]["cased"] = True
    figure["data"] = [heat, lines, *over]
    for axis in ("xaxis", "yaxis"):
        figure["layout"][axis]["constrain"] = "domain"
    return figure


def _categories(values: Array, count: int) -> dict[str, Any]:
    """Return one colour a minimum, grey for none; the palette of methods, light enough for crosses."""
    colours = ["role:muted@0.25"] + [f"role:method:{i % style.COLOURS}@0.6" for i in range(count)]
    n = len(colours)
    scale = [[edge, colour] for i, colour in enumerate(colours) for edge in (i / n, (i + 1) / n)]
    return {"z": values, "zmin": -1.5, "zmax": count - 0.5, "colorscale": scale, "showscale": False}


def _coloured(values: Array, title: str) -> dict[str, Any]:
    """Return a logarithmic colouring of positive values, a linear one where they are not."""
    finite = values[np.isfinite(values)]
    heading = {"text": title, "side": "right", "font": {"size": 11.5, "color": "role:muted"}}
    bar: dict[str, Any] = style.BAR | {"title": heading}
    shown = np.where(np.isfinite(values), values, np.nan)
    if len(finite) and finite.max() > 0 and finite.min() >= 0 and finite.max() > 50 * _small(finite):
        floor = _small(finite)
        shown = np.log10(np.maximum(shown, floor))
        low, high = np.floor(np.log10(floor)), np.ceil(np.log10(finite.max()))
        ticks = np.arange(low, high + 1, max(1, round((high - low) / 8)))
        bar |= {"tickvals": ticks.tolist(), "ticktext": [number(10.0**t) for t in ticks]}
    return {"z": shown, "colorscale": SCALE, "colorbar": bar}


def _small(values: Array) -> float:
    """Return the smallest positive value, at most sixteen decades below the largest."""
    positive = values[values > 0]
    return max(float(positive.min()), 1e-16 * float(positive.max())) if len(positive) else 1.0


def phases(snapshot: Snapshot, layer: str, names: tuple[str, str], logs: tuple[bool, bool]) -> FigureDict:
    """Colour every pair of two hyper-parameters by the end of a run; crosses mark what diverged.

    Parameters
    ----------
    layer : a key of `PHASES`.
    names, logs : of the parameters along x and y, and whether each is spaced logarithmically.
    """
    x, y = snapshot["x_axis"], snapshot["y_axis"]
    # a cell that is not done takes the nearest one's value; one that diverged stays empty
    losses = snapshot["x"][..., 0]
    values = filled(np.where(np.isinf(losses), np.inf, snapshot["x"][..., PHASES[layer]]))
    hover = f"{names[0]} %{{x:.3g}}, {names[1]} %{{y:.3g}}: %{{customdata:.4g}}<extra></extra>"
    heat = {
        "type": "heatmap", "x": x, "y": y, "customdata": values, "hovertemplate": hover,
        **_coloured(values, layer),
    }  # fmt: skip
    rows, columns = np.nonzero(np.isinf(losses))
    diverged = {
        "type": "scatter", "mode": "markers", "x": x[columns], "y": y[rows], "name": "diverged",
        "marker": {"symbol": "x-thin", "size": 6, "line": {"width": 1.2, "color": "role:weak"}},
        "line": {"color": "role:weak"}, "hovertemplate": "diverged<extra></extra>",
    }  # fmt: skip
    axes = [
        {"title": {"text": name}, **({"type": "log", "exponentformat": "power"} if log else {})}
        for name, log in zip(names, logs, strict=True)
    ]
    figure = style.figure([heat, diverged], axes[0], axes[1])
    figure["layout"]["hovermode"] = "closest"
    return figure
