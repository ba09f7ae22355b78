"""The report as a file: what is in it, what is not, and that nobody's file name becomes markup."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from core import registry
from core.io.pointcloud import write_ply
from core.recipe import make
from core.run import Run
from pages.figures import inline, recording
from pages.figures import replay as replays
from pages.figures.cloud import geometry_payload
from pages.figures.pack import unpack
from pages.figures.recording import Geometry
from pages.figures.replay import replay, residual_colours, thinned_clouds
from pages.figures.report_html import Report

NOON = datetime(2026, 8, 1, 12, 30, 5, 123456, UTC)
EVIL = "<img src=x onerror=alert(1)>&\"'.ply"
INJECTED = "</script><script>alert(2)</script><!-- <b>"


class Reader(HTMLParser):
    """Reads a page as a browser does: its tags, its text, its scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self.inside = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif self.inside != "style":
            self.text += data

    def payload(self, name: str) -> bytes:
        (text,) = (text for attributes, text in self.scripts if attributes.get("data-name") == name)
        return b64decode(text)

    @property
    def policy(self) -> str:
        (content,) = (a["content"] for t, a in self.tags if t == "meta" and "http-equiv" in a)
        assert content is not None
        return content


def recorded(**changes: object) -> Report:
    found = recording.load("corridor")
    assert found is not None
    report = Report(
        found.view.members, found.results, found.geometry, ("recorded", "Recorded earlier."), NOON,
        recorded=True, colours=[found.geometry.scalars],
    )  # fmt: skip
    return dataclasses.replace(report, **changes)


@pytest.fixture(scope="module")
def page() -> Reader:
    return Reader(replay(recorded()))


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return a report on two small files with unfriendly names."""
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(0)
    points = rng.uniform(0.5, 6.0, (3000, 3))
    points[np.arange(3000), np.arange(3000) % 3] = 0.0
    for name, shift in (("a" + EVIL, 0.1), ("b" + EVIL, 0.0)):
        with (folder / name).open("wb") as stream:
            write_ply(stream, points - 3.0 + shift)
    files = {"source": str(folder / ("a" + EVIL)), "target": str(folder / ("b" + EVIL))}
    run = Run([make("registration", "scans", method, files) for method in ("dcreg", "icp_plane")]).inline()
    members, problem = run.view().members, run.problem
    assert run.error is None
    clouds = [c.points[np.any(c.points != 0, axis=1)] for c in (problem.source, problem.target)]
    return Report(
        members,
        [registry.lab("registration").result(problem, m.view) for m in members],
        Geometry.of(*clouds, problem, view="v", group="registration", limit=100_000),
        ("reached", INJECTED),
        NOON,
        notes=[INJECTED],
        colours=residual_colours(problem, members[0]),
    )


def test_every_module_is_the_apps_own_and_stands_after_those_it_needs(page: Reader) -> None:
    seen: set[str] = set()
    for attributes, text in page.scripts:
        name = attributes.get("data-module")
        if name is None:
            continue
        assert text == (inline.ASSETS / name).read_text(encoding="utf-8")
        imported = set(re.findall(r'from "\./(.*?)"', text))
        assert imported <= seen, name
        seen.add(name)
    assert {"cloud_view.js", "transport.js", "live_figure.js", "readout.js", "replay.js"} < seen


def test_every_placeholder_finds_its_data(page: Reader) -> None:
    names = {attributes.get("data-name") for attributes, _ in page.scripts}
    placed = [a for _, a in page.tags if "data-component" in a]
    assert [a["data-component"] for a in placed] == [
        "geometry", "pose", "transport", "poses", "figure", "figure", "shares", "table",
    ]  # fmt: skip
    for attributes in placed:
        if "data-json" in attributes:
            assert json.loads(str(attributes["data-json"]))["group"] == "registration"
        elif attributes["data-component"] == "figure":
            axes = {f"{attributes['data-payload']}.{axis}" for axis in ("iterations", "work", "seconds")}
            assert axes <= names
        else:
            assert attributes["data-payload"] in names


def test_nothing_in_the_page_points_outside(page: Reader) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "poster", "srcset", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert "http" not in page.policy
    assert "default-src 'none'" in page.policy
    styles = "".join((inline.ASSETS / name).read_text(encoding="utf-8") for name in replays.STYLES)
    assert "url(" not in styles
    assert "@import" not in styles


def test_the_policy_names_exactly_the_scripts_that_run(page: Reader) -> None:
    running = [text for attributes, text in page.scripts if "type" not in attributes]
    hashes = {f"'sha256-{b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in running}
    assert len(running) == 2
    assert hashes == set(re.findall(r"'sha256-[^']*'", page.policy))


def test_the_small_report_links_the_installed_plotly_with_its_hash() -> None:
    small = replay(recorded(), plotly="cdn")
    spec = importlib.util.find_spec("plotly")
    assert spec is not None
    script = (Path(str(spec.origin)).parent / "package_data" / "plotly.min.js").read_bytes()
    reader = Reader(small)
    (root,) = (attributes for tag, attributes in reader.tags if tag == "html")
    version = re.search(rb"plotly\.js v(\S+)", script)
    assert version is not None
    assert root["data-plotly"] == f"https://cdn.plot.ly/plotly-{version[1].decode()}.min.js"
    assert root["data-integrity"] == f"sha256-{b64encode(hashlib.sha256(script).digest()).decode()}"
    assert "https://cdn.plot.ly" in reader.policy
    assert len(small) < 400_000


def test_names_and_notes_stay_text(uploaded: Report) -> None:
    content = replay(uploaded, plotly="cdn")
    page = Reader(content)
    assert "a" + EVIL in page.text
    assert INJECTED in page.text
    assert not [tag for tag, _ in page.tags if tag in ("img", "b")]
    assert len([1 for attributes, _ in page.scripts if "type" not in attributes]) == 1
    (title,) = re.findall(r"<title>(.*?)</title>", content.decode())
    assert "<" not in title


def test_the_words_say_what_was_computed_how_and_when(page: Reader) -> None:
    found = recording.load("corridor")
    assert found is not None
    text = " ".join(page.text.split())
    assert "2026-08-01T12:30:05Z" in text
    assert "Recorded earlier." in text
    for direction in found.results[0]["weak"]:
        assert direction["sentence"] in text
    for member in found.view.members:
        assert member.recipe.hash() in text
        assert member.recipe.method_spec.title in text
    experiment = registry.experiment_spec("registration", "corridor")
    assert experiment.claim in text
    assert "holds" in text


def test_the_time_is_that_of_greenwich() -> None:
    berlin = datetime(2026, 8, 1, 14, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    assert "2026-08-01T12:30:05Z" in Reader(replay(recorded(created=berlin), plotly="cdn")).text


def test_the_final_pose_stands_there_in_both_directions_to_the_last_digit(page: Reader) -> None:
    found = recording.load("corridor")
    assert found is not None
    for member in found.view.members:
        T = member.view.last("x")
        for pose in (T, np.linalg.inv(T)):
            assert all(f"{value:.12f}" in page.text for value in pose[:3, 3])
    for name in ("T_target_source", "T_source_target", "qx qy qz qw", "R = Rz(yaw) Ry(pitch) Rx(roll)"):
        assert name in page.text


def test_the_replayed_poses_are_those_of_the_trace(page: Reader) -> None:
    found = recording.load("corridor")
    assert found is not None
    arrays, meta = unpack(page.payload("poses"))
    for i, member in enumerate(found.view.members):
        assert meta["members"][i]["title"] == member.recipe.method_spec.title
        np.testing.assert_array_equal(arrays[f"{i}.k"], member.view.kept)
        for k, pose in zip(arrays[f"{i}.k"], arrays[f"{i}.pose"], strict=True):
            np.testing.assert_array_equal(pose.reshape(4, 4), member.view.snapshots[int(k)]["x"])


def test_an_unknown_number_is_a_dash_and_an_unknown_row_is_left_out() -> None:
    results = [dict(r) for r in recorded().results]
    results[0]["rmse"] = None
    for result in results:
        result.pop("translation_error")
    text = Reader(replay(recorded(results=results), plotly="cdn")).text
    assert "–" in text
    assert "translation error" not in text
    assert "rotation error" in text


def test_large_clouds_are_thinned_alike_and_the_file_stays_below_ten_megabytes() -> None:
    rng = np.random.default_rng(1)
    # wider than 200 m: float32, the larger of the two encodings
    source, target = rng.uniform(-300, 300, (2, 100_000, 3))
    clouds = geometry_payload(source, target, view="v", group="registration")
    before, after = unpack(clouds), unpack(thinned_clouds(clouds))
    for name in ("source", "target"):
        np.testing.assert_array_equal(after[0][name], before[0][name][: replays.POINTS])
        assert after[1][name]["shown"] == replays.POINTS
        assert after[1][name]["total"] == 100_000
    geometry = dataclasses.replace(recorded().geometry, payload=clouds)
    assert len(replay(recorded(geometry=geometry, colours=[]))) < 10_000_000


def test_residual_colours_belong_to_the_points_that_are_sent(uploaded: Report) -> None:
    _, clouds = unpack(thinned_clouds(uploaded.geometry.payload))
    found = [unpack(message) for message in uploaded.colours]
    ks = [meta["k"] for _, meta in found]
    kept = uploaded.members[0].view.kept
    assert ks == sorted(set(ks))
    assert (ks[0], ks[-1]) == (kept[0], kept[-1])
    assert len({meta["limit"] for _, meta in found}) == 1
    assert all(len(arrays["scalars"]) == clouds["source"]["shown"] for arrays, _ in found)
    # the two scans are the same points: the residuals vanish, 128 codes zero
    first, last = (np.abs(found[i][0]["scalars"].astype(int) - 128).mean() for i in (0, -1))
    assert last < 0.2 * first
