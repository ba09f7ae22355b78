"""How far weights carry: every set on every ground beside CG."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from core.cli import main
from core.errors import InputError
from core.poisson.learned import generalisation
from core.poisson.learned.generalisation import Generalisation, Ground, grounds, run_all
from core.poisson.learned.weights import available
from core.recipe import make
from core.run import Run

BOX, DISC = Ground("box", "box", {"n": 16, "dim": 2}), Ground("disc", "disc", {"n": 16, "dim": 2})
SHIPPED = [e for e in available() if e.shipped and e.name in ("poisson_c", "poisson_d")]


def iterations(problem: str, method: str, **params: object) -> int:
    run = Run([make("poisson", problem, method, {"n": 16}, params)]).inline()
    return int(run.view().members[0].view.k[-1])


def test_cells_are_the_iterations_of_runs_of_their_own() -> None:
    study = Generalisation(2, entries=SHIPPED, columns=[BOX, DISC])
    assert [e.name for e in study.rows] == ["poisson_c", "poisson_d"]
    assert study.text(0, 0) == ""
    assert np.isnan(study.shares()).all()
    assert len(list(run_all(study))) == study.sweep.total == 6
    assert study.text(-1, 0) == str(iterations("box", "cg"))
    assert study.text(0, 0) == str(iterations("box", "npsdo", weights="poisson_c"))
    assert study.text(1, 1) == str(iterations("disc", "npsdo", weights="poisson_d"))
    # each knows its own boundary alone, and says so
    assert (study.text(0, 1), study.text(1, 0)) == ("–", "–")
    assert "open all round" in study.refusals()["poisson_c"]
    shares = study.shares()
    assert shares[0, 0] == pytest.approx(int(study.text(0, 0)) / int(study.text(-1, 0)))
    assert np.isnan([shares[0, 1], shares[1, 0]]).all()
    assert study.table()[1] == {"trained": "poisson_c", "box": study.text(0, 0), "disc": "–"}


def test_what_does_not_get_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generalisation, "LIMIT", 2)
    study = Generalisation(2, entries=SHIPPED[:1], columns=[BOX])
    list(run_all(study))
    assert study.text(0, 0) == "> 2"
    assert np.isnan(study.shares()).all()


def test_rows_are_finished_weights_of_the_dimension() -> None:
    checkpoint = replace(SHIPPED[0], about={**SHIPPED[0].about, "checkpoint": True})
    assert len(Generalisation(2, entries=[*SHIPPED, checkpoint]).rows) == 2
    with pytest.raises(InputError, match="weights for grids in 3-D"):
        Generalisation(3, entries=SHIPPED)


@pytest.mark.parametrize("dim", [2, 3])
def test_every_ground_is_a_problem_of_that_dimension(dim: int) -> None:
    assert len({g.title for g in grounds(dim)}) == len(grounds(dim))
    for ground in grounds(dim):
        assert make("poisson", ground.problem, "cg", ground.params).problem_params["dim"] == dim


def test_the_command_line_prints_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generalisation, "grounds", lambda dim: (BOX,))
    monkeypatch.setattr(generalisation, "available", lambda: SHIPPED[:1])
    plain = CliRunner().invoke(main, ["generalise"])
    assert plain.exit_code == 0, plain.output
    assert plain.stdout.splitlines()[0].split() == ["trained", "box"]
    found = json.loads(CliRunner().invoke(main, ["generalise", "--json"]).stdout)
    assert found["rows"][0] == {"trained": "CG", "box": str(iterations("box", "cg"))}
    refused = CliRunner().invoke(main, ["generalise", "--rhs", "nothing"])
    assert refused.exit_code == 2
