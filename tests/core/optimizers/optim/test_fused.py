"""Compiled steps: the bits of torch's operations, and torch's operations wherever they do not fit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
import torch
from torch import Tensor

from core.optimizers.optim import fused, kernels, tensorwise
from core.optimizers.optim.adamp import AdamP
from core.optimizers.optim.diffgrad import DiffGrad
from core.optimizers.optim.kernels.layout import fma
from core.optimizers.optim.projection import AS_WHOLE, BY_ROW, NOT
from core.optimizers.optim.sgdp import SGDP
from tests.oracles_networks import peer

#: Vectors and matrices, with sizes that no vector unit divides, one of several pieces; a scalar.
SHAPES = [(37,), (64, 33), (8, 4, 3, 3), (113, 117), (3, 7), (1, 5), (5000,), ()]
Make = Callable[[list[Tensor]], torch.optim.Optimizer]


@pytest.fixture(autouse=True)
def kernels_that_suit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fused, "LARGE", 0)
    monkeypatch.setattr(tensorwise, "PIECE", 2048)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    if fused.kernels_for([]) is None:
        pytest.skip("torch rounds otherwise on this machine")
    yield
    torch.set_num_threads(threads)


def train(make: Make, *, dtype: torch.dtype = torch.float32, layout: str = "plain") -> list[Tensor]:
    """Return the weights after some steps, in every other of which gradients are orthogonal to weights."""
    generator = torch.Generator().manual_seed(1)
    ends = [torch.randn(shape, generator=generator).to(dtype) for shape in SHAPES]
    if layout == "turned":
        ends = [p.mT.contiguous().mT if p.ndim == 2 else p for p in ends]
    optimizer = make(ends)
    for step in range(9):
        for p in ends:
            g = torch.randn(p.shape, generator=generator).to(dtype) * 0.01
            if p.ndim > 1 and step % 2:
                rows, along = p.reshape(len(p), -1), g.reshape(len(p), -1)
                share = (rows * along).sum(1, keepdim=True) / (rows * rows).sum(1, keepdim=True)
                g = (along - share * rows).view(p.shape)
            p.grad = g
        optimizer.step()
    return ends


def official(package: str, name: str, **settings: Any) -> Make:
    return lambda p: getattr(peer(package), name)(p, 1e-2, **settings)


PAIRS: list[tuple[Make, tuple[str, str, dict[str, Any]]]] = []
for _decay in (0.0, 0.1):
    _s: dict[str, Any] = {"weight_decay": _decay}
    PAIRS.append((lambda p, s=_s: DiffGrad(p, 1e-2, **s), ("torch_optimizer", "DiffGrad", _s)))
    for _delta in (0.1, 10.0, 0.0):
        for _nesterov in (False, True):
            _s = {"weight_decay": _decay, "delta": _delta, "nesterov": _nesterov}
            PAIRS.append((lambda p, s=_s: AdamP(p, 1e-2, **s), ("adamp", "AdamP", _s)))
            _s = {**_s, "momentum": 0.9, "dampening": 0.3}
            PAIRS.append((lambda p, s=_s: SGDP(p, 1e-2, project_buffer=True, **s), ("adamp", "SGDP", _s)))


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[f"{n}-{s}" for _, (_, n, s) in PAIRS])
def test_compiled_steps_are_bit_equal_to_the_official_packages(
    ours: Make, theirs: tuple[str, str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = type(ours([torch.ones(1)]))
    monkeypatch.setattr(cls, "_step_tensor", _not_called)
    package, name, settings = theirs
    for a, b in zip(train(ours), train(official(package, name, **settings)), strict=True):
        assert torch.equal(a, b)


def _not_called(*args: Any) -> None:
    raise AssertionError("went the other way")


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_projected_copy_of_the_momentum_is_bit_equal_to_the_tensorwise_step(
    decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # this choice only pytorch_optimizer has too, and it places the decay's factor otherwise
    def make(p: list[Tensor]) -> SGDP:
        return SGDP(p, 1e-2, 0.9, weight_decay=decay)

    compiled = train(make)
    monkeypatch.setattr(fused, "LARGE", 10**9)
    for a, b in zip(compiled, train(make), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("cls", [DiffGrad, SGDP, AdamP])
@pytest.mark.parametrize("why", ["double", "layout", "threads", "small", "rounding"])
def test_torch_does_what_kernels_do_not(cls: Any, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(p: list[Tensor]) -> torch.optim.Optimizer:
        # the vectors of a model whose matrices lie otherwise are still the kernels' work
        return cls([t for t in p if not t.is_contiguous()] if why == "layout" else p, 1e-2)  # type: ignore[no-any-return]

    monkeypatch.setattr(cls, "_step_compiled", _not_called)
    if why == "threads":
        torch.set_num_threads(2)
    elif why == "small":
        monkeypatch.setattr(fused, "LARGE", sum(np.prod(s, dtype=int) for s in SHAPES) + 1)
    elif why == "rounding":
        monkeypatch.setattr(fused, "_kernels", lambda: None)
    before = train(lambda p: torch.optim.SGD(p, 0.0))
    kinds = {"dtype": torch.float64 if why == "double" else torch.float32}
    after = train(make, layout="turned" if why == "layout" else "plain", **kinds)
    assert not torch.equal(before[1].double(), after[1].double())


@pytest.mark.parametrize("cls", [DiffGrad, SGDP, AdamP])
def test_a_backward_pass_through_weights_from_before_a_step_is_refused(cls: Any) -> None:
    w = torch.ones(3, 4, requires_grad=True)
    loss = (w**2).sum()
    loss.backward(retain_graph=True)
    cls([w], 1e-2).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_other_roundings_than_torch_s_are_noticed() -> None:
    assert fused._agrees_with_torch(kernels)

    def plain(
        w: Any, g: Any, m: Any, v: Any, previous: Any, gap: Any, b1: float, b2: float, d: float
    ) -> None:
        x = g + np.float32(d) * w
        m[:] = m * np.float32(b1) + np.float32(1 - b1) * x
        v[:] = v * np.float32(b2) + np.float32(1 - b2) * x * x

    assert not fused._agrees_with_torch(SimpleNamespace(brake=kernels.brake, diffgrad_momenta=plain))


def test_a_fused_multiply_add_rounds_once() -> None:
    call = numba.njit(lambda a, b, c: fma(a, b, c))
    generator = np.random.default_rng(0)
    for _ in range(50):
        a, b = (np.float32(x) for x in generator.normal(size=2))
        c = -np.float32(a * b)  # what is left is the rounding of the product
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
        assert float(call(a, b, c)) == float(exact)


def test_weights_are_judged_by_row_then_as_a_whole() -> None:
    def judge(w: Any, g: Any, delta: float = 0.1) -> int:
        arrays = (np.asarray(x, np.float32) for x in (w, g))
        return int(kernels.alignment(*arrays, 2, delta, 1e-8))

    along, across = [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, -1.0, 0.0]
    assert judge(along, along) == NOT
    assert judge(along, across) == BY_ROW
    assert judge(along, [1.0, 0.0, 0.0, -1.0]) == AS_WHOLE
    assert judge(along, across, delta=0.0) == NOT
    assert judge([0.0] * 4, along) == BY_ROW
    assert judge(along, [np.nan, 1.0, -1.0, 0.0]) == NOT


def test_the_classes_load_no_compiler() -> None:
    names = "diffgrad, sgdp, adamp, conda"
    code = f"import sys; from core.optimizers.optim import {names}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
