"""The table to try obeys the law that it is said to obey, and can be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from core import registry
from core.optimizers.sample_table import GRAVITY, pendulums, sample_csv
from core.recipe import make
from core.run import Run


def swing(length: float, amplitude: float, g: float) -> float:
    """Return the period by integrating θ'' = −(g/L) sin θ to the first passage through the vertical."""

    def down(_: float, state: np.ndarray) -> float:
        return float(state[0])

    down.terminal = True  # type: ignore[attr-defined]
    found = solve_ivp(
        lambda _, s: (s[1], -g / length * np.sin(s[0])), (0.0, 100.0), (np.radians(amplitude), 0.0),
        events=down, rtol=1e-10, atol=1e-12,
    )  # fmt: skip
    return 4.0 * float(found.t_events[0][0])


def test_periods_are_those_of_pendulums_up_to_the_error_of_measurement() -> None:
    table = pendulums(count=60)
    exact = [
        swing(row.length_m, row.amplitude_deg, GRAVITY[row.world]) for row in table.itertuples(index=False)
    ]
    errors = table["period_s"] / np.array(exact) - 1.0
    assert np.abs(errors).max() < 0.04
    assert errors.std() == pytest.approx(0.01, rel=0.4)


def test_the_sample_is_learnt_to_a_few_hundredths(tmp_path: Path) -> None:
    path = tmp_path / "pendulums.csv"
    path.write_bytes(sample_csv())
    params = {"file": str(path), "target": "period_s", "evaluate_every": 100}
    run = Run([make("optimizers", "table", "sgd", params, {"lr": 0.1, "steps": 300})]).inline()
    result = registry.lab("optimizers").result(run.problem, run.view().members[0].view)
    assert np.sqrt(2.0 * result["validation_loss"]) < 0.1  # of the periods' deviation
    assert run.problem.target.name == "period_s"
