"""E57 by libE57 (pye57): scans in Cartesian or spherical coordinates, with their poses."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.io.cloud import MAX_POINTS, too_many_points
from core.io.columns import Columns, Source, colours
from core.io.scans import Scan, chosen, merged

_HEADER_SIZE = 48
_CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
_SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
_COLOUR = ("colorRed", "colorGreen", "colorBlue")


def read(source: Source) -> Columns:
    """Read one scan or all of them, in the file's frame.

    Raises
    ------
    InputError
        If the file is shorter than its header says, a checksum is wrong, or there is no scan with points.
    """
    _check_header(source)
    from pye57 import libe57

    try:
        file = libe57.ImageFile(str(source.path), "r")
        try:
            root = file.root()
            nodes = (
                [root["data3D"][i] for i in range(len(root["data3D"]))] if root.isDefined("data3D") else []
            )
            if not nodes:
                raise source.error("at least one scan", "none in the file", "choose a file with points")
            if source.scan is not None:
                nodes = [chosen(source, nodes)]
            total = sum(int(n["points"].childCount()) for n in nodes)
            if total > MAX_POINTS:
                raise too_many_points(source.name, total)
            return merged(source, [_scan(source, libe57, file, n) for n in nodes])
        finally:
            file.close()
    except (libe57.E57Exception, RuntimeError, TypeError, AttributeError, IndexError, OverflowError) as error:
        # the library adds the name of its constant and a stack of contexts
        said = " ".join(str(error).split(" (Error")[0].split())[:120] or type(error).__name__
        raise source.error("a readable E57 file", said, "the file is damaged: export it again") from None


def _check_header(source: Source) -> None:
    """Compare the sizes in the file header with the file."""
    data = source.data
    if len(data) < _HEADER_SIZE:
        raise source.error(f"a header of {_HEADER_SIZE} bytes", f"{len(data)}", "copy the file again")
    length, xml_at, xml_length, page = struct.unpack_from("<4Q", data, 16)
    if length > len(data) or xml_at >= len(data) or xml_length > len(data) or page != 1024:
        raise source.error(
            f"{length:,} bytes in pages of 1,024 as its header says",
            f"{len(data):,} bytes, pages of {page:,}",
            "the file is cut short or damaged: copy it again",
        )


def _scan(source: Source, libe57: Any, file: Any, node: Any) -> Scan:
    """Read one scan; points that it marks as invalid are left out."""
    points = node["points"]
    prototype = libe57.StructureNode(points.prototype())
    fields = {prototype.get(i).elementName() for i in range(prototype.childCount())}
    cartesian = fields.issuperset(_CARTESIAN)
    if not cartesian and not fields.issuperset(_SPHERICAL):
        raise source.error(
            "cartesianX, Y, Z or sphericalRange, Azimuth, Elevation",
            ", ".join(sorted(fields)[:12]) or "no fields",
            "export the points with coordinates",
        )
    wanted = list(_CARTESIAN if cartesian else _SPHERICAL)
    invalid = "cartesianInvalidState" if cartesian else "sphericalInvalidState"
    wanted += [f for f in (invalid, "intensity") if f in fields]
    if fields.issuperset(_COLOUR):
        wanted += _COLOUR
    count = int(points.childCount())
    values = {f: np.zeros(count) for f in wanted}
    if count:
        buffers = libe57.VectorSourceDestBuffer()
        for name, array in values.items():
            buffers.append(libe57.SourceDestBuffer(file, name, array, count, True, True))
        reader = points.reader(buffers)
        found = int(reader.read())
        reader.close()
        if found != count:
            raise source.error(f"{count:,} points as the scan says", f"{found:,}", "export the file again")
    # 1 = only the direction is known, 2 = nothing is
    valid = values[invalid] == 0 if invalid in values else np.ones(count, dtype=bool)
    first, second, third = (values[f][valid] for f in wanted[:3])
    xyz = np.column_stack([first, second, third] if cartesian else _from_spherical(first, second, third))
    rotation, translation = _pose(source, node)
    return Scan(
        xyz,
        values["intensity"][valid] if "intensity" in values else None,
        _colour(node, np.column_stack([values[c][valid] for c in _COLOUR])) if _COLOUR[0] in values else None,
        rotation,
        translation,
    )


def _from_spherical(
    distance: NDArray[np.float64], azimuth: NDArray[np.float64], elevation: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return x, y, z; azimuth from x towards y, elevation above the x-y plane (ASTM E2807)."""
    with np.errstate(invalid="ignore"):
        flat = distance * np.cos(elevation)
        return [flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)]


def _colour(node: Any, values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return 8-bit colours by the scan's stated limits, or by the largest value."""
    try:
        top = float(node["colorLimits"]["colorRedMaximum"].value())
    except Exception:  # the limits are optional, and the library has no common error for their absence
        top = 0.0
    if np.isfinite(top) and top > 0:
        with np.errstate(over="ignore", invalid="ignore"):
            values = values * (255.0 / top)
        return np.clip(np.rint(np.nan_to_num(values)), 0, 255).astype(np.uint8)
    return colours(values)


def _pose(source: Source, node: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rotation matrix of the unit quaternion (w, x, y, z) and the translation of a scan's pose."""
    rotation, translation = np.eye(3), np.zeros(3)
    if not node.isDefined("pose"):
        return rotation, translation
    pose = node["pose"]
    if pose.isDefined("translation"):
        translation = np.array([float(pose["translation"][axis].value()) for axis in "xyz"])
    if pose.isDefined("rotation"):
        w, *v = (float(pose["rotation"][part].value()) for part in "wxyz")
        length = float(np.sqrt(w * w + np.dot(v, v)))
        if not np.isfinite(length) or length == 0.0:
            raise source.error(
                "a unit quaternion as the scan's rotation", f"length {length:g}", "export it again"
            )
        x, y, z = (c / length for c in v)
        w /= length
        cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        rotation = np.eye(3) + 2.0 * w * cross + 2.0 * cross @ cross
    return rotation, translation
