"""The sequence player: many scans, the path that odometry finds through them, and where it is weak."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core import registry
from core.errors import InputError
from core.recipe import Recipe, make
from core.registration.sequence import ScanSequence
from core.registry import Value
from core.run import Limits, RunView, State
from pages.figures import convergence, trajectory
from pages.figures import registration as figures
from pages.ui import components
from pages.ui.controls import choice, parameter_controls
from pages.ui.live import is_moving, live_panel
from pages.ui.session import LabState, current_run, lab_state, owner, uploads
from pages.ui.status import finding

LAB = "registration"
#: Problems that are sequences, what places their scans, and the cursor group of the player.
PROBLEMS, METHOD, GROUP = ("simulated_sequence", "sequence"), "odometry", "registration.sequence"
MAX_MB = 64
PATH_HEIGHT = 520


def sequence_tab(engine: tuple[float, Limits]) -> None:
    """Draw the player with its own problem, settings and run."""
    st.markdown(
        "Each scan is placed by aligning it to the one before, or to a local map of those before. Errors add "
        "up along the path, fastest where the geometry holds a motion poorly."
    )
    state = lab_state(GROUP)
    view_slot, controls = st.columns([13, 5])
    with controls:
        recipes = _controls()
    run = current_run(state)
    shown = run.poll() if run is not None and run.problem is not None else None
    with view_slot:
        bar, place = st.container(key="sequence_bar"), st.container(key="sequence_view")

    def draw(view: RunView, problem: Any) -> None:
        with place:
            _draw(state, view, problem)

    with bar:
        live_panel(
            state, recipes, shown, draw, engine, key="sequence",
            empty="Press Run to place the scans one after the other."
            if recipes else "Choose a folder or a zip archive of scans.",
        )  # fmt: skip


def _controls() -> tuple[Recipe, ...]:
    titles = {key: registry.problem_spec(LAB, key).title for key in PROBLEMS}
    key = choice("Sequence", titles, PROBLEMS[0], "sequence.p")
    spec, method = registry.problem_spec(LAB, key), registry.method_spec(LAB, METHOD)
    files: dict[str, Value] = {}
    if key == "sequence":
        _uploader()
        files = {slot: str(u.path) for slot, u in _kept().items()}
    with st.expander("Scans", key="sequence_scans"):
        problem_values = parameter_controls(spec, "sp")
    with st.expander(f"{method.title}: settings", key="sequence_settings", expanded=True):
        values = parameter_controls(method, "sm")
    return _recipes(key, {**problem_values, **files}, values)


def _recipes(
    key: str, problem_values: Mapping[str, Value], values: Mapping[str, Value]
) -> tuple[Recipe, ...]:
    if key == "sequence" and "folder" not in problem_values:
        return ()
    try:
        return (make(LAB, key, METHOD, problem_values, values, 0, ("?sp.", "?sm.")),)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return ()


def _kept() -> dict[str, Any]:
    """Return the uploaded archive, and the list of poses, by parameter."""
    files = uploads().get(owner())
    names = {"sequence.folder": "folder", "sequence.poses": "poses"}
    return {name: files[slot] for slot, name in names.items() if slot in files}


def _uploader() -> None:
    """Draw the uploaders: a folder of scans or a zip archive of one, and a list of true poses."""
    folder = st.file_uploader(
        "A folder of scans", accept_multiple_files="directory", max_upload_size=MAX_MB, key="upload.folder",
        help="in the order of their names; a file such as poses.txt beside them is taken as the true poses",
    )  # fmt: skip
    archive = st.file_uploader(
        "or a zip archive of one", type=["zip"], max_upload_size=MAX_MB, key="upload.zip"
    )
    poses = st.file_uploader(
        "True poses, if not among the scans", type=["txt", "tum", "kitti"], max_upload_size=MAX_MB,
        key="upload.poses", help="12 numbers a line (KITTI), or time x y z qx qy qz qw (TUM)",
    )  # fmt: skip
    if folder:
        identity = ",".join(file.file_id for file in folder)
        _receive("sequence.folder", identity, "folder.zip", lambda: _zipped(folder))
    if archive is not None:
        _receive("sequence.folder", archive.file_id, archive.name, archive.getvalue)
    if poses is not None:
        _receive("sequence.poses", poses.file_id, poses.name, poses.getvalue)
    for slot in ("sequence.folder", "sequence.poses"):
        if error := st.session_state.get(f"{slot}.error"):
            st.error(error, icon=":material/error:")
    for name, upload in _kept().items():
        st.caption(f"{name}: {upload.name}, {upload.size / 1e6:.1f} MB")


def _receive(slot: str, identity: str, name: str, content: Any) -> None:
    """Keep what was sent, once; the scans are read when the run prepares."""
    if st.session_state.get(f"{slot}.seen") == identity:
        return
    st.session_state[f"{slot}.seen"] = identity
    try:
        uploads().put(owner(), slot, name, content())
        st.session_state[f"{slot}.error"] = ""
    except InputError as error:
        st.session_state[f"{slot}.error"] = str(error)


def _zipped(files: Sequence[Any]) -> bytes:
    """Return the files of a folder as an archive, so that folder and archive go the same way."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.writestr(file.name.replace("\\", "/").rsplit("/", 1)[-1], file.getvalue())
    return buffer.getvalue()


def _draw(state: LabState, view: RunView, problem: ScanSequence) -> None:
    member, moving = view.members[0], is_moving(view)
    trace = member.view
    if not len(trace):
        return
    found = None if moving else registry.lab(LAB).result(problem, trace)
    live: dict[str, Any] = {"group": GROUP, "run": state.run_key}
    components.live_figure(
        "sequence.path",
        trajectory.path_from_above(
            trace, problem.T_true,
            None if found is None or found["alignment"] is None else found["alignment"],
            None if moving else trajectory.map_points(problem, trace),
        ),
        title="The path from above", height=PATH_HEIGHT, **live,
    )  # fmt: skip
    components.transport(
        "sequence.transport", group=GROUP, run=state.run_key, ks=trace.kept, running=moving, follow=True
    )
    done, total = int(trace.k[-1]) + 1, len(problem)
    st.progress(min(1.0, done / total), text=f"{done} of {total} scans placed")
    _words(found, view)
    left, middle, right = st.columns(3)
    points = convergence.LIVE_POINTS
    with left:
        components.live_figure(
            "sequence.rmse", trajectory.fit(member, points), title="RMSE, point to plane [m]", **live
        )
    with middle:
        components.live_figure(
            "sequence.condition", figures.conditions(member, "iterations", points),
            title="Condition number κ", **live,
        )  # fmt: skip
    with right:
        components.live_figure(
            "sequence.timeline",
            figures.degeneracy_timeline(member),
            title="Weak motions along the path",
            **live,
        )
    for note in problem.notes:
        st.caption(note)


def _words(found: dict[str, Any] | None, view: RunView) -> None:
    if found is None:
        finding((), ["Errors of the path stand here when the run has ended."])
        return
    share = found["degeneracy"]["weak_share"]
    weak = [f"{name} in {100 * s:.0f} % of the scans" for name, s in share.items() if s > 0]
    seconds = float(view.members[0].view.seconds[-1])
    rate = (
        f", {len(found['frames']) / seconds:.0f} scans a second"
        if seconds and view.state is State.FINISHED
        else ""
    )
    sentences = [f"{len(found['frames'])} scans placed along {found['path_length']:.2f} m{rate}."]
    if found["ate_rmse"] is not None:
        sentences.append(
            f"Absolute trajectory error (ATE) {100 * found['ate_rmse']:.2g} cm RMS, at most "
            f"{100 * found['ate_max']:.2g} cm, after rigid alignment without scale."
        )
    if found["rte"] is not None:
        sentences.append(f"Relative translation error (RTE) {found['rte']:.2g} % over segments.")
    sentences.append("Weakly held: " + (", ".join(weak) if weak else "no motion in any scan") + ".")
    finding(sentences)
