"""Links, recipes and downloads of what a page shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st

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
    mime : None where the extension says it.
    member : place of the method that it is about; None = the whole run.
    """

    key: str
    label: str
    extension: str
    mime: str | None
    help: str
    data: Callable[[], bytes]
    member: int | None = None


def file_name(recipe: Recipe, extension: str) -> str:
    """Return ``<lab>_<method>_<recipe hash>.<extension>``."""
    return f"{recipe.lab}_{recipe.method}_{recipe.hash()}.{extension}"


def link(recipes: Sequence[Recipe], shared: Collection[str] | None = None) -> str:
    """Return the address of the page with everything that differs from the defaults; see `query`."""
    return f"{(st.context.url or '').split('?')[0]}?{urlencode(query(recipes, shared))}"


def query(recipes: Sequence[Recipe], shared: Collection[str] | None = None) -> dict[str, str]:
    """Return the parameters of that address.

    Parameters
    ----------
    shared : parameters that the page asks for once, for all methods; all of the first one's by default.
    """
    first = recipes[0]
    slots = METHOD_SLOTS[first.lab]
    found: dict[str, object] = {"p": first.problem}
    found |= dict(zip(slots, [r.method for r in recipes] + ["none"] * len(slots), strict=False))
    for parameter in first.problem_spec.parameters:
        value = first.problem_params[parameter.name]
        if parameter.form != "file" and value != parameter.default:
            found[f"p.{parameter.name}"] = value
    once = set(first.method_params) if shared is None else set(shared)
    for prefix, recipe in zip(slots, recipes, strict=False):
        known = once if prefix != slots[0] else set()
        for parameter in recipe.method_spec.parameters:
            value = recipe.method_params[parameter.name]
            if parameter.name not in known and value != parameter.default:
                found[f"{prefix}.{parameter.name}"] = value
    if first.seed:
        found["seed"] = first.seed
    return {key: str(value) for key, value in found.items()}


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


def export_popover(members: Sequence[MemberView], offers: Sequence[Download] = ()) -> None:
    """Offer the numbers, the traces and the recipes of a run, and what its lab offers beside them."""
    with st.popover("Export", icon=":material/download:"):
        ready = [m for m in members if len(m.view)]
        if not ready:
            st.caption("Nothing to export yet: press Run.")
            return
        first = ready[0].recipe
        for offer in offers:
            if offer.member is None:
                _button(offer, first)
        label = "Iterates of all methods (CSV)"
        _button(Download("csv", label, "csv", "text/csv", "", lambda: tables.csv(ready)), first)
        for number, member in enumerate(ready):
            st.markdown(f"**{member.recipe.method_spec.title}**")
            for offer in (*_of_member(member, number), *(o for o in offers if o.member == number)):
                _button(offer, member.recipe)


def _of_member(member: MemberView, number: int) -> tuple[Download, Download]:
    return (
        Download(
            "parquet", "Trace with snapshots (Parquet)", "parquet", None, "",
            lambda: tables.parquet(member), number,
        ),
        Download(
            "recipe", "Recipe (JSON)", "json", "application/json", "",
            lambda: member.recipe.to_json().encode(), number,
        ),
    )  # fmt: skip


def _button(offer: Download, recipe: Recipe) -> None:
    st.download_button(
        offer.label, offer.data, file_name(recipe, offer.extension), offer.mime, help=offer.help or None,
        on_click="ignore", width="stretch",
        key=f"export.{offer.key}" + ("" if offer.member is None else f".{offer.member}"),
    )  # fmt: skip
