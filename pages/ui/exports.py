"""Links, recipes and downloads of what a page shows."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

from core.io.pointcloud import PointCloud, write_ply
from core.iterate import Array
from core.recipe import Recipe
from core.run import MemberView
from pages.figures import tables
from pages.ui.explain import METHOD_SLOTS


@dataclass(frozen=True, slots=True)
class Download:
    """A file on offer; `data` makes it when the button is pressed.

    Attributes
    ----------
    key : what tells it from the others.
    """

    key: str
    label: str
    extension: str
    mime: str
    help: str
    data: Callable[[], bytes]


def file_name(recipe: Recipe, extension: str) -> str:
    """Return ``<lab>_<method>_<recipe hash>.<extension>``."""
    return f"{recipe.lab}_{recipe.method}_{recipe.hash()}.{extension}"


def link(recipes: Sequence[Recipe], shared: Collection[str] | None = None) -> str:
    """Return the address of the page with everything that differs from the defaults.

    Parameters
    ----------
    shared : parameters that the page asks for once, for all methods; all of the first one's by default.
    """
    first = recipes[0]
    slots = METHOD_SLOTS[first.lab]
    query: dict[str, object] = {"p": first.problem}
    query |= dict(zip(slots, [r.method for r in recipes] + ["none"] * len(slots), strict=False))
    for parameter in first.problem_spec.parameters:
        value = first.problem_params[parameter.name]
        if parameter.form != "file" and value != parameter.default:
            query[f"p.{parameter.name}"] = value
    once = set(first.method_params) if shared is None else set(shared)
    for prefix, recipe in zip(slots, recipes, strict=False):
        known = once if prefix != slots[0] else set()
        for parameter in recipe.method_spec.parameters:
            value = recipe.method_params[parameter.name]
            if parameter.name not in known and value != parameter.default:
                query[f"{prefix}.{parameter.name}"] = value
    if first.seed:
        query["seed"] = first.seed
    base = st.context.url or ""
    return f"{base.split('?')[0]}?{urlencode(query)}"


def link_popover(recipes: Sequence[Recipe], shared: Collection[str] | None = None) -> None:
    """Offer the address, the recipe and a Python script; each gives the same trace again."""
    with st.popover("Link", icon=":material/link:"):
        st.caption("This address computes the same run again.")
        st.code(link(recipes, shared), language=None)
        files = recipes[0].files()
        if files:
            names = ", ".join(path.name for path in files.values())
            st.caption(f"It needs your files again: {names}. They are not part of the link.")
        for recipe in recipes:
            st.caption(f"Recipe {recipe.hash()}: {recipe.method_spec.title}. Python with core alone:")
            st.code(recipe.python(), language="python")


def export_popover(
    members: Sequence[MemberView],
    source: PointCloud | None,
    poses: Sequence[Array],
    whole_run: Sequence[Download] = (),
) -> None:
    """Offer the numbers, the traces, the recipes and the aligned cloud.

    Parameters
    ----------
    source : the moving scan as it was read; None where only a recording is shown.
    poses : (4, 4) final T_target_source of every member, where there is a scan.
    whole_run : files about all members together, offered first.
    """
    with st.popover("Export", icon=":material/download:"):
        ready = [m for m in members if len(m.view)]
        if not ready:
            st.caption("Nothing to export yet: press Run.")
            return
        first = ready[0].recipe
        for offer in whole_run:
            st.download_button(
                offer.label,
                offer.data,
                file_name(first, offer.extension),
                offer.mime,
                help=offer.help,
                on_click="ignore",
                width="stretch",
                key=f"export.{offer.key}",
            )
        st.download_button(
            "Iterates of all methods (CSV)",
            lambda: tables.csv(ready),
            file_name(first, "csv"),
            "text/csv",
            on_click="ignore",
            width="stretch",
            key="export.csv",
        )
        for number, member in enumerate(ready):
            _member_downloads(member, source, poses[number] if source is not None else None, number)


def _member_downloads(member: MemberView, source: PointCloud | None, pose: Array | None, number: int) -> None:
    recipe, title = member.recipe, member.recipe.method_spec.title
    st.markdown(f"**{title}**")
    st.download_button(
        "Trace with snapshots (Parquet)",
        lambda: tables.parquet(member),
        file_name(recipe, "parquet"),
        on_click="ignore",
        width="stretch",
        key=f"export.parquet.{number}",
    )
    st.download_button(
        "Recipe (JSON)",
        recipe.to_json,
        file_name(recipe, "json"),
        "application/json",
        on_click="ignore",
        width="stretch",
        key=f"export.recipe.{number}",
    )
    if source is None or pose is None:
        return

    def aligned() -> bytes:
        buffer = io.BytesIO()
        moved = source.points @ pose[:3, :3].T + pose[:3, 3]
        write_ply(buffer, moved, source.intensity, source.rgb)
        return buffer.getvalue()

    st.download_button(
        "Source in the target's frame (PLY)",
        aligned,
        file_name(recipe, "ply"),
        on_click="ignore",
        width="stretch",
        key=f"export.ply.{number}",
    )
