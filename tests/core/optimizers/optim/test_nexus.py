"""The Nexus wrapper: what its sum is, and that nothing else moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from core.iterate import Array
from core.optimizers.methods.nexus import Nexus
from core.optimizers.source_views import mean_cosine


class Quadratic:
    """½ (x−c)ᵀ H (x−c)."""

    def __init__(self, rng: np.random.Generator, n: int = 5) -> None:
        A = rng.standard_normal((n, n))
        self.H, self.c = A @ A.T / n + np.eye(n), rng.standard_normal(n)

    def gradient(self, x: Array) -> Array:
        return np.asarray(self.H @ (x - self.c))

    def loss(self, p: torch.Tensor) -> Callable[[], torch.Tensor]:
        H, c = torch.from_numpy(self.H), torch.from_numpy(self.c)
        return lambda: 0.5 * (p - c) @ H @ (p - c)


def setting(count: int = 2) -> tuple[list[Quadratic], torch.Tensor, Array]:
    rng = np.random.default_rng(0)
    sources = [Quadratic(rng) for _ in range(count)]
    x = rng.standard_normal(5)
    return sources, torch.from_numpy(x.copy()).requires_grad_(), x


def total(
    sources: list[Quadratic], p: torch.Tensor, gamma: float, order: Any = None, **options: Any
) -> Array:
    nexus = Nexus(torch.optim.SGD([p], 0.1), gamma, **options)
    nexus.gradient([s.loss(p) for s in sources], order)
    assert p.grad is not None
    return p.grad.numpy().copy()


def test_one_source_without_normalisation_is_the_outer_optimizer_alone() -> None:
    (source,), p, x = setting(1)
    q = torch.from_numpy(x.copy()).requires_grad_()
    nexus = Nexus(torch.optim.AdamW([p], 0.01), 0.1, normalize=False)
    alone = torch.optim.AdamW([q], 0.01)
    for _ in range(10):
        nexus.step([source.loss(p)])
        q.grad = torch.from_numpy(source.gradient(q.detach().numpy()))
        alone.step()
    # two orders of summation in the gradients
    torch.testing.assert_close(p, q, rtol=0, atol=1e-13)


def test_one_source_with_normalisation_is_the_outer_optimizer_on_unit_gradients() -> None:
    (source,), p, x = setting(1)
    q = torch.from_numpy(x.copy()).requires_grad_()
    nexus, alone = Nexus(torch.optim.AdamW([p], 0.01), 0.5), torch.optim.AdamW([q], 0.01)
    for _ in range(10):
        nexus.step([source.loss(p)])
        g = source.gradient(q.detach().numpy())
        q.grad = torch.from_numpy(g / np.linalg.norm(g))
        alone.step()
    torch.testing.assert_close(p, q, rtol=0, atol=1e-11)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_difference_from_the_plain_sum_is_of_first_order_in_gamma(normalize: bool) -> None:
    sources, p, x = setting(3)
    gradients = [s.gradient(x) for s in sources]
    plain = sum(g / np.linalg.norm(g) if normalize else g for g in gradients)
    np.testing.assert_allclose(total(sources, p, 0.0, normalize=normalize), plain, atol=1e-12)
    errors = [np.linalg.norm(total(sources, p, gamma, normalize=normalize) - plain) for gamma in (1e-3, 5e-4)]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=2e-2)


def test_averaged_over_orders_the_walk_adds_the_gradient_of_the_inner_product() -> None:
    (a, b), p, x = setting()
    gamma = 0.07
    mean = np.mean([total([a, b], p, gamma, o, normalize=False) for o in ((0, 1), (1, 0))], axis=0)
    expected = -0.5 * gamma * (a.H @ b.gradient(x) + b.H @ a.gradient(x))  # ∇⟨g₁, g₂⟩
    np.testing.assert_allclose(mean - a.gradient(x) - b.gradient(x), expected, rtol=1e-6)


def test_normalised_the_walk_adds_the_jacobians_of_the_unit_gradients() -> None:
    sources, p, x = setting(3)
    gamma = 1e-5
    orders = list(itertools.permutations(range(3)))
    mean = np.mean([total(sources, p, gamma, o) for o in orders], axis=0)
    units = [s.gradient(x) / np.linalg.norm(s.gradient(x)) for s in sources]
    J = [
        (np.eye(5) - np.outer(u, u)) @ s.H / np.linalg.norm(s.gradient(x))
        for s, u in zip(sources, units, strict=True)
    ]
    expected = -0.5 * gamma * sum(J[j] @ units[i] for i, j in itertools.permutations(range(3), 2))
    # the remainder is of order γ² = 1e-10, the term itself 1e-5
    np.testing.assert_allclose(mean - sum(units), expected, atol=2e-9)


def test_identical_sources_walk_down_one_quadratic() -> None:
    (source,), p, x = setting(1)
    K, gamma = 4, 0.05
    found = total([source] * K, p, gamma, normalize=False)
    power = np.linalg.matrix_power(np.eye(5) - gamma * source.H, K)
    closed = (np.eye(5) - power) @ np.linalg.solve(source.H, source.gradient(x)) / gamma
    np.testing.assert_allclose(found, closed, rtol=1e-9)
    nexus = Nexus(torch.optim.SGD([p], 0.1), 1e-9)
    nexus.gradient([source.loss(p)] * K)
    assert mean_cosine(nexus.directions.numpy()) == pytest.approx(1.0, abs=1e-12)


def test_the_point_is_back_to_the_bit_and_the_sum_is_no_longer_than_the_number_of_sources() -> None:
    sources, p, _ = setting(4)
    before = p.detach().clone()
    for gamma in (1e-3, 0.5, 30.0):
        assert np.linalg.norm(total(sources, p, gamma)) <= 4 + 1e-12
        assert torch.equal(p.detach(), before)
    broken = Nexus(torch.optim.SGD([p], 0.1), 0.5)

    def fails() -> torch.Tensor:
        raise RuntimeError("no data")

    with pytest.raises(RuntimeError, match="no data"):
        broken.gradient([sources[0].loss(p), fails])
    assert torch.equal(p.detach(), before)


def test_a_gradient_is_divided_by_its_norm_over_all_tensors_together() -> None:
    sources, p, x = setting(3)
    whole = total(sources, p, 0.3)
    parts = [torch.from_numpy(x[:2].copy()).requires_grad_(), torch.from_numpy(x[2:].copy()).requires_grad_()]

    def loss(source: Quadratic) -> Callable[[], torch.Tensor]:
        return lambda: source.loss(torch.cat(parts))()

    Nexus(torch.optim.SGD(parts, 0.1), 0.3).gradient([loss(s) for s in sources])
    cut = np.concatenate([part.grad.numpy() for part in parts])  # type: ignore[union-attr]
    np.testing.assert_allclose(cut, whole, rtol=1e-12)


def test_the_walk_does_not_climb_the_cosine_of_the_gradients() -> None:
    # what it adds holds J ĝ where the gradient of the cosine has Jᵀ ĝ; that they are one is often read
    (a, b), p, x = setting()
    gamma = 1e-5
    still = total([a, b], p, 0.0)
    added = (np.mean([total([a, b], p, gamma, o) for o in ((0, 1), (1, 0))], axis=0) - still) / gamma

    def cosine(at: Array) -> float:
        g, h = a.gradient(at), b.gradient(at)
        return float(g @ h / np.linalg.norm(g) / np.linalg.norm(h))

    climb = np.array([(cosine(x + 1e-6 * e) - cosine(x - 1e-6 * e)) / 2e-6 for e in np.eye(5)])
    alike = -added @ climb / np.linalg.norm(added) / np.linalg.norm(climb)
    assert 0.0 < alike < 0.99


def test_rescaling_multiplies_by_the_mean_norm() -> None:
    sources, p, x = setting(3)
    norms = [np.linalg.norm(s.gradient(x)) for s in sources]
    np.testing.assert_allclose(
        total(sources, p, 0.0, rescale=True), np.mean(norms) * total(sources, p, 0.0), rtol=1e-12
    )


def test_the_outer_optimizer_keeps_the_only_state() -> None:
    sources, p, _ = setting(2)
    outer = torch.optim.AdamW([p], 0.01)
    nexus = Nexus(outer, 0.1)
    nexus.step([s.loss(p) for s in sources])
    assert set(outer.state[p]) == {"step", "exp_avg", "exp_avg_sq"}


def test_what_makes_no_sense_is_refused_and_a_flat_source_is_counted() -> None:
    sources, p, _ = setting(1)
    with pytest.raises(ValueError, match="gamma"):
        Nexus(torch.optim.SGD([p], 0.1), -1.0)
    nexus = Nexus(torch.optim.SGD([p], 0.1), 0.1)
    with pytest.raises(ValueError, match="one source"):
        nexus.step([])
    with pytest.raises(ValueError, match="scalar"):
        nexus.step([lambda: p * 2])
    with pytest.warns(UserWarning, match="source 1 is zero"):
        nexus.step([sources[0].loss(p), lambda: (p * 0).sum()])
    nexus.step([sources[0].loss(p), lambda: (p * 0).sum()])  # and not again
    assert nexus.vanished == 2
