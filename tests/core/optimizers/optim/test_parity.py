"""Our optimizers beside the official and other packages: equal to the bit where their arithmetic is."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from core.optimizers.optim.adamp import AdamP
from core.optimizers.optim.conda import Conda
from core.optimizers.optim.diffgrad import DiffGrad
from core.optimizers.optim.projection import project_, step_together_
from core.optimizers.optim.sgdp import SGDP
from core.optimizers.optim.tensorwise import TensorwiseOptimizer
from tests.oracles_networks import Training, difference, peer


def conda(params: Iterable[Tensor], gap: int = 2000, **settings: Any) -> Conda:
    params = list(params)
    matrices = {"params": [p for p in params if p.ndim == 2], "update_proj_gap": gap, "scale": 0.25}
    others = {"params": [p for p in params if p.ndim != 2]}
    return Conda([matrices, others], **{"lr": 1e-2, "betas": (0.9, 0.99), **settings})


OURS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "diffgrad": lambda p, **s: DiffGrad(p, **{"lr": 1e-2, **s}),
    "adamp": lambda p, **s: AdamP(p, **{"lr": 1e-2, **s}),
    "adamp_nesterov": lambda p, **s: AdamP(p, **{"lr": 1e-2, "nesterov": True, **s}),
    "sgdp": lambda p, **s: SGDP(p, **{"lr": 1e-2, "momentum": 0.9, **s}),
    "sgdp_nesterov": lambda p, **s: SGDP(p, **{"lr": 1e-2, "momentum": 0.9, "nesterov": True, **s}),
    "conda": conda,
}
each = pytest.mark.parametrize("make", OURS.values(), ids=OURS)
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["single", "double"])


@each_dtype
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_diffgrad_is_bit_equal_to_torch_optimizer(dtype: torch.dtype, weight_decay: float) -> None:
    theirs = peer("torch_optimizer").DiffGrad
    settings = {"lr": 1e-2, "weight_decay": weight_decay}
    assert difference(lambda p: DiffGrad(p, **settings), lambda p: theirs(p, **settings), dtype=dtype) == 0.0


@each_dtype
@pytest.mark.parametrize(
    "settings", [{}, {"weight_decay": 0.1}, {"nesterov": True}, {"delta": 10.0, "weight_decay": 0.1}], ids=str
)
def test_adamp_is_bit_equal_to_the_official_package(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    theirs = peer("adamp").AdamP
    assert difference(lambda p: AdamP(p, 1e-2, **settings), lambda p: theirs(p, 1e-2, **settings),
                      dtype=dtype) == 0.0  # fmt: skip


@pytest.mark.parametrize("settings", [{}, {"weight_decay": 0.1}, {"nesterov": True}], ids=str)
def test_adamp_differs_from_pytorch_optimizer_by_the_place_of_eps_alone(settings: dict[str, Any]) -> None:
    theirs = peer("pytorch_optimizer").AdamP

    def gap(eps: float) -> float:
        return difference(lambda p: AdamP(p, 1e-2, eps=eps, **settings),
                          lambda p: theirs(p, 1e-2, eps=eps, **settings))  # fmt: skip

    # the gradients of biases before a normalisation are rounding, and so is what ε does to them
    assert gap(1e-30) < 1e-14 < 1e-4 < gap(1e-8)


def test_diffgrad_adds_its_decay_to_the_gradient_where_pytorch_optimizer_must_be_told_to() -> None:
    theirs = peer("pytorch_optimizer").DiffGrad

    def gap(is_decoupled: bool) -> float:
        settings = {"lr": 1e-2, "weight_decay": 0.1}
        return difference(lambda p: DiffGrad(p, **settings),
                          lambda p: theirs(p, **settings, weight_decouple=is_decoupled))  # fmt: skip

    # it has 1e-15 more under the root
    assert gap(False) < 1e-4 < 1e-2 < gap(True)


SGDP_SETTINGS = [
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.1},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.9, "dampening": 0.5, "delta": 10.0},
]


@each_dtype
@pytest.mark.parametrize("package", ["adamp", "torch_optimizer"])
@pytest.mark.parametrize("settings", SGDP_SETTINGS, ids=str)
def test_sgdp_with_the_projected_buffer_is_bit_equal_to_the_official_package_and_its_copy(
    dtype: torch.dtype, package: str, settings: dict[str, Any]
) -> None:
    theirs = peer(package).SGDP
    assert difference(lambda p: SGDP(p, 1e-2, project_buffer=True, **settings),
                      lambda p: theirs(p, 1e-2, **settings), dtype=dtype) == 0.0  # fmt: skip


@pytest.mark.parametrize("settings", SGDP_SETTINGS, ids=str)
def test_sgdp_that_projects_a_copy_is_bit_equal_to_pytorch_optimizer(settings: dict[str, Any]) -> None:
    theirs = peer("pytorch_optimizer").SGDP
    assert difference(lambda p: SGDP(p, 1e-2, **settings),
                      lambda p: theirs(p, 1e-2, weight_decouple=True, **settings)) == 0.0  # fmt: skip


def test_projecting_the_buffer_or_a_copy_matters() -> None:
    one, other = ({"momentum": 0.9, "project_buffer": flag} for flag in (False, True))
    assert difference(lambda p: SGDP(p, 1e-2, **one), lambda p: SGDP(p, 1e-2, **other)) > 1e-4
    one["nesterov"] = other["nesterov"] = True
    assert difference(lambda p: SGDP(p, 1e-2, **one), lambda p: SGDP(p, 1e-2, **other)) == 0.0


@pytest.mark.parametrize("gap", [1, 2000])
def test_conda_agrees_with_pytorch_optimizer_where_both_refresh_at_the_same_steps(gap: int) -> None:
    theirs = peer("pytorch_optimizer").Conda
    # its SVD is done in single precision, so the basis is off by 1e-7 and so is the path
    assert difference(
        lambda p: conda(p, gap),
        lambda p: theirs(p, 1e-2, (0.9, 0.99), update_proj_gap=gap, scale=0.25), steps=10
    ) < 2e-5  # fmt: skip


@each
def test_a_saved_state_goes_on_as_if_nothing_had_happened(make: Callable[..., Any]) -> None:
    straight = Training(make).step(20)
    first = Training(make).step(10)
    second = Training(make)
    second.net.load_state_dict(first.net.state_dict())
    second.optimizer.load_state_dict(copy.deepcopy(first.optimizer.state_dict()))
    assert torch.equal(second.step(10).weights(), straight.weights())


@each
def test_it_survives_a_copy_and_a_pickle(make: Callable[..., Any]) -> None:
    training = Training(make).step(3)
    expected = copy.deepcopy(training).step(5).weights()
    revived = pickle.loads(pickle.dumps(training)).step(5).weights()
    assert torch.equal(revived, expected)
    assert torch.equal(training.step(5).weights(), expected)


class _AtOnce(TensorwiseOptimizer):
    """All tensors of a group at once, as on a device with many cores."""

    def _goes_together(self, p: Tensor) -> bool:
        return True

    def _step_tensor(self, p: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        raise AssertionError("went tensor by tensor")


class DiffGradAtOnce(_AtOnce, DiffGrad): ...


class SGDPAtOnce(_AtOnce, SGDP): ...


class AdamPAtOnce(_AtOnce, AdamP): ...


AT_ONCE: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "diffgrad_at_once": lambda p, **s: DiffGradAtOnce(p, 1e-2, **s),
    "sgdp_at_once": lambda p, **s: SGDPAtOnce(p, 1e-2, momentum=0.9, **s),
    "adamp_at_once": lambda p, **s: AdamPAtOnce(p, 1e-2, **s),
}


@pytest.mark.parametrize("make", [*OURS.values(), *AT_ONCE.values()], ids=[*OURS, *AT_ONCE])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_gradients_are_never_modified(make: Callable[..., Any], weight_decay: float) -> None:
    training = Training(lambda p: make(p, weight_decay=weight_decay)).step(2)
    before = [p.grad.clone() for p in training.net.parameters() if p.grad is not None]
    training.optimizer.step()
    after = [p.grad for p in training.net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True) if b is not None)


@each
def test_how_gradients_are_cleared_does_not_matter(make: Callable[..., Any]) -> None:
    # a remembered reference to a gradient that is written in place would be the next gradient
    ends = []
    for to_none in (True, False):
        training = Training(make)
        for _ in range(8):
            training.optimizer.zero_grad(set_to_none=to_none)
            ((training.net(training.x) - training.y) ** 2).mean().backward()
            training.optimizer.step()
        ends.append(training.weights())
    assert torch.equal(*ends)


@each
def test_a_learning_rate_of_zero_moves_nothing(make: Callable[..., Any]) -> None:
    still = Training(lambda p: make(p, lr=0.0, weight_decay=0.1))
    before = still.weights().clone()
    assert torch.equal(still.step(3).weights(), before)


@each
def test_parameters_without_gradient_empty_ones_and_scalars_are_taken(make: Callable[..., Any]) -> None:
    a, b, c, d = (torch.ones(s, dtype=torch.float64, requires_grad=True) for s in [(2, 3), (), (0, 4), (5,)])
    optimizer = make([a, b, c, d])
    (a.sum() + b + c.sum()).backward()
    optimizer.step()
    assert d.eq(1).all()
    assert d not in optimizer.state
    assert a.lt(1).all()
    assert b.lt(1)


@each
def test_the_closure_is_called_with_gradients_enabled(make: Callable[..., Any]) -> None:
    p = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    optimizer = make([p])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert p.lt(1).all()


@each
def test_sparse_and_complex_tensors_are_refused(make: Callable[..., Any]) -> None:
    sparse = torch.nn.Embedding(4, 2, sparse=True)
    sparse(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="sparse"):
        make(sparse.parameters()).step()
    p = torch.ones(2, dtype=torch.complex128, requires_grad=True)
    p.abs().sum().backward()
    with pytest.raises(ValueError, match="complex"):
        make([p]).step()


@each
@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", -1.0), ("lr", float("nan")), ("lr", float("inf")), ("weight_decay", -0.1), ("eps", -1e-9)],
)
def test_values_out_of_range_are_refused_by_name(make: Callable[..., Any], name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        make([torch.ones(2, requires_grad=True)], **{name: value})


@pytest.mark.parametrize(
    ("make", "settings", "name"),
    [
        (OURS["diffgrad"], {"betas": (0.9, 1.0)}, "betas"),
        (OURS["adamp"], {"betas": (-0.1, 0.9)}, "betas"),
        (OURS["adamp"], {"delta": -1.0}, "delta"),
        (OURS["adamp"], {"wd_ratio": 1.5}, "wd_ratio"),
        (OURS["conda"], {"betas": (0.9, -0.1)}, "betas"),
        (OURS["sgdp"], {"delta": -0.1}, "delta"),
        (OURS["sgdp"], {"wd_ratio": -0.1}, "wd_ratio"),
        (OURS["sgdp"], {"momentum": 1.0}, "momentum"),
        (OURS["sgdp"], {"momentum": 0.0, "nesterov": True}, "nesterov"),
        (OURS["sgdp"], {"dampening": 2.0}, "dampening"),
        (OURS["conda"], {"gap": 0}, "update_proj_gap"),
        (OURS["conda"], {"gap": 1.5}, "update_proj_gap"),
    ],
)
def test_settings_of_one_method_are_refused_by_name(
    make: Callable[..., Any], settings: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=name):
        make([torch.ones(2, 2, requires_grad=True)], **settings)


@pytest.mark.parametrize(
    ("key", "value"), [("scale", 0.0), ("scale", float("inf")), ("update_proj_gap", True),
                       ("proj_type", "reverse_std")]
)  # fmt: skip
def test_what_a_group_of_conda_cannot_be_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=key):
        Conda([{"params": [torch.ones(2, 2, requires_grad=True)], key: value}])


@each
def test_an_optimizer_of_nothing_is_refused(make: Callable[..., Any]) -> None:
    if make is not OURS["conda"]:  # which is made of two groups here
        with pytest.raises(ValueError, match="empty parameter list"):
            make([])


def test_large_tensors_are_done_in_blocks_to_the_same_bits() -> None:
    # 700,000 elements are two blocks; a transposed copy of them is not contiguous and comes whole
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(700, 1000, generator=generator)
    gradients = [torch.randn(700, 1000, generator=generator) for _ in range(3)]
    for make in (OURS["diffgrad"], OURS["adamp"], OURS["sgdp"]):
        ends = []
        for is_split in (True, False):
            p = start.clone() if is_split else start.t().contiguous().t()
            optimizer = make([p])
            for g in gradients:
                p.grad = g.clone() if is_split else g.t().contiguous().t()
                optimizer.step()
            ends.append(p.contiguous())
        # the projection sums in another order over another layout
        assert torch.allclose(ends[0], ends[1], rtol=0.0, atol=1e-6)


#: With these δ: matrices are projected where they happen to fit, none is, all are by rows.
DELTAS = (0.1, 0.0, 100.0)


@pytest.mark.parametrize(
    ("at_once", "tensorwise", "settings"),
    [(DiffGradAtOnce, DiffGrad, {"weight_decay": decay}) for decay in (0.0, 0.1)]
    + [(AdamPAtOnce, AdamP, {"weight_decay": decay, "nesterov": nesterov, "delta": delta})
       for decay in (0.0, 0.1) for nesterov in (False, True) for delta in DELTAS]
    + [(SGDPAtOnce, SGDP, {"momentum": 0.9, "dampening": 0.5, "weight_decay": decay, "delta": delta, **more})
       for decay in (0.0, 0.1) for delta in DELTAS
       for more in ({}, {"nesterov": True}, {"project_buffer": True})],
    ids=str,
)  # fmt: skip
def test_the_step_over_all_tensors_at_once_is_the_same_step(
    at_once: Callable[..., Any], tensorwise: Callable[..., Any], settings: dict[str, Any]
) -> None:
    assert difference(lambda p: at_once(p, 1e-2, **settings),
                      lambda p: tensorwise(p, 1e-2, **settings)) < 1e-12  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("keep", [False, True])
def test_matrices_done_together_are_each_projected_as_alone(dtype: torch.dtype, keep: bool) -> None:
    # one by rows, one as a whole, two not at all, with a vector and a filter that lies otherwise in between
    generator = torch.Generator().manual_seed(0)
    ws = [torch.randn(s, generator=generator) for s in [(5, 3), (2, 2), (7,), (4, 6), (3, 2, 3, 3)]]
    gs = [torch.randn(w.shape, generator=generator) for w in ws]
    us = [torch.randn(w.shape, generator=generator) for w in ws]
    gs[0] = torch.linalg.cross(ws[0], gs[0])
    ws[1], gs[1] = torch.eye(2), torch.diag(torch.tensor([1.0, -1.0]))
    gs[3], gs[4] = ws[3].clone(), ws[4].clone()
    ws[4] = ws[4].to(memory_format=torch.channels_last)
    ws, gs, us = ([t.to(dtype) for t in many] for many in (ws, gs, us))
    settings = {"delta": 0.3, "wd_ratio": 0.4, "eps": 1e-8}
    ends, updates, ratios = [w.clone() for w in ws], [u.clone() for u in us], []
    for w, g, u in zip(ends, gs, updates, strict=True):
        ratios.append(project_(w, g, u, **settings) if w.ndim > 1 else 1.0)
        w.mul_(1 - 0.2 * ratios[-1]).sub_(u, alpha=0.5)
    assert ratios == [0.4, 0.4, 1.0, 1.0, 1.0]
    kept = [u.clone() for u in (updates if keep else us)]
    step_together_(ws, gs, us, 0.5, 0.2, settings, keep=keep)
    close = 64 * torch.finfo(dtype).eps
    torch.testing.assert_close(ws, ends, rtol=close, atol=close)
    torch.testing.assert_close(us, kept, rtol=close, atol=close)


def test_tensors_done_together_may_differ_in_type_and_age() -> None:
    def ends(make: Callable[..., Any]) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        shapes = [(3, 4), (5,), (2, 3, 2, 2), (4, 2)]
        params = [torch.randn(s, generator=generator).to(torch.float64 if i % 2 else torch.float32)
                  for i, s in enumerate(shapes)]  # fmt: skip
        optimizer = make(params, 0.1, weight_decay=0.1)
        for step in range(4):
            for i, p in enumerate(params):
                g = torch.randn(p.shape, generator=generator).to(p.dtype)
                p.grad = None if i == step else g
            optimizer.step()
        return params

    for at_once, tensorwise in ((DiffGradAtOnce, DiffGrad), (AdamPAtOnce, AdamP), (SGDPAtOnce, SGDP)):
        torch.testing.assert_close(ends(at_once), ends(tensorwise), rtol=1e-5, atol=1e-6)
