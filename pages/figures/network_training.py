"""Charts and messages of trainings: the table at the cursor, single answers, told against true numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.run import MemberView
from pages.figures import optimizers, style
from pages.figures.pack import pack
from pages.figures.roster import indices
from pages.figures.style import FigureDict

#: Columns of the table at the cursor.
COLUMNS = (
    {"key": "k", "label": "k", "title": "steps done", "format": "int"},
    {"key": "train_loss", "label": "training", "title": "loss on the training data", "format": "sig3"},
    {"key": "validation_loss", "label": "held out", "title": "loss on held-out data", "format": "sig3"},
    {"key": "accuracy", "label": "right", "title": "share of the held-out samples told right",
     "format": "percent1"},
    {"key": "grad_norm", "label": "‖∇f‖", "title": "norm of the batch's gradient", "format": "sig3"},
    {"key": "passes", "label": "passes", "title": "passes over the training data", "format": "sig3"},
    {"key": "seconds", "label": "time", "title": "CPU time of the method", "format": "duration"},
)  # fmt: skip
#: Characters that are not seen.
_VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥"}
#: Characters of a class's name that are shown.
_LONGEST = 24


def columns(*, is_class: bool) -> list[Mapping[str, str]]:
    """Return the table's columns; a regression has no accuracy."""
    return [column for column in COLUMNS if is_class or column["key"] != "accuracy"]


def held(values: Array) -> Array:
    """Return a column with each missing number replaced by the last one before it."""
    at = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), 0))
    return np.asarray(values[at])


def numbers(member: MemberView) -> dict[str, NDArray[Any]]:
    """Return the numbers of a training at every step; what is measured now and then is held until anew."""
    scalars = member.view.scalars
    measured = {name: held(scalars[name]) for name in ("train_loss", "validation_loss", "accuracy")}
    others = {"passes": optimizers.passes(member), "seconds": member.view.seconds}
    return {**scalars, **measured, **others}


def answers_payload(
    members: Sequence[MemberView],
    answers: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    truth: NDArray[np.int64],
    names: Sequence[str],
    *,
    pixels: Array | None,
    group: str,
    title: str,
    rev: str,
) -> bytes:
    """Encode samples and what each network takes them for; see ``assets/answers.js``.

    Parameters
    ----------
    answers : of every member: iterates (K,) and classes (K, S).
    truth : (S,) classes.
    names : of the classes.
    pixels : (S, 8, 8) pictures of the samples, dark to bright; None where they have none.
    rev : identity of the samples.
    """
    arrays: dict[str, NDArray[Any]] = {"truth": truth.astype(np.int16)}
    if pixels is not None:
        low, high = float(pixels.min()), float(pixels.max())
        arrays["pixels"] = np.round(255 * (pixels - low) / max(high - low, 1e-12)).astype(np.uint8)
    heads = []
    for number, (name, index, (ks, classes)) in enumerate(
        zip(optimizers.labels(members), indices(members), answers, strict=True)
    ):
        arrays[f"{number}.k"] = ks.astype(np.int32)
        arrays[f"{number}.answers"] = classes.astype(np.int16)
        heads.append({"title": name, "index": index})
    shown = [_VISIBLE.get(name, name)[:_LONGEST] for name in names]
    meta = {"group": group, "title": title, "rev": rev, "members": heads, "names": shown}
    return pack(arrays, meta | {"short": max(map(len, shown)) == 1})


def told(members: Sequence[MemberView], values: Sequence[Array], truth: Array, name: str) -> FigureDict:
    """Draw the number that each network tells for held-out samples against the true one.

    Parameters
    ----------
    values : (S,) of every member, in the unit of `truth` (S,).
    name : of the number.
    """
    ends = np.array([truth.min(), truth.max()])
    data: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "x": ends, "y": ends, "name": "told right", "hoverinfo": "skip",
         "line": {"width": 1, "dash": "dot", "color": "role:muted"}}
    ]  # fmt: skip
    for label, index, told_ in zip(optimizers.labels(members), indices(members), values, strict=True):
        data.append(
            {"type": "scatter", "mode": "markers", "x": truth, "y": told_, "name": label,
             "marker": {"size": 4, "opacity": 0.55}, "meta": style.method_meta(index),
             "hovertemplate": f"{label}: true %{{x:.4g}}, told %{{y:.4g}}<extra></extra>"}
        )  # fmt: skip
    figure = style.figure(data, {"title": {"text": f"true {name}"}}, {"title": {"text": f"told {name}"}})
    figure["layout"]["hovermode"] = "closest"
    return figure
