"""Where a method ends: descents without recording, one at a time or many starts at once, for the analyses."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core import registry
from core.errors import InputError
from core.iterate import Array, Preparation, Status
from core.optimizers.descent import Stepper, is_point
from core.optimizers.landscape import Landscape
from core.optimizers.steps import GROWTH, Oracle
from core.optimizers.training import Training
from core.registry import Value, instantiate

#: Methods with a learning rate, and all methods, that an analysis can look at.
TUNABLE = (
    *("diffgrad", "adam_half", "sgdp", "adamp", "conda", "sgd", "adam", "adamw", "nadam", "radam", "rmsprop"),
    *("adagrad", "lion", "muon", "soap", "nexus", "nexus_still"),
)
ALL = (
    *TUNABLE,
    *("gns", "gns_gauss_newton", "gns_zero", "nonlinear_cg", "lbfgs", "bfgs", "lbfgsb", "newton_cg"),
    *("trust_ncg", "trust_krylov", "trust_exact", "dogleg", "cubic_newton", "super_universal_newton"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a descent: inf and NaN where it diverged; `gradients` is what it asked for.

    The loss of a training is that on the held-out data.
    """

    loss: float
    distance: float
    gradients: int


def build_method(key: str, settings: str, values: Mapping[str, object]) -> Any:
    """Return a method from a text of settings and values that overrule them.

    Parameters
    ----------
    settings : ``name=value`` pairs separated by commas or blanks; empty = defaults.
    values : by name.

    Raises
    ------
    InputError
        If the text cannot be read or a value is refused.
    """
    found: dict[str, object] = {}
    for word in re.split(r"[,;\s]+", settings.strip()):
        if not word:
            continue
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise InputError("settings", "name=value with commas between", repr(word))
        if name in values:
            raise InputError(
                "settings", f"parameters other than {name}, which has a field of its own", repr(word)
            )
        found[name] = value
    return instantiate(registry.method_spec("optimizers", key), {**found, **values}, "settings ")


def method_entries(methods: str, most: int, able: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return key and settings of each of several methods, which stand with semicolons between.

    Parameters
    ----------
    able : keys that are taken; by default those of methods with a learning rate.

    Raises
    ------
    InputError
        If there is none, there are more than `most`, or one is not taken.
    """
    found = []
    for text in (part.strip() for part in methods.split(";")):
        key, _, settings = text.partition(" ")
        if not key:
            continue
        spec = registry.method_spec("optimizers", key)
        if able and spec.key not in able:
            raise InputError("methods", "methods that descend landscapes", repr(key))
        if not able and (spec.kind == "analysis" or not any(p.name == "lr" for p in spec.parameters)):
            raise InputError("methods", "methods with a learning rate", repr(key))
        found.append((spec.key, settings.strip()))
    if not 1 <= len(found) <= most:
        raise InputError("methods", f"1 to {most} methods with semicolons between", repr(methods))
    return found


def number_parameter(key: str, name: str, what: str) -> registry.Parameter:
    """Return a method's numeric parameter; InputError if there is none of that name."""
    known = [p for p in registry.method_spec("optimizers", key).parameters if p.type in (int, float)]
    for parameter in known:
        if parameter.name == name:
            return parameter
    raise InputError(what, f"a number of {key}: {', '.join(p.name for p in known)}", repr(name))


def in_type(parameter: registry.Parameter, value: float) -> Value:
    """Return a number in the parameter's type."""
    return round(value) if parameter.type is int else float(value)


def prepare_method(method: Any, landscape: Landscape) -> Preparation[Landscape]:
    """Do what the method does before its first step, and return the landscape."""
    if hasattr(method, "prepare"):
        yield from method.prepare(landscape)
    return landscape


def outcome(method: Any, landscape: Landscape) -> Outcome:
    """Run a method to its end without recording and return where that is.

    Raises
    ------
    ValueError
        If the method refuses the landscape.
    """
    if isinstance(landscape, Training):
        return _of_training(method, landscape)
    iterates = method.iterate(landscape)  # checks its assumptions
    if not hasattr(method, "recorded") or getattr(method, "needs_closure", False):
        *_, last = iterates
        loss, distance = last.scalars["loss"], last.scalars["distance_to_minimum"]
        return Outcome(loss, distance, last.work.gradient)
    oracle = Oracle(landscape)
    stepper = Stepper(method, landscape.start, landscape.tensor_shapes)
    loss, stepper.g[:] = oracle.both(stepper.x)
    limit = GROWTH * max(1.0, abs(loss))
    for _ in range(method.steps):
        stepper.step()
        loss, stepper.g[:] = oracle.both(stepper.x)
        if not abs(loss) <= limit or not np.isfinite(stepper.g).all():
            return Outcome(math.inf, math.nan, oracle.gradients)
    return Outcome(loss, float(landscape.distance_to_minimum(stepper.x)), oracle.gradients)


def _of_training(method: Any, training: Training) -> Outcome:
    """Return the end of a training; its loss is that on the held-out data, measured once."""
    *_, last = method.iterate(replace(training, evaluate_every=method.steps + 1))
    held_out = last.scalars["validation_loss"]
    is_lost = last.status is Status.DIVERGED or not math.isfinite(held_out)
    return Outcome(math.inf if is_lost else held_out, math.nan, last.work.gradient)


def is_vectorised(method: Any, landscape: Landscape) -> bool:
    """Whether many starts may be one long vector: each coordinate is stepped for itself, without noise."""
    return bool(getattr(method, "elementwise", False)) and is_point(landscape) and landscape.noise == 0.0


def descend_together(method: Any, landscape: Landscape, starts: Array) -> Iterator[Array]:
    """Yield all points (S, n) after 0, 1, …, `method.steps` steps; the array is the next step's buffer.

    The starts are one flat vector, so that the torch optimizer steps them all at once. A start whose
    gradient is not finite spoils its own coordinates only.
    """
    stepper = Stepper(method, starts.reshape(-1), ((starts.size,),))
    points, gradients = stepper.x.reshape(starts.shape), stepper.g.reshape(starts.shape)
    yield points
    for _ in range(method.steps):
        gradients[:] = landscape.function.gradient(points)
        stepper.step()
        yield points


def at_start(landscape: Landscape, start: Array) -> Landscape:
    """Return the same landscape with another start."""
    return replace(landscape, start=start.copy())


def coarse_to_fine(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Yield every cell (row, column) of a grid once: first every eighth, then between them."""
    for stride in (8, 4, 2, 1):
        for i in range(0, rows, stride):
            for j in range(0, columns, stride):
                if stride == 8 or i % (2 * stride) or j % (2 * stride):
                    yield i, j
