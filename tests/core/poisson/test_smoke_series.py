"""The plume frame by frame: what solvers get and report, against the simulation done by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from core.cli import main
from core.errors import InputError
from core.iterate import Iterate, Status, drain
from core.poisson.smoke import SmokePlume, divergence_at_frame
from core.poisson.smoke_solver import frame_seconds, read_solver, solver_text
from core.poisson.system import make_system
from core.recipe import make
from core.run import Run
from core.trace import TraceView
from tests.oracles_poisson import iterates, matrix, solve, system, value


def series(**params: Any) -> list[Iterate]:
    return list(iterates(system("disc", n=24), "smoke_series", **params))


def view(**params: Any) -> TraceView:
    run = Run([make("poisson", "disc", "smoke_series", {"n": 24}, params)]).inline()
    return run.view().members[0].view


@pytest.mark.parametrize("solver", ["cg", "mic_pcg", "pyamg_sa", "npsdo", "fft_pcg"])
def test_each_frame_takes_the_iterations_of_a_solve_of_its_own(solver: str) -> None:
    given = system("disc", n=24)
    found = [int(item.scalars["iterations"]) for item in series(solver=solver, frames=4)]
    for frame in range(1, 5):
        source = drain(divergence_at_frame(given.grid, frame))
        assert found[frame] == solve(make_system(given.grid, source), solver).k
    assert found[0] == 0


def test_all_solvers_get_the_same_smoke_unless_they_go_their_own_way() -> None:
    one, other = (series(solver=name, frames=12)[-1] for name in ("cg", "multigrid_pcg"))
    np.testing.assert_array_equal(value(one.x), value(other.x))
    loose = [series(solver=n, frames=12, advance="own", rtol=0.3)[-1] for n in ("cg", "multigrid_pcg")]
    assert np.abs(value(loose[0].x) - value(loose[1].x)).max() > 1e-3


def test_the_smoke_is_that_of_a_simulation_with_direct_solves() -> None:
    given = system("disc", n=24)
    plume, A = SmokePlume(given.grid), matrix(given.grid).toarray()
    for _ in range(6):
        source = plume.advance()
        p = np.zeros(given.grid.shape)
        p[given.grid.fluid()] = np.linalg.solve(A, source[given.grid.fluid()])
        plume.project(p)
    *_, last = series(frames=6)
    np.testing.assert_allclose(value(last.x), plume.density, atol=1e-4)
    assert last.scalars["smoke"] == pytest.approx(plume.density.sum(), rel=1e-5)


def test_what_is_left_of_the_divergence_is_the_solver_s_residual() -> None:
    for item in series(solver="cg", frames=5, advance="own", rtol=1e-2)[1:]:
        share = item.scalars["residual_norm"] / item.scalars["rhs_norm"]
        assert item.scalars["divergence"] == pytest.approx(share, rel=1e-6)
        assert share <= 1e-2


def test_work_and_seconds_add_up() -> None:
    trace = view(solver="mic_pcg", frames=5)
    np.testing.assert_array_equal(trace.work["preconditioner"], np.cumsum(trace.scalars["iterations"]))
    assert (frame_seconds(trace)[1:] > 0.0).all()
    assert trace.status is Status.CONVERGED


def test_a_missed_tolerance_is_told_and_the_simulation_goes_on() -> None:
    *_, last = series(solver="cg max_iterations=3", frames=4)
    assert last.k == 4
    assert last.status is Status.MAX_ITERATIONS
    assert last.note == "4 of 4 frames ended before the tolerance, the first at 1"


def test_a_solver_that_blows_up_ends_its_own_simulation_in_words() -> None:
    *_, last = series(solver="chebyshev low=0.1 high=4", frames=6, advance="own")
    assert last.status in (Status.DIVERGED, Status.MAX_ITERATIONS)
    assert last.note
    assert np.isfinite(value(last.x)).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nonsense", "method of poisson"),
        ("train_network", "a solver"),
        ("cg tau=1", "a parameter of cg"),
        ("cg rtol", "METHOD NAME=VALUE"),
        ("", "method of poisson"),
    ],
)
def test_a_solver_that_there_is_not_is_refused_in_words(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_solver(text, 1e-6)


def test_a_solver_s_text_is_read_back() -> None:
    recipe = make("poisson", "disc", "mic_pcg", {}, {"tau": 0.9, "rtol": 1e-3})
    assert solver_text(recipe) == "mic_pcg tau=0.9"
    spec, values = read_solver(solver_text(recipe), 1e-3)
    assert (spec.key, values) == ("mic_pcg", dict(recipe.method_params))


def test_a_coefficient_that_varies_is_refused() -> None:
    with pytest.raises(InputError, match="constant"):
        list(iterates(system("disc", n=12, coefficient="smooth"), "smoke_series"))


def test_the_command_line_prints_the_iterations_of_every_frame(tmp_path: Path) -> None:
    arguments = ["run", "poisson", "disc", "smoke_series", "-p", "n=16", "-m", "frames=5"]
    done = CliRunner().invoke(main, [*arguments, "-m", "solver=cg", "--json", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)["result"]
    assert result["iterations"] == [int(i.scalars["iterations"]) for i in iterates(
        system("disc", n=16), "smoke_series", solver="cg", frames=5)][1:]  # fmt: skip
    assert np.load(tmp_path / "x.npy").shape == (16, 16)
