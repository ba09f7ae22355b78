"""TrAct: layers whose weight gradient makes the layer's *outputs* take a gradient step.

∇W := ∇_zL · xᵀ (x xᵀ/b + λ I)⁻¹ for z = W x over a batch of b columns: the ridge regression of the step −∇_zL
on the inputs. Values, bias and input gradients are those of the plain layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_input


def ridge(gradient: Tensor, x: Tensor, strength: float) -> Tensor:
    """Return gᵀ x (xᵀx/b + λ I)⁻¹ for output gradients g (b, m) and inputs x (b, n), as (m, n).

    With fewer rows than columns the equal gᵀ (x xᵀ/b + λ I)⁻¹ x is solved, the smaller of the two.

    Raises
    ------
    ValueError
        If the batch is empty, or λ drowns in the rounding of the inputs' second moment.
    """
    b, n = x.shape
    if b == 0:
        raise ValueError("TrAct needs one sample or more in a batch")
    if b < n:
        inner = x @ x.T / b
        inner.diagonal().add_(strength)
        return gradient.T @ torch.cholesky_solve(x, _factor(inner, strength))
    moment = x.T @ x / b
    moment.diagonal().add_(strength)
    return torch.cholesky_solve((gradient.T @ x).T, _factor(moment, strength)).T


def _factor(A: Tensor, strength: float) -> Tensor:
    factor: Tensor
    factor, info = torch.linalg.cholesky_ex(A)
    if info.item():
        raise ValueError(
            f"TrAct's second moment of the inputs plus λ = {strength:g} is not positive definite in "
            f"{A.dtype}; standardise the inputs or raise λ"
        )
    return factor


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, strength: float) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.strength = strength
        return functional.linear(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        rows = gradient.reshape(-1, gradient.shape[-1])
        to_x = gradient @ weight if ctx.needs_input_grad[0] else None
        to_weight = ridge(rows, x.reshape(-1, x.shape[-1]), ctx.strength)
        to_bias = rows.sum(dim=0) if ctx.needs_input_grad[2] else None
        return to_x, to_weight, to_bias, None


class _Conv2d(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, strength: float, where: dict[str, Any]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.strength, ctx.where = strength, where
        return functional.conv2d(x, weight, bias, **where)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = conv2d_input(x.shape, weight, gradient, **ctx.where)  # type: ignore[no-untyped-call]
        patches = functional.unfold(x, weight.shape[2:], **ctx.where)  # (N, C·kh·kw, L)
        rows = patches.transpose(1, 2).reshape(-1, patches.shape[1])
        outputs = gradient.flatten(2).transpose(1, 2).reshape(-1, gradient.shape[1])
        to_weight = ridge(outputs, rows, ctx.strength).view_as(weight)
        to_bias = gradient.sum(dim=(0, 2, 3)) if ctx.needs_input_grad[2] else None
        return to_x, to_weight, to_bias, None, None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, strength: float) -> Tensor:
    """Return x Wᵀ + b with TrAct's weight gradient; leading axes of x are samples."""
    result: Tensor = _Linear.apply(x, weight, bias, strength)  # type: ignore[no-untyped-call]
    return result


def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, strength: float, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Return a convolution with TrAct's weight gradient; b counts samples times output positions."""
    where = {"stride": stride, "padding": padding, "dilation": dilation}
    result: Tensor = _Conv2d.apply(x, weight, bias, strength, where)  # type: ignore[no-untyped-call]
    return result


def check_strength(strength: float) -> None:
    """Raise ValueError unless λ is a positive number."""
    if not (strength > 0 and strength < float("inf")):
        raise ValueError(f"TrAct's λ must be a positive number, not {strength!r}")


class TrActLinear(nn.Linear):
    """A first linear layer with TrAct's weight gradient; the loss must be a mean over the batch.

    Parameters
    ----------
    l : λ > 0, the ridge.
    """

    def __init__(self, in_features: int, out_features: int, l: float = 0.1, bias: bool = True) -> None:
        check_strength(l)
        super().__init__(in_features, out_features, bias)
        self.l = l

    def forward(self, input: Tensor) -> Tensor:
        """Return the plain layer's values."""
        return linear(input, self.weight, self.bias, self.l)


class TrActConv2d(nn.Conv2d):
    """A first convolution with TrAct's weight gradient; the loss must be a mean over the batch.

    Parameters
    ----------
    l : λ > 0, the ridge. Everything else as in `torch.nn.Conv2d`.

    Raises
    ------
    ValueError
        For groups, a padding mode other than zeros, or ``padding="same"`` that no equal padding gives.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, l: float = 0.1, **settings: Any
    ) -> None:
        check_strength(l)
        super().__init__(in_channels, out_channels, kernel_size, **settings)
        self.l = l
        if self.groups != 1 or self.padding_mode != "zeros":
            raise ValueError("TrAct takes convolutions with one group and zeros as padding")
        if self.padding == "valid":
            self.padding = (0, 0)
        elif self.padding == "same":
            spans = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            if any(span % 2 for span in spans):
                raise ValueError("padding 'same' needs an odd kernel here; give the padding in numbers")
            self.padding = (spans[0] // 2, spans[1] // 2)

    def forward(self, input: Tensor) -> Tensor:
        """Return the plain layer's values."""
        return conv2d(input, self.weight, self.bias, self.l, self.stride, self.padding, self.dilation)


class TrActLayers:
    """The first layer of a network of `core.optimizers.networks` with TrAct's gradient."""

    def __init__(self, strength: float) -> None:
        check_strength(strength)
        self.strength = strength

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return x Wᵀ + b."""
        return linear(x, weight, bias, self.strength)

    def conv2d(self, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        """Return the convolution with stride 1."""
        return conv2d(x, weight, None, self.strength, padding=padding)
