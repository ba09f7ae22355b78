"""ASGI entry: ``streamlit run app.py`` or ``uvicorn app:app``."""

from __future__ import annotations

import os
from pathlib import Path

# Before numpy is imported: two runs on two cores would fight for them, and the last digits of a curve would
# depend on the number of threads.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import importlib.util
import logging
import secrets
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.warm_up import warm_up
from pages.ui.session import OWNER_COOKIE, uploads

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent
# A method that comes back from compiled code waits this long at most for a page that is being drawn.
sys.setswitchinterval(0.001)
_SECURITY = [(b"referrer-policy", b"no-referrer"), (b"x-content-type-options", b"nosniff")]
#: Modules import one another by plain names, so the browser asks whether they changed (ETag, 304).
_REVALIDATE = (b"cache-control", b"no-cache")


class Headers:
    """Adds the headers that every response should carry, and revalidation to our own files.

    A browser that comes for the first time gets a cookie that names it, so that it finds its scans and runs
    again after a reload; scripts cannot read it and other sites cannot send it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and complete the head of its response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ours = scope["path"].startswith(("/assets/", "/vendor/"))
        is_page = not ours and "." not in scope["path"] and "/_stcore/" not in scope["path"]
        sent = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        is_new = is_page and f"{OWNER_COOKIE}=".encode() not in sent

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [*_SECURITY, _REVALIDATE] if ours else [*_SECURITY]
                if is_new:
                    cookie = f"{OWNER_COOKIE}={secrets.token_urlsafe(24)}; Path=/; HttpOnly; SameSite=Strict"
                    added.append((b"set-cookie", cookie.encode()))
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in added if pair[0] not in present),
                ]
            await send(message)

        await self.app(scope, receive, complete)


def _plotly_folder() -> Path:
    """Folder of plotly.min.js in the installed package, found without importing it."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package plotly is not installed; run `make app`")
    return Path(spec.origin).parent / "package_data"


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Warm up in the background while the server starts; remove uploaded files when it ends."""
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    yield
    uploads().close()


def explain_failure(error: Exception) -> bool:
    """Log an error of ours under a number and show that number instead of a traceback."""
    number = secrets.token_hex(4)
    log.error("page failed (%s)", number, exc_info=error)
    st.error(
        f"Something went wrong on our side (number {number}, the server's log has the details). Your scans "
        "and runs are still there: reload the page.",
        icon=":material/error:",
    )
    return True


app = st.App(
    ROOT / "pages" / "shell.py",
    routes=[
        Mount("/assets", StaticFiles(directory=ROOT / "assets")),
        Mount("/vendor/plotly", StaticFiles(directory=_plotly_folder())),
    ],
    middleware=[Middleware(Headers)],
    lifespan=lifespan,
    on_script_error=explain_failure,
)
