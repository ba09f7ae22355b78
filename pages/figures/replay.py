"""The report of a run: one HTML file with words, numbers and a replay that scrubs without a server.

The view, the charts and the tables in it are the app's own components, fed with the same messages
(`pages.figures.cloud`, `pages.figures.pack`); ``assets/replay.js`` mounts them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.linalg import lie
from core.recipe import versions
from core.registration.correspondences import residuals
from core.registration.problem import ScanPair
from core.run import MemberView
from pages.figures import convergence, inline
from pages.figures import registration as figures
from pages.figures.cloud import display_sample, poses_payload, scalars_payload
from pages.figures.pack import pack, pack_figure, unpack
from pages.figures.report_html import Report, body, problem_title

#: Points of each cloud in the file.
POINTS = 60_000
#: Bytes of all poses for the 3-D view, and iterates of each method in the tables.
POSE_BYTES, ITERATES = 1_000_000, 2_000
#: Iterates for which the file holds residual colours.
COLOURED = 8

STYLES = ("app.css", "shell.css", "replay.css")


def replay(report: Report, *, plotly: inline.Plotly = "inline") -> bytes:
    """Return the report as one HTML file.

    Parameters
    ----------
    plotly : "inline" puts plotly.js into the file (4.8 MB), which then opens without a network; "cdn" links
        to it, and without a network the charts are missing.
    """
    clouds = thinned_clouds(report.geometry.payload)
    group = str(unpack(clouds)[1]["group"])
    charts = _charts(report, group)
    payloads = {"geometry": clouds, **_cursor_payloads(report, group)}
    for name, by_axis in charts.items():
        payloads |= {f"{name}.{axis}": message for axis, message in by_axis.items()}
    colours = {f"colours.{i}": _thinned_colours(c) for i, c in enumerate(report.colours)}
    titles = [recipe.method_spec.title for recipe in report.recipes]
    return inline.page(
        f"{problem_title(report.recipes[0])}: {', '.join(titles)} · iterscope",
        body(report, group, list(charts), plotly),
        entry="replay.js",
        boot="replay_boot.js",
        styles=STYLES,
        payloads=payloads | colours,
        settings={"group": group, "colours": list(colours)},
        generator=f"iterscope {versions().get('iterscope', '')}".strip(),
        plotly=plotly,
    )


def residual_colours(problem: ScanPair, member: MemberView) -> list[bytes]:
    """Return the colours of the source points by their residuals, at some iterates, in one common range.

    The iterates are spread evenly in log k, since the first ones move most; the points are those that
    `thinned_clouds` leaves of a payload of both clouds without their (0, 0, 0) points.
    """
    view, seen = member.view, problem.source.points
    if "max_distance" not in view.scalars:
        return []
    seen = seen[np.any(seen != 0.0, axis=1)]
    points = seen[display_sample(len(seen), POINTS)] - problem.source_offset
    spread = np.rint(np.expm1(np.linspace(0.0, np.log(len(view.kept)), COLOURED)))
    chosen = [int(k) for k in view.kept[np.unique(spread.astype(int))]]
    target, reach = problem.levels[-1].target, float(view.scalars["max_distance"][-1])
    values = [residuals(points, target, problem.to_internal(view.snapshot("x", k)), reach) for k in chosen]
    found = np.abs(np.concatenate(values))
    found = found[np.isfinite(found)]
    limit = float(np.percentile(found, 95)) if len(found) else 1.0
    about = {"group": member.recipe.lab, "member": member.recipe.method, "limit": limit}
    return [scalars_payload(v, rev=f"report.{k}", k=k, **about) for v, k in zip(values, chosen, strict=True)]


def thinned_clouds(payload: bytes) -> bytes:
    """Return a geometry message with at most `POINTS` points a cloud; its points stand in random order."""
    arrays, meta = unpack(payload)
    kept = {name: values[:POINTS] for name, values in arrays.items()}
    for name in ("source", "target"):
        meta[name]["shown"] = len(kept[name])
    return pack(kept, meta)


def _thinned_colours(payload: bytes) -> bytes:
    arrays, meta = unpack(payload)
    return pack({"scalars": arrays["scalars"][:POINTS]}, meta)


def _even(count: int, limit: int) -> NDArray[np.int64]:
    """Return indices of at most `limit` of `count` items, first and last among them."""
    return np.unique(np.rint(np.linspace(0, count - 1, min(count, limit))).astype(np.int64))


def _charts(report: Report, group: str) -> dict[str, dict[str, bytes]]:
    """Return the messages of every chart that has curves, by x axis."""
    members, points = report.members, convergence.FINAL_POINTS
    first = members[0].recipe.method_spec.title
    builders = {
        "rmse": ("RMSE, point to plane [m]", lambda x: figures.rmse(members, x, points)),
        "condition": (f"Condition number κ, {first}", lambda x: figures.conditions(members[0], x, points)),
    }
    charts = {}
    for name, (title, build) in builders.items():
        built = {axis: build(axis) for axis in convergence.X_AXES}
        if built["iterations"]["data"]:
            about = {"id": name, "group": group, "title": title, "label": title, "cursor": True}
            charts[name] = {axis: pack_figure(f, about | {"run": axis}) for axis, f in built.items()}
    return charts


def _cursor_payloads(report: Report, group: str) -> dict[str, bytes]:
    """Return what follows the cursor: player, poses for the view, poses in digits, table."""
    members, geometry = report.members, report.geometry
    scale = report.results[0].get("residual_scale")
    tracks = [figures.pose_track(member, scale) for member in members]
    ks = max((m.view.kept for m in members), key=len).astype(np.int32)
    player = {"group": group, "run": "report", "running": False, "follow": False, "loop": False}
    place = {"group": group, "offsets": geometry.offsets, "anchor": geometry.anchor}
    digits: dict[str, NDArray[Any]] = {}
    table: dict[str, NDArray[Any]] = {}
    for i, member in enumerate(members):
        kept = member.view.kept[_even(len(member.view.kept), ITERATES)]
        poses = np.array([member.view.snapshots[int(k)]["x"] for k in kept]).reshape(-1, 4, 4)
        digits |= {
            f"{i}.k": kept.astype(np.int32),
            f"{i}.pose": poses.reshape(-1, 16),
            f"{i}.xyzrpy": np.array([lie.xyzrpy(T) for T in poses]).reshape(-1, 6),
        }
        _, k, columns = figures.table_member(member, geometry.truth)
        rows = _even(len(k), ITERATES)
        table |= {f"{i}.k": k[rows].astype(np.int32)}
        table |= {f"{i}.{name}": np.asarray(column, np.float64)[rows] for name, column in columns.items()}
    titles = [{"title": member.recipe.method_spec.title} for member in members]
    about = {"group": group, "members": titles}
    return {
        "transport": pack({"k": ks}, player | {"start": int(ks[-1]), "count": len(ks)}),
        "pose": poses_payload(tracks, rev="report", budget=POSE_BYTES, **place),
        "poses": pack(digits, about),
        "table": pack(table, about | {"rows": figures.table_rows(geometry.truth)}),
    }
