"""Speed of the live view, printed: our page beside `st.plotly_chart` with the same two clouds, in one run.

``python -m tests.browser.bench_live [--points N]``. Both are driven in headless Chromium with software
rendering, one after the other, on the same clouds and at the same number of looks a second.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import psutil
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.io.pointcloud import write_ply
from tests.browser.conftest import ARGUMENTS, CHROMIUM, ROOT, free_port, wait_until_healthy

#: A run that outlasts the measurement, at 10 iterations a second.
LONG = (
    "p=scans&m=icp_plane&m2=none&m.rtol_translation=1e-14&m.rtol_rotation=1e-14&m.max_iterations=5000"
    "&m.kernel=l1&m.max_distance=5&delay=100"
)
SECONDS = 8.0
PEER = """
import numpy as np, plotly.graph_objects as go, streamlit as st
source, target = (np.load(f"{name}.npy") for name in ("source", "target"))
def cloud(points, name):
    return go.Scatter3d(x=points[:, 0], y=points[:, 1], z=points[:, 2], mode="markers", name=name,
                        marker={"size": 1})
@st.fragment(run_every=0.2)
def live():
    k = st.session_state["k"] = st.session_state.get("k", 0) + 1
    moved = source + [0.3 * np.exp(-k / 30), 0.0, 0.0]
    st.plotly_chart(go.Figure([cloud(moved, "source"), cloud(target, "target")]).update_layout(
        title={"text": f"k = {k}"}, uirevision="same"), key="live")
live()
"""
#: Counts the different values that an expression takes, looked at once a frame.
COUNT = """async ([expression, seconds]) => {
  const read = new Function(`return ${expression}`), seen = new Set();
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    await new Promise(requestAnimationFrame);
    const value = read();
    if (value !== null && value !== undefined) seen.add(String(value));
  }
  return seen.size;
}"""
#: Moves the player's slider as fast as the view follows; returns the poses shown.
SCRUB = """async (seconds) => {
  const slider = document.querySelector('[aria-label="Iterate"]'), seen = [];
  const view = document.querySelector('.is-view');
  const end = performance.now() + 1000 * seconds, last = Number(slider.max);
  for (let i = 0; performance.now() < end; i = (i + 1) % (last + 1)) {
    slider.value = i;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    const frames = view.dataset.frames;
    while (view.dataset.frames === frames && performance.now() < end)
      await new Promise(requestAnimationFrame);
    seen.push(view.dataset.k);
  }
  return seen.length;
}"""


def scans(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two scans (N, 3) of a hall with pillars, the second seen 0.3 m farther on."""
    rng = np.random.default_rng(0)
    cloud = rng.uniform([-20.0, -8.0, 0.0], [20.0, 8.0, 4.0], (points, 3))
    side = rng.integers(0, 6, points)
    bounds = np.array([[-20.0, 20.0], [-8.0, 8.0], [0.0, 4.0]])
    cloud[np.arange(points), side // 2] = bounds[side // 2, side % 2]
    noise = rng.normal(scale=0.01, size=(2, points, 3))
    return cloud + noise[0], cloud + noise[1] + [0.3, 0.05, 0.0]


@contextmanager
def server(command: list[str], cwd: Path, port: int) -> Iterator[psutil.Process]:
    """Run a Streamlit server until the block ends."""
    with (Path(tempfile.mkdtemp()) / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=cwd, stdout=log, stderr=log, env={**os.environ, "CI": "1"})
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", process, 180.0)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(10.0)


def count(page: Page, expression: str) -> float:
    """Return how many different values of a JavaScript expression were seen a second."""
    return page.evaluate(COUNT, [expression, SECONDS]) / SECONDS


def plotly_chart(browser: Browser, folder: Path) -> float:
    """Return the poses a second that `st.plotly_chart` shows."""
    port = free_port()
    (folder / "peer.py").write_text(PEER)
    command = [
        sys.executable, "-m", "streamlit", "run", "peer.py",
        "--server.port", str(port), "--server.headless", "true", "--browser.gatherUsageStats", "false",
    ]  # fmt: skip
    with server(command, folder, port):
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"http://127.0.0.1:{port}")
        page.locator(".js-plotly-plot .gtitle").wait_for(timeout=60_000)
        shown = count(page, "document.querySelector('.gtitle')?.textContent")
        page.close()
    return shown


def ours(page: Page, address: str, process: psutil.Process, folder: Path) -> dict[str, float]:
    """Upload the clouds, run, and measure the page."""
    messages: list[tuple[float, int]] = []
    page.on(
        "websocket",
        lambda socket: socket.on(
            "framereceived", lambda data: messages.append((time.monotonic(), len(data)))
        ),
    )
    page.goto(f"{address}/registration?{LONG}")
    for name in ("source", "target"):
        page.locator(f".st-key-upload-{name} input[type=file]").set_input_files(folder / f"{name}.ply")
        expect(page.locator(".it-card")).to_contain_text(f"{name}.ply", timeout=60_000)
    status = page.locator(".it-status")
    expect(status).to_contain_text("Ready", timeout=60_000)
    page.locator(".st-key-run-go button").first.click()
    expect(status).to_contain_text("Running", timeout=30_000)
    page.wait_for_timeout(3000)
    messages.clear()
    before, start = sum(process.cpu_times()[:2]), time.monotonic()
    found = {"poses": count(page, "document.querySelector('.is-view').dataset.k")}
    elapsed = time.monotonic() - start
    ticks: list[int] = []
    for (then, _), (now, size) in zip([(-1.0, 0), *messages], list(messages), strict=False):
        if now - then > 0.05:
            ticks.append(0)
        ticks[-1] += size
    found |= {
        "tick_kB": statistics.median(ticks) / 1e3,
        "kB_s": sum(size for _, size in messages) / elapsed / 1e3,
        "cpu_ms": 1e3 * (sum(process.cpu_times()[:2]) - before) / max(len(ticks), 1),
    }
    page.locator(".st-key-run-stop button").first.click()
    expect(status).to_contain_text("Stopped", timeout=30_000)
    page.wait_for_timeout(1500)
    found["scrub"] = page.evaluate(SCRUB, SECONDS / 2) / (SECONDS / 2)
    return found


@click.command()
@click.option("--points", default=20_000, help="points of each cloud")
@click.option("--large", default=200_000, help="points of each cloud of a second, larger pair; 0 = none")
def main(points: int, large: int) -> None:
    """Print poses a second, traffic and the cost of a look at a run, ours and the peer's."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        port = free_port()
        command = [sys.executable, "-m", "core.cli", "app", "--port", str(port), "--no-browser"]
        rows = {}
        with server(command, ROOT, port) as process:
            child = (process.children(recursive=True) or [process])[-1]
            for size in filter(None, (points, large)):
                for name, cloud in zip(("source", "target"), scans(size), strict=True):
                    np.save(Path(place) / f"{name}.npy", cloud)
                    write_ply(Path(place) / f"{name}.ply", cloud)
                page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                rows[size] = ours(page, f"http://127.0.0.1:{port}", child, Path(place))
                page.close()
                if size == points:
                    rows[size]["peer"] = plotly_chart(browser, Path(place))
        browser.close()
    click.echo("Live view, headless Chromium, software rendering")
    for size, row in rows.items():
        click.echo(
            f"  {size:,} + {size:,} points: {row['poses']:.1f} poses/s, scrubbing {row['scrub']:.0f} "
            f"frames/s, {row['tick_kB']:.1f} kB a look (median), {row['kB_s']:.0f} kB/s, "
            f"{row['cpu_ms']:.0f} ms of the server's CPU a look, iterations included"
        )
        if "peer" in row:
            click.echo(
                f"  st.plotly_chart, two Scatter3d, the same clouds: {row['peer']:.2f} poses/s "
                f"(ours {row['poses'] / max(row['peer'], 1e-9):.0f}x)"
            )


if __name__ == "__main__":
    main()
