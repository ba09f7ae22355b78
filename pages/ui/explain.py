"""Claims, verdicts and explanations."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from core import registry
from core.recipe import Recipe
from core.registry import ExperimentSpec, Finding, MethodSpec, Verdict
from pages.figures.docstrings import markdown
from pages.ui.compared import METHOD as COMPARISON
from pages.ui.compared import TURNED, is_comparison, is_turned, query_of, turned_query

#: URL keys of the methods of each lab's page.
METHOD_SLOTS = {
    "registration": ("m", "m2"),
    "poisson": ("m", "m2", "m3", "m4", "m5", "m6"),
    "optimizers": ("m", "m2", "m3", "m4", "m5", "m6"),
}
#: Pages beside a lab's main one: title and what stands below it.
MORE_PAGES = {
    "training": (
        "Training networks",
        "One network, the same data and batches for all optimizers: watch what each has learnt at every step",
    )
}
_CHIPS = {Verdict.HOLDS: "it-holds", Verdict.DOES_NOT_HOLD: "it-fails", Verdict.NOT_SHOWABLE: ""}


def verdict_chip(verdict: Verdict) -> str:
    """Return the verdict as a small label (HTML)."""
    return f'<span class="it-chip {_CHIPS[verdict]}">claim: {html.escape(verdict.value)}</span>'


def claim_card(experiment: ExperimentSpec, finding: Finding, when: str) -> None:
    """Draw what is claimed, what was measured here, the verdict.

    Parameters
    ----------
    when : "just now" or "recorded earlier".
    """
    with st.container(border=True):
        st.html(
            f'<p class="it-card-title">{html.escape(experiment.title)} {verdict_chip(finding.verdict)}</p>'
            f"{_claim(experiment)}"
            f"<p><strong>Measured {when}.</strong> {html.escape(finding.sentence)}</p>"
        )
        with st.expander("What this means"):
            st.markdown(experiment.explanation)


def experiments_popover(lab: str, page: str) -> None:
    """Offer the prepared comparisons of a lab's page as links."""
    # another race, another popover: a link that was followed leaves none open over what it led to
    own = ("p", *METHOD_SLOTS[lab])
    race = "-".join(f"{k}={v}" for k, v in st.query_params.items() if k.partition(".")[0] in own)
    with st.popover("Experiments", icon=":material/science:", key=f"experiments.{race}"):
        for experiment in experiments(lab, page):
            st.page_link(
                f"{page}.py",
                label=experiment.question,
                query_params=experiment_query(experiment),
                help=experiment.claim,
            )


def page_of(experiment: ExperimentSpec) -> str:
    """Return the page that computes an experiment: its lab's, or the one that trains networks."""
    kind = registry.problem_spec(experiment.lab, experiment.problem).kind
    return "training" if kind == "training" else experiment.lab


def experiments(lab: str, page: str = "") -> list[ExperimentSpec]:
    """Return the lab's experiments that its pages can race, or those of one page.

    The command line runs the others.
    """
    return [
        e
        for e in registry.experiments(lab)
        if page in ("", page_of(e))
        and (
            is_comparison(e)
            or is_turned(e)
            or all(registry.method_spec(lab, m).kind == "solver" for m in e.methods)
        )
    ]


def experiment_query(experiment: ExperimentSpec) -> dict[str, str]:
    """Return the URL parameters that pose an experiment."""
    query = {"p": experiment.problem, **{f"p.{k}": str(v) for k, v in experiment.problem_params.items()}}
    if experiment.seed:
        query["seed"] = str(experiment.seed)
    slots = METHOD_SLOTS[experiment.lab]
    if is_comparison(experiment):
        return query | query_of(experiment.methods[COMPARISON], slots)
    if is_turned(experiment):
        return query | turned_query(experiment.methods[TURNED], slots)
    for prefix, (method, params) in zip(slots, experiment.methods.items(), strict=False):
        query |= {prefix: method, **{f"{prefix}.{k}": str(v) for k, v in params.items()}}
    return query | dict.fromkeys(slots[len(experiment.methods) :], "none")


def method_explanation(method: MethodSpec) -> None:
    """Draw a method's source, assumptions and the docstring that stands beside its code."""
    st.markdown(f"**{method.title}** · {method.source}")
    if method.assumes:
        st.caption(f"Assumes {method.assumes}")
    st.markdown(markdown(method.cls.__doc__ or ""))


def how_it_works(recipes: Sequence[Recipe]) -> None:
    """Draw the explanations of the chosen methods, each once."""
    for spec in {recipe.method: recipe.method_spec for recipe in recipes}.values():
        method_explanation(spec)


def claims(lab: str, page: str = "") -> None:
    """Draw what is claimed on a page of a lab, each with the link that computes it."""
    st.subheader("What is claimed")
    for experiment in experiments(lab, page or lab):
        with st.container(border=True):
            st.html(f'<p class="it-card-title">{html.escape(experiment.title)}</p>{_claim(experiment)}')
            wait = f" (about {experiment.seconds} s)" if experiment.seconds else ""
            st.page_link(
                f"{page_of(experiment)}.py", label=f"Compute it now{wait}", icon=":material/arrow_forward:",
                query_params=experiment_query(experiment),
            )  # fmt: skip


def _claim(experiment: ExperimentSpec) -> str:
    return (
        f"<p><strong>Claim.</strong> {html.escape(experiment.claim)} "
        f'<span class="it-muted">({html.escape(experiment.source)})</span></p>'
    )


def not_offered(lab: str) -> None:
    """Name the methods that lack a package here; the reason stands in the help."""
    missing = registry.unavailable(lab)
    if missing:
        names = ", ".join(m.key for m in missing)
        st.caption(f"Not installed: {names}", help="\n\n".join(m.sentence for m in missing))
