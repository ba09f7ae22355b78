"""One HTML file with our own scripts, styles and data inside: it opens from a disk, without a network.

The scripts are those of the app, taken from ``assets/`` when the file is written, so the two cannot drift
apart. A content security policy in the file forbids every request and every script but these.
"""

from __future__ import annotations

import html
import importlib.util
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

ASSETS = Path(__file__).resolve().parents[2] / "assets"
_IMPORT = re.compile(r'\b(?:from|import)\s*\(?\s*"\./([\w-]+\.js)"')

#: Where plotly.js comes from: inside the file (4.8 MB), or a link to its makers' server.
Plotly = Literal["inline", "cdn"]


def modules(entry: str) -> dict[str, str]:
    """Return the text of a module in ``assets/`` and of all it imports; each after those that it needs.

    Raises
    ------
    graphlib.CycleError
        If modules import one another in a circle.
    """
    texts: dict[str, str] = {}
    needs: dict[str, list[str]] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = (ASSETS / name).read_text(encoding="utf-8")
            needs[name] = _IMPORT.findall(texts[name])
            waiting += needs[name]
    return {name: texts[name] for name in TopologicalSorter(needs).static_order()}


def page(
    title: str,
    body: str,
    *,
    entry: str,
    boot: str,
    styles: Sequence[str],
    payloads: Mapping[str, bytes],
    settings: Mapping[str, Any],
    generator: str,
    plotly: Plotly = "inline",
) -> bytes:
    """Return the whole document.

    Parameters
    ----------
    title : plain text.
    body : HTML; whatever a user named in it has been escaped.
    entry : name of the module in ``assets/`` that runs.
    boot : name of the plain script in ``assets/`` that starts it.
    styles : names of style sheets in ``assets/``.
    payloads : binary data by name, in ``<script data-name="…">`` as base64.
    settings : JSON-ready, in ``<script data-name="page">``.
    generator : program and version that wrote the file.
    """
    css = "".join((ASSETS / name).read_text(encoding="utf-8") for name in styles)
    scripts = [_inert((ASSETS / boot).read_text(encoding="utf-8"))]
    library, allowed = "", ""
    if plotly == "inline":
        scripts.insert(0, _inert(_plotly().decode()))
    else:
        address, integrity = _plotly_address()
        library = f' data-plotly="{address}" data-integrity="{integrity}"'
        allowed = " https://cdn.plot.ly"
    data = [_block(f'type="text/plain" data-module="{name}"', text) for name, text in modules(entry).items()]
    for name, content in payloads.items():
        kind = f'type="application/octet-stream" data-name="{html.escape(name)}"'
        data.append(_block(kind, b64encode(content).decode()))
    data.append(
        _block('type="application/json" data-name="page"', json.dumps(settings).replace("<", "\\u003c"))
    )
    icon = b64encode((ASSETS / "icon.svg").read_bytes()).decode()
    return (
        f'<!doctype html>\n<html lang="en"{library}>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts, allowed)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta name="generator" content="{html.escape(generator)}">\n<title>{html.escape(title)}</title>\n'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n'
        f'<style id="iterscope-styles">\n{css}</style>\n</head>\n<body>\n{body}\n'
        f"{''.join(data)}{''.join(_block('', text) for text in scripts)}</body>\n</html>\n"
    ).encode()


def _block(attributes: str, text: str) -> str:
    return f"<script{' ' * bool(attributes)}{attributes}>{_inert(text)}</script>\n"


def _inert(text: str) -> str:
    """Break up what would end a script element, or open a comment in it, wherever a string holds it."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: Sequence[str], allowed: str) -> str:
    """Nothing is loaded; only the given scripts, and the blobs that they make, run."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {hashes} blob:{allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _plotly() -> bytes:
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package plotly is not installed")
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()


def _plotly_address() -> tuple[str, str]:
    """Return the address of the installed version on its makers' server, and the hash that it must have."""
    script = _plotly()
    found = re.search(rb"plotly\.js v([\w.-]+)", script[:500])
    if found is None:
        raise RuntimeError("plotly.min.js does not tell its version")
    integrity = b64encode(sha256(script).digest()).decode()
    return f"https://cdn.plot.ly/plotly-{found[1].decode()}.min.js", f"sha256-{integrity}"
