"""The learned factor: graph, loss and training against dense algebra, exact factors and SciPy."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy import io as matrix_market
from scipy import sparse

from core.cli import main
from core.errors import InputError
from core.iterate import Status, drain
from core.poisson import preconditioners as pre
from core.poisson.learned.factor_network import FactorNetwork
from core.poisson.learned.factor_training import (
    FactorSettings,
    LearnedFactor,
    learn_factor,
    relative_residual,
    sketched_loss,
)
from core.poisson.learned.matrix_graph import MatrixGraph, matrix_graph, patches, unit_diagonal
from core.poisson.matrix import MatrixSystem, make_matrix_system
from core.poisson.methods import neural_ic
from core.poisson.methods.neural_ic import NeuralIc
from core.poisson.model_matrices import elastic_plate, random_network
from tests.oracles_poisson import Array, iterates, solve, value

SETTINGS = FactorSettings(steps=30, rate=1e-2, hidden=16, blocks=2, seed=0)


def plate(elements: int = 4) -> MatrixSystem:
    A = elastic_plate(elements)
    return make_matrix_system(A, np.random.default_rng(1).standard_normal(A.shape[0]), "plate")


def learned(A: sparse.csr_array, settings: FactorSettings = SETTINGS) -> LearnedFactor:
    return drain(learn_factor(A, settings))


def dense_factor(found: LearnedFactor) -> Array:
    n = len(found.starts) - 1
    return sparse.csr_array((found.values, found.columns, found.starts), (n, n)).toarray().T


def dense(graph: MatrixGraph, values: Any) -> Array:
    L = np.zeros((graph.size, graph.size))
    L[graph.row.numpy(), graph.column.numpy()] = values
    return L


def exact_entries(system: MatrixSystem) -> torch.Tensor:
    """The entries of IC(0) of the matrix with unit diagonal."""
    S = make_matrix_system(unit_diagonal(system.A), system.b, "S")
    factor = pre.incomplete_cholesky(S, 0.0, 0.0)
    assert isinstance(factor, pre.Factor)
    return torch.from_numpy(factor.values.astype(np.float32))


def test_the_factor_has_the_pattern_of_the_lower_triangle_and_a_positive_diagonal() -> None:
    system = plate()
    L = dense_factor(learned(system.A))
    np.testing.assert_array_equal(L, np.tril(L))
    np.testing.assert_array_equal(L != 0.0, np.tril(system.A.toarray()) != 0.0)
    assert (np.diag(L) > 0.0).all()


def test_the_preconditioner_is_the_inverse_of_l_l_transposed() -> None:
    system = plate()
    prepared = drain(NeuralIc(training_steps=5).prepare(system))
    found = learned(system.A, FactorSettings(5, 1e-2, 32, 2, 0))
    L = dense_factor(found)
    for r in np.random.default_rng(0).standard_normal((3, system.size)):
        z = np.zeros(system.size)
        product = prepared.apply(r, z)
        np.testing.assert_allclose(L @ (L.T @ z), r, atol=1e-10)
        assert product == pytest.approx(r @ z, rel=1e-12)


def test_the_loss_is_the_frobenius_norm_in_the_mean() -> None:
    system = plate()
    graph = matrix_graph(unit_diagonal(system.A))
    L = exact_entries(system)
    difference = dense(graph, L) @ dense(graph, L).T - unit_diagonal(system.A).toarray()
    for z in (
        torch.eye(graph.size),
        torch.randn(graph.size, 20_000, generator=torch.Generator().manual_seed(0)),
    ):
        found = float(sketched_loss(graph, L, z)) * graph.size
        share = 1.0 if len(z) != z.shape[1] else graph.size
        assert found * share == pytest.approx((difference**2).sum(), rel=0.03 if share == 1.0 else 1e-4)


def test_the_loss_of_an_exact_factor_is_zero() -> None:
    n = 30
    A = sparse.csr_array(sparse.diags_array([2.1, -1.0, -1.0], offsets=[0, 1, -1], shape=(n, n)))
    system = make_matrix_system(A, np.ones(n), "rod")
    graph = matrix_graph(unit_diagonal(A))
    z = torch.randn(n, 8, generator=torch.Generator().manual_seed(0))
    # IC(0) of a tridiagonal matrix drops nothing
    assert float(sketched_loss(graph, exact_entries(system), z)) < 1e-12
    assert float(sketched_loss(graph, graph.on_diagonal.float(), z)) > 0.1


def test_the_residual_of_a_factor_is_relative_to_the_matrix() -> None:
    system = plate()
    graph = matrix_graph(unit_diagonal(system.A))
    identity = graph.on_diagonal.float()
    S = unit_diagonal(system.A).toarray()
    expected = np.linalg.norm(S - np.eye(len(S))) / np.linalg.norm(S)
    found = [relative_residual(graph, identity, torch.Generator().manual_seed(i)) for i in range(20)]
    assert np.mean(found) == pytest.approx(expected, rel=0.05)


def test_the_gradient_is_that_of_finite_differences() -> None:
    graph = matrix_graph(unit_diagonal(elastic_plate(2)))
    doubles = MatrixGraph(*(
        getattr(graph, name).double() if name in ("entries", "nodes", "in_row", "in_column")
        else getattr(graph, name) for name in MatrixGraph.__slots__
    ))  # fmt: skip
    z = torch.randn(graph.size, 2, generator=torch.Generator().manual_seed(0)).double()
    L = exact_entries(plate(2)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda L: sketched_loss(doubles, L, z), (L,))


def test_units_of_the_unknowns_do_not_matter() -> None:
    A = elastic_plate(3)
    units = np.exp(np.random.default_rng(0).standard_normal(A.shape[0]) * 3.0)
    scaled = sparse.csr_array(sparse.diags_array(units) @ A @ sparse.diags_array(units))
    scaled.sort_indices()
    np.testing.assert_allclose(
        dense_factor(learned(scaled)), units[:, None] * dense_factor(learned(A)), rtol=2e-2, atol=1e-3
    )


def test_training_lowers_the_loss_and_the_same_seed_gives_the_same_factor() -> None:
    longer = dataclasses.replace(SETTINGS, steps=100)
    found, again = learned(plate().A, longer), learned(plate().A, longer)
    assert np.mean(found.losses[-5:]) < 0.5 * np.mean(found.losses[:3])
    np.testing.assert_array_equal(found.values, again.values)
    other = learned(plate().A, dataclasses.replace(longer, seed=1))
    assert np.abs(other.values - found.values).max() > 1e-3


def test_every_step_of_the_training_is_told_and_a_place_to_stop() -> None:
    training = learn_factor(plate().A, SETTINGS)
    told = [next(training) for _ in range(6)]
    training.close()
    assert [p.done for p in told if p.stage == "training the factor"] == [0, 1, 2, 3, 4]
    assert {p.total for p in told if p.stage == "training the factor"} == {SETTINGS.steps}


def test_patches_are_connected_pieces_of_a_large_matrix() -> None:
    S = unit_diagonal(random_network(1500, np.random.default_rng(0)))
    dense_S = S.toarray()
    for patch in patches(S, 1000, 3, np.random.default_rng(0)):
        assert 500 < (patch.nnz + patch.shape[0]) / 2 <= 1100
        assert sparse.csgraph.connected_components(patch)[0] == 1
        assert np.linalg.eigvalsh(patch.toarray()).min() > 0.0
        assert np.isin(patch.data, dense_S).all()
    (whole,) = patches(S, S.nnz, 3, np.random.default_rng(0))
    assert whole is S


def test_what_is_learned_on_patches_serves_the_whole() -> None:
    system = plate(40)  # 22 000 entries in the triangle
    steps = {
        m: solve(system, m, **p).k for m, p in (("jacobi_pcg", {}), ("neural_ic", {"training_steps": 150}))
    }  # type: ignore[arg-type]
    assert steps["neural_ic"] < 0.7 * steps["jacobi_pcg"]


@pytest.mark.parametrize("seed", [0, 1])
def test_cg_with_it_finds_the_solution_of_scipy(seed: int) -> None:
    A = random_network(200, np.random.default_rng(seed))
    system = make_matrix_system(A, np.random.default_rng(seed).standard_normal(200), "network")
    last = solve(system, "neural_ic", rtol=1e-10)  # type: ignore[arg-type]
    assert last.status is Status.CONVERGED
    exact = sparse.linalg.spsolve(A.tocsc(), system.b)
    np.testing.assert_allclose(value(last.x), exact, atol=1e-8 * np.abs(exact).max())


def test_the_first_item_says_how_good_the_factor_is() -> None:
    first, *rest = iterates(plate(), "neural_ic", training_steps=60)  # type: ignore[arg-type]
    assert 0.0 < first.scalars["factor_residual"] < 0.5
    assert not any("factor_residual" in item.scalars for item in rest)


def test_a_node_sees_as_far_as_the_passes_reach() -> None:
    n = 20
    A = sparse.csr_array(sparse.diags_array([2.1, -1.0, -1.0], offsets=[0, 1, -1], shape=(n, n)))
    network = FactorNetwork(8, 1)
    with torch.no_grad():
        before = network(matrix_graph(A))
        A[0, 1] = A[1, 0] = -0.5
        after = network(matrix_graph(A))
    moved = torch.nonzero((before - after).abs() > 1e-7)[:, 0]
    # one block: down the lower triangle and back, so at most two rows beyond the change
    assert 0 < int(matrix_graph(A).row[moved].max()) <= 3


def test_a_matrix_with_too_many_entries_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neural_ic, "MAX_ENTRIES", 10)
    with pytest.raises(InputError, match="at most 10 entries in the lower triangle"):
        drain(NeuralIc().prepare(plate()))


def test_a_training_that_runs_away_says_so() -> None:
    # one entry of 1e30 in a row that is otherwise 1: the scaled matrix is far from definite
    A = sparse.csr_array(np.array([[1.0, 1e30], [1e30, 1.0]]))
    with pytest.raises(InputError, match="a finite loss"):
        learned(A)


def test_the_command_line_takes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plate.mtx"
    buffer = io.BytesIO()
    matrix_market.mmwrite(buffer, elastic_plate(4))
    path.write_bytes(buffer.getvalue())
    arguments = ["run", "poisson", "matrix", "neural_ic", "-p", f"matrix={path}", "-m", "training_steps=10"]
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0
    assert '"status": "converged"' in done.stdout
