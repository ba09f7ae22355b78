"""The user's own table as a training task: any column is to be told from the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.io.isolation import read_table_isolated
from core.io.tabular import Table
from core.iterate import Array, Preparation, Progress
from core.optimizers.digits import split
from core.optimizers.tasks import TRAIN_SHARE, Batches, classification, parts
from core.optimizers.training import TRAINING_SCALARS, Target, Training, network_training
from core.registry import param, problem

#: Rows below which a held-out part says nothing; classes above which a target is no class.
FEWEST_ROWS, MOST_CLASSES = 20, 50
#: A column of whole numbers with this many different ones or fewer is taken for classes.
FEW_NUMBERS = 12
#: Inputs after categories are spread out.
MOST_INPUTS = 2000


@problem(
    "table", lab="optimizers", title="Your own table", kind="training", order=76, scalars=TRAINING_SCALARS
)
@dataclass(frozen=True)
class TableTask(Batches):
    """One column of a CSV or Parquet file is told from the others, by a network or a linear model.

    Numbers are standardised, each text becomes a column of zeros and ones. A missing number counts as its
    column's mean. Left out are rows without target, and columns with one value or with very many texts.
    """

    file: str = param("", form="file", doc="CSV with a header, or Parquet")
    target: str = param("", doc="name of the column that is to be told from the others")
    task: str = param(
        "auto",
        choices={"auto": "as the target looks", "regression": "a number", "classification": "a class"},
        doc="what the target is; by itself: texts and few whole numbers are classes",
    )
    model: str = param(
        "mlp",
        choices={"mlp": "a hidden layer of tanh units", "linear": "a linear model"},
        doc="what is trained",
    )
    width: int = param(32, low=1, high=256, doc="units of the hidden layer")

    def build(self, seed: int) -> Preparation[Training]:
        """Read the file in the parser process, divide its rows by the seed.

        Raises
        ------
        InputError
            If there is no file, it is no table, or the table cannot be learnt from, with the reason.
        """
        if not self.file:
            raise InputError("file", "a table", "none", "give a CSV or Parquet file")
        table = yield from read_table_isolated(self.file, name=Path(self.file).name)
        yield Progress("loading torch")
        from core.optimizers.networks import half_squared_error, mlp

        yield Progress("dividing the rows")
        at = target_column(table, self.target)
        is_class = asks_for_class(table, at, self.task)
        rows = np.flatnonzero(~np.isnan(table.values[at]))
        lost = table.values.shape[1] - len(rows)
        if len(rows) < FEWEST_ROWS:
            raise InputError(
                table.name, f"at least {FEWEST_ROWS} rows with a {self.target}", str(len(rows)), "add rows"
            )
        targets = table.values[at, rows]
        labels = as_classes(table, at, targets) if is_class else np.zeros(len(rows), dtype=np.int64)
        rng = np.random.default_rng(np.random.SeedSequence(seed))
        train, held_out = split(labels, TRAIN_SHARE, rng)
        inputs, notes = features(table, at, rows, train)
        notes = (*((f"{lost} rows without {self.target} were left out.",) if lost else ()), *notes)
        hidden = [self.width] if self.model == "mlp" else []
        settings = {**self.settings(), "notes": notes}
        if is_class:
            classes = int(labels.max()) + 1
            settings["target"] = Target(self.target, class_names(table, at, targets))
            network = mlp([inputs.shape[1], *hidden, classes], "tanh")
            return classification(network, parts(inputs, labels, train, held_out), seed, classes, **settings)
        _check_spread(table.name, self.target, targets, train)
        network = mlp([inputs.shape[1], *hidden, 1], "tanh")
        mean, scale = float(targets[train].mean()), float(targets[train].std())
        scaled = (targets - mean) / scale
        settings["target"] = Target(self.target, mean=mean, scale=scale)
        data = parts(inputs, scaled, train, held_out)
        return network_training(network, half_squared_error, *data, seed, **settings)


def target_column(table: Table, target: str) -> int:
    """Return the place of the target's column.

    Raises
    ------
    InputError
        If there is none of that name, or it holds nothing that can be told.
    """
    if target not in table.names:
        shown = ", ".join(table.names[:12]) + (" …" if len(table.names) > 12 else "")
        raise InputError("target", f"a column of {table.name}: {shown}", repr(target))
    at = table.names.index(target)
    if table.categories[at] == ("…",):
        raise InputError("target", "numbers, or few different texts", f"{target}, which has neither")
    if np.isinf(table.values[at]).any():
        raise InputError("target", "finite numbers", f"infinite ones in {target}", "mend these rows")
    return at


def asks_for_class(table: Table, at: int, task: str) -> bool:
    """Whether the target is a class, by the user's word or by its looks.

    Raises
    ------
    InputError
        If a regression of texts is asked for.
    """
    is_text = bool(table.categories[at])
    if task == "auto":
        known = table.values[at][~np.isnan(table.values[at])]
        return is_text or (bool((known == np.round(known)).all()) and len(np.unique(known)) <= FEW_NUMBERS)
    if task == "regression" and is_text:
        raise InputError("task", f"classification: {table.names[at]} holds texts", "regression")
    return task == "classification"


def as_classes(table: Table, at: int, targets: Array) -> NDArray[np.int64]:
    """Return each row's class from 0.

    Raises
    ------
    InputError
        If there is one class, there are too many, or one has a single row.
    """
    known, labels, counts = np.unique(targets, return_inverse=True, return_counts=True)
    column = table.names[at]
    if len(known) < 2:
        raise InputError("target", "two classes or more", f"{column}, which is always the same")
    if len(known) > MOST_CLASSES:
        raise InputError(
            "target", f"at most {MOST_CLASSES} classes", f"{len(known):,} in {column}", "take task=regression"
        )
    if counts.min() < 2:
        text = class_names(table, at, targets)[int(counts.argmin())]
        raise InputError("target", "two rows or more of every class", f"one with {column} = {text}")
    return labels.astype(np.int64)


def class_names(table: Table, at: int, targets: Array) -> tuple[str, ...]:
    """Return what the classes of `as_classes` are called: the column's texts, or its numbers."""
    texts = table.categories[at]
    return tuple(texts[int(value)] if texts else f"{value:g}" for value in np.unique(targets))


def features(
    table: Table, at: int, rows: NDArray[np.intp], train: NDArray[np.int64]
) -> tuple[Array, tuple[str, ...]]:
    """Return the inputs (rows, inputs) from all columns but the target, and what was left out.

    Raises
    ------
    InputError
        If a number is infinite, or no column or too many inputs are left.
    """
    columns: list[Array] = []
    useless, missing = [], 0
    for i, column in enumerate(table.names):
        if i == at:
            continue
        values = table.values[i, rows]
        if np.isinf(values).any():
            raise InputError(table.name, "finite numbers", f"infinite ones in {column}", "mend these rows")
        known = values[train][~np.isnan(values[train])]
        if len(np.unique(known)) < 2:
            useless.append(column)
        elif table.categories[i]:
            columns += [(values == code).astype(np.float64) for code in np.unique(known)]
        else:
            missing += int(np.isnan(values).sum())
            columns.append(np.nan_to_num(_standard(values, known)))
    if not columns:
        raise InputError(table.name, "a column beside the target that varies", "none")
    if len(columns) > MOST_INPUTS:
        raise InputError(
            table.name, f"at most {MOST_INPUTS:,} inputs", f"{len(columns):,}", "leave columns out"
        )
    notes = []
    if useless:
        notes.append(f"Columns with nothing to learn from were left out: {', '.join(useless[:8])}.")
    if missing:
        notes.append(f"{missing:,} missing numbers count as their column's mean.")
    return np.stack(columns, axis=1), tuple(notes)


def _standard(values: Array, known: Array) -> Array:
    """Return values less the known ones' mean over their deviation, cut at ±10; safe at any size."""
    scale = float(np.abs(known).max())
    small = known / scale
    return np.asarray(np.clip((values / scale - small.mean()) / small.std(), -10.0, 10.0))


def _check_spread(name: str, target: str, targets: Array, train: NDArray[np.int64]) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        spread = float(targets[train].std())
    if not spread > 0 or not np.isfinite(spread):
        raise InputError(
            "target", "numbers that vary and can be squared", f"{target} in {name}, which do not"
        )
