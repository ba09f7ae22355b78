"""Which detectors are right about the simulated scenes: the recorded scores, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.registration.bench_detection import GRADES, recorded

_HOW_TO_READ = """
In a simulated scene it is known which motions nothing holds: in a corridor without ends, the motion along it.
Those are **lost**. Others are held, but poorly: those are **weak**. Each scene was scanned {seeds} times,
every time from two places, and each detector said at the true pose which motions are weak.

- **Right**: every lost motion was named, and beside them at most weak ones.
- **Partly**: a lost motion was named, but another one was missed, or a well-held one was named too.
- **Wrong**: of the lost motions none was named; or nothing is lost and a well-held motion was named.
- **Recall** is the share of lost motions that were named, **precision** the share of named motions that are
  lost; weak ones do not count in either. **False alarms** are well-held motions that were named.

Start with the row *none*: a test that never names anything is right in every scene that holds all motions.
What a detector is worth is what it has beyond that.
"""
_CAVEAT = """
**Read this with care.** Which motions count as weak was decided by looking at what the Schur test (DCReg's)
names in these scenes. That favours this test, and with it the combination in the last row; in the column
*right, strictly* no weak motion is tolerated. All thresholds have their default values; those of tests that
count points (ME, X-ICP) suit some numbers of points and not others. The scenes are clean, and another sensor,
noise or voxel size gives other numbers.
"""


def detection_table() -> None:
    """Draw the recorded scores of all detectors, by detector and by scene."""
    record = recorded()
    st.subheader("Which detectors find the lost motions")
    st.markdown(_HOW_TO_READ.format(seeds=len(record["seeds"])))
    st.dataframe(by_detector(record), hide_index=True)
    st.markdown(differences(record))
    st.markdown(_CAVEAT)
    with st.expander("By scene"):
        st.caption(
            "How many scans of each scene a detector was right about; what is partly right in brackets."
        )
        st.dataframe(by_scene(record), hide_index=True)
    setting, versions = record["setting"], record["versions"]
    st.caption(
        f"Measured on {record['date']} with iterscope {versions['iterscope']} in {len(record['scenes'])} "
        f"scenes: {setting['noise']:g} m of noise, voxels of mostly {setting['voxel']:g} m, partners within "
        f"{setting['max_distance']:g} m, {_range(record)} source points. `iterscope bench registration` "
        "measures it anew."
    )


def by_detector(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a detector, counts of all scenes and seeds together."""
    return pd.DataFrame(
        {
            "detector": entry["title"],
            **{grade: entry[grade] for grade in GRADES},
            "right, strictly": entry["exact"],
            "recall": round(entry["recall"], 2),
            "precision": round(entry["precision"], 2) if entry["hits"] + entry["false_alarms"] else None,
            "false alarms": entry["false_alarms"],
        }
        for entry in record["detectors"].values()
    )


def by_scene(record: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row a scene: what is lost and weak there, and how often each detector was right."""
    return pd.DataFrame(
        {
            "scene": scene["title"],
            "lost": ", ".join(scene["must"]) or "nothing",
            "weak": ", ".join(scene["may"]) or "nothing",
            **{name: _cell(entry["by_scene"][key]) for name, entry in record["detectors"].items()},
        }
        for key, scene in record["scenes"].items()
    )


def differences(record: Mapping[str, Any]) -> str:
    """Say in which scenes the relative test, the absolute one and both together fail."""
    schur, absolute, both = (_failures(record, name) for name in ("schur", "absolute", "schur_absolute"))
    return (
        f"DCReg's condition numbers compare motions with each other; they fail in {schur}. The absolute "
        f"test, an addition of this program, predicts how far each motion scatters; it fails in {absolute}. "
        f"Taken together they fail in {both}."
    )


def _failures(record: Mapping[str, Any], name: str) -> str:
    """Return the scenes that a detector was not right about with every seed."""
    failed = [
        record["scenes"][key]["title"]
        for key, scene in record["detectors"][name]["by_scene"].items()
        if scene["right"] < sum(scene[grade] for grade in GRADES)
    ]
    return ", ".join(f"*{title}*" for title in failed) or "none of the scenes"


def _cell(scene: Mapping[str, Any]) -> str:
    partly = f" ({scene['partly']})" if scene["partly"] else ""
    return f"{scene['right']}{partly}"


def _range(record: Mapping[str, Any]) -> str:
    points = [scene["points"] for scene in record["scenes"].values()]
    return f"{min(points):,} to {max(points):,}".replace(",", " ")
