"""Fields of numbers as the browser gets them: some iterates of each, 16 bits a cell, obstacles beside them.

Every frame has a scale of its own, the largest absolute value in it: a residual falls by many powers of ten,
and what remains keeps its digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from pages.figures.pack import pack

#: Cells a side that are sent: larger fields are sent every second, third, … cell.
SIDE = 256
#: Bytes of all frames of one message.
BUDGET = 3_000_000
#: Iterates from the start that are all sent, if there is room.
FIRST = 64
LEVELS = 32767


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One field over some iterates.

    Attributes
    ----------
    title, index : what stands above it; colour index of the method, −1 for none.
    ks : (K,) iterates, ascending.
    frames : (K, rows, columns); NaN where nothing is known.
    flags : (rows, columns) kinds of cells: 1 solid, 2 fluid, 3 air.
    kind : "signed" = values around zero, "groups" = numbers that only tell apart.
    """

    title: str
    index: int
    ks: NDArray[np.int64]
    frames: Array
    flags: NDArray[np.integer[Any]]
    kind: str = "signed"
    note: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What all panels of one message share.

    Attributes
    ----------
    group : whose cursor they follow; empty for fields that stand.
    rev : identity of the content.
    quantity : what the numbers are, in words.
    stride : every so many cells of the grid are sent; the cell that is named has this step.
    axes : names of rows and columns.
    """

    group: str
    rev: str
    quantity: str
    stride: int = 1
    axes: tuple[str, str] = ("i", "j")
    extra: dict[str, Any] = field(default_factory=dict)


def stride_of(shape: Sequence[int]) -> int:
    """Return every how many cells a field of this shape is sent."""
    return max(1, -(-max(shape) // SIDE))


def quantise(frames: Array) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Return (K, …) int16 and (K,) scales: value = int16 · scale / 32767, exact to scale / 65534.

    Not finite values become 0.
    """
    known = np.where(np.isfinite(frames), frames, 0.0)
    scales = np.abs(known).reshape(len(known), -1).max(axis=1, initial=0.0)
    divisor = np.where(scales > 0.0, scales, 1.0)
    steps = np.rint(known * (LEVELS / divisor.reshape(-1, *(1,) * (known.ndim - 1))))
    return steps.astype(np.int16), scales.astype(np.float32)


def chosen_frames(count: int, each: int, budget: int) -> NDArray[np.int64]:
    """Choose which of `count` frames of `each` bytes are sent: the first ones, then ever fewer, and the last.

    Returns
    -------
    Ascending indices; always the first and the last one.
    """
    most = max(2, budget // max(each, 1))
    if count <= most:
        return np.arange(count, dtype=np.int64)
    head = min(FIRST, most // 2)
    tail = np.geomspace(max(head, 1), count - 1, most - head)
    return np.unique(np.r_[np.arange(head), 0, np.rint(tail).astype(np.int64), count - 1])


def fields_payload(panels: Sequence[Panel], view: View) -> bytes:
    """Encode panels into one message of ``assets/field_view.js``."""
    arrays: dict[str, NDArray[Any]] = {}
    heads = []
    for number, panel in enumerate(panels):
        if panel.kind == "groups":
            arrays[f"{number}.frames"] = panel.frames.astype(np.int32)
            scales = np.ones(len(panel.frames), np.float32)
        else:
            arrays[f"{number}.frames"], scales = quantise(panel.frames)
        arrays[f"{number}.scales"] = scales
        arrays[f"{number}.k"] = panel.ks.astype(np.int32)
        arrays[f"{number}.flags"] = panel.flags.astype(np.uint8)
        heads.append({"title": panel.title, "index": panel.index, "kind": panel.kind, "note": panel.note})
    meta = {
        "group": view.group, "rev": view.rev, "quantity": view.quantity, "stride": view.stride,
        "axes": list(view.axes), "panels": heads, **view.extra,
    }  # fmt: skip
    return pack(arrays, meta)
