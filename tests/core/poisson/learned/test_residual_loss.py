"""The operator on tensors against the matrix, the losses against their formulas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from core.poisson.learned.residual_loss import LOSSES, Stencil, norm, scaled
from tests.oracles_poisson import matrix, system


@pytest.mark.parametrize(
    ("problem", "dim"), [("disc", 2), ("box", 2), ("maze", 2), ("disc", 3), ("walls", 3)]
)
def test_the_operator_on_tensors_is_the_matrix(problem: str, dim: int) -> None:
    grid = system(problem, n=12, dim=dim).grid
    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, *grid.shape)) * grid.fluid()
    found = Stencil(grid)(torch.from_numpy(values.astype(np.float32))).numpy()
    for u, out in zip(values, found, strict=True):
        np.testing.assert_allclose(out[grid.fluid()], matrix(grid) @ u[grid.fluid()], atol=1e-5)
        assert not out[~grid.fluid()].any()


@pytest.fixture
def dense() -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    A = torch.from_numpy(matrix(system("disc", n=6).grid).toarray())
    return A, lambda u: u @ A


def vectors(n: int, *shape: int) -> Tensor:
    found = torch.randn(*shape, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return found / found.norm(dim=-1, keepdim=True)


def test_the_inverse_has_no_loss_and_factors_matter_to_one_loss_alone(
    dense: tuple[Tensor, Callable[[Tensor], Tensor]],
) -> None:
    A, apply = dense
    r = vectors(len(A), 4)
    exact = torch.linalg.solve(A, r.T).T
    for loss in LOSSES.values():
        assert float(loss(apply, r, exact)[0]) < 1e-12
    f = vectors(len(A), 4) + exact
    assert float(scaled(apply, r, -7.0 * f)[0]) == pytest.approx(float(scaled(apply, r, f)[0]), rel=1e-9)
    assert float(norm(apply, r, -7.0 * f)[0]) > 2.0 * float(norm(apply, r, f)[0])


def test_losses_are_their_formulas(dense: tuple[Tensor, Callable[[Tensor], Tensor]]) -> None:
    A, apply = dense
    r, f = vectors(len(A), 3).numpy(), vectors(len(A), 2, 3)[1].numpy()
    squares, plain = [], []
    for one, out in zip(r, f, strict=True):
        image = A.numpy() @ out
        squares.append(np.sum((one - (out @ one) / (out @ image) * image) ** 2))
        plain.append(np.linalg.norm(one - image))
    tensors = torch.from_numpy(r), torch.from_numpy(f)
    loss, left = scaled(apply, *tensors)
    assert float(loss) == pytest.approx(np.mean(squares), rel=1e-9)
    np.testing.assert_allclose(left.norm(dim=1).numpy() ** 2, squares, rtol=1e-9)
    loss, after = norm(apply, *tensors)
    assert float(loss) == pytest.approx(np.mean(plain), rel=1e-12)
    torch.testing.assert_close(after, left)


@pytest.mark.parametrize("name", list(LOSSES))
def test_derivatives_are_those_of_finite_differences(
    name: str, dense: tuple[Tensor, Callable[[Tensor], Tensor]]
) -> None:
    A, apply = dense
    r = vectors(len(A), 2)
    f = (vectors(len(A), 3, 2)[2] + r).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: LOSSES[name](apply, r, f)[0], (f,), atol=1e-6)
