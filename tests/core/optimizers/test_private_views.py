"""What is seen of a private training, against the scales and the accounting in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from core.optimizers.methods.diff2 import Diff2, DpGd, Private
from core.optimizers.panels import Course, panels_of
from core.optimizers.privacy import epsilon, noise_scales, renyi
from core.optimizers.private_views import gathered
from core.optimizers.training import Training
from core.recipe import make
from core.run import Run
from core.trace import TraceView

ROUNDS, SAMPLES = 25, 200


def run(method: Private) -> tuple[Training, TraceView, dict[str, dict[str, Course]]]:
    key = "diff2" if isinstance(method, Diff2) else "dp_gd"
    settings = {name: getattr(method, name) for name in method.__dataclass_fields__}
    found = Run([make("optimizers", "dp_regression", key, {"samples": SAMPLES}, settings)]).inline()
    assert found.error is None
    view = found.view().members[0].view
    charts: dict[str, dict[str, Course]] = {}
    for panel in panels_of(method, found.problem, view, 0):
        assert isinstance(panel, Course)
        charts.setdefault(panel.key, {})[panel.name] = panel
    return found.problem, view, charts


def test_restarts_and_differences_together_spend_what_the_ledger_says() -> None:
    charts = run(Diff2(steps=ROUNDS, restart=6, epsilon=2.0))[2]
    spent = charts["epsilon_spent"]
    sigma1, sigma2 = noise_scales(2.0, 1e-5, ROUNDS, 6, SAMPLES)
    # rounds 0, 6, 12, 18, 24 are restarts
    both = [(sigma1 * SAMPLES / 2, 5), (sigma2 * SAMPLES / 2, 20)]
    np.testing.assert_allclose(spent[""].values[-1], epsilon(renyi(both), 1e-5), rtol=1e-9)
    for name, one in zip(("restarts alone", "differences alone"), both, strict=True):
        course = spent[name].values
        np.testing.assert_allclose(course[-1], epsilon(renyi([one]), 1e-5), rtol=1e-9)
        assert (np.diff(course) >= 0).all()
        assert (course <= spent[""].values + 1e-9).all()
    assert spent["differences alone"].values[0] == 0.0
    assert {course.level for course in spent.values()} == {2.0}
    assert spent[""].values[-1] <= 2.0


def test_the_noise_of_dp_gd_is_flat_and_that_of_diff2_follows_the_steps() -> None:
    training, view, charts = run(Diff2(steps=ROUNDS, restart=6, clip=1.5, clip_difference=2.0))
    sigma1, sigma2 = noise_scales(1.0, 1e-5, ROUNDS, 6, SAMPLES)
    noise = charts["noise_std"][""].values
    np.testing.assert_allclose(noise[:ROUNDS:6], 1.5 * sigma1, rtol=1e-12)
    np.testing.assert_allclose(noise[1:6], 2.0 * sigma2 * view.scalars["step_norm"][1:6], rtol=1e-12)
    in_v = charts["gradient_and_noise"]["noise in v"].values
    np.testing.assert_allclose(in_v[3], np.sqrt(training.n * (noise[:4] ** 2).sum()), rtol=1e-12)
    flat = run(DpGd(steps=ROUNDS))[2]
    assert np.ptp(flat["noise_std"][""].values[:ROUNDS]) == 0.0
    assert list(flat["epsilon_spent"]) == [""]


def test_gathered_noise_starts_anew_at_every_restart() -> None:
    found = gathered(np.array([3.0, 4.0, 12.0, 1.0, np.nan]), np.arange(5), 3)
    np.testing.assert_allclose(found, [3.0, 5.0, 13.0, 1.0, np.nan])


@pytest.mark.parametrize("method", [Diff2(steps=12, epsilon=0.0), DpGd(steps=12, epsilon=0.0)])
def test_without_privacy_there_is_neither_noise_nor_a_ledger_to_see(method: Private) -> None:
    assert set(run(method)[2]) == {"clipped", "cosine"}
