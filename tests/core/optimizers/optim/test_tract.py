"""TrAct's layers: plain forwards, and the weight gradient in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch_tract
from torch import nn

from core.optimizers.methods.tract import TrActConv2d, TrActLinear
from core.optimizers.optim.tract import TrActLayers, ridge


def pair(
    b: int, n: int = 8, m: int = 5, strength: float = 0.1
) -> tuple[Any, nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    ours, plain = TrActLinear(n, m, strength).double(), nn.Linear(n, m).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(b, n, dtype=torch.float64)
    return ours, plain, x, torch.randn(b, m, dtype=torch.float64)


def grads(layer: nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    layer.zero_grad()
    x = x.clone().requires_grad_()
    ((layer(x) - y) ** 2).mean().backward()  # type: ignore[no-untyped-call]
    return layer.weight.grad.clone(), layer.bias.grad.clone(), x.grad  # type: ignore[union-attr, operator, return-value]


@pytest.mark.parametrize("b", [3, 8, 30])
def test_only_the_weight_gradient_differs_and_it_is_the_dense_formula(b: int) -> None:
    ours, plain, x, y = pair(b)
    assert torch.equal(ours(x), plain(x))
    (w, bias, to_x), (w0, bias0, to_x0) = grads(ours, x, y), grads(plain, x, y)
    torch.testing.assert_close(bias, bias0, rtol=1e-14, atol=1e-16)
    torch.testing.assert_close(to_x, to_x0, rtol=1e-14, atol=1e-16)
    dense = w0 @ torch.linalg.inv(x.T @ x / b + 0.1 * torch.eye(8, dtype=torch.float64))
    torch.testing.assert_close(w, dense, rtol=1e-12, atol=1e-14)


def test_it_is_the_gradient_of_a_layer_on_transformed_inputs() -> None:
    # the oracle: run the layer on x (xᵀx/b + λI)⁻¹ and put the true values in its place
    ours, plain, x, y = pair(30)
    transformed = x @ torch.linalg.inv(x.T @ x / 30 + 0.1 * torch.eye(8, dtype=torch.float64))
    z = plain(transformed)
    z = z + (plain(x) - z).detach()
    ((z - y) ** 2).mean().backward()
    torch.testing.assert_close(grads(ours, x, y)[0], plain.weight.grad, rtol=1e-11, atol=1e-13)


def test_it_makes_the_outputs_take_the_ridge_step() -> None:
    # ΔW minimises ‖z* − (W + ΔW) x‖² + λ b ‖ΔW‖² with z* − z = −b ∇z, at rate one
    ours, plain, x, y = pair(12)
    z = plain(x).detach().requires_grad_()
    ((z - y) ** 2).mean().backward()
    target = -12 * z.grad  # type: ignore[operator]
    A = torch.cat([x, (0.1 * 12) ** 0.5 * torch.eye(8, dtype=torch.float64)])
    rhs = torch.cat([target, torch.zeros(8, 5, dtype=torch.float64)])
    solution = torch.linalg.lstsq(A, rhs).solution.T
    torch.testing.assert_close(-grads(ours, x, y)[0], solution, rtol=1e-11, atol=1e-13)


def test_the_golden_values_of_the_official_package_come_out() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(30, 8), torch.randn(30, 5)
    layer = TrActLinear(8, 5, 0.1)
    ((layer(x) - y) ** 2).mean().backward()  # type: ignore[no-untyped-call]
    first = [0.0741, 0.0949, -0.0559, -0.0398, -0.1364, 0.0013, 0.1603, -0.0468]
    bias = [-0.1162, 0.1062, -0.1275, -0.0206, -0.1149]
    np.testing.assert_allclose(layer.weight.grad[0].numpy(), first, atol=5.1e-5)  # type: ignore[index]
    np.testing.assert_allclose(layer.bias.grad.numpy(), bias, atol=5.1e-5)  # type: ignore[union-attr]


@pytest.mark.parametrize("b", [4, 30])
def test_a_linear_layer_has_the_gradients_of_the_official_package(b: int) -> None:
    ours, _, x, y = pair(b)
    theirs = torch_tract.TrActLinear(8, 5, 0.1).double()
    theirs.load_state_dict(ours.state_dict())
    for mine, official in zip(grads(ours, x, y), grads(theirs, x, y), strict=True):
        torch.testing.assert_close(mine, official, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("settings", [{}, {"stride": 2, "padding": 1}])
def test_a_convolution_has_the_gradients_of_the_official_package(settings: dict[str, int]) -> None:
    torch.manual_seed(0)
    ours = TrActConv2d(2, 3, 3, 0.1, **settings).double()
    theirs = torch_tract.TrActConv2d(2, 3, 3, lambda_=0.1, **settings).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(5, 2, 9, 8, dtype=torch.float64)
    y = torch.randn_like(ours(x))
    for mine, official in zip(grads(ours, x, y), grads(theirs, x, y), strict=True):
        torch.testing.assert_close(mine, official, rtol=1e-10, atol=1e-13)


def test_a_networks_first_convolution_has_the_gradient_of_the_official_package() -> None:
    torch.manual_seed(2)
    theirs = torch_tract.TrActConv2d(1, 16, 3, lambda_=0.1, padding=1, bias=False).double()
    weight = theirs.weight.detach().clone().requires_grad_()
    x, weights = torch.randn(6, 1, 8, 8, dtype=torch.float64), torch.randn(6, 16, 8, 8, dtype=torch.float64)
    (TrActLayers(0.1).conv2d(x, weight, 1) * weights).mean().backward()  # type: ignore[no-untyped-call]
    (theirs(x) * weights).mean().backward()
    torch.testing.assert_close(weight.grad, theirs.weight.grad, rtol=1e-10, atol=1e-14)


def test_the_limits_of_the_ridge() -> None:
    gradient, x = torch.randn(30, 5, dtype=torch.float64), torch.randn(30, 8, dtype=torch.float64)
    plain = gradient.T @ x
    torch.testing.assert_close(1e6 * ridge(gradient, x, 1e6), plain, rtol=1e-5, atol=1e-5)
    fit = torch.linalg.lstsq(x, 30 * gradient).solution.T
    torch.testing.assert_close(ridge(gradient, x, 1e-6), fit, rtol=1e-4, atol=1e-5)
    white = torch.linalg.qr(x).Q * 30**0.5
    torch.testing.assert_close(ridge(gradient, white, 0.1), gradient.T @ white / 1.1, rtol=1e-10, atol=1e-12)
    moved = ridge(gradient, x, 0.1) @ x.T
    scaled = ridge(gradient, 7 * x, 49 * 0.1) @ (7 * x).T
    torch.testing.assert_close(scaled, moved, rtol=1e-10, atol=1e-12)
    assert not ridge(torch.zeros(30, 5, dtype=torch.float64), x, 0.1).any()
    stationary = gradient - x @ torch.linalg.lstsq(x, gradient).solution
    assert ridge(stationary, x, 0.1).abs().max() < 1e-12


def test_more_axes_of_a_linear_layer_are_samples() -> None:
    ours, _, x, y = pair(30)
    flat = grads(ours, x, y)
    deep = grads(ours, x.view(5, 6, 8), y.view(5, 6, 5))
    torch.testing.assert_close(deep[0], flat[0], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(deep[2].view(30, 8), flat[2], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "settings",
    [{}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"padding": "same"}, {"padding": "valid"},
     {"stride": (2, 1), "padding": (0, 2)}],
)  # fmt: skip
def test_a_convolution_is_a_linear_layer_on_its_patches(settings: dict[str, Any]) -> None:
    torch.manual_seed(1)
    ours = TrActConv2d(2, 3, 3, 0.1, **settings).double()
    plain = nn.Conv2d(2, 3, 3, **settings).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(4, 2, 7, 6, dtype=torch.float64)
    assert torch.equal(ours(x), plain(x))
    weights = torch.randn_like(plain(x))
    found, expected = [], []
    for layer, into in ((ours, found), (plain, expected)):
        inputs = x.clone().requires_grad_()
        (layer(inputs) * weights).mean().backward()
        into += [layer.weight.grad, layer.bias.grad, inputs.grad]
    for a, b in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    patches = nn.functional.unfold(
        x, 3, stride=ours.stride, padding=ours.padding, dilation=ours.dilation  # type: ignore[arg-type]
    )  # fmt: skip
    rows = patches.transpose(1, 2).reshape(-1, 18)
    moment = rows.T @ rows / len(rows) + 0.1 * torch.eye(18, dtype=torch.float64)
    dense = expected[0].view(3, 18) @ torch.linalg.inv(moment)  # type: ignore[union-attr]
    torch.testing.assert_close(found[0].view(3, 18), dense, rtol=1e-10, atol=1e-12)  # type: ignore[union-attr]


def test_what_it_cannot_do_is_refused() -> None:
    for strength in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="λ"):
            TrActLinear(3, 2, strength)
    for settings in ({"groups": 2}, {"padding_mode": "circular", "padding": 1}):
        with pytest.raises(ValueError, match="one group"):
            TrActConv2d(2, 2, 3, 0.1, **settings)
    with pytest.raises(ValueError, match="odd kernel"):
        TrActConv2d(2, 2, 2, 0.1, padding="same")
    with pytest.raises(ValueError, match="one sample"):
        ridge(torch.empty(0, 2), torch.empty(0, 3), 0.1)
    # of rank one and far from standardised: in single precision λ is lost
    bright = 1e4 * torch.linspace(1, 2, 64)[:, None] * torch.linspace(0.1, 1, 32)
    for x in (bright, bright.T):
        with pytest.raises(ValueError, match="standardise the inputs or raise λ"):
            ridge(torch.ones(len(x), 2), x, 0.1)
    layer = TrActLinear(3, 2, 0.1)
    loss = (layer(torch.randn(4, 3)) ** 2).mean()
    (gradient,) = torch.autograd.grad(loss, layer.weight, create_graph=True)
    with pytest.raises(RuntimeError):
        gradient.sum().backward()  # type: ignore[no-untyped-call]
