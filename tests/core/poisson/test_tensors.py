"""The grid's system on torch tensors, against the compiled passes of the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.poisson import devices, kernels, tensors
from core.poisson.tensors import TensorSystem
from tests.oracles_poisson import Array, solve, system, value

CPU = torch.device("cpu")
#: Each stands for one part: obstacles, three axes, a null space, face values, stored weights.
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "disc": ("disc", {"n": 40}),
    "3-D": ("disc", {"n": 16, "dim": 3}),
    "odd sides": ("box", {"n": 27, "dim": 3}),
    "closed": ("walls", {"n": 32}),
    "faces": ("open_box", {"n": 24, "dirichlet": "face"}),
    "coefficient": ("disc", {"n": 24, "coefficient": "smooth"}),
}


@pytest.fixture(params=list(SYSTEMS))
def host(request: pytest.FixtureRequest) -> Any:
    name, params = SYSTEMS[request.param]
    return system(name, **params)


def random(host: Any, seed: int = 0) -> Array:
    return host.embed(np.random.default_rng(seed).standard_normal(host.grid.shape))


def test_the_operator_is_that_of_the_host(host: Any) -> None:
    given, u, expected = TensorSystem(host, CPU), random(host), np.zeros(host.size)
    host.apply(u, expected)
    out = given.zeros()
    given.apply(torch.tensor(u), out)
    np.testing.assert_allclose(out.numpy(), expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def test_the_null_space_is_that_of_the_host(host: Any) -> None:
    given, u = TensorSystem(host, CPU), random(host)
    v = torch.tensor(u)
    assert given.project(v) == pytest.approx(host.project(u), rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(v.numpy(), u, rtol=0, atol=1e-14)


def test_a_vector_comes_back_in_the_shape_of_the_grid(host: Any) -> None:
    given = TensorSystem(host, CPU)
    values = host.extract(random(host))
    np.testing.assert_array_equal(given.extract(given.embed(values)), values)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
def test_prolongation_is_that_of_the_compiled_cycle(shape: tuple[int, ...]) -> None:
    e = np.random.default_rng(0).standard_normal([n + 2 for n in shape]).astype(np.float32)
    fine = [2 * n for n in shape]
    x = np.zeros([n + 2 for n in fine], np.float32)
    shape3 = np.array([1] * (3 - len(fine)) + fine, np.int64)
    kernels.prolong(e.ravel(), np.ones(x.size, np.float32), shape3, x.ravel())
    np.testing.assert_allclose(tensors.prolong(torch.tensor(e)).numpy(), x, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3)])
def test_restriction_is_the_transpose_of_prolongation(shape: tuple[int, ...]) -> None:
    make = torch.Generator().manual_seed(0)
    e = torch.randn([n + 2 for n in shape], generator=make, dtype=torch.float64)
    r = torch.zeros([2 * n + 2 for n in shape], dtype=torch.float64)
    r[(slice(1, -1),) * len(shape)] = torch.randn([2 * n for n in shape], generator=make, dtype=torch.float64)
    up, down = tensors.prolong(e), tensors.restrict(r)
    assert float((up * r).sum()) == pytest.approx(float((e * down).sum()), rel=1e-12)


@pytest.mark.parametrize(("ours", "compiled"), [("torch_cg", "cg"), ("torch_multigrid_pcg", "multigrid_pcg")])
def test_the_steps_are_those_of_the_compiled_method(host: Any, ours: str, compiled: str) -> None:
    here, there = solve(host, ours, device="cpu"), solve(host, compiled)
    assert (here.status, here.k) == (there.status, there.k)
    x = value(there.x)
    np.testing.assert_allclose(value(here.x), x, rtol=0, atol=1e-5 * np.abs(x).max())
    assert here.scalars["residual_norm"] == pytest.approx(there.scalars["residual_norm"], rel=1e-2)


def test_cuda_without_a_device_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.device_of("auto") == devices.device_of("cpu") == CPU
    with pytest.raises(InputError, match="CUDA device that torch finds, found none"):
        devices.device_of("cuda")


def test_a_grid_that_the_device_cannot_hold_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(torch, "tensor", full)
    with pytest.raises(InputError, match="a size that the device's memory holds"):
        TensorSystem(system("box", n=8), CPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("method", ["torch_cg", "torch_multigrid_pcg"])
def test_a_cuda_device_takes_the_same_steps(host: Any, method: str) -> None:
    here, there = solve(host, method, device="cuda"), solve(host, method, device="cpu")
    assert here.status is there.status
    # it sums inner products in another order, which long runs of CG feel in their last step
    assert abs(here.k - there.k) <= 0.01 * there.k
