"""Point clouds in and out: the public face of `core.io`."""

from __future__ import annotations

from core.io.cloud import MAX_BYTES, MAX_POINTS, PointCloud
from core.io.formats.ply import write_ply
from core.io.isolation import read_isolated
from core.io.reading import EXTENSIONS, read

__all__ = ["EXTENSIONS", "MAX_BYTES", "MAX_POINTS", "PointCloud", "read", "read_isolated", "write_ply"]
