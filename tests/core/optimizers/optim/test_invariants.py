"""What diffGrad, AdamP, SGDP and Conda must do by their definitions, whoever implements them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from core.optimizers.optim.adamp import AdamP
from core.optimizers.optim.conda import Conda
from core.optimizers.optim.diffgrad import DiffGrad
from core.optimizers.optim.projection import project_
from core.optimizers.optim.sgdp import SGDP

Gradient = Callable[[Tensor], Tensor]


def path(optimizer_of: Callable[..., Any], start: Tensor, gradient: Gradient, steps: int) -> Tensor:
    """Return the points of a descent, the start first."""
    p = start.clone()
    optimizer = optimizer_of([p])
    points = [p.clone()]
    for _ in range(steps):
        p.grad = gradient(p)
        optimizer.step()
        points.append(p.clone())
    return torch.stack(points)


def matrix(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def quadratic(p: Tensor) -> Tensor:
    return torch.tensor([1.0, 30.0], dtype=p.dtype) * p


START = torch.tensor([1.0, -2.0], dtype=torch.float64)
#: So small that where it is added makes no difference.
TINY = 1e-30


@pytest.mark.parametrize(("scale", "rate"), [(1e8, 1.0), (1e-10, 0.5)])
def test_diffgrad_is_adam_on_large_losses_and_adam_at_half_the_rate_on_small_ones(
    scale: float, rate: float
) -> None:
    ours = path(lambda p: DiffGrad(p, 0.1, eps=TINY), START, lambda p: scale * quadratic(p), 50)
    adam = path(lambda p: torch.optim.Adam(p, 0.1 * rate, eps=TINY), START,
                lambda p: scale * quadratic(p), 50)  # fmt: skip
    # a small loss leaves ξ − ½ = |Δg|/4, about 1e-9
    torch.testing.assert_close(ours, adam, rtol=0.0, atol=1e-8)


def test_a_constant_gradient_is_braked_by_exactly_one_half_from_the_second_step_on() -> None:
    g = torch.tensor([3.0, -1e-3], dtype=torch.float64)
    ours = path(lambda p: DiffGrad(p, 0.1, (0.0, 0.0), eps=TINY), START, lambda p: g, 4).diff(dim=0)
    first = 1.0 / (1.0 + torch.exp(-g.abs()))
    torch.testing.assert_close(ours[0], -0.1 * first * g.sign(), rtol=1e-14, atol=0.0)
    torch.testing.assert_close(ours[1:], (-0.05 * g.sign()).expand(3, 2), rtol=1e-14, atol=0.0)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_the_friction_lies_between_one_half_and_one(first: float, second: float) -> None:
    p = torch.zeros(1, dtype=torch.float64)
    optimizer = DiffGrad([p], 1.0, (0.0, 0.0), eps=0.0)
    for g in (first, second):
        p.zero_()
        p.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        # |step| = ξ|g|/√(g²); g² may overflow or vanish
        if 1e-150 < abs(g) < 1e150:
            assert 0.5 * (1 - 1e-12) <= float(p.abs()) <= 1 + 1e-12


@pytest.mark.parametrize(("share", "is_stable"), [(0.97, True), (1.03, False)])
def test_near_a_minimum_diffgrad_tolerates_twice_the_rate_of_adam(share: float, is_stable: bool) -> None:
    # the linearisation about 0: r² − [1+β₁−(1−β₁)χ] r + β₁ with χ = lr·λ/(2ε) leaves the unit disc at
    # lr·λ/ε = 4(1+β₁)/(1−β₁)
    beta1, eps = 0.9, 1e-3
    chi = share * 2.0 * (1 + beta1) / (1 - beta1)
    roots = np.roots([1.0, -(1 + beta1 - (1 - beta1) * chi), beta1])
    assert (np.abs(roots).max() < 1) == is_stable
    lr = share * eps * 4 * (1 + beta1) / (1 - beta1)
    points = path(lambda p: DiffGrad(p, lr, (beta1, 0.0), eps=eps),
                  torch.full((1,), 1e-60, dtype=torch.float64), lambda p: p.clone(), 250)  # fmt: skip
    # after the transient of the bias correction, ten decades, and far below eps, where the method is linear
    early, late = (float(points[part].abs().max()) for part in (slice(100, 150), slice(200, 250)))
    assert (late < early) == is_stable


def test_without_projection_adamp_is_adamw_and_sgdp_is_sgd() -> None:
    start, target = matrix(4, 3), matrix(4, 3, seed=1)
    gradient: Gradient = lambda p: p - target  # noqa: E731
    for ours, theirs, tolerance in (
        (lambda p: AdamP(p, 0.05, eps=TINY, weight_decay=0.1, delta=0.0),
         lambda p: torch.optim.AdamW(p, 0.05, eps=TINY, weight_decay=0.1), 1e-13),
        (lambda p: SGDP(p, 0.05, 0.9, delta=0.0), lambda p: torch.optim.SGD(p, 0.05, 0.9), 0.0),
        (lambda p: SGDP(p, 0.05, 0.9, nesterov=True, delta=0.0),
         lambda p: torch.optim.SGD(p, 0.05, 0.9, nesterov=True), 1e-14),
    ):  # fmt: skip
        a, b = (path(make, start, gradient, 60) for make in (ours, theirs))
        torch.testing.assert_close(a, b, rtol=0.0, atol=tolerance)


def invariant(p: Tensor) -> Tensor:
    """Gradient of 1 − cos(row, target row): it does not feel the length of a row."""
    target = matrix(*p.shape, seed=1)
    unit, aim = p / p.norm(dim=1, keepdim=True), target / target.norm(dim=1, keepdim=True)
    along = (unit * aim).sum(dim=1, keepdim=True)
    return (unit * along - aim) / p.norm(dim=1, keepdim=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: SGDP(p, 0.3, 0.9, eps=1e-12),
        lambda p: SGDP(p, 0.3, 0.9, nesterov=True, eps=1e-12),
        lambda p: AdamP(p, 0.3, eps=1e-12),
    ],
    ids=["sgdp", "nesterov", "adamp"],
)
def test_projected_updates_are_orthogonal_to_the_weights_and_lengths_obey_pythagoras(make: Any) -> None:
    points = path(make, matrix(4, 6), invariant, 30)
    for before, after in itertools.pairwise(points):
        u = after - before
        assert ((u * before).sum(dim=1).abs() <= 1e-7 * u.norm(dim=1) * before.norm(dim=1)).all()
        grown = before.norm(dim=1) ** 2 + u.norm(dim=1) ** 2
        torch.testing.assert_close(after.norm(dim=1) ** 2, grown, rtol=1e-7, atol=0.0)


def test_scaling_invariant_weights_and_their_rate_leaves_the_path_of_directions() -> None:
    c, start = 3.0, matrix(4, 6)
    a = path(lambda p: SGDP(p, 0.05, 0.9), start, invariant, 30)
    b = path(lambda p: SGDP(p, 0.05 * c**2, 0.9), c * start, invariant, 30)
    # ε in the norms, 1e-8, is not scaled
    torch.testing.assert_close(b, c * a, rtol=1e-6, atol=1e-7)


def test_momentum_lengthens_invariant_weights_as_its_sum_says() -> None:
    # ‖w_{t+1}‖² = ‖w_t‖² + η²‖p_t‖² + 2η² Σ_{k<t} β^{t−k} ‖p_k‖²
    eta, beta = 0.1, 0.9
    points = path(lambda p: torch.optim.SGD(p, eta, beta), matrix(1, 6), invariant, 40)
    p = -points.diff(dim=0).reshape(40, -1) / eta
    squares = (p**2).sum(dim=1)
    for t in range(40):
        memory = sum(float(beta ** (t - k) * squares[k]) for k in range(t))
        predicted = float((points[t] ** 2).sum()) + eta**2 * (float(squares[t]) + 2 * memory)
        assert math.isclose(float((points[t + 1] ** 2).sum()), predicted, rel_tol=1e-12)


def test_vectors_and_plain_regression_weights_are_not_projected() -> None:
    w, g, u = matrix(3, 5), matrix(3, 5), matrix(3, 5, seed=2)
    untouched = u.clone()
    assert project_(w, g, u, 0.1, 0.1, 1e-8) == 1.0  # cos(w, g) = 1
    assert torch.equal(u, untouched)
    vector = torch.ones(5, dtype=torch.float64)
    for make in (lambda p: SGDP(p, 0.1, delta=1e9), lambda p: AdamP(p, 0.1, delta=1e9, eps=TINY)):
        step = path(make, vector, lambda p: p.clone(), 1).diff(dim=0)[0]
        torch.testing.assert_close(step, -0.1 * vector, rtol=1e-12, atol=0.0)


def test_a_whole_tensor_is_projected_where_its_rows_are_not() -> None:
    w = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    g = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)  # rows parallel, the whole orthogonal
    u = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    assert project_(w, g, u, 0.1, 0.3, 1e-12) == 0.3
    torch.testing.assert_close(u, torch.tensor([[-1.5, 2.0], [3.0, 1.5]], dtype=torch.float64))


def test_a_row_of_zeros_keeps_its_update() -> None:
    w, g, u = torch.zeros(2, 3, dtype=torch.float64), matrix(2, 3), matrix(2, 3, seed=1)
    w[1] = torch.linalg.cross(g[1], matrix(3, seed=2))
    before = u.clone()
    assert project_(w, g, u, 0.1, 0.1, 1e-8) == 0.1
    assert torch.equal(u[0], before[0])
    assert torch.isfinite(u).all()
    assert not torch.equal(u[1], before[1])


def conda(p: list[Tensor], lr: float = 0.02, gap: int = 3, scale: float = 0.25, **settings: Any) -> Conda:
    return Conda([{"params": p, "update_proj_gap": gap, "scale": scale}], lr, **settings)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_conda_on_a_row_or_column_is_adam_scaled(shape: tuple[int, int]) -> None:
    gradient: Gradient = lambda p: p - matrix(*p.shape, seed=1)  # noqa: E731
    ours = path(lambda p: conda(p, 0.1, eps=TINY), matrix(*shape), gradient, 30)
    if shape == (1, 5):  # its basis is ±1 and commutes with the elementwise division
        adam = path(lambda p: torch.optim.Adam(p, 0.025, eps=TINY), matrix(*shape), gradient, 30)
        torch.testing.assert_close(ours, adam, rtol=0.0, atol=1e-13)
    else:
        adam = path(lambda p: torch.optim.Adam(p, 0.025, eps=TINY), matrix(*shape), gradient, 30)
        torch.testing.assert_close(ours, adam, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_the_first_step_without_memory_is_the_sign_of_the_other_factor(shape: tuple[int, int]) -> None:
    W, G = matrix(*shape), matrix(*shape, seed=1)
    U, _, Vh = torch.linalg.svd(G, full_matrices=False)
    step = path(lambda p: conda(p, 0.1, betas=(0.0, 0.0), eps=0.0), W, lambda p: G, 1).diff(dim=0)[0]
    expected = U.sign() @ Vh if shape[0] >= shape[1] else U @ Vh.sign()
    torch.testing.assert_close(step, -0.025 * expected, rtol=0.0, atol=1e-12)


def test_conda_turns_with_the_problem_on_one_side_and_adam_on_none() -> None:
    Q = torch.linalg.qr(matrix(3, 3, seed=7))[0]
    R = torch.linalg.qr(matrix(5, 5, seed=8))[0]
    target, start = matrix(3, 5, seed=1), matrix(3, 5)
    weights = matrix(3, 3, seed=2) @ matrix(3, 3, seed=2).T
    plain: Gradient = lambda W: weights @ (W - target)  # noqa: E731
    left: Gradient = lambda W: Q @ plain(Q.T @ W)  # noqa: E731
    right: Gradient = lambda W: plain(W @ R.T) @ R  # noqa: E731

    def errors(make: Callable[..., Any]) -> tuple[float, float]:
        base = path(make, start, plain, 25)[-1]
        on_left = path(make, Q @ start, left, 25)[-1] - Q @ base
        on_right = path(make, start @ R, right, 25)[-1] - base @ R
        return float(on_left.abs().max()), float(on_right.abs().max())

    ours, adam = errors(lambda p: conda(p, 0.2)), errors(lambda p: torch.optim.Adam(p, 0.05))
    assert ours[0] < 1e-9
    assert min(ours[1], *adam) > 1e-2


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_signs_of_singular_vectors_do_not_matter(shape: tuple[int, int]) -> None:
    start, gradients = matrix(*shape), [matrix(*shape, seed=s) for s in range(1, 8)]
    ends = []
    for is_flipped in (False, True):
        p = start.clone()
        optimizer = conda([p], gap=3)
        for i, g in enumerate(gradients):
            p.grad = g
            optimizer.step()
            if is_flipped and i == 0:
                optimizer.state[p]["basis"] *= torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
        ends.append(p)
    torch.testing.assert_close(ends[0], ends[1], rtol=0.0, atol=1e-14)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
@pytest.mark.parametrize("correct_bias", [True, False])
def test_conda_is_its_algorithm_written_out_in_numpy(shape: tuple[int, int], correct_bias: bool) -> None:
    # bases at calls 0, 3 and 6, of the momentum after its update; v stays when they turn; decay comes last
    lr, (beta1, beta2), decay, gap = 0.05, (0.8, 0.95), 0.3, 3
    rng = np.random.default_rng(4)
    W, gradients = rng.standard_normal(shape), rng.standard_normal((8, *shape))
    p = torch.from_numpy(W.copy())
    optimizer = conda([p], lr, gap, betas=(beta1, beta2), weight_decay=decay, correct_bias=correct_bias)
    M, v, is_tall = np.zeros(shape), np.zeros(shape), shape[0] >= shape[1]
    for k, G in enumerate(gradients):
        M = beta1 * M + (1 - beta1) * G
        if k % gap == 0:
            U, _, Vh = np.linalg.svd(M)
            Q = Vh.T if is_tall else U
        turn = (lambda A, Q=Q: A @ Q) if is_tall else (lambda A, Q=Q: Q.T @ A)
        v = beta2 * v + (1 - beta2) * turn(G) ** 2
        N = turn(M) / (np.sqrt(v) + 1e-8)
        N = 0.25 * (N @ Q.T if is_tall else Q @ N)
        rate = lr * (math.sqrt(1 - beta2 ** (k + 1)) / (1 - beta1 ** (k + 1)) if correct_bias else 1.0)
        W = (W - rate * N) * (1 - lr * decay)
        p.grad = torch.from_numpy(G)
        optimizer.step()
        np.testing.assert_allclose(p.numpy(), W, rtol=0, atol=1e-12)


def test_without_projection_keys_conda_is_adam() -> None:
    gradient: Gradient = lambda p: p - matrix(3, 4, seed=1)  # noqa: E731
    ours = path(lambda p: Conda(p, 0.1, eps=TINY), matrix(3, 4), gradient, 40)
    adam = path(lambda p: torch.optim.Adam(p, 0.1, eps=TINY), matrix(3, 4), gradient, 40)
    torch.testing.assert_close(ours, adam, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("make", [conda, lambda p: AdamP(p, 0.1), lambda p: SGDP(p, 0.1, 0.9), DiffGrad])
def test_how_a_convolutions_weights_are_laid_out_does_not_matter(make: Callable[..., Any]) -> None:
    target, start = matrix(4, 3, 2, 2, seed=1), matrix(4, 3, 2, 2)
    plain = path(make, start, lambda p: p - target, 8)
    turned = path(make, start.contiguous(memory_format=torch.channels_last), lambda p: p - target, 8)
    torch.testing.assert_close(turned, plain, rtol=0.0, atol=1e-12)


def test_conda_takes_weights_of_16_bits() -> None:
    start, target = matrix(3, 5), matrix(3, 5, seed=1)
    full = path(lambda p: conda(p, 0.5), start, lambda p: p - target, 6)
    half = path(lambda p: conda(p, 0.5), start.bfloat16(), lambda p: p - target.bfloat16(), 6)
    # eight bits of mantissa, a dozen roundings a step
    torch.testing.assert_close(half.double(), full, rtol=0.0, atol=0.06)
    assert (full[-1] - full[0]).abs().max() > 1.0


def test_tensors_with_more_axes_are_read_as_matrices() -> None:
    gradient: Gradient = lambda p: p - matrix(3, 8, seed=1).view(p.shape)  # noqa: E731
    flat = path(conda, matrix(3, 8), gradient, 10)
    folded = path(conda, matrix(3, 8).view(3, 2, 2, 2), gradient, 10)
    assert torch.equal(flat.view(folded.shape), folded)


def test_a_zero_gradient_is_legal_and_one_that_is_not_finite_is_refused_before_the_basis() -> None:
    p = matrix(3, 4)
    before = p.clone()
    optimizer = conda([p])
    p.grad = torch.zeros_like(p)
    optimizer.step()
    assert torch.equal(p, before)
    p.grad = torch.full_like(p, math.inf)
    with pytest.raises(ValueError, match="not finite"):
        conda([p]).step()
