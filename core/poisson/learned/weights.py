"""Files of trained weights: what they hold, where they lie, how they are found.

The format is safetensors (a length, a JSON header, raw little-endian numbers), read and written here: nothing
in it is executed. Weights that come with the app lie in ``assets/weights``; those of the user in the folder
``weights`` of the data folder (`ITERSCOPE_HOME`).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from core.errors import InputError

Single = NDArray[np.float32]

SHIPPED = Path(__file__).resolve().parents[3] / "assets" / "weights"
#: Bytes that a file and its header may have.
MAX_BYTES, MAX_HEADER = 64 * 2**20, 2**20
#: How weights are named: a file's stem, or the first 16 digits of the SHA-256 of its content.
_NAME = re.compile(r"[a-z0-9_]{1,64}")
#: The key of our description in the header's free part.
_ABOUT = "iterscope"


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Tensors and what is known about them.

    Attributes
    ----------
    tensors : weights by the network's names; a checkpoint also has the state of the optimiser.
    about : ``network``, ``architecture``, ``boundary``, ``preset`` and how they were trained; JSON-ready.
    hash : first 16 hexadecimal digits of the SHA-256 of the file.
    """

    tensors: Mapping[str, Single]
    about: Mapping[str, Any]
    hash: str = ""

    def to_bytes(self) -> bytes:
        """Return the file."""
        header: dict[str, Any] = {"__metadata__": {_ABOUT: json.dumps(dict(self.about), allow_nan=False)}}
        parts, at = [], 0
        for name, tensor in self.tensors.items():
            data = np.ascontiguousarray(tensor, "<f4").tobytes()
            header[name] = {
                "dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(data)],
            }  # fmt: skip
            parts.append(data)
            at += len(data)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text + b"".join(parts)


def from_bytes(data: bytes, what: str) -> Weights:
    """Read a file of weights.

    Raises
    ------
    InputError
        If it is no safetensors file of single-precision numbers written by this app, or holds NaN.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"{len(data) / 2**20:.0f} MB")
        (length,) = struct.unpack_from("<Q", data)
        if length > min(MAX_HEADER, len(data) - 8):
            raise ValueError("a header longer than the file")
        header = json.loads(data[8 : 8 + length])
        about = json.loads(header.pop("__metadata__")[_ABOUT])
        tensors = {str(name): _tensor(entry, data[8 + length :]) for name, entry in header.items()}
        if not isinstance(about, dict):
            raise TypeError("no description")
    except (ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError) as error:
        raise InputError(what, "weights saved by iterscope", str(error) or "another file") from None
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise InputError(what, "finite weights", f"NaN or infinity in {name}")
    return Weights(tensors, about, hashlib.sha256(data).hexdigest()[:16])


def _tensor(entry: Any, body: bytes) -> Single:
    shape = tuple(int(n) for n in entry["shape"])
    start, stop = (int(n) for n in entry["data_offsets"])
    fits = min((*shape, 0)) >= 0 and 0 <= start <= stop <= len(body) and stop - start == 4 * math.prod(shape)
    if entry["dtype"] != "F32" or not fits:
        raise ValueError("a tensor that is not what its header says")
    return np.frombuffer(body[start:stop], "<f4").reshape(shape).astype(np.float32)


def home() -> Path:
    """Return the folder of the user's own weights; it need not exist."""
    base = os.environ.get("ITERSCOPE_HOME") or platformdirs.user_data_dir("iterscope")
    return Path(base) / "weights"


@dataclass(frozen=True, slots=True)
class Entry:
    """Weights that are there, as a list shows them.

    Attributes
    ----------
    name : what the parameter `weights` takes; for the user's own the hash.
    shipped : whether they came with the app.
    """

    name: str
    hash: str
    shipped: bool
    about: Mapping[str, Any]


def available() -> tuple[Entry, ...]:
    """Return all readable weights, the app's own first, then the user's, newest first."""
    found = []
    for path in _files():
        try:
            weights = _read(path, *_stamp(path))
        except (InputError, OSError):
            continue
        shipped = path.parent == SHIPPED
        found.append(Entry(path.stem if shipped else weights.hash, weights.hash, shipped, weights.about))
    return tuple(found)


def find(name: str) -> Weights:
    """Return the weights of a name or hash; InputError if there are none."""
    if not _NAME.fullmatch(name):
        raise InputError("weights", "a name or the 16 digits of a hash", repr(name))
    for path in _files():
        if path.stem == name or _read_hash(path) == name:
            return _read(path, *_stamp(path))
    names = ", ".join(entry.name for entry in available()) or "none"
    raise InputError("weights", f"one of those that are there: {names}", repr(name), "train some")


def keep(weights: Weights, name: str = "", folder: Path | None = None) -> Weights:
    """Write weights (to the user's folder, named by hash, unless told otherwise) and return them as read.

    The file appears at once or not at all.
    """
    data = weights.to_bytes()
    read = from_bytes(data, name or "weights")
    where = home() if folder is None else folder
    where.mkdir(parents=True, exist_ok=True)
    path = where / f"{name or read.hash}.safetensors"
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)
    return read


def _files() -> list[Path]:
    own = sorted(home().glob("*.safetensors"), key=lambda path: -path.stat().st_mtime_ns)
    return [*sorted(SHIPPED.glob("*.safetensors")), *own]


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _read_hash(path: Path) -> str:
    try:
        return _read(path, *_stamp(path)).hash
    except (InputError, OSError):
        return ""


@lru_cache(maxsize=64)
def _read(path: Path, size: int, modified: int) -> Weights:
    if size > MAX_BYTES:
        raise InputError(path.name, f"at most {MAX_BYTES / 2**20:.0f} MB", f"{size / 2**20:.0f} MB")
    return from_bytes(path.read_bytes(), path.name)
