"""Files sent by a user: received, read once (scans in the child process), kept only if they are usable."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from core.errors import InputError
from core.io.pointcloud import EXTENSIONS, PointCloud, read_isolated
from core.iterate import Progress
from core.uploads import Upload
from pages.ui.session import owner, uploads

MAX_MB = 64


def scan_uploader(slot: str, label: str) -> None:
    """Draw an uploader for one scan; a file that cannot be used leaves the one before in place."""
    formats = "PLY, PCD, KITTI .bin, XYZ, TXT, CSV, PTS, PTX, OBJ, NPY, NPZ, LAS, LAZ, E57 or VTK"
    _uploader(slot, label, EXTENSIONS, formats, _scan)


def file_uploader(slot: str, label: str, endings: Sequence[str], check: Callable[[Path], None]) -> None:
    """Draw an uploader for one file that is no scan.

    Parameters
    ----------
    check : reads the file and raises InputError if it cannot be used.
    """
    _uploader(slot, label, endings, "", lambda incoming: check(incoming.path))


def _scan(incoming: Upload) -> None:
    cloud = _parse(incoming)
    if len(cloud.points) == 0:
        raise InputError(incoming.name, "points", "none", "choose another file")


def _uploader(
    slot: str, label: str, endings: Sequence[str], help_: str, check: Callable[[Upload], None]
) -> None:
    sent = st.file_uploader(
        label,
        type=[ending.lstrip(".") for ending in endings],
        max_upload_size=MAX_MB,
        key=f"upload.{slot}",
        help=help_ or None,
    )
    seen = f"upload.{slot}.seen"
    if sent is not None and st.session_state.get(seen) != sent.file_id:
        st.session_state[seen] = sent.file_id
        st.session_state[f"upload.{slot}.error"] = _receive(slot, sent.name, sent.getbuffer(), check)
    error = st.session_state.get(f"upload.{slot}.error")
    if error:
        kept = uploads().get(owner()).get(slot)
        still = f" {kept.name} stays loaded." if kept else ""
        st.error(f"{error}.{still}", icon=":material/error:")


def _receive(slot: str, name: str, content: memoryview, check: Callable[[Upload], None]) -> str:
    """Keep and check a file; returns what is wrong with it, or nothing."""
    try:
        incoming = uploads().put(owner(), f"{slot}.incoming", name, content)
        check(incoming)
        uploads().move(owner(), f"{slot}.incoming", slot)
        return ""
    except InputError as error:
        uploads().discard(owner(), f"{slot}.incoming")
        return str(error)


def _parse(upload: Upload) -> PointCloud:
    """Read a file in the child process and show the stages; a rerun of the script cancels it."""
    with st.status(f"Reading {upload.name}", expanded=False) as box:
        parsing = read_isolated(upload.path, name=upload.name)
        try:
            while True:
                progress: Progress = next(parsing)
                box.update(label=f"{upload.name}: {progress.stage}")
        except StopIteration as end:
            cloud: PointCloud = end.value
            box.update(label=f"{upload.name}: {len(cloud.points):,} points", state="complete")
            return cloud
        except InputError:
            box.update(label=f"{upload.name} cannot be used", state="error")
            raise
        finally:
            parsing.close()


def scan_card(rows: Sequence[tuple[str, str]]) -> None:
    """Draw what is loaded as a small table of names and values."""
    cells = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    st.html(f'<table class="it-card">{cells}</table>')
