"""Painting obstacles: the mask of the painted problem, kept as a file of the session like an uploaded one."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.errors import InputError
from core.poisson.drawings import BEGINNINGS, SIDES, as_npy, beginning, flags_of_runs
from core.poisson.files import read_flags
from core.poisson.system import FLUID, Flags
from pages.figures.pack import pack
from pages.ui import components
from pages.ui.session import owner, uploads

SLOT = "poisson.mask"
#: What a first visitor finds painted.
FIRST, FIRST_SIDE = "walls with gaps", 96
NAME = "painting.npy"


def provide_mask() -> None:
    """Paint a mask for a first visitor."""
    if SLOT not in uploads().get(owner()):
        _keep(beginning(FIRST, FIRST_SIDE))


def mask() -> Flags:
    """Return the mask in use."""
    return read_flags(uploads().get(owner())[SLOT].path)


def painting() -> bool:
    """Ask whether the view is for painting or shows the run's fields."""
    view = st.segmented_control(
        "View", ("paint", "fields"), default="paint", key="view", bind="query-params", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    return view == "paint"


def painter() -> None:
    """Draw the canvas with what it may begin with; every stroke becomes the mask."""
    flags = mask()
    if flags.ndim != 2 or any(side not in SIDES for side in flags.shape):
        shape = " × ".join(map(str, flags.shape))
        st.caption(f"A mask of {shape} cells cannot be painted on here; begin a new one:")
    with st.container(horizontal=True, vertical_alignment="bottom", key="beginnings"):
        name = st.selectbox("Begin with", list(BEGINNINGS), key="painter.beginning", width=170)
        side = st.selectbox(
            "Cells a side", SIDES, index=SIDES.index(FIRST_SIDE), key="painter.side", width=110
        )
        st.button(
            "Begin anew", icon=":material/restart_alt:", key="painter.new", on_click=_begin, args=(name, side)
        )
        st.download_button(
            "Mask", lambda: as_npy(flags), NAME, icon=":material/download:", on_click="ignore",
            key="painter.save",
            help="An .npy file of 1 solid, 2 fluid, 3 air; load it here or with -p mask=FILE",
        )  # fmt: skip
    if error := st.session_state.get("painter.error"):
        st.error(error, icon=":material/error:")
    if flags.ndim == 2:
        components.painter("painter", pack({"flags": flags}, {"rev": _revision()}), _painted)


def _revision() -> str:
    """Identify the mask that the canvas begins with; what is painted on it keeps the name."""
    held = uploads().get(owner())[SLOT]
    if st.session_state.get("painter.last") != str(held.path):
        st.session_state["painter.last"] = str(held.path)
        st.session_state["painter.rev"] = st.session_state.get("painter.rev", 0) + 1
    return str(st.session_state["painter.rev"])


def _keep(flags: Flags) -> None:
    uploads().put(owner(), SLOT, NAME, as_npy(flags))


def _begin(name: str, side: int) -> None:
    _keep(beginning(name, side, seed=int(np.random.default_rng().integers(2**31))))
    st.session_state.pop("painter.error", None)


def _painted(message: Any) -> None:
    """Take what was painted; what cannot be used leaves the mask before in place."""
    try:
        flags = flags_of_runs(message["shape"], message["runs"])
        if not (flags == FLUID).any():
            raise InputError("painting", "a fluid cell", "none", "paint some fluid")
        _keep(flags)
    except InputError as error:
        st.session_state["painter.error"] = str(error)
        return
    st.session_state.pop("painter.error", None)
    # the canvas holds this already
    st.session_state["painter.last"] = str(uploads().get(owner())[SLOT].path)
