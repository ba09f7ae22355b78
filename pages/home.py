"""The gallery: what iterscope is, a recorded run that moves, experiments with their claims and verdicts."""

from __future__ import annotations

import html
from base64 import b64encode

import streamlit as st

from core import registry
from core.registry import ExperimentSpec
from pages.figures import recording
from pages.figures.recording import Recording
from pages.figures.thumbnail import curves
from pages.ui import components
from pages.ui.explain import experiment_query, experiments, page_of, verdict_chip
from pages.ui.registration_views import mount_poses

HERO = "corridor"
#: What a visitor may bring to a lab.
OWN = {"registration": "scans", "poisson": "grid or matrix", "optimizers": "formula"}


def hero(shown: Recording) -> None:
    """Play a recorded registration."""
    components.cloud_geometry("hero", shown.geometry.payload, height=380)
    mount_poses("hero", shown, group="registration")
    ks = shown.view.members[0].view.kept
    components.transport(
        "hero.transport", group="registration", run=shown.key, ks=ks, running=False, loop=True
    )


def card(experiment: ExperimentSpec) -> None:
    """Draw an experiment: its question, its curves, its verdict, the way to it."""
    found = recording.load(experiment.key, experiment.lab)
    with st.container(border=True, height="stretch"):
        thumbnail = verdict = ""
        if found is not None:
            picture = curves(found.view.members, registry.lab(experiment.lab).yardstick)
            source = f"data:image/svg+xml;base64,{b64encode(picture.encode()).decode()}"
            thumbnail = f'<img class="it-thumbnail" alt="RMSE over the iterations" src="{source}">'
            finding = recording.finding(experiment, found.view.members, found.results)
            verdict = f"<p>{verdict_chip(finding.verdict)}</p><p>{html.escape(finding.sentence)}</p>"
        st.html(
            f'<h2 class="it-card-title">{html.escape(experiment.question)}</h2>{thumbnail}{verdict}'
            f'<p class="it-muted">{html.escape(experiment.source)}</p>'
        )
        st.page_link(
            f"{page_of(experiment)}.py",
            label="Open and compute it now",
            icon=":material/arrow_forward:",
            query_params=experiment_query(experiment),
        )


st.html(
    '<h1 class="it-title">Watch iterative methods work</h1><p class="it-tagline">Choose a problem '
    "and methods, press run, and see every iterate: what converges, how fast, and which directions nothing "
    "holds. Same problem, same start, same tolerance for all.</p>"
)
shown = recording.load(HERO)
if shown is not None:
    hero(shown)
    st.caption(
        "A recorded run: DCReg slides one scan of a corridor onto another. The walls hold everything but the "
        "motion along them, which the arrow marks."
    )
for lab in registry.labs():
    st.html(
        f'<h2 class="it-section">{html.escape(lab.title)}</h2>'
        f'<p class="it-tagline">{html.escape(lab.tagline)}.</p>'
    )
    prepared = experiments(lab.key)
    for start in range(0, len(prepared), 3):
        for column, experiment in zip(st.columns(3), prepared[start : start + 3], strict=False):
            with column:
                card(experiment)
    if lab.key == "optimizers":
        st.page_link(
            "training.py",
            label="Train networks: on digits, text, or a table of your own",
            icon=":material/neurology:",
        )
    st.page_link(
        f"{lab.key}.py",
        label=f"Open the lab: {lab.title.lower()} with your own {OWN[lab.key]}",
        icon=":material/upload:",
    )
