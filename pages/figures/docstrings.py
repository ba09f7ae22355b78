"""Docstrings as Markdown: sections as headings, formulas as they stand, prose as prose."""

from __future__ import annotations

import inspect
import re

#: A section's title and the line under it, as numpydoc writes them.
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.M)
#: Characters that Markdown or its mathematics would take for their own.
_SPECIAL = re.compile(r"([*$<>~\[\]|\\])")


def markdown(doc: str) -> str:
    """Return a numpydoc docstring as Markdown.

    Indented lines become blocks of code, ``literals`` stay literals, everything else is prose in which no
    character is taken for markup but the dash and the number of a list.
    """
    text = _SECTION.sub(r"@@\1", inspect.cleandoc(doc))
    blocks = [_block(block) for block in re.split(r"\n\s*\n", text)]
    return "\n\n".join(block for block in blocks if block)


def _block(block: str) -> str:
    lines = block.split("\n")
    if all(line.startswith("    ") for line in lines):
        return "```text\n" + "\n".join(line[4:] for line in lines) + "\n```"
    heading = ""
    if lines[0].startswith("@@"):
        heading, lines = f"**{lines[0][2:]}**\n\n", lines[1:]
    return heading + "\n".join(_prose(line) for line in lines)


def _prose(line: str) -> str:
    """Escape what is not a literal."""
    parts = re.split(r"(``.+?``|`.+?`)", line)
    return "".join(part if i % 2 else _SPECIAL.sub(r"\\\1", part) for i, part in enumerate(parts))
