"""The Streamlit script: page frame, navigation, the run badge; every page runs inside it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.session import current_run, lab_state

ASSETS = Path(__file__).resolve().parents[1] / "assets"

st.set_page_config(page_title="iterscope", page_icon=str(ASSETS / "icon.svg"), layout="wide")
st.html(ASSETS / "shell.css")

LAB_PAGES = {
    "registration": st.Page(
        "registration.py", title="Registration", icon=":material/join_inner:", url_path="registration"
    ),
    "poisson": st.Page("poisson.py", title="Poisson", icon=":material/grid_4x4:", url_path="poisson"),
    "optimizers": st.Page(
        "optimizers.py", title="Optimizers", icon=":material/trending_down:", url_path="optimizers"
    ),
    "training": st.Page(
        "training.py", title="Training networks", icon=":material/neurology:", url_path="training"
    ),
}
HOME = st.Page("home.py", title="Gallery", icon=":material/grid_view:", url_path="gallery", default=True)
ABOUT = st.Page("about.py", title="Methods and limits", icon=":material/info:", url_path="about")

page = st.navigation({"": [HOME], "Labs": list(LAB_PAGES.values()), "About": [ABOUT]})
st.logo(str(ASSETS / "logo.svg"), size="large", icon_image=str(ASSETS / "icon.svg"))

for key, lab_page in LAB_PAGES.items():
    if page != lab_page:
        run = current_run(lab_state(key))
        if run is not None and not run.view().state.ended:
            with st.sidebar:
                st.page_link(
                    lab_page,
                    label=f"{lab_page.title}: {run.view().state.value}",
                    icon=":material/play_circle:",
                )

page.run()
