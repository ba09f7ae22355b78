"""Every solver on every problem: it solves it, says how far it came, or names the assumption that fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import io as matrix_market
from scipy import sparse

from core import registry
from core.errors import InputError
from core.iterate import Status
from core.recipe import make
from core.run import Run, State

SOLVERS = [m.key for m in registry.methods("poisson") if m.kind == "solver"]
#: These need nothing but a symmetric positive definite operator, or a semidefinite one and b in its range.
ANY_MATRIX = {
    "cg", "jacobi_pcg", "ssor_pcg", "ic_pcg", "mic_pcg", "deflated_pcg", "chebyshev", "minres", "pyamg_sa",
    "pyamg_rs", "neural_ic",
}  # fmt: skip
TRANSFORMS, LEARNED = {"fft_direct", "fft_pcg"}, {"npsdo", "dcdm", "flexible_cg", "hybrid"}
GRIDS = {"multigrid", "multigrid_pcg", "torch_cg", "torch_multigrid_pcg"} | TRANSFORMS | LEARNED
#: Learned on other grids than these, or made for others: these need not converge where walls are thin.
WEAK_IN_MAZES = {"multigrid", *LEARNED}


def sized(problem: str, dim: int, **params: object) -> tuple[str, dict[str, object]]:
    return problem, {"n": 16 if dim == 2 else 12, "dim": dim, **params}


#: Name → problem, parameters; a file is named by its content.
CASES: dict[str, tuple[str, dict[str, object]]] = {
    **{
        f"{problem} in {dim}-D": sized(problem, dim)
        for problem in ("box", "open_box", "disc", "walls", "maze", "blobs")
        for dim in (2, 3)
    },
    "air beyond the array": sized("disc", 2, air="outside"),
    "smooth coefficient": sized("disc", 2, coefficient="smooth"),
    "inclusions": sized("box", 2, coefficient="inclusions"),
    "pressure on faces": sized("box", 2, dirichlet="face"),
    "odd sides": ("box", {"n": 9}),
    "two closed rooms": ("painted", {"mask": "rooms", "boundary": "walls"}),
    "one closed room of two": ("painted", {"mask": "room", "boundary": "open_box"}),
    "scan": ("scan", {"scan": "scan", "voxel": 1.0}),
    "matrix": ("matrix", {"matrix": "definite"}),
    "singular matrix": ("matrix", {"matrix": "graph"}),
}
#: Case → solvers that refuse it and, for each group, the words that name what fails.
REFUSALS: dict[str, dict[str, str]] = {
    "matrix": dict.fromkeys(GRIDS, "a grid, which"),
    "singular matrix": dict.fromkeys(GRIDS, "a grid, which"),
    **{
        case: dict.fromkeys(TRANSFORMS | LEARNED, "constant coefficient")
        for case in ("smooth coefficient", "inclusions")
    },
    "pressure on faces": dict.fromkeys(LEARNED, "centre of air cells"),
    "air beyond the array": {
        "fft_direct": "an empty box",
        **dict.fromkeys(LEARNED, "an open side that no air cell of the array shows"),
    },
    "scan": {
        "fft_direct": "an empty box", **dict.fromkeys(LEARNED, "at least 8 cells a side"),
    },
    "two closed rooms": {"fft_direct": "an empty box", **dict.fromkeys(LEARNED, "walls alone")},
    "one closed room of two": {"fft_direct": "an empty box", "dcdm": "open all round"},
    "box in 3-D": {"npsdo": "walls and air cells inside"},
    "open_box in 2-D": {"dcdm": "open all round"},
    "open_box in 3-D": {"dcdm": "open all round"},
    "walls in 2-D": dict.fromkeys(LEARNED, "walls alone"),
    "walls in 3-D": dict.fromkeys(LEARNED, "walls alone"),
    **{
        f"{problem} in {dim}-D": {"fft_direct": "an empty box", "dcdm": "open all round"}
        for problem in ("disc", "maze", "blobs")
        for dim in (2, 3)
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The input files by what they hold."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    B = rng.standard_normal((60, 60)) * (rng.random((60, 60)) < 0.05)
    definite = B @ B.T + 0.5 * np.eye(60)
    edges = np.triu(rng.random((60, 60)) < 0.1, 1).astype(float)
    graph = np.diag((edges + edges.T).sum(axis=1)) - edges - edges.T
    for name, values in (("definite", definite), ("graph", graph)):
        matrix_market.mmwrite(folder / f"{name}.mtx", sparse.coo_array(values))
    rooms = np.full((16, 20), 2, np.int8)
    rooms[:, 10] = 1
    np.save(folder / "rooms.npy", rooms)
    rooms[-2, 10:] = 1
    np.save(folder / "room.npy", rooms)
    x, y = np.meshgrid(np.arange(10.0), np.arange(10.0))
    np.savetxt(folder / "scan.xyz", np.c_[x.ravel(), y.ravel(), (1.0 + np.sin(x)).ravel()])
    return {path.stem: str(path) for path in folder.iterdir()}


@pytest.mark.parametrize("case", CASES)
def test_every_solver_solves_it_or_names_what_fails(case: str, files: dict[str, str]) -> None:
    problem, params = CASES[case]
    params = {name: files.get(str(value), value) for name, value in params.items()}
    # what is promised does not depend on how much a method learns before it begins
    settings = {"neural_ic": {"training_steps": 5}}
    runs = {m: Run([make("poisson", problem, m, params, settings.get(m, {}))]).inline() for m in SOLVERS}
    refused = {m: run.error for m, run in runs.items() if run.error is not None}
    assert set(refused) == set(REFUSALS.get(case, {}))
    assert not ANY_MATRIX & set(refused)
    for m, error in refused.items():
        assert isinstance(error, InputError)
        assert REFUSALS[case][m] in str(error)
    for m, run in runs.items():
        if m in refused:
            continue
        trace = run.view().members[0].view
        assert run.state is State.FINISHED
        result = registry.lab("poisson").result(run.problem, trace)
        if not (case.startswith("maze") and m in WEAK_IN_MAZES):
            assert trace.status is Status.CONVERGED, (m, trace.status, trace.note)
        if trace.status is Status.CONVERGED:
            assert result["residual_norm"] <= 1.0001e-6 * result["rhs_norm"], m


def test_a_matrix_that_is_not_definite_is_found_out_by_its_curvature(tmp_path: Path) -> None:
    A = sparse.coo_array(np.array([[1.0, 3.0, 0.0], [3.0, 1.0, 0.5], [0.0, 0.5, 1.0]]))
    matrix_market.mmwrite(tmp_path / "A.mtx", A)
    for method in ("cg", "jacobi_pcg", "ic_pcg"):
        run = Run([make("poisson", "matrix", method, {"matrix": str(tmp_path / "A.mtx")})]).inline()
        trace = run.view().members[0].view
        assert trace.status is Status.BREAKDOWN, method
        assert "positive definite" in trace.note
    run = Run([make("poisson", "matrix", "minres", {"matrix": str(tmp_path / "A.mtx")})]).inline()
    assert run.view().members[0].view.status is Status.CONVERGED
