"""Every method with its source and parameters, generated from the registry; limits; shortcuts; versions."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core import registry
from core.recipe import versions
from core.registry import MethodSpec, ProblemSpec
from core.run import ADMISSION_PLACES, Limits
from core.store import FREE_AFTER, KEPT, PAUSE_AFTER, RUNNING
from core.uploads import KEEP_SECONDS, OWNER_BYTES
from pages.figures.docstrings import markdown
from pages.ui.upload import MAX_MB


def parameter_table(spec: MethodSpec | ProblemSpec) -> pd.DataFrame:
    """Return the declared parameters as they are said everywhere else."""
    rows = [(p.name, str(p.default), p.range_text, p.doc) for p in spec.parameters]
    return pd.DataFrame(rows, columns=["parameter", "default", "accepted", "what it does"])


st.title("Methods and limits")
for lab in registry.labs():
    st.header(lab.title)
    for method in registry.methods(lab.key):
        with st.expander(f"{method.title} ({method.key})"):
            st.markdown(f"**Source.** {method.source}")
            if method.assumes:
                st.markdown(f"**Assumes.** {method.assumes}")
            st.dataframe(parameter_table(method), hide_index=True)
            st.markdown(markdown(method.cls.__doc__ or ""))
    for module in registry.unavailable(lab.key):
        st.warning(f"not available: {module.module}: {module.reason}")
    st.subheader("Problems")
    for problem in registry.problems(lab.key):
        with st.expander(f"{problem.title} ({problem.key})"):
            st.text(problem.doc)
            st.dataframe(parameter_table(problem), hide_index=True)

st.header("Limits")
st.markdown(
    f"""
- {ADMISSION_PLACES} runs compute at the same time on this server; further ones wait in line. One visitor may
  compute {RUNNING} at once and keep {KEPT}.
- A run ends after {Limits().seconds:.0f} s of computing. One that nobody watches is paused after
  {PAUSE_AFTER:.0f} s and freed after {FREE_AFTER / 60:.0f} min.
- An uploaded file may have {MAX_MB} MB, all files of one visitor together {OWNER_BYTES / 2**20:.0f} MB; they
  are removed {KEEP_SECONDS / 60:.0f} min after the last visit. Nobody else can see them.
- The time of a method is the CPU time of the thread that computes it: what it waits for the page to be drawn,
  or for another visitor, does not count. Methods on tensors and analyses are timed by the clock.
- Numbers are float64 with one maths thread: the same recipe gives the same trace, bit for bit, on the same
  machine.
"""
)
st.header("Keyboard")
st.markdown(
    """
- Ctrl + Enter (Cmd + Enter): run. In the player: space plays, ← → step, with Shift by ten, Home and End jump.
- In the 3-D view: 1 from above, 2 from the side, 3 from the front, 0 fits everything, R resets.
"""
)
st.header("Versions")
st.text(", ".join(f"{name} {number}" for name, number in versions().items()))
