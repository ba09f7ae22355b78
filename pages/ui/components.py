"""Mount the live components: charts, the 3-D view, the transport and the read-outs.

Each function is called with the same `key` at every rerun; the browser then keeps the node, and only the
message travels. The code lives in ``assets/``; what is registered here is a stub that imports it, because
Streamlit sends the stub again with every message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from pages.figures.pack import pack, pack_figure

ASSETS = Path(__file__).resolve().parents[2] / "assets"

#: Heights [px] that the page reserves, so that nothing jumps while a component loads.
FIGURE_HEIGHT, VIEW_HEIGHT, TRANSPORT_HEIGHT, SHARES_HEIGHT, TABLE_ROW_HEIGHT = 180, 470, 46, 200, 30
FIELD_HEIGHT = 300

_STUB = """\
export default (c) => {
  const module = import(new URL("MODULE", document.baseURI).href);
  module.then((m) => m.EXPORT.render(c)).catch((error) => {
    const text = "This part of the page could not be loaded: " + error.message;
    c.parentElement.replaceChildren(Object.assign(document.createElement("p"), { textContent: text }));
  });
  return () => module.then((m) => m.EXPORT.release(c)).catch(() => {});
};
"""


def _version() -> str:
    """Short hash over our scripts: a new version is never read from the browser's cache."""
    digest = sha256()
    for path in sorted(ASSETS.glob("*.js")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _component(name: str, module: str, export: str, reserve: int = 0) -> Any:
    """Register one component; the mount command that Streamlit returns.

    `reserve` holds so many pixels until the script has drawn, where the height follows the content.
    """
    html = f'<div style="min-height: {reserve}px"></div>' if reserve else None
    stub = _STUB.replace("MODULE", f"assets/{module}.js?v={_version()}").replace("EXPORT", export)
    return st.components.v2.component(f"iterscope_{name}", html=html, js=stub, isolate_styles=False)


_live_figure = _component("live_figure", "live_figure", "figure")
_geometry = _component("cloud_geometry", "cloud_view", "geometry")
_companion = _component("cloud_companion", "cloud_view", "companion")
_pose = _component("cloud_pose", "cloud_feeds", "pose")
_scalars = _component("cloud_scalars", "cloud_feeds", "scalars")
_pairs = _component("cloud_pairs", "cloud_feeds", "pairs")
_surface = _component("surface_geometry", "surface_view", "surface")
_sphere = _component("sphere", "sphere_view", "sphere")
_surface_paths = _component("surface_paths", "surface_view", "paths")
_transport = _component("transport", "transport", "transport", TRANSPORT_HEIGHT)
_shares = _component("shares", "readout", "shares")
_table = _component("table", "readout", "table")
_standings = _component("standings", "standings", "standings")
_fields = _component("fields", "field_view", "fields", FIELD_HEIGHT)
_newest_fields = _component("newest_fields", "field_view", "newest")
_answers = _component("answers", "answers", "answers", FIELD_HEIGHT)
_painter = _component("painter", "mask_painter", "painter", FIELD_HEIGHT)


def live_figure(
    key: str,
    figure: Mapping[str, Any],
    *,
    group: str,
    run: str,
    title: str = "",
    label: str = "",
    cursor: bool = True,
    height: int = FIGURE_HEIGHT,
    on_point: Callable[[float, float], None] | None = None,
) -> None:
    """Mount a chart that is updated in place and keeps its zoom.

    Parameters
    ----------
    figure : ``{"data": [...], "layout": {...}}`` with plain values and numpy arrays. Traces name roles, not
        colours: ``"meta": {"role": "method", "index": 0}``; any string ``"role:weak"``, ``"role:method:1"``
        or ``"role:muted@0.4"`` becomes a colour. ``customdata`` or ``meta["k"]`` holds the iterate of each
        sample where x is something else.
    group : whose cursor is drawn, and moved by a click in the chart.
    run : identity of the data; a new one resets the zoom.
    title : head of the panel.
    label : what a screen reader says; default the title.
    cursor : draw the group's cursor.
    height : of the whole panel [px].
    on_point : both axes are coordinates: paths are drawn up to the cursor, and this is called with the place
        of a click, before the page runs again.
    """
    meta = {"id": key, "group": group, "run": run, "title": title, "label": label or title, "cursor": cursor}
    if on_point is None:
        _live_figure(key=key, data=pack_figure(figure, meta), height=height)
        return

    def clicked() -> None:
        point = st.session_state[key].get("point")
        if point:
            on_point(float(point[0]), float(point[1]))

    payload = pack_figure(figure, meta | {"plane": True})
    _live_figure(key=key, data=payload, height=height, on_point_change=clicked)


def cloud_geometry(key: str, payload: bytes, *, height: int = VIEW_HEIGHT) -> None:
    """Mount the 3-D view with the two clouds (`pages.figures.cloud.geometry_payload`).

    Call it outside the live fragment: the message is megabytes and travels once.
    """
    _geometry(key=key, data=payload, height=height)


def cloud_companion(key: str, *, group: str, height: int = VIEW_HEIGHT) -> None:
    """Mount a second 3-D view, of the second method, that reads the clouds of the group's first view.

    While it is there the first view shows the first method alone.
    """
    _companion(key=key, data={"group": group}, height=height)


def cloud_pose(key: str, payload: bytes) -> None:
    """Send the poses so far (`poses_payload`) to the views of its group; takes no room on the page."""
    _pose(key=key, data=payload)


def cloud_scalars(key: str, payload: bytes) -> None:
    """Send residual colours (`scalars_payload`) to the view of its group; takes no room on the page."""
    _scalars(key=key, data=payload)


def surface_geometry(key: str, payload: bytes, height: int = VIEW_HEIGHT) -> None:
    """Mount a 3-D surface (`pages.figures.surface.surface_payload`); it may be sent again as it fills in."""
    _surface(key=key, data=payload, height=height)


def sphere(key: str, payload: bytes, height: int = VIEW_HEIGHT) -> None:
    """Mount a function on a sphere (`pages.figures.surface.sphere_payload`); `surface_paths` brings paths."""
    _sphere(key=key, data=payload, height=height)


def surface_paths(key: str, payload: bytes) -> None:
    """Send paths (`paths_payload`) to the surfaces of their group; takes no room on the page."""
    _surface_paths(key=key, data=payload)


def cloud_pairs(key: str, payload: bytes) -> None:
    """Send pairs (`pairs_payload`) to the views of its group as lines; takes no room on the page."""
    _pairs(key=key, data=payload)


def transport(
    key: str,
    *,
    group: str,
    run: str,
    ks: NDArray[np.integer[Any]],
    running: bool,
    follow: bool = False,
    start: int | None = None,
    loop: bool = False,
    rate: float = 10.0,
) -> int | None:
    """Mount the player of a group; the iterate where the cursor last came to rest, or None before that.

    Parameters
    ----------
    run : identity of the run; a new one rewinds: to `start` and rests there, or, when `start` is None, to its
        first iterate and plays what is there and what comes.
    ks : (n,) recorded iterates, ascending, n >= 1.
    running : whether more iterates will come; playing then waits at the newest one.
    loop : play from `start` on, over and over.
    follow : stay at the newest iterate instead of playing behind it; applies when `run` is new.
    rate : iterates a second at speed 1.
    """
    recorded = np.asarray(ks, dtype=np.int32)
    meta = {
        "group": group,
        "run": run,
        "running": running,
        "follow": follow,
        "start": start,
        "loop": loop,
        "rate": rate,
        "count": len(recorded),
    }
    regular = bool(np.array_equal(recorded, np.arange(len(recorded))))
    result = _transport(
        key=key, data=pack({} if regular else {"k": recorded}, meta), height="content", on_k_change=_nothing
    )
    return None if result.k is None else int(result.k)


def shares(
    key: str,
    *,
    group: str,
    title: str = "Eigen-directions",
    empty: str = "The chosen methods report no directions.",
    height: int = SHARES_HEIGHT,
) -> None:
    """Mount the six bars r0–r2, t0–t2; their numbers are those of `cloud_pose` in the same group."""
    _shares(key=key, data={"group": group, "title": title, "empty": empty}, height=height)


def table(
    key: str,
    *,
    group: str,
    rows: Sequence[Mapping[str, str]],
    members: Sequence[tuple[str, NDArray[np.integer[Any]], Mapping[str, ArrayLike]]],
    height: int | None = None,
) -> None:
    """Mount the table of numbers at the cursor; two members get a difference column.

    Parameters
    ----------
    rows : each with ``key``, ``label`` and optionally ``unit``, ``help`` and ``format``: ``sig4`` (default),
        ``fixed2``, ``percent1`` (of a share), ``int``.
    members : (title, k (n,), {row key: (n,) values}); a missing row shows a dash.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for number, (_, k, columns) in enumerate(members):
        arrays[f"{number}.k"] = np.asarray(k, np.int32)
        arrays |= {f"{number}.{name}": np.asarray(column, np.float64) for name, column in columns.items()}
    meta = {
        "group": group,
        "rows": [dict(row) for row in rows],
        "members": [{"title": m[0]} for m in members],
    }
    reserved = height or (TABLE_ROW_HEIGHT * (len(rows) + 1) + 4)
    _table(key=key, data=pack(arrays, meta), height=reserved)


def fields(key: str, payload: bytes, on_cell: Callable[[int, int], None] | None = None) -> None:
    """Mount fields of numbers side by side (`pages.figures.field.fields_payload`).

    Call it outside the live fragment: the message is megabytes and travels once.

    Parameters
    ----------
    on_cell : called with row and column of a cell that was clicked, before the page runs again; the payload's
        view has ``"picks": True`` among its extras.
    """
    if on_cell is None:
        _fields(key=key, data=payload, height="content")
        return

    def clicked() -> None:
        cell = st.session_state[key].get("cell")
        if cell:
            on_cell(int(cell[0]), int(cell[1]))

    _fields(key=key, data=payload, height="content", on_cell_change=clicked)


def newest_fields(key: str, payload: bytes) -> None:
    """Send the newest fields of a moving run to the view of their group; takes no room on the page."""
    _newest_fields(key=key, data=payload)


def painter(key: str, payload: bytes, on_painted: Callable[[Any], None]) -> None:
    """Mount a grid to paint on.

    Parameters
    ----------
    payload : ``flags`` (rows, columns) int8; ``rev`` in the meta: another one replaces what is on screen.
    on_painted : called with ``{"shape": [rows, columns], "runs": [value, length, …]}`` after a stroke, before
        the page runs again.
    """

    def painted() -> None:
        message = st.session_state[key].get("painting")
        if message:
            on_painted(message)

    _painter(key=key, data=payload, height="content", on_painting_change=painted)


def standings(key: str, payload: bytes, rows: int) -> None:
    """Mount the table of who stands where at the cursor (`pages.figures.poisson.standings_payload`)."""
    _standings(key=key, data=payload, height=TABLE_ROW_HEIGHT * (rows + 1) + 6)


def answers(key: str, payload: bytes) -> None:
    """Mount samples with what each network takes them for (`pages.figures.network_training`)."""
    _answers(key=key, data=payload, height="content")


def _nothing() -> None:
    """Do nothing: a state needs a callback to be part of the result."""
