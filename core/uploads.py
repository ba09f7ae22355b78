"""Files that users sent, kept by owner under quotas and removed after a time without a visit."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError

#: Bytes of one owner's files, and of everybody's.
OWNER_BYTES, TOTAL_BYTES = 256 * 2**20, 2 * 2**30
#: Seconds without a visit after which an owner's files go.
KEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a user sent: where it lies, what they call it."""

    path: Path
    name: str
    size: int


@dataclass(slots=True)
class _Shelf:
    """One owner's files; `replaced` ones stay for runs that still wait for them, until room is needed."""

    folder: Path
    files: dict[str, Upload]
    replaced: list[Upload]
    visited: float

    @property
    def size(self) -> int:
        return sum(upload.size for upload in (*self.files.values(), *self.replaced))

    def retire(self, slot: str) -> None:
        """Empty a slot."""
        if slot in self.files:
            self.replaced.append(self.files.pop(slot))

    def drop_oldest(self) -> None:
        """Delete the file that was replaced first, unless a slot holds the same one."""
        upload = self.replaced.pop(0)
        if all(upload.path != other.path for other in (*self.files.values(), *self.replaced)):
            upload.path.unlink(missing_ok=True)


class UploadStore:
    """One folder an owner; nobody can reach another's.

    Parameters
    ----------
    root : parent folder; a temporary one by default.
    owner_bytes, total_bytes : what one owner's files, and everybody's, may take on the disk.
    """

    def __init__(
        self, root: Path | None = None, owner_bytes: int = OWNER_BYTES, total_bytes: int = TOTAL_BYTES
    ) -> None:
        self._root = root or Path(tempfile.mkdtemp(prefix="iterscope-"))
        self._owner_bytes, self._total_bytes = owner_bytes, total_bytes
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.Lock()

    def put(self, owner: str, slot: str, name: str, content: bytes | memoryview) -> Upload:
        """Keep `content` as the owner's file for `slot` ("source", "target"), replacing the one before.

        Raises
        ------
        InputError
            If the owner's or the server's quota would be passed; the file before stays.
        """
        with self._lock:
            shelf = self._shelf(owner)
            self._make_room(shelf, len(content), name)
            shelf.retire(slot)
            folder = shelf.folder / hashlib.sha256(content).hexdigest()[:16]
            folder.mkdir(parents=True, exist_ok=True)
            upload = Upload(folder / _safe(name), name, len(content))
            upload.path.write_bytes(content)
            shelf.files[slot] = upload
            return upload

    def get(self, owner: str) -> dict[str, Upload]:
        """Return the owner's files by slot; counts as a visit."""
        with self._lock:
            return dict(self._shelf(owner).files) if owner in self._shelves else {}

    def swap(self, owner: str, first: str, second: str) -> None:
        """Exchange two slots; an empty one becomes the other."""
        with self._lock:
            files = self._shelf(owner).files
            held = {slot: files.pop(slot) for slot in (first, second) if slot in files}
            files.update({{first: second, second: first}[slot]: upload for slot, upload in held.items()})

    def move(self, owner: str, slot: str, other: str) -> None:
        """Let `other` hold the file of `slot`, replacing what it held."""
        with self._lock:
            shelf = self._shelf(owner)
            upload = shelf.files.pop(slot)
            shelf.retire(other)
            shelf.files[other] = upload

    def discard(self, owner: str, slot: str) -> None:
        """Delete the file of a slot, for one that turned out to be unusable."""
        with self._lock:
            shelf = self._shelf(owner)
            if slot in shelf.files:
                shelf.replaced.insert(0, shelf.files.pop(slot))
                shelf.drop_oldest()

    def empty(self, owner: str, slot: str) -> None:
        """Take the file out of its slot; it stays on the disk for runs that use it, until room is needed."""
        with self._lock:
            self._shelf(owner).retire(slot)

    def sweep(self, now: float) -> None:
        """Remove the files of owners who have not been here for `KEEP_SECONDS`."""
        with self._lock:
            for owner in [o for o, s in self._shelves.items() if now - s.visited > KEEP_SECONDS]:
                shutil.rmtree(self._shelves.pop(owner).folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _make_room(self, shelf: _Shelf, size: int, name: str) -> None:
        """Delete replaced files, the owner's first, until `size` more bytes fit beside the kept ones."""

        def fits() -> bool:
            total = sum(other.size for other in self._shelves.values())
            return shelf.size + size <= self._owner_bytes and total + size <= self._total_bytes

        for other in (shelf, *self._shelves.values()):
            while other.replaced and not fits():
                other.drop_oldest()
        if not fits():
            raise InputError(
                name,
                f"room for {size / 1e6:.0f} MB",
                "a full store",
                "use smaller files or try again later",
            )

    def _shelf(self, owner: str) -> _Shelf:
        now = time.monotonic()
        if owner not in self._shelves:
            folder = self._root / hashlib.sha256(owner.encode()).hexdigest()[:32]
            self._shelves[owner] = _Shelf(folder, {}, [], now)
        self._shelves[owner].visited = now
        return self._shelves[owner]


def _safe(name: str) -> str:
    """Return a name that is no path and no option, with its extension."""
    cleaned = re.sub(r"[^\w.\- ]", "_", Path(name.replace("\\", "/")).name).lstrip(".- ")
    return cleaned[-80:] or "scan"
