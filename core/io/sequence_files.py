"""The scans of a sequence: a folder of files, or a zip archive of one, listed in their natural order.

An archive comes from a stranger. Nothing of it decides where a file is written: its scans are put under
their base names into a folder that the caller made, and counts and sizes are limited by what is really
unpacked, not by what the archive says about itself.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.errors import InputError
from core.io.cloud import MAX_BYTES, MAX_BYTES_TEXT
from core.io.reading import EXTENSIONS, accepted
from core.iterate import Preparation, Progress

#: Most scans of a sequence, most entries of an archive or folder, and most bytes of all scans together.
MAX_SCANS, MAX_ENTRIES = 10_000, 50_000
MAX_TOTAL_BYTES = 2 * 2**30
MAX_TOTAL_TEXT = "2 GB"
#: An archive that grows by more than this is no archive of scans; text shrinks to a tenth at best.
MAX_RATIO = 100.0
#: Compressed size above which the ratio is looked at: the smallest files shrink by any factor.
_RATIO_FROM = 10_000

#: Tables, times and poses are text as well: text files are scans only where nothing else is.
_TEXT = {".txt", ".csv"}
_POSE_FILE = re.compile(r"(poses|pose|groundtruth|ground_truth|gt|trajectory)(_\w+)?\.(txt|tum|kitti)", re.I)
_BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class SequenceFiles:
    """What was found.

    Attributes
    ----------
    scans : in natural order of their names: scan_2 before scan_10.
    poses : the one file beside them that is named like a list of poses, if there is one.
    notes : sentences on what was left out.
    """

    scans: tuple[Path, ...]
    poses: Path | None = None
    notes: tuple[str, ...] = ()


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Return a sort key by which runs of digits count as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((0, int(part)) if i % 2 else (1, part.casefold()) for i, part in enumerate(parts))


def list_scans(folder: Path, name: str | None = None) -> SequenceFiles:
    """List the scans of a folder; those of its subfolders do not count.

    All scans have one extension: the most frequent one that a reader exists for. Text files count only if
    there is no other kind, since lists of times and poses are text too.

    Parameters
    ----------
    name : how the user knows the folder.

    Raises
    ------
    InputError
        If it is no readable folder, holds no scan, or passes a limit.
    """
    name = name or folder.name or str(folder)
    files: list[Path] = []
    try:
        for i, path in enumerate(folder.iterdir()):
            if i >= MAX_ENTRIES:
                raise _too_many(name, "entries", MAX_ENTRIES)
            if not path.name.startswith(".") and path.is_file():
                files.append(path)
        names = {path.name: path for path in files}
        chosen, poses, notes = _choose(names, name)
        total = sum(names[scan].stat().st_size for scan in chosen)
    except OSError as error:
        raise InputError(
            name, "a readable folder", error.strerror or "nothing", "check the path and its permissions"
        ) from None
    if total > MAX_TOTAL_BYTES:
        raise _too_large(name, f"{total / 2**30:.1f} GB")
    return SequenceFiles(tuple(names[s] for s in chosen), names[poses] if poses else None, notes)


def unpack(archive: Path, into: Path, name: str | None = None) -> Preparation[SequenceFiles]:
    """Unpack the scans of a zip archive; the folder in it that holds the most of them is taken.

    Parameters
    ----------
    into : an empty folder.
    name : how the user knows the archive.

    Raises
    ------
    InputError
        If it is no zip archive, damaged, encrypted or holds no scan; if an entry points outside of it or is
        a link; if a limit on number, size or compression is passed.
    """
    name = name or archive.name
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, name)
            scans = [
                path for path in members if path.suffix.lower() in EXTENSIONS and not _is_pose_file(path)
            ]
            if not scans:
                raise _no_scan(name)
            clouds = [path for path in scans if path.suffix.lower() not in _TEXT]
            folders = Counter(path.parent for path in clouds or scans)
            folder = max(folders, key=lambda f: (folders[f], -len(f.parts), str(f)))
            # lists of poses lie beside the scans or in a folder above
            near = {p.name: m for p, m in members.items() if p.parent in folder.parents and _is_pose_file(p)}
            near |= {path.name: member for path, member in members.items() if path.parent == folder}
            chosen, poses, notes = _choose(near, name)
            budget = MAX_TOTAL_BYTES
            wanted = [*chosen, *([poses] if poses else [])]
            for i, base in enumerate(wanted):
                yield Progress("unpacking", i, len(wanted))
                budget -= _extract(opened, near[base], into / base, name, budget)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError) as error:
        raise InputError(name, "a zip archive that can be unpacked", str(error), "pack it again") from None
    except OSError as error:
        raise InputError(
            name, "a readable zip archive", error.strerror or "nothing", "send it again"
        ) from None
    return SequenceFiles(tuple(into / s for s in chosen), into / poses if poses else None, notes)


def _members(opened: zipfile.ZipFile, name: str) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Return the archive's files by path, after checking each entry."""
    entries = opened.infolist()
    if len(entries) > MAX_ENTRIES:
        raise _too_many(name, "entries", MAX_ENTRIES)
    found = {}
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", entry.filename):
            raise InputError(name, "entries inside the archive", repr(entry.filename[:80]), "pack it again")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError(name, "files", f"a link ({entry.filename[:80]})", "pack the files themselves")
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
        if not entry.is_dir() and not hidden and path.name:
            found[path] = entry
    return found


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, to: Path, name: str, budget: int) -> int:
    """Write one entry and return its size; what is unpacked is counted, not what is announced."""
    if entry.flag_bits & 1:
        raise InputError(name, "an archive without a password", "encrypted entries", "pack it without one")
    written = 0
    with opened.open(entry) as packed, to.open("xb") as file:
        while block := packed.read(_BLOCK):
            written += len(block)
            if written > MAX_BYTES:
                raise InputError(f"{name}: {to.name}", f"at most {MAX_BYTES_TEXT}", "more", "thin the scans")
            if written > budget:
                raise _too_large(name, "more")
            if written > MAX_RATIO * max(entry.compress_size, _RATIO_FROM):
                raise InputError(
                    f"{name}: {to.name}", f"a file that shrinks to no less than 1/{MAX_RATIO:.0f}",
                    "one that shrinks further, which no scan does", "pack the scans again",
                )  # fmt: skip
            file.write(block)
    return written


def _choose(names: Iterable[str], what: str) -> tuple[list[str], str | None, tuple[str, ...]]:
    """Return the scans in order, the list of poses if there is just one, and what should be said."""
    names = list(names)
    pose_files = [n for n in names if _is_pose_file(Path(n))]
    kinds = Counter(
        suffix for n in names if n not in pose_files and (suffix := Path(n).suffix.lower()) in EXTENSIONS
    )
    preferred = {kind: count for kind, count in kinds.items() if kind not in _TEXT} or kinds
    if not preferred:
        raise _no_scan(what)
    kind = max(preferred, key=lambda k: (preferred[k], k))
    scans = sorted(
        (n for n in names if Path(n).suffix.lower() == kind and n not in pose_files),
        key=lambda n: (natural_key(n), n),
    )
    if len(scans) > MAX_SCANS:
        raise _too_many(what, "scans", MAX_SCANS)
    notes = []
    others = len(names) - len(scans) - len(pose_files)
    if others:
        notes.append(f"{what}: {len(scans)} scans ({kind}); {others} other files were left out.")
    if len(pose_files) > 1:
        notes.append(
            f"{what}: none of {len(pose_files)} files with poses was used, because they are several."
        )
    return scans, pose_files[0] if len(pose_files) == 1 else None, tuple(notes)


def _is_pose_file(path: Path | PurePosixPath) -> bool:
    return _POSE_FILE.fullmatch(path.name) is not None


def _no_scan(name: str) -> InputError:
    return InputError(name, "scans", "no file of a known format", f"accepted are {accepted()}")


def _too_many(name: str, what: str, most: int) -> InputError:
    return InputError(name, f"at most {most:,} {what}", "more", "keep a part of the sequence")


def _too_large(name: str, got: str) -> InputError:
    return InputError(
        name, f"scans of at most {MAX_TOTAL_TEXT} together", got, "thin the scans or keep a part"
    )
