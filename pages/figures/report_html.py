"""The words, tables and placeholders of a report, as HTML. Everything that a user named is escaped."""

from __future__ import annotations

import html
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from core.iterate import Array
from core.recipe import Recipe, versions
from core.registration.degeneracy import MOTIONS
from core.registration.metrics import pose_error
from core.registration.report import NOTHING_WEAK
from core.registry import ExperimentSpec, Finding, Verdict
from core.run import MemberView
from pages.figures import convergence, inline, recording
from pages.figures import registration as figures
from pages.figures.pack import unpack
from pages.figures.pose import DIRECTIONS, FORMS, pose_text
from pages.figures.recording import Geometry
from pages.figures.style import COLOURS

_CHIPS = {Verdict.HOLDS: "it-holds", Verdict.DOES_NOT_HOLD: "it-fails", Verdict.NOT_SHOWABLE: ""}


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What a report says.

    Attributes
    ----------
    members : the methods with their traces, at least one, none of them empty.
    results : `core.registration.lab.result` of each.
    geometry : the clouds as the app shows them.
    status : tone and sentence of the run's state.
    created : when the report is written; with a time zone.
    recorded : whether the run ships with the app and was not computed just now.
    notes : what the user should know about the scans.
    colours : messages of residual colours, ascending k.
    """

    members: Sequence[MemberView]
    results: Sequence[Mapping[str, Any]]
    geometry: Geometry
    status: tuple[str, str]
    created: datetime
    recorded: bool = False
    notes: Sequence[str] = ()
    colours: Sequence[bytes] = ()

    @property
    def recipes(self) -> list[Recipe]:
        """One a method."""
        return [member.recipe for member in self.members]


def _text(value: object) -> str:
    return html.escape(str(value))


def problem_title(recipe: Recipe) -> str:
    """Return what was registered: the names of the files, or of the simulated scene."""
    files = recipe.files()
    if "source" in files and "target" in files:
        return f"{files['source'].name} onto {files['target'].name}"
    return recipe.problem_spec.title


def body(report: Report, group: str, charts: Sequence[str], plotly: inline.Plotly) -> str:
    """Return the report's page.

    Parameters
    ----------
    group : whose cursor everything follows.
    charts : names of the charts' payloads, without their axis.
    plotly : where the charts' library comes from.
    """
    logo = (inline.ASSETS / "icon.svg").read_text(encoding="utf-8")
    return (
        f'<main class="re-page">\n<header class="re-header"><span class="re-logo">{logo}</span>'
        f'<div><h1 class="it-title">{_text(problem_title(report.recipes[0]))}</h1>'
        f'<p class="it-tagline">{_subtitle(report)}</p></div>'
        f'<p class="re-date">{"recorded run, report of" if report.recorded else "run and report of"} '
        f"<time>{_time(report.created)}</time></p></header>\n"
        '<p class="re-notice" id="replay-error" role="alert" hidden></p>'
        '<noscript><p class="re-notice">The replay needs JavaScript, the words do not.</p></noscript>\n'
        f'<div class="it-status re-status"><span class="it-dot it-{_text(report.status[0])}"></span>'
        f"<span>{_text(report.status[1])}</span></div>\n"
        f'<div class="re-columns"><section class="re-thing" aria-label="Replay">{_thing()}{_findings(report)}'
        f"{_slot('poses', 're-poses-slot')}</section>\n"
        f'<section class="re-numbers" aria-label="Numbers at the cursor">{_numbers(report, group, charts)}'
        f"</section></div>\n"
        f'<div class="re-pair">{_claim(report)}{_results(report)}</div>\n'
        f"{_poses(report)}{_recipes(report)}{_footer(plotly)}</main>"
    )


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _subtitle(report: Report) -> str:
    titles = [f"<strong>{_text(r.method_spec.title)}</strong>" for r in report.recipes]
    meta = unpack(report.geometry.payload)[1]
    sizes = f"{meta['source']['total']:,} points onto {meta['target']['total']:,}".replace(",", "\u202f")
    return f"{sizes} · {', '.join(titles[:-1]) + ' and ' if titles[1:] else ''}{titles[-1]}"


def _slot(component: str, style: str, payload: str = "", more: str = "") -> str:
    data = payload or component
    return f'<div class="{style}" data-component="{component}" data-payload="{data}"{more}></div>'


def _thing() -> str:
    return _slot("geometry", "re-view") + _slot("pose", "re-silent") + _slot("transport", "re-transport")


def _numbers(report: Report, group: str, charts: Sequence[str]) -> str:
    choices = "".join(
        f'<label><input type="radio" name="x" value="{axis}"{" checked" * (axis == "iterations")}>'
        f"<span>{axis}</span></label>"
        for axis in convergence.X_AXES
    )
    shares = {"group": group, "title": "Eigen-directions", "empty": "The methods report no directions."}
    rows = len(figures.table_rows(report.geometry.truth)) + 1
    return (
        f'<fieldset class="re-choice"><legend>x axis of the charts</legend>{choices}</fieldset>'
        + "".join(_slot("figure", "re-figure", name) for name in charts)
        + f'<div class="re-shares" data-component="shares" data-json="{_text(json.dumps(shares))}"></div>'
        + _slot("table", "re-table-slot", more=f' style="min-height: {30 * rows + 4}px"')
    )


def _findings(report: Report) -> str:
    weak = [direction["sentence"] for direction in report.results[0].get("weak", ())]
    quiet = [*_differences(report), *report.notes]
    body = "".join(f"<p>{_text(s)}</p>" for s in weak or [NOTHING_WEAK])
    body += "".join(f'<p class="it-muted">{_text(s)}</p>' for s in quiet)
    return f'<div class="it-finding{" it-weak" if weak else ""}">{body}</div>'


def _differences(report: Report) -> list[str]:
    """Say how far every method's pose is from the first one's."""
    first, *others = report.members
    sentences = []
    for member in others:
        moved, turned = pose_error(first.view.last("x"), member.view.last("x"))
        names = f"{first.recipe.method_spec.title} and {member.recipe.method_spec.title}"
        sentences.append(f"The poses of {names} differ by {moved:.1e} m and {np.degrees(turned):.1e}°.")
    return sentences


def _claim(report: Report) -> str:
    experiment = recording.experiment_of(report.recipes)
    if experiment is None:
        return ""
    finding = recording.finding(experiment, report.members, [dict(r) for r in report.results])
    return _claim_card(experiment, finding, "in the recording" if report.recorded else "in this run")


def _claim_card(experiment: ExperimentSpec, finding: Finding, when: str) -> str:
    emphasised = re.sub(r"\*(\S[^*]*)\*", r"<em>\1</em>", _text(experiment.explanation))
    paragraphs = "".join(f"<p>{paragraph}</p>" for paragraph in emphasised.split("\n\n"))
    return (
        f'<section class="re-card"><h2>{_text(experiment.title)} '
        f'<span class="it-chip {_CHIPS[finding.verdict]}">{_text(finding.verdict.value)}</span></h2>'
        f"<p><strong>Claim.</strong> {_text(experiment.claim)} "
        f'<span class="it-muted">({_text(experiment.source)})</span></p>'
        f"<p><strong>Measured {when}.</strong> {_text(finding.sentence)}</p>"
        f'<details class="re-prose" open><summary>What this means</summary>{paragraphs}</details></section>\n'
    )


def _results(report: Report) -> str:
    rows = _result_rows(report)
    head = "".join(
        f'<th scope="col"><i class="re-line re-method-{spec.colour % COLOURS}"></i>{_text(spec.title)}</th>'
        for spec in (recipe.method_spec for recipe in report.recipes)
    )
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{_text(v)}</td>" for v in values)}</tr>'
        for name, values in rows.items()
        if any(value != "–" for value in values)
    )
    return (
        '<section class="re-card"><h2>Results</h2><div class="re-scroll" tabindex="0" role="group" '
        f'aria-label="Results"><table class="re-results"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>\n"
    )


def _result_rows(report: Report) -> dict[str, list[str]]:
    """Return what each method reached, as text by row; a dash where nothing is known."""
    pairs = list(zip(report.members, report.results, strict=True))
    rows = {
        "outcome": [m.view.status.name.lower().replace("_", " ") for m, _ in pairs],
        "iterations": [str(int(m.view.k[-1])) for m, _ in pairs],
        "work [passes over the source]": [_number(m.view.work["units"][-1], 1.0) for m, _ in pairs],
        "time [s]": [_number(m.view.seconds[-1], 1.0) for m, _ in pairs],
        "RMSE, point to plane [mm]": [_number(r.get("rmse"), 1000.0) for _, r in pairs],
        "source points with a partner [%]": [_number(r.get("fitness"), 100.0) for _, r in pairs],
        "translation error [mm]": [_number(r.get("translation_error"), 1000.0) for _, r in pairs],
        "rotation error [°]": [_number(r.get("rotation_error"), 1.0) for _, r in pairs],
        "directions weak by ratio": [_flagged(r.get("mask")) for _, r in pairs],
    }
    for block in ("rotation", "translation", "full"):
        name = "κ of the whole Hessian" if block == "full" else f"κ of {block}"
        rows[name] = [_number(r.get("condition", {}).get(block), 1.0) for _, r in pairs]
    return rows


def _number(value: float | None, factor: float) -> str:
    if value is None or not np.isfinite(value):
        return "–"
    scaled = factor * float(value)
    return f"{scaled:.0f}" if 1e3 <= abs(scaled) < 1e6 else f"{scaled:.4g}"


def _flagged(mask: str | None) -> str:
    if mask is None:
        return "–"
    return ", ".join(name for name, bit in zip(MOTIONS, mask, strict=True) if bit == "1") or "none"


def _poses(report: Report) -> str:
    blocks = "".join(
        _block(f"{m.recipe.method_spec.title}, {direction}", _all_forms(m.view.last("x"), direction))
        for m in report.members
        for direction in DIRECTIONS
    )
    return f'<section class="re-card"><h2>Final poses</h2><div class="re-blocks">{blocks}</div></section>\n'


def _all_forms(T: Array, direction: str) -> str:
    return "\n\n".join(pose_text(T, form, direction) for form in FORMS)


def _block(title: str, text: str) -> str:
    label = _text(title)
    return (
        f'<div class="re-block"><div class="re-block-head"><span>{label}</span>'
        f'<button type="button" data-copy aria-label="Copy {label}">copy</button></div>'
        f'<pre tabindex="0" role="group" aria-label="{label}">{_text(text)}</pre></div>'
    )


def _recipes(report: Report) -> str:
    parts = []
    for recipe in report.recipes:
        name, digest = recipe.method_spec.title, recipe.hash()
        parts.append(
            f"<details><summary>{_text(name)}, recipe <code>{digest}</code></summary>"
            f'<p class="it-muted">{_text(recipe.method_spec.source)}</p><div class="re-blocks">'
            f"{_block(f'Recipe of {name} (JSON)', recipe.to_json())}"
            f"{_block('The same run in Python', recipe.python())}</div></details>"
        )
    return (
        '<section class="re-card"><h2>Recipes</h2><p>A recipe holds every parameter and the seed; it gives '
        f"the same iterates again.</p>{''.join(parts)}</section>\n"
    )


def _footer(plotly: inline.Plotly) -> str:
    known = {**versions(), "Python": platform.python_version()}
    listed = ", ".join(f"{_text(name)} {_text(number)}" for name, number in known.items())
    library = (
        "" if plotly == "inline" else " The charts need a network: plotly.js is loaded from cdn.plot.ly."
    )
    words = f"{listed}. This file holds all its data and sends none of it.{library}"
    return f'<footer class="re-footer">{words}</footer>'
