"""Vertices of Wavefront OBJ; faces and the rest are not looked at."""

from __future__ import annotations

import re

from core.io.columns import Columns, Source, colours
from core.io.table import decode, parse_rows

_VERTEX = re.compile(r"[ \t]*v[ \t]+")


def read(source: Source) -> Columns:
    """Read the lines ``v x y z [w]`` or ``v x y z r g b``.

    Raises
    ------
    InputError
        If there is no vertex, or one cannot be read.
    """
    # other lines become blank, so that messages still count the file's own lines
    rows = [line[m.end() :] if (m := _VERTEX.match(line)) else "" for line in decode(source).split("\n")]
    if not any(rows):
        raise source.error("lines that begin with v", "none", "choose a file with vertices")
    table = parse_rows(source, "\n".join(rows), first_line=1)
    if table.shape[1] < 3:
        raise source.error("three coordinates in each vertex", f"{table.shape[1]}", "export it again")
    return Columns(table[:, :3], rgb=colours(table[:, 3:6]) if table.shape[1] == 6 else None)
