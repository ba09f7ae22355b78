"""Docstrings as Markdown."""

from __future__ import annotations

import pytest

from core import registry
from pages.figures.docstrings import markdown

DOC = """Take steps.

    1. δ = H⁻¹g, |δ| < 1

    Notes
    -----
    P*g is *not* P·g; ``update=so3`` stays.

        x ← x + α p

    - first
    - second
    """


def test_sections_literals_and_formulas_keep_their_place() -> None:
    text = markdown(DOC)
    assert "**Notes**" in text
    assert r"P\*g is \*not\* P·g; ``update=so3`` stays." in text
    assert "```text\nx ← x + α p\n```" in text
    assert "- first\n- second" in text
    assert r"1. δ = H⁻¹g, \|δ\| \< 1" in text


@pytest.mark.parametrize("lab", [lab.key for lab in registry.labs()])
def test_every_method_s_docstring_is_prose(lab: str) -> None:
    for spec in registry.methods(lab):
        text = markdown(spec.cls.__doc__ or "")
        assert "-----" not in text, spec.key
        assert "@@" not in text, spec.key
