"""Formulas of a step in LaTeX, its terms in the colours of their arrows."""

from __future__ import annotations

import re

from core.optimizers.explanation import SYMBOLS, Line, latex

#: Roles' colours for text in the light and the dark theme, as in ``assets/theme.js``.
COLOURS = {
    "gradient": ("#B84A00", "#FF8A4C"),
    "momentum": ("#9A5D00", "#E69F00"),
    "preconditioned": ("#2B7A78", "#4FB3AF"),
}
#: Symbol → the term that it is.
TERMS = {
    "g": "gradient", "G": "gradient", "m": "momentum", "m_": "momentum", "b": "momentum", "b_": "momentum",
    "M": "momentum", "d": "momentum", "d_old": "momentum", "u": "preconditioned",
}  # fmt: skip
_NAME = re.compile(r"<(\w+)>")


def derivation(line: Line, *, dark: bool, digits: int = 5) -> str:
    """Return the formula in symbols, below it the numbers of this step, below them what comes out."""
    rows = (
        f"{_coloured(line.name, SYMBOLS[line.name], dark)} &= {symbolic(line, dark=dark)}",
        f"&= {numeric(line, dark=dark, digits=digits)}",
        f"&= {_coloured(line.name, latex(line.value, digits), dark)}",
    )
    return r"\begin{aligned} " + r" \\[8pt] ".join(rows) + r" \end{aligned}"


def symbolic(line: Line, *, dark: bool) -> str:
    """Return the right-hand side in symbols."""
    return _NAME.sub(lambda found: _coloured(found[1], SYMBOLS[found[1]], dark), line.template)


def numeric(line: Line, *, dark: bool, digits: int = 5) -> str:
    """Return the right-hand side with this step's numbers."""

    def put(found: re.Match[str]) -> str:
        return _coloured(found[1], latex(line.numbers[found[1]], digits), dark)

    return _NAME.sub(put, line.template)


def _coloured(name: str, text: str, dark: bool) -> str:
    term = TERMS.get(name)
    return rf"\textcolor{{{COLOURS[term][dark]}}}{{{text}}}" if term else text
