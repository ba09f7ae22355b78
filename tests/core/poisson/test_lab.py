"""What the lab says of a finished run, and the solution as a file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from core import registry
from core.cli import main
from core.iterate import drain
from core.recipe import make
from core.run import Run
from tests.oracles_poisson import system


@pytest.mark.parametrize(("problem", "dim"), [("disc", 2), ("disc", 3)])
def test_the_solution_is_a_file_on_the_cells_of_the_grid(problem: str, dim: int, tmp_path: Path) -> None:
    arguments = ["run", "poisson", problem, "cg", "-p", "n=12", "-p", f"dim={dim}", "--out", str(tmp_path)]
    assert CliRunner().invoke(main, [*arguments, "--json"]).exit_code == 0
    x = np.load(tmp_path / "x.npy", allow_pickle=False)
    given = system(problem, n=12, dim=dim)
    assert x.shape == (12,) * dim
    r = np.zeros(given.size)
    given.apply(given.embed(x), r)
    result = json.loads((tmp_path / "result.json").read_text())["result"]
    assert np.linalg.norm(given.b - r) == pytest.approx(result["residual_norm"], rel=1e-9)
    assert result["residual_norm"] <= 1e-6 * result["rhs_norm"]


def test_set_up_and_solve_have_their_own_times() -> None:
    member = Run([make("poisson", "box", "pyamg_sa", {"n": 48})]).inline().view().members[0]
    problem = drain(make("poisson", "box", "pyamg_sa", {"n": 48}).build_problem())
    result = registry.lab("poisson").result(problem, member.view)
    assert result["setup_seconds"] == member.setup_seconds > 0.0
    assert result["solve_seconds"] == member.view.seconds[-1]
    files = registry.lab("poisson").artefacts(problem, member.view)
    np.testing.assert_array_equal(np.load(io.BytesIO(files["x.npy"])), member.view.last("x"))
