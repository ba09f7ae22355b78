"""The tab Curvature: the spectrum of a trained network's Hessian, its largest eigenvalue along the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from core.optimizers.lanczos import count_above
from core.optimizers.stability import AVERAGED, STABLE
from core.registry import Value
from core.run import Limits, RunView
from core.trace import TraceView
from pages.figures import around
from pages.ui import components
from pages.ui.optimizer_controls import LAB, Asked
from pages.ui.optimizer_maps import analysis
from pages.ui.session import lab_state
from pages.ui.status import finding
from pages.ui.trained_choice import analysis_recipe, trainer_choice

HEIGHT = 400
SPECTRUM, SHARPNESS = "spectrum at the end", "largest curvature along the way"
#: Share of the largest eigenvalue above which one stands apart.
APART = 0.1


def curvature_tab(asked: Asked, engine: tuple[float, Limits]) -> None:
    """Look at the curvature of the loss."""
    place, controls = st.columns([13, 5])
    with place:
        picture = str(
            st.segmented_control(
                "picture", [SPECTRUM, SHARPNESS], default=SPECTRUM, key="curvature.picture",
                bind="query-params", label_visibility="collapsed", required=True,
            )
        )  # fmt: skip
    if picture == SPECTRUM:
        _spectrum(asked, engine, place, controls)
    else:
        _sharpness(asked, engine, place, controls)


def _spectrum(asked: Asked, engine: tuple[float, Limits], place: Any, controls: Any) -> None:
    with place:
        st.markdown(
            "How many directions curve how much at the trained network, on 256 training samples, by "
            "stochastic Lanczos quadrature: the whole spectrum from Hessian–vector products alone."
        )
    with controls:
        recipe = analysis_recipe("hessian_spectrum", "spectrum", trainer_choice(asked, "spectrum"))

    def draw(view: RunView, problem: Any) -> None:
        (member,) = view.members
        trace = member.view
        if len(trace) < 2 or "density" not in trace.snapshots[int(trace.kept[-1])]:
            return
        components.live_figure(
            "spectrum.figure", around.spectrum(trace.last("density")), group=f"{LAB}.spectrum",
            run=lab_state(f"{LAB}.spectrum").run_key, cursor=False, height=HEIGHT,
            title="Density of the Hessian's eigenvalues",
        )  # fmt: skip
        steps, done = int(member.recipe.method_params["lanczos_steps"]), int(trace.k[-1])
        st.progress(min(1.0, done / min(steps, problem.n)), text=f"{done} of {steps} Lanczos steps done")
        finding(_spectrum_words(trace, problem.n))

    analysis("spectrum", [recipe], engine, place, draw, "Press Run: the spectrum sharpens step by step.")


def _spectrum_words(trace: TraceView, n: int) -> list[str]:
    table = trace.last("x")
    largest, smallest = trace.scalars["largest"][-1], trace.scalars["smallest"][-1]
    above = count_above(table[..., 0], table[..., 1], n, APART * largest)
    low = f"{smallest:.3g}".replace("-", "−")
    return [
        f"Eigenvalues from {low} to {largest:.4g}, trace {trace.scalars['trace'][-1]:.4g}. About "
        f"{max(above, 1.0):.0f} of {n:,} are larger than a tenth of the largest one; gradient descent "
        f"without momentum is stable at rates below 2/λ = {2 / largest:.3g}."
    ]


def _sharpness(asked: Asked, engine: tuple[float, Limits], place: Any, controls: Any) -> None:
    with place:
        st.markdown(
            "A step of gradient descent at rate η is stable where no curvature is above 2/η (with momentum "
            "μ, 2(1+μ)/η). With all samples in every step the largest curvature tends to rise up to that "
            "line and to stay there: the edge of stability. Of Adam it is the Hessian scaled as its steps "
            "are, $P^{-1/2} H P^{-1/2}$ with $P \\approx \\sqrt{v}$, and the line is (2+2β₁)/((1−β₁)η), "
            "38/η at β₁ = 0.9; in the first steps P changes fast, and the line says little. Other methods "
            "have no line: no fixed matrix stands for what they do to a gradient."
        )
    with controls:
        trainer = trainer_choice(asked, "sharpness", STABLE)
        whole: dict[str, Value] = {}
        if trainer is not None and "batch" in trainer.recipe.problem_params:
            is_whole = st.toggle(
                "All samples in every step", value=True, key="sharpness.whole",
                help="the edge of stability shows without the noise of batches",
            )  # fmt: skip
            whole = {"batch": 0} if is_whole else {}
        recipe = analysis_recipe("sharpness", "sharpness", trainer, whole)

    def draw(view: RunView, _: Any) -> None:
        trace = view.members[0].view
        if not len(trace):
            return
        table = trace.last("x")
        is_scaled = view.members[0].recipe.method_params["method"] in AVERAGED
        components.live_figure(
            "sharpness.figure", around.sharpness(table), group=f"{LAB}.sharpness",
            run=lab_state(f"{LAB}.sharpness").run_key, cursor=False, height=HEIGHT,
            title=f"Largest eigenvalue of the {'scaled ' if is_scaled else ''}Hessian along the training",
        )  # fmt: skip
        done = int(np.isfinite(table[:, 1]).sum())
        st.progress(done / len(table), text=f"{done} of {len(table)} points done")
        if done:
            # Adam's first divisor is that of one gradient
            known = np.isfinite(table[:, 1]) & ((table[:, 0] > 0) | (not is_scaled) | (done == 1))
            finding([_sharpness_words(table[known])])

    analysis(
        "sharpness", [recipe], engine, place, draw, "Press Run: one point of the training after another."
    )


def _sharpness_words(done: Any) -> str:
    """Say where the largest curvature passes the line.

    Parameters
    ----------
    done : (points, 4) rows of `core.optimizers.methods.hessian_spectrum.Sharpness`.
    """
    ratios = done[:, 1] / done[:, 3]
    over = np.flatnonzero(ratios > 1.0)
    if not len(over):
        at = int(np.nanargmax(ratios))
        return (
            f"The largest curvature stays below the line: it comes nearest at step {int(done[at, 0])} with "
            f"{done[at, 1]:.3g} of {done[at, 3]:.3g}."
        )
    last = np.flatnonzero(np.isfinite(ratios))[-1]
    return (
        f"The largest curvature first passes the line {done[over[0], 3]:.3g} at step {int(done[over[0], 0])} "
        f"and is {ratios[last]:.2f} times the line at step {int(done[last, 0])}."
    )
