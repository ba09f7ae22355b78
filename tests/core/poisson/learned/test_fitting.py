"""Which weights go with which grid, and what is said where none do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.iterate import Status
from core.poisson.learned.fitting import boundary_of, choose, refusal
from core.poisson.matrix import make_matrix_system
from tests.oracles_poisson import compact, iterates, matrix, solve, system, value


@pytest.mark.parametrize(
    ("problem", "params", "expected"),
    [
        ("box", {}, "box"), ("disc", {"boundary": "box"}, "box"), ("open_box", {}, "open_box"),
        ("disc", {}, "open_box"), ("disc", {"air": "outside"}, "mixed"), ("walls", {}, "walls"),
        ("disc", {"boundary": "walls"}, "walls"), ("maze", {}, "open_box"), ("disc", {"dim": 3}, "open_box"),
    ],
)  # fmt: skip
def test_the_boundary_is_read_off_the_cells(problem: str, params: dict[str, Any], expected: str) -> None:
    assert boundary_of(system(problem, n=12, **params).grid) == expected


@pytest.mark.parametrize(
    ("problem", "params", "kinds", "expected"),
    [
        ("box", {}, ("direction",), "a"), ("box", {}, ("stencil",), "c"), ("disc", {}, ("stencil",), "d"),
        ("disc", {"dim": 3}, ("stencil",), "f"), ("disc", {}, ("stencil", "direction"), "d"),
        ("blobs", {"n": 21}, ("stencil",), "d"), ("box", {"dim": 3}, ("direction",), "e"),
    ],
)  # fmt: skip
def test_the_app_has_weights_for_the_usual_grids(
    problem: str, params: dict[str, Any], kinds: tuple[str, ...], expected: str
) -> None:
    weights, _ = choose(system(problem, **{"n": 12, **params}), kinds, "auto")
    assert weights.about["preset"] == expected


@pytest.mark.parametrize(
    ("method", "problem", "params", "reason"),
    [
        ("npsdo", "disc", {"air": "outside"}, "set air=layer"),
        ("npsdo", "walls", {}, "walls alone, no air at all"),
        ("npsdo", "disc", {"coefficient": "smooth"}, "a constant coefficient"),
        ("npsdo", "disc", {"dirichlet": "face"}, "zero pressure in the centre of air cells"),
        ("npsdo", "disc", {"n": 7}, "at least 8 cells a side"),
        ("dcdm", "disc", {}, "expected a boundary as in training: open all round"),
        ("hybrid", "disc", {"coefficient": "inclusions"}, "a constant coefficient"),
        ("flexible_cg", "disc", {"boundary": "walls"}, "walls alone"),
    ],
)
def test_grids_that_no_network_knows_are_refused_in_words(
    method: str, problem: str, params: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        solve(system(problem, **{"n": 16, **params}), method)


@pytest.mark.parametrize(
    ("method", "weights", "reason"),
    [
        ("dcdm", "poisson_c", "expected weights of DCDM's network, found those of NPSDO's network"),
        ("npsdo", "poisson_d", "expected a boundary as in training: walls and air cells"),
        ("npsdo", "poisson_f", "a grid in 3-D for these weights"),
        ("dcdm", "poisson_e", "a grid in 3-D for these weights"),
        ("npsdo", "poisson_x", "expected one of those that are there: .*poisson_d"),
        ("npsdo", "/etc/passwd", "a name or the 16 digits of a hash"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_words(method: str, weights: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        solve(system("box", n=16), method, weights=weights)


def test_a_matrix_has_no_cells_for_a_network() -> None:
    given = system("disc", n=8)
    uploaded: Any = make_matrix_system(matrix(given.grid), compact(given.grid, given.b), "A.mtx")
    for method in ("dcdm", "npsdo", "flexible_cg", "hybrid"):
        with pytest.raises(InputError, match="a grid, which a learned direction needs"):
            solve(uploaded, method)


def test_every_reason_has_its_grid_and_fitting_ones_have_none() -> None:
    about = {"architecture": {"dim": 2}, "boundary": "open_box"}
    assert refusal(about, system("disc", n=16).grid) is None
    assert refusal(about, system("disc", n=16, boundary="box").grid) is not None


@pytest.mark.parametrize(("n", "share"), [(64, 10), (128, 10)])
def test_a_disc_that_no_training_grid_has_is_solved_in_a_tenth_of_the_steps_of_cg(n: int, share: int) -> None:
    given = system("disc", n=n)
    learned, cg = solve(given, "npsdo"), solve(given, "cg")
    assert learned.status is cg.status is Status.CONVERGED
    assert learned.k <= 35
    assert learned.k * share <= cg.k


def test_without_an_obstacle_the_steps_do_not_grow_with_the_grid() -> None:
    steps = [solve(system("box", n=n), "npsdo").k for n in (32, 64, 128)]
    assert max(steps) <= 12
    assert max(steps) - min(steps) <= 3


def test_dcdm_needs_a_sixth_of_the_steps_where_it_was_trained_and_more_on_larger_grids() -> None:
    steps = [solve(system("box", n=n), "dcdm").k for n in (64, 128)]
    plain = [solve(system("box", n=n), "cg").k for n in (64, 128)]
    assert steps[0] * 6 <= plain[0]
    assert steps[1] * 4 <= plain[1]
    assert steps[1] > 1.5 * steps[0]


def test_a_ball_in_three_dimensions_is_solved_too() -> None:
    given = system("disc", n=24, dim=3)
    assert solve(given, "npsdo").k * 5 <= solve(given, "cg").k


def test_methods_are_listed_and_refuse_without_torch() -> None:
    """Importing torch takes seconds; only a network at work needs it."""
    script = (
        "import sys\n"
        "from core import registry\n"
        "from core.iterate import drain\n"
        "from core.recipe import make\n"
        "assert {'dcdm', 'npsdo'} <= {m.key for m in registry.methods('poisson')}\n"
        "from core.poisson.learned.weights import available\n"
        "assert available()\n"
        "try:\n"
        "    drain(make('poisson', 'walls', 'npsdo').build_method().prepare("
        "drain(make('poisson', 'walls', 'npsdo').build_problem())))\n"
        "except ValueError:\n"
        "    sys.exit('torch' in sys.modules)\n"
    )
    root = Path(__file__).parents[4]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, timeout=120, check=False).returncode == 0


def test_hybrid_lowers_the_energy_error_with_every_step() -> None:
    given = system("disc", n=16)
    A, b = matrix(given.grid).toarray(), compact(given.grid, given.b)
    exact = np.linalg.solve(A, b)
    errors = []
    for item in iterates(given, "hybrid", every=3):
        e = exact - value(item.x)[given.grid.fluid()]
        errors.append(float(np.sqrt(e @ A @ e)))
    assert (np.diff(errors) <= 1e-12 * errors[0]).all()


def test_hybrid_makes_sweeps_of_jacobi_between_the_corrections() -> None:
    given = system("disc", n=16)
    A, b = matrix(given.grid).toarray(), compact(given.grid, given.b)
    x, counts = np.zeros_like(b), []
    for item in iterates(given, "hybrid", every=4, omega=0.6, max_iterations=7):
        counts.append(item.scalars["corrections"])
        if 0 < item.k < 4:
            x = x + 0.6 * (b - A @ x) / np.diag(A)
            np.testing.assert_allclose(value(item.x)[given.grid.fluid()], x, atol=1e-12)
    assert counts == [0, 0, 0, 0, 1, 1, 1, 1]


def test_plain_pcg_with_a_network_needs_many_more_steps_than_flexible_cg() -> None:
    given = system("disc", n=64)
    flexible = solve(given, "flexible_cg")
    plain = solve(given, "flexible_cg", beta="plain")
    assert flexible.status is Status.CONVERGED
    assert plain.status is not Status.CONVERGED or plain.k > 1.5 * flexible.k
    assert flexible.k == solve(given, "npsdo", k=1).k
