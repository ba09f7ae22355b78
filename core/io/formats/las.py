"""LAS and LAZ (COPC included) by laspy, behind a check of the header's counts."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.io.cloud import MAX_POINTS, too_many_points
from core.io.columns import Columns, Source, colours

#: Points decoded at a time.
_CHUNK = 500_000
_SHORTEST_HEADER = 227


def read(source: Source) -> Columns:
    """Read scaled coordinates, intensity and colour.

    Raises
    ------
    InputError
        If the header announces more than the file holds, or the compressed points cannot be decoded.
    """
    count = _check_header(source)
    if count == 0:
        return Columns(np.empty((0, 3)))
    import laspy

    parts: list[tuple[NDArray[Any], ...]] = []
    backend = laspy.LazBackend.Lazrs
    try:
        with laspy.open(io.BytesIO(source.data), read_evlrs=False, laz_backend=backend) as reader:
            coloured = "red" in set(reader.header.point_format.dimension_names)
            for chunk in reader.chunk_iterator(_CHUNK):
                xyz = np.column_stack([chunk.x, chunk.y, chunk.z])
                colour = [np.asarray(chunk[c]) for c in ("red", "green", "blue")] if coloured else []
                parts.append((xyz, np.asarray(chunk.intensity), *colour))
    except MemoryError:
        raise
    except Exception as error:  # laspy raises whatever its damaged input leads to
        raise source.error(
            "readable LAS or LAZ points", _said(error), "the file is damaged: export it again"
        ) from None
    found = sum(len(part[0]) for part in parts)
    if found != count:
        raise source.error(
            f"{count:,} points as its header says", f"{found:,}", "the file is cut short: copy it again"
        )
    xyz, intensity, *channels = (np.concatenate(p) for p in zip(*parts, strict=True))
    rgb = np.column_stack(channels) if channels else np.zeros(0)
    return Columns(xyz, intensity.astype(np.float64), colours(rgb) if rgb.any() else None)


def _check_header(source: Source) -> int:
    """Return the number of points, after comparing every count of the public header with the file's size."""
    data = source.data
    if len(data) < _SHORTEST_HEADER:
        raise source.error(
            f"a header of {_SHORTEST_HEADER} bytes or more",
            f"{len(data)}",
            "the file is cut short: copy it again",
        )
    minor = data[25]
    header_size, offset, records = struct.unpack_from("<HII", data, 94)
    kind, stride, count = struct.unpack_from("<BHI", data, 104)
    if minor >= 4 and len(data) >= 255:
        count = struct.unpack_from("<Q", data, 247)[0]
    compressed = bool(kind & 0x80)
    if offset > len(data) or header_size > offset or records * 54 > len(data):
        raise source.error(
            "header and records inside the file",
            f"{records:,} records and points from byte {offset:,} in {len(data):,} bytes",
            "the file is cut short: copy it again",
        )
    room = len(data) - offset
    if not compressed and count * stride > room:
        raise source.error(
            f"{count:,} points of {stride} bytes as its header says",
            f"bytes for {room // max(stride, 1):,}",
            "the file is cut short: copy it again",
        )
    if count > MAX_POINTS:
        raise too_many_points(source.name, count)
    if compressed and count > 0 and room < 16:
        raise source.error("compressed points", f"{room} bytes", "the file is cut short: copy it again")
    scales = struct.unpack_from("<6d", data, 131)
    if not np.isfinite(scales).all():
        raise source.error(
            "finite scales and offsets", "NaN or infinity", "the file is damaged: export it again"
        )
    return int(count)


def _said(error: Exception) -> str:
    """Return a library's message on one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:120]
