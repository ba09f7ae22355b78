"""One step as the paper's formulas, with the numbers of that step in place of the symbols."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.iterate import Array
from core.trace import TraceView

Number = float | Array

#: Names in templates → LaTeX. A trailing _ stands for "after the step".
SYMBOLS = {
    "x": "x_k", "x_": "x_{k+1}", "g": "g_k", "m": "m_k", "m_": "m_{k+1}", "v": "v_k", "v_": "v_{k+1}",
    "b": "b_k", "b_": "b_{k+1}", "u": "u_k", "w": r"\hat{x}_k", "xi": r"\xi_k", "d": "d_k", "h": r"\Delta_k",
    "g_old": "g_{k-1}", "d_old": "d_{k-1}", "y": "y_k", "beta": r"\beta_k", "H": "H_k", "B": "B",
    "lr": r"\eta", "beta1": r"\beta_1", "beta2": r"\beta_2", "eps": r"\varepsilon", "t": "t",
    "mu": r"\mu", "tau": r"\tau", "decay": r"\lambda", "alpha": r"\alpha_k", "gamma": r"\gamma_k",
    "damping": r"\lambda_k", "norm": r"\|g_k\|_*", "scale": "s", "Q": "Q", "G": "G'", "M": "M'", "N": "N'",
    "step": r"\Delta_k", "size": r"\eta_k", "rho": r"\rho", "r": "r", "mean": r"\overline{\|\nabla L\|}",
    "release": r"v_k", "release_old": r"v_{k-1}", "clipped": r"\overline{\mathrm{clip}}_k",
    "noise": r"\zeta_k", "moment": r"\tfrac{1}{b} x x^T", "ridge": r"\lambda", "plain": r"\nabla w_k",
}  # fmt: skip
#: Sources whose gradients have symbols.
SOURCES = 8
SYMBOLS |= {f"g{i}": rf"\nabla L_{i}" for i in range(1, SOURCES + 1)}
SYMBOLS |= {f"n{i}": rf"\|\nabla L_{i}\|" for i in range(1, SOURCES + 1)}
SYMBOLS |= {f"s{i}": rf"\hat{{g}}_{i}" for i in range(1, SOURCES + 1)}


@dataclass(frozen=True, slots=True)
class Line:
    """One formula of a step.

    Attributes
    ----------
    name : what is computed, a key of `SYMBOLS`.
    template : its LaTeX, with ``<name>`` where a symbol or its number stands.
    numbers : the numbers by name.
    value : what came out.
    words : what the line does, a few words.
    """

    name: str
    template: str
    numbers: Mapping[str, Number]
    value: Number
    words: str = ""

    def symbolic(self) -> str:
        """Return the formula in symbols."""
        return f"{SYMBOLS[self.name]} = " + _NAME.sub(lambda m: SYMBOLS[m[1]], self.template)

    def numeric(self, digits: int = 5) -> str:
        """Return the formula with numbers for symbols, and its value."""

        def put(match: re.Match[str]) -> str:
            return latex(self.numbers[match[1]], digits)

        return f"{SYMBOLS[self.name]} = {_NAME.sub(put, self.template)} = {latex(self.value, digits)}"


_NAME = re.compile(r"<(\w+)>")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A step's formulas in order; the last one gives x_{k+1}."""

    k: int
    lines: tuple[Line, ...]

    @property
    def numbers(self) -> dict[str, Number]:
        """All numbers shown, by name."""
        found: dict[str, Number] = {}
        for line in self.lines:
            found |= line.numbers
            found[line.name] = line.value
        return found


@dataclass(frozen=True, slots=True)
class Step:
    """What was recorded of the step that leaves x_k: arrays by name, and k."""

    k: int
    arrays: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]


def explain(method: Any, view: TraceView, k: int) -> Explanation:
    """Return the formulas and numbers of the step that leaves x_k.

    Parameters
    ----------
    method : the instance whose trace this is.
    view : its trace.
    k : a kept k that a step leaves; the nearest such one is taken.

    Raises
    ------
    ValueError
        If the trace holds no step, as when it ended at its start.
    """
    kept = [j for j, snapshot in view.snapshots.items() if "step" in snapshot]
    if not kept:
        raise ValueError("the trace holds no step")
    k = min(kept, key=lambda j: (abs(j - k), j))
    return Explanation(k, tuple(lines_of(method, Step(k, view.snapshots[k]))))


def lines_of(method: Any, step: Step) -> Iterable[Line]:
    """Return a method's formulas of a step; of one that has none, the step itself."""
    if hasattr(method, "explain"):
        lines: Iterable[Line] = method.explain(step)
        return lines
    x, change = step["x"], step["step"]
    return [Line("x_", r"<x> + <step>", {"x": x, "step": change}, x + change)]


@dataclass(frozen=True, slots=True)
class TermHistory:
    """A term of a method's step over its whole run.

    Attributes
    ----------
    words : what it is.
    values : for every iterate the mean of |value| over the coordinates; NaN where it is not known.
    """

    words: str
    values: Array


def term_histories(method: Any, view: TraceView, steps: int = 400) -> dict[str, TermHistory]:
    """Return the terms of a method's steps over its run, by name, without the next point itself.

    Parameters
    ----------
    steps : at most so many of the kept steps are explained, evenly spread.
    """
    if not hasattr(method, "explain"):
        return {}
    kept = np.array([j for j, snapshot in view.snapshots.items() if "step" in snapshot], np.int64)
    chosen = kept[np.unique(np.rint(np.linspace(0, len(kept) - 1, min(steps, len(kept)))).astype(int))]
    found: dict[str, TermHistory] = {}
    for k in chosen:
        for line in method.explain(Step(int(k), view.snapshots[int(k)])):
            if line.name == "x_" or not line.words:
                continue
            if line.name not in found:
                found[line.name] = TermHistory(line.words, np.full(len(view), np.nan))
            found[line.name].values[np.searchsorted(view.k, k)] = float(np.mean(np.abs(line.value)))
    return found


def latex(value: Number, digits: int = 5) -> str:
    """Return a number, a column vector or a matrix; long ones are cut with dots."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim == 0:
        return _number(float(array), digits)
    if array.ndim == 1:
        array = array[:, None]
    rows = [" & ".join(_number(float(v), digits) for v in row[:4]) + (r" & \cdots" if len(row) > 4 else "")
            for row in array[:4]]  # fmt: skip
    if len(array) > 4:
        rows.append(r"\vdots")
    return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"


def _number(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return {True: r"\mathrm{NaN}", False: r"\infty" if value > 0 else r"-\infty"}[math.isnan(value)]
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent:
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
    return text
