"""A pose as its users write it: matrix, quaternion, x y z roll pitch yaw, in both directions."""

from __future__ import annotations

import streamlit as st

from core.iterate import Array
from pages.figures.pose import DIRECTIONS, FORMS, pose_text


def pose_panel(T_target_source: Array, key: str) -> None:
    """Draw a pose with a choice of form and direction, ready to copy."""
    left, right = st.columns(2)
    with left:
        direction = st.segmented_control(
            "Direction",
            list(DIRECTIONS),
            default=next(iter(DIRECTIONS)),
            key=f"{key}.direction",
            required=True,
        )
    with right:
        form = st.segmented_control("Form", FORMS, default=FORMS[0], key=f"{key}.form", required=True)
    st.code(pose_text(T_target_source, str(form), str(direction)), language=None)
