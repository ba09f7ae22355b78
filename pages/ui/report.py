"""The files that tell of a whole registration: the report with its replay, the recording for Rerun."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from core import registry
from core.io.pointcloud import PointCloud, write_ply
from core.iterate import Array
from core.registration import rerun_export
from core.registration.problem import ScanPair
from core.run import MemberView
from pages.figures.inline import Plotly
from pages.figures.replay import replay, residual_colours
from pages.figures.report_html import Report
from pages.ui.exports import Download
from pages.ui.registration_views import LAB, Shown
from pages.ui.status import run_sentence


def downloads(shown: Shown | None) -> list[Download]:
    """Return what can be had of the shown run or recording; each file is made when it is asked for."""
    if shown is None or not shown.members:
        return []

    def html(plotly: Plotly) -> bytes:
        return replay(report_of(shown, datetime.now(UTC)), plotly=plotly)

    offers = [
        Download(
            "report", "Report with replay (HTML)", "html", "text/html",
            "One file of 5 to 9 MB that opens without a network: replay, poses, tables, recipes",
            lambda: html("inline"),
        ),
        Download(
            "small_report", "Small report (HTML)", "html", "text/html",
            "The same without the chart library, which it loads from cdn.plot.ly",
            lambda: html("cdn"),
        ),
    ]  # fmt: skip
    problem = shown.problem
    if problem is not None and rerun_export.is_available():
        offers.append(
            Download(
                "rerun", "Recording for Rerun (RRD)", "rrd", "application/octet-stream",
                "Clouds, poses over the iterates and all recorded numbers, for the Rerun viewer",
                lambda: _rerun(problem, shown.members),
            )
        )  # fmt: skip
    if problem is not None:
        offers += [
            Download(
                "ply", "Source in the target's frame (PLY)", "ply", None, "",
                lambda pose=pose: _aligned(problem.source, pose), number,
            )
            for number, pose in enumerate(shown.poses)
        ]  # fmt: skip
    return offers


def _aligned(source: PointCloud, pose: Array) -> bytes:
    buffer = io.BytesIO()
    moved = source.points @ pose[:3, :3].T + pose[:3, 3]
    write_ply(buffer, moved, source.intensity, source.rgb)
    return buffer.getvalue()


def report_of(shown: Shown, created: datetime) -> Report:
    """Return what the report says about a run as it stands, or about a recording."""
    members, problem = shown.members, shown.problem
    tone, sentence = run_sentence(shown.view)
    if problem is None:
        return Report(
            members, shown.results, shown.geometry, ("recorded", f"Recorded earlier: {sentence}."), created,
            recorded=True, colours=[shown.geometry.scalars] if shown.geometry.scalars else [],
        )  # fmt: skip
    result = registry.lab(LAB).result
    return Report(
        members,
        shown.results or [result(problem, m.view) for m in members],
        shown.geometry,
        (tone, sentence),
        created,
        notes=shown.notes,
        colours=residual_colours(problem, members[0]),
    )


def _rerun(problem: ScanPair, members: Sequence[MemberView]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "registration.rrd"
        rerun_export.rerun_recording(problem, members, path)
        return path.read_bytes()
