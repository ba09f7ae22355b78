"""NumPy NPY and NPZ, without pickles and without trust in the sizes that an archive states."""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from core.errors import InputError
from core.io.cloud import MAX_POINTS, too_many_points
from core.io.columns import Columns, Source, colours, from_fields
from core.io.formats.text import by_position

#: Largest array that is unpacked from an archive [bytes]: five million points of six 64-bit numbers.
MAX_MEMBER = MAX_POINTS * 48
_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
#: Names of the points in an archive, in order of preference.
_POINTS = ("points", "xyz", "pts", "positions", "vertices", "coords", "pcd", "pc", "cloud", "arr_0")


def read_npy(source: Source) -> Columns:
    """Read one array (N, 3 or more), (H, W, 3) or structured with fields x, y, z.

    Raises
    ------
    InputError
        If it holds Python objects, is shorter than its header says, or has no three coordinates.
    """
    return _columns(source, _array(source, source.data))


def read_npz(source: Source) -> Columns:
    """Read the array of points, and intensity, colours and normals if present, from an archive.

    Raises
    ------
    InputError
        If the archive is damaged, has no such array, or unpacks to more than `MAX_MEMBER` bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            arrays = [i for i in archive.infolist() if i.filename.endswith(".npy")]
            members = {i.filename.removesuffix(".npy"): i for i in arrays}
            if not members:
                raise source.error("arrays (.npy) in the archive", "none", "unpack it and choose a scan")
            name = next((n for n in _POINTS if n in members), next(iter(members)))
            columns = _columns(source, _array(source, _unpacked(source, archive, members[name])))
            extra = {
                n: _array(source, _unpacked(source, archive, members[n]))
                for n in ("intensity", "colors", "rgb", "normals")
                if n in members
            }
    except (InputError, MemoryError):
        raise
    except Exception as error:  # zipfile raises a dozen kinds on damaged archives
        raise source.error(
            "a readable archive",
            " ".join(str(error).split())[:100] or "damage inside it",
            "the file is damaged: save it again",
        ) from None
    count = len(columns.points)
    extra = {n: a for n, a in extra.items() if a.dtype.kind in "fiu" and a.shape in ((count,), (count, 3))}
    rgb = next((extra[n] for n in ("colors", "rgb") if n in extra and extra[n].ndim == 2), None)
    intensity, normals = extra.get("intensity"), extra.get("normals")
    return Columns(
        columns.points,
        intensity if intensity is not None and intensity.ndim == 1 else columns.intensity,
        colours(rgb) if rgb is not None else columns.rgb,
        normals if normals is not None and normals.ndim == 2 else columns.normals,
        (*columns.notes, f"The array {name} of {len(members)} was read as the points."),
    )


def _unpacked(source: Source, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes; stops reading at the limit whatever size the archive states."""
    refused = source.error(
        f"at most {MAX_MEMBER // 10**6} MB in an array of the archive",
        f"{member.filename} unpacking to {max(member.file_size, MAX_MEMBER) // 10**6:,} MB or more",
        "thin the scan",
    )
    if member.file_size > MAX_MEMBER:
        raise refused
    with archive.open(member) as stream:
        data = stream.read(MAX_MEMBER + 1)
    if len(data) > MAX_MEMBER:
        raise refused
    return data


def _array(source: Source, data: bytes) -> NDArray[Any]:
    """Return the array behind a checked NPY header, as a view of `data`."""
    stream = io.BytesIO(data)
    try:
        version = npy_format.read_magic(stream)
        shape, fortran, dtype = _HEADERS[version](stream)
    except KeyError:
        raise source.error("NPY version 1 or 2", "another version", "save it again with numpy.save") from None
    except Exception as error:  # numpy passes on whatever Python's own parser raises
        raise source.error(
            "an NPY header",
            " ".join(str(error).split())[:80] or "another header",
            "the file is damaged: save it again",
        ) from None
    if dtype.hasobject:
        raise source.error(
            "an array of numbers",
            "Python objects (a pickle), which are never loaded",
            "save a plain float array",
        )
    count, room = math.prod(shape), len(data) - stream.tell()
    if min(shape, default=0) < 0 or dtype.itemsize == 0 or count * dtype.itemsize > room:
        raise source.error(
            f"{count:,} values of {dtype.itemsize} bytes as its header says",
            f"{room:,} bytes",
            "the file is cut short: save it again",
        )
    flat = np.frombuffer(data, dtype, count, offset=stream.tell() if count else 0)
    return flat.reshape(shape, order="F" if fortran else "C")


def _columns(source: Source, array: NDArray[Any]) -> Columns:
    """Return the points of an array of one of the accepted shapes."""
    if array.dtype.names:
        names = list(array.dtype.names)
        flat = array.ravel()
        plain = [n for n in names if flat[n].ndim == 1 and flat[n].dtype.kind in "fiu"]
        return from_fields(source, plain, lambda i: flat[plain[i]])
    if array.dtype.kind not in "fiu":
        raise source.error("an array of numbers", f"type {array.dtype}", "save a float array of shape (N, 3)")
    notes: tuple[str, ...] = ()
    if array.ndim == 3 and array.shape[2] >= 3:
        array = array.reshape(-1, array.shape[2])
    elif array.ndim == 2 and array.shape[0] == 3 and array.shape[1] > 3:
        array, notes = array.T, ("The array of shape (3, N) was read as N points.",)
    if array.ndim != 2 or not 3 <= array.shape[1] <= 100:
        raise source.error(
            "an array of shape (N, 3)", f"shape {array.shape}", "save x, y, z as three columns"
        )
    if len(array) > MAX_POINTS:
        raise too_many_points(source.name, len(array))
    if array.shape[1] == 3:
        return Columns(array, notes=notes)
    named = by_position(source, array.astype(np.float64))
    return Columns(array[:, :3], named.intensity, named.rgb, named.normals, (*notes, *named.notes))
