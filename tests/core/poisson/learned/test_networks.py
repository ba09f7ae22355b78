"""Both networks against slow forms, and the properties that the solvers rely on."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from core.errors import InputError
from core.poisson.conjugate_directions import conjugate_directions
from core.poisson.learned.architectures import DirectionArchitecture, StencilArchitecture
from core.poisson.learned.direction_network import DirectionNetwork
from core.poisson.learned.operator import DirectionOperator, make_network, parameters_vector
from core.poisson.learned.residual_loss import picture
from core.poisson.learned.stencil_network import StencilNetwork, convolve
from core.poisson.learned.stencil_operator import StencilOperator
from core.poisson.system import AIR, FLUID, SOLID, Grid, GridSystem, make_grid
from tests.oracles_poisson import Array, iterates, matrix, padded, system, value

PAPER_64 = {"channels": 16, "pools": 1, "blocks": (1, 3, 2)}
PAPER_128 = {"channels": 16, "pools": 1, "blocks": (2, 5, 3)}
DEEP = {"pools": 3, "blocks": (1, 2, 1), "closing": False, "bias": False}


@pytest.mark.parametrize(
    ("kind", "architecture", "expected"),
    [
        ("direction", {"dim": 3, **PAPER_64}, 97_457), ("direction", {"dim": 3, **PAPER_128}, 152_881),
        ("direction", {"dim": 2, **PAPER_64}, 32_657), ("direction", {"dim": 2, **PAPER_128}, 51_217),
        ("direction", {"dim": 2, **DEEP}, 39_328),
        ("direction", {"dim": 3, **PAPER_64, "channels": 8}, 24_537),
        ("stencil", {"dim": 2, "levels": 0}, 2_268), ("stencil", {"dim": 3, "levels": 0}, 19_926),
        ("stencil", {"dim": 2, "levels": 4}, 4_284), ("stencil", {"dim": 2, "levels": 6}, 6_300),
        ("stencil", {"dim": 3, "levels": 4}, 37_638), ("stencil", {"dim": 3, "levels": 5}, 46_494),
    ],
)  # fmt: skip
def test_networks_have_as_many_weights_as_published(
    kind: str, architecture: dict[str, Any], expected: int
) -> None:
    assert len(parameters_vector(make_network(kind, architecture))) == expected


def correlate(x: Array, layer: nn.Module) -> Array:
    """A torch convolution, channel by channel, by SciPy."""
    weight, bias = (
        np.zeros(1) if t is None else t.detach().numpy().astype(float) for t in (layer.weight, layer.bias)
    )  # type: ignore[union-attr]
    bias = np.zeros(len(weight)) if layer.bias is None else bias
    return np.stack(
        [
            sum(ndimage.correlate(c, k, mode="constant") for c, k in zip(x, kernels, strict=True)) + b
            for kernels, b in zip(weight, bias, strict=True)
        ]
    )


def pool(x: Array) -> Array:
    for axis in range(1, x.ndim):
        x = 0.5 * (
            np.take(x, range(0, x.shape[axis], 2), axis) + np.take(x, range(1, x.shape[axis], 2), axis)
        )
    return x


def block(x: Array, layers: Any) -> Array:
    return np.maximum(correlate(np.maximum(correlate(x, layers.first), 0), layers.second), 0) + x


@pytest.mark.parametrize("dim", [2, 3])
def test_the_direction_network_is_the_published_chain(dim: int) -> None:
    network = make_network("direction", {"dim": dim, **PAPER_64, "channels": 4}, seed=1)
    assert isinstance(network, DirectionNetwork)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3))
    x = np.random.default_rng(0).standard_normal((1, *(8,) * dim))
    a = np.maximum(correlate(correlate(x, network.entry), network.second), 0)
    a = block(a, network.down[0][0])  # type: ignore[index]
    skip = np.maximum(correlate(a, network.closing[0]), 0)
    d = pool(skip)
    for layers in network.bottom:
        d = block(d, layers)
    for axis in range(1, dim + 1):
        d = np.repeat(d, 2, axis)
    u = d + skip
    for layers in network.up[0]:  # type: ignore[union-attr]
        u = block(u, layers)
    weight, bias = network.exit.weight.detach().numpy(), float(network.exit.bias.detach())  # type: ignore[union-attr,operator]
    expected = np.tensordot(weight.reshape(-1), u, 1) + bias
    with torch.no_grad():
        found = network(torch.from_numpy(x[None].astype(np.float32)))[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_without_bias_a_direction_keeps_the_factor_of_its_residual() -> None:
    x = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    plain, biased = (make_network("direction", {**DEEP, "pools": 2, "bias": bias}) for bias in (False, True))
    with torch.no_grad():
        for p in biased.parameters():
            if p.dim() == 1:
                p += 0.1
        torch.testing.assert_close(plain(4.0 * x), 4.0 * plain(x))
        assert not torch.allclose(biased(4.0 * x), 4.0 * biased(x), rtol=1e-2)


def test_kernels_that_vary_are_applied_as_unfolded_products() -> None:
    rng = torch.Generator().manual_seed(0)
    kernels, x = torch.randn(9, 6, 7, generator=rng), torch.randn(2, 6, 7, generator=rng)
    patches = nn.functional.unfold(x[:, None], 3, padding=1).reshape(2, 9, 6, 7)
    torch.testing.assert_close(convolve(kernels, x), (kernels * patches).sum(1))


def test_kernels_that_vary_are_applied_in_three_dimensions_too() -> None:
    rng = np.random.default_rng(0)
    kernels, x = rng.standard_normal((27, 3, 4, 5)), rng.standard_normal((3, 4, 5))
    expected = np.zeros(x.shape)
    for p in np.ndindex(x.shape):
        for o, offset in enumerate(itertools.product((-1, 0, 1), repeat=3)):
            q = tuple(a + b for a, b in zip(p, offset, strict=True))
            if all(0 <= a < n for a, n in zip(q, x.shape, strict=True)):
                expected[p] += kernels[(o, *p)] * x[q]
    found = convolve(torch.from_numpy(kernels), torch.from_numpy(x)[None])[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 4)])
def test_derivatives_of_varying_kernels_are_those_of_finite_differences(shape: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(0)
    kernels = torch.randn(3 ** len(shape), *shape, generator=rng, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, *shape, generator=rng, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(convolve, (kernels, x))


@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 4)])
def test_in_single_precision_the_derivatives_are_the_same(shape: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(0)
    kernels, x = torch.randn(3 ** len(shape), *shape, generator=rng), torch.randn(2, *shape, generator=rng)
    weight = torch.randn(2, *shape, generator=rng)
    found = []
    for dtype in (torch.float32, torch.float64):
        # another layout than C order, as a view of a permuted array has it
        k = kernels.to(dtype).transpose(0, -1).contiguous().transpose(0, -1).requires_grad_()
        u = x.to(dtype).transpose(0, -1).contiguous().transpose(0, -1).requires_grad_()
        value = (convolve(k, u) * weight.to(dtype)).sum()
        value.backward()  # type: ignore[no-untyped-call]
        assert k.grad is not None
        assert u.grad is not None
        found.append((value.detach().double(), k.grad.double(), u.grad.double()))
    for single, double in zip(*found, strict=True):
        torch.testing.assert_close(single, double, rtol=1e-5, atol=1e-5)


def up(x: Array) -> Array:
    """Linear interpolation between cell centres: 3/4 and 1/4, the edge repeated."""
    for axis in range(x.ndim):
        moved = np.moveaxis(x, axis, 0)
        low, high = np.concatenate([moved[:1], moved[:-1]]), np.concatenate([moved[1:], moved[-1:]])
        out = np.empty((2 * len(moved), *moved.shape[1:]))
        out[::2], out[1::2] = 0.75 * moved + 0.25 * low, 0.75 * moved + 0.25 * high
        x = np.moveaxis(out, 0, axis)
    return x


def smooth(picture_: Array, layer: nn.Module, x: Array) -> Array:
    kernels = correlate(picture_, layer)
    total = np.zeros(x.shape)
    around = np.pad(x, 1)
    for o, offset in enumerate(itertools.product(range(3), repeat=x.ndim)):
        total += kernels[o] * around[tuple(slice(a, a + n) for a, n in zip(offset, x.shape, strict=True))]
    return total


@pytest.mark.parametrize(("dim", "levels"), [(2, 0), (2, 2), (3, 1)])
def test_the_stencil_network_is_a_v_through_the_levels(dim: int, levels: int) -> None:
    network = make_network("stencil", {"dim": dim, "levels": levels}, seed=2)
    assert isinstance(network, StencilNetwork)
    grid = system("disc", n=16 if dim == 2 else 8, dim=dim).grid
    depth = network.architecture.depth(grid.shape)
    assert depth == (levels or 2)

    def which(level: int) -> int:
        return min(level, network.architecture.sets - 1)

    def v(level: int, image: Array, x: Array) -> Array:
        if level == depth:
            return smooth(image, network.bottom, x)
        kept = smooth(image, network.before[which(level)], x)
        coarse = v(level + 1, pool(image), pool(kept[None])[0])
        added = smooth(image, network.after[which(level)], up(coarse))
        c0, c1 = (correlate(image, m[which(level)]).mean() for m in (network.keep, network.add))
        return np.asarray(c0 * kept + c1 * added)

    image = picture(grid)
    x = np.random.default_rng(1).standard_normal(grid.shape)
    expected = v(0, image.numpy().astype(float), x)
    with torch.no_grad():
        found = network(network.fields(image), torch.from_numpy(x.astype(np.float32))[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_the_picture_shows_air_fluid_and_what_is_not_solid() -> None:
    shown = picture(system("disc", n=16).grid).numpy()
    assert shown[:, -1].tolist() == [[1.0] * 16, [0.0] * 16, [1.0] * 16]
    assert shown[:, 0].tolist() == [[0.0] * 16, [1.0] * 16, [1.0] * 16]
    assert shown[:, 8, 6].tolist() == [0.0, 0.0, 0.0]


def at_work(grid: Grid, network: DirectionNetwork | StencilNetwork) -> DirectionOperator | StencilOperator:
    if isinstance(network, DirectionNetwork):
        return DirectionOperator(grid, network)
    tensors = {name: p.detach().numpy() for name, p in network.named_parameters()}
    return StencilOperator(grid, network.architecture, tensors)


@pytest.mark.parametrize(
    ("dim", "n", "levels"), [(2, 32, 0), (2, 16, 3), (2, 37, 0), (2, 8, 0), (3, 16, 0), (3, 8, 2), (3, 13, 0)]
)
def test_the_compiled_operator_is_the_network_that_is_trained(dim: int, n: int, levels: int) -> None:
    given = system("disc", n=n, dim=dim)
    network = make_network("stencil", {"dim": dim, "levels": levels}, seed=4)
    assert isinstance(network, StencilNetwork)
    side = n + (-n) % 2 ** network.architecture.depth(given.grid.shape)
    full = torch.zeros(3, *(side,) * dim)
    full[(slice(None), *(slice(n),) * dim)] = picture(given.grid)
    r = torch.zeros(1, *(side,) * dim)
    unit = given.grid.extract(given.b) / np.linalg.norm(given.b)
    r[(0, *(slice(n),) * dim)] = torch.from_numpy(unit.astype(np.float32))
    with torch.no_grad():
        expected = network(network.fields(full), r)[(0, *(slice(n),) * dim)].numpy() * given.grid.fluid()
    M, z = at_work(given.grid, network), np.zeros(given.size)
    for _ in range(2):  # the second time buffers hold the first answer
        M.apply(given.b, z)
        found = given.grid.extract(z) / np.linalg.norm(given.b)
        np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())


def test_kernels_of_a_level_can_be_looked_at() -> None:
    given = system("disc", n=16)
    network = make_network("stencil", {"dim": 2, "levels": 0}, seed=4)
    assert isinstance(network, StencilNetwork)
    M = at_work(given.grid, network)
    assert isinstance(M, StencilOperator)
    with torch.no_grad():
        fields = network.fields(picture(given.grid))
    assert M.levels == 3
    for level, (before, after, add) in enumerate(zip(fields.before, fields.after, fields.add, strict=True)):
        np.testing.assert_allclose(M.kernels(level), before.numpy(), atol=1e-5)
        np.testing.assert_allclose(M.kernels(level, after=True), (add * after).numpy(), atol=1e-5)
    np.testing.assert_allclose(M.kernels(2), fields.bottom.numpy(), atol=1e-5)
    weights = [[float(c) for c in pair] for pair in zip(fields.keep, fields.add, strict=True)]
    np.testing.assert_allclose(M.combinations(), weights, atol=1e-5)


def test_a_coarse_cell_is_what_its_children_are() -> None:
    given = system("disc", n=16)
    M = operator(given, dim=2, levels=0)
    assert isinstance(M, StencilOperator)
    np.testing.assert_array_equal(M.flags(0), given.grid.flags)
    for level in (1, 2):
        fine, coarse = M.flags(level - 1), M.flags(level)
        for i, j in np.ndindex(coarse.shape):
            children = set(fine[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel())
            assert coarse[i, j] == (FLUID if FLUID in children else AIR if AIR in children else SOLID)


def test_tensors_of_another_shape_are_refused() -> None:
    given = system("disc", n=16)
    with pytest.raises(InputError, match=r"before\.0\.weight of shape \(9, 3, 3, 3\), found none"):
        StencilOperator(given.grid, StencilArchitecture(2), {})


def operator(given: GridSystem, seed: int = 0, **architecture: Any) -> DirectionOperator | StencilOperator:
    return at_work(given.grid, make_network("stencil", {"dim": given.grid.dim, **architecture}, seed))


def test_the_stencil_network_is_linear() -> None:
    given = system("disc", n=32)
    M = operator(given, levels=0)
    rng = np.random.default_rng(0)
    a, b = (padded(given.grid, rng.standard_normal(given.unknowns)) for _ in range(2))
    za, zb, z = (np.zeros(given.size) for _ in range(3))
    M.apply(a, za)
    M.apply(b, zb)
    M.apply(2.0 * a - 0.5 * b, z)
    # single precision inside
    np.testing.assert_allclose(z, 2.0 * za - 0.5 * zb, atol=1e-5 * np.abs(z).max())
    assert M.apply(np.zeros(given.size), z) == 0.0
    assert not z.any()


@pytest.mark.parametrize("kind", ["direction", "stencil"])
@pytest.mark.parametrize("n", [16, 21])
def test_what_an_operator_says_is_zero_off_the_fluid_and_scales_with_the_residual(kind: str, n: int) -> None:
    given = system("disc", n=n)
    architecture = {"dim": 2, **PAPER_64, "channels": 4} if kind == "direction" else {"dim": 2, "levels": 0}
    M = at_work(given.grid, make_network(kind, architecture))
    z, scaled = np.zeros(given.size), np.zeros(given.size)
    product = M.apply(given.b, z)
    assert product == pytest.approx(float(given.b @ z))
    np.testing.assert_array_equal(given.grid.embed(given.grid.extract(z)), z)
    assert np.count_nonzero(z) > 0.9 * given.unknowns
    M.apply(1e8 * given.b, scaled)
    np.testing.assert_allclose(scaled, 1e8 * z, rtol=0, atol=1e-4 * np.abs(scaled).max())


def test_a_side_that_cannot_be_halved_is_filled_with_solids() -> None:
    """The same picture, drawn on an array that can be halved, gives the same answer."""
    flags = np.full((24, 24), SOLID, np.int8)
    given = system("disc", n=21)
    flags[:21, :21] = given.grid.flags
    large = make_grid(flags, ((SOLID, SOLID), (SOLID, SOLID)))
    r = given.grid.extract(given.b)
    around = np.zeros((24, 24))
    around[:21, :21] = r
    network = make_network("stencil", {"dim": 2, "levels": 3})
    z, expected = np.zeros(given.size), np.zeros(large.size)
    at_work(given.grid, network).apply(given.b, z)
    at_work(large, network).apply(large.embed(around), expected)
    np.testing.assert_array_equal(given.grid.extract(z), large.extract(expected)[:21, :21])


def identity_network() -> StencilNetwork:
    """Weights by hand: the first kernels are the identity, levels below are not added."""
    network = StencilNetwork(StencilArchitecture(2, 2))
    with torch.no_grad():
        for p in network.parameters():
            p.zero_()
        network.before[0].bias[4] = 1.0  # type: ignore[index,operator,union-attr]
        for keep in network.keep:
            keep.bias.fill_(1.0)  # type: ignore[operator,union-attr]
    return network


def test_weights_by_hand_give_the_identity_and_npsdo_becomes_cg() -> None:
    given = system("disc", n=16)
    M = at_work(given.grid, identity_network())
    z = np.zeros(given.size)
    M.apply(given.b, z)
    np.testing.assert_allclose(z, given.b, atol=1e-6 * np.abs(given.b).max())
    *_, last = conjugate_directions(given, M, rtol=1e-6, max_iterations=500, k=2)
    *_, cg = iterates(given, "cg")
    assert abs(last.k - cg.k) <= 2
    np.testing.assert_allclose(value(last.x), value(cg.x), atol=1e-4 * np.abs(value(cg.x)).max())


def test_kernels_by_hand_give_a_sweep_of_damped_jacobi_on_every_level() -> None:
    """On a box all diagonals are 4: pre-smoothing with 2/3 of the inverse diagonal is one kernel."""
    network = identity_network()
    with torch.no_grad():
        network.before[0].bias[4] = (2.0 / 3.0) / 4.0  # type: ignore[index,operator,union-attr]
    given = system("box", n=16)
    z = np.zeros(given.size)
    at_work(given.grid, network).apply(given.b, z)
    diagonal = matrix(given.grid).diagonal()
    expected = 2.0 / 3.0 * given.b[given.b != 0] / diagonal
    np.testing.assert_allclose(z[given.b != 0], expected, atol=1e-6)


def test_the_work_of_one_application_is_counted() -> None:
    paper = DirectionArchitecture(dim=3, **PAPER_64)  # type: ignore[arg-type]
    assert paper.multiply_adds() == pytest.approx(60_900, rel=0.01)
    assert DirectionArchitecture(dim=2, **PAPER_64).multiply_adds() == pytest.approx(22_000, rel=0.01)  # type: ignore[arg-type]
    assert StencilArchitecture(2).multiply_adds((64, 64)) == pytest.approx(35, rel=0.1)
    assert StencilArchitecture(3).multiply_adds((64, 64, 64)) == pytest.approx(75, rel=0.1)
