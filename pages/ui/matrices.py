"""Matrices with their labels, units and shades."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from core.registration.annotated_matrices import AnnotatedMatrix


def matrix_panels(matrices: Sequence[AnnotatedMatrix], k: int) -> None:
    """Draw matrices as tables; the deeper a cell's colour, the larger the entry for its row and column."""
    panels = "".join(_panel(matrix) for matrix in matrices)
    st.html(
        f'<p class="it-muted">At k = {k}, unweighted point-to-plane system in the source frame. Blue is '
        "positive, orange negative; the depth is the entry without units (a correlation for H, S_R, S_t).</p>"
        f'<div class="it-matrices">{panels}</div>'
    )


def _panel(matrix: AnnotatedMatrix) -> str:
    heads = "".join(
        f'<th scope="col"{_mark(flagged)}>{html.escape(name)}</th>'
        for name, flagged in zip(matrix.columns, matrix.flagged, strict=True)
    )
    rows = "".join(_row(matrix, i) for i in range(len(matrix.rows)))
    notes = "".join(
        f"<li{_mark(flagged)}>{html.escape(name)}: {html.escape(note)}{', weak' if flagged else ''}</li>"
        for name, note, flagged in zip(matrix.columns, matrix.notes, matrix.flagged, strict=True)
        if note
    )
    return (
        f'<figure class="it-matrix"><figcaption><strong>{html.escape(matrix.symbol)}</strong> '
        f"{html.escape(matrix.title)}<br><code>{html.escape(matrix.formula)}</code></figcaption>"
        f'<div class="it-scroll" tabindex="0"><table><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>" + (f"<ul>{notes}</ul>" if notes else "") + "</figure>"
    )


def _row(matrix: AnnotatedMatrix, i: int) -> str:
    cells = "".join(
        f'<td style="--shade: {abs(shade):.3f}" class="{"it-positive" if shade >= 0 else "it-negative"}" '
        f'title="{value:.6g} {html.escape(unit)}">{_number(value)}</td>'
        for value, shade, unit in zip(matrix.values[i], matrix.shade[i], matrix.units[i], strict=True)
    )
    return f'<tr><th scope="row">{html.escape(matrix.rows[i])}</th>{cells}</tr>'


def _mark(flagged: bool) -> str:
    return ' class="it-flagged"' if flagged else ""


def _number(value: float) -> str:
    """Return three digits, with a true minus sign."""
    text = "0" if abs(value) < 1e-12 else f"{value:.3g}"
    return text.replace("-", "−")
